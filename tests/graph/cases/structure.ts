// Cases of operations that move, repeat, reduce, multiply and look up.
import { broadcast, sum } from "../../../src/graph/broadcast.ts";
import { einsum, matmul } from "../../../src/graph/einsum.ts";
import { gather, scatterAdd } from "../../../src/graph/indexing.ts";
import {
  concatenate,
  pad,
  reshape,
  slice,
  transpose,
} from "../../../src/graph/movement.ts";
import type { Node } from "../../../src/graph/node.ts";
import { argmax, max, mean } from "../../../src/graph/reduce.ts";
import type { Shape } from "../../../src/graph/shape.ts";
import {
  type CaseInput,
  distinct,
  exactly,
  integers,
  type OpCase,
  opCase,
  uniform,
} from "./case.ts";

/** The same movement of float32 and of int32. */
function moved(
  op: string,
  name: string,
  shapes: readonly Shape[],
  build: (...xs: Node[]) => Node,
): OpCase[] {
  return [
    opCase(op, name, shapes.map((shape) => uniform(shape)), build),
    opCase(
      op,
      `${name}, int32`,
      shapes.map((shape) => integers(shape, -99, 99)),
      build,
    ),
  ];
}

const MOVEMENT_CASES: readonly OpCase[] = [
  ...moved("reshape", "(3, 4) to (4, 3)", [[3, 4]], (x) => reshape(x, [4, 3])),
  ...moved("reshape", "(5) to (1, 5, 1)", [[5]], (x) => reshape(x, [1, 5, 1])),
  ...moved("reshape", "(1) to ()", [[1]], (x) => reshape(x, [])),
  ...moved("reshape", "with -1", [[4, 3, 5]], (x) => reshape(x, [-1, 5])),
  ...moved("transpose", "a matrix", [[3, 4]], (x) => transpose(x)),
  ...moved(
    "transpose",
    "(2, 0, 1)",
    [[3, 4, 5]],
    (x) => transpose(x, [2, 0, 1]),
  ),
  ...moved(
    "transpose",
    "(1, 2, 0)",
    [[3, 1, 5]],
    (x) => transpose(x, [1, 2, 0]),
  ),
  ...moved(
    "transpose",
    "rank 4",
    [[3, 1, 4, 5]],
    (x) => transpose(x, [0, -1, 1, 2]),
  ),
  ...moved("slice", "a row", [[3, 4]], (x) => slice(x, [1, 0], [2, 4])),
  ...moved("slice", "a column", [[5, 4]], (x) => slice(x, [0, 3])),
  ...moved(
    "slice",
    "a block",
    [[3, 4, 5]],
    (x) => slice(x, [1, 1, -4], [3, 3, -1]),
  ),
  ...moved("slice", "an end", [[5]], (x) => slice(x, [-1])),
  ...moved("slice", "nothing", [[3, 4]], (x) => slice(x, [1, 2], [1, 4])),
  ...moved("pad", "both sides", [[3, 4]], (x) => pad(x, [1, 2], [3, 0])),
  ...moved("pad", "before", [[5]], (x) => pad(x, [1], [0])),
  ...moved("pad", "rank 3", [[1, 3, 4]], (x) => pad(x, [0, 1, 0], [4, 0, 1])),
  ...moved(
    "concatenate",
    "last axis",
    [[3, 4], [3, 1], [3, 5]],
    (...xs) => concatenate(xs),
  ),
  ...moved(
    "concatenate",
    "first axis",
    [[1, 4], [3, 4]],
    (...xs) => concatenate(xs, 0),
  ),
  ...moved(
    "concatenate",
    "middle axis",
    [[3, 1, 5], [3, 4, 5]],
    (...xs) => concatenate(xs, 1),
  ),
  ...moved("concatenate", "vectors", [[5], [1]], (...xs) => concatenate(xs)),
  ...moved("concatenate", "the same twice", [[3]], (x) => concatenate([x, x])),
  ...moved("broadcast", "() to (3, 4)", [[]], (x) => broadcast(x, [3, 4])),
  ...moved("broadcast", "(4) to (3, 4)", [[4]], (x) => broadcast(x, [3, 4])),
  ...moved(
    "broadcast",
    "(3, 1) to (3, 5)",
    [[3, 1]],
    (x) => broadcast(x, [3, 5]),
  ),
  ...moved(
    "broadcast",
    "(1, 4, 1) to (5, 4, 3)",
    [[1, 4, 1]],
    (x) => broadcast(x, [5, 4, 3]),
  ),
  ...moved("broadcast", "(1) to (1, 1)", [[1]], (x) => broadcast(x, [1, 1])),
];

type Reduction = (
  x: Node,
  axes?: readonly number[],
  keepDims?: boolean,
) => Node;

/** Every kind of axes, with and without keepDims. */
function reduced(
  op: string,
  build: Reduction,
  draw: (shape: Shape) => CaseInput,
  differentiable?: readonly number[],
): OpCase[] {
  const axes: readonly (readonly [Shape, readonly number[] | undefined])[] = [
    [[3, 4], undefined],
    [[], undefined],
    [[5], [0]],
    [[3, 4], [0]],
    [[3, 4], [-1]],
    [[3, 1, 5], [1]],
    [[3, 4, 5], [0, 2]],
    [[3, 4, 5], [1, 0]],
    [[4, 3, 1, 5], [-3, -1]],
  ];
  return axes.flatMap(([shape, over]) =>
    [false, true].map((keepDims) =>
      opCase(
        op,
        `(${shape}) over ${over ?? "all"}${keepDims ? ", kept" : ""}`,
        [draw(shape)],
        (x) => build(x, over, keepDims),
        differentiable,
      )
    )
  );
}

const few = (shape: Shape): CaseInput => integers(shape, -2, 3);
const SPECIAL = exactly(
  [4, 3],
  [1, NaN, 2, -Infinity, -Infinity, -Infinity, NaN, 0, -0, Infinity, 1, -1],
);

const REDUCTION_CASES: readonly OpCase[] = [
  ...reduced("sum", sum, uniform),
  ...reduced("mean", mean, uniform),
  ...reduced("max", max, distinct),
  ...reduced("max", max, few).map((c) => ({ ...c, name: `int32 ${c.name}` })),
  ...reduced("argmax", argmax, distinct, []),
  ...reduced("argmax", argmax, few).map((c) => ({
    ...c,
    name: `with ties ${c.name}`,
  })),
  ...[sum, max, argmax].map((build) =>
    opCase(build.name, "special values", [SPECIAL], (x) => build(x, [1]), [])
  ),
];

/** All transpositions of (batchA, M, K) by (batchB, K, N). */
function products(batchA: Shape, batchB: Shape, [m, k, n]: Shape): OpCase[] {
  return [false, true].flatMap((transposeA) =>
    [false, true].map((transposeB) => {
      const a = [...batchA, ...(transposeA ? [k!, m!] : [m!, k!])];
      const b = [...batchB, ...(transposeB ? [n!, k!] : [k!, n!])];
      const name = `(${a})${transposeA ? "'" : ""} by ` +
        `(${b})${transposeB ? "'" : ""}`;
      return opCase(
        "matmul",
        name,
        [uniform(a), uniform(b)],
        (x, y) => matmul(x, y, { transposeA, transposeB }),
      );
    })
  );
}

const MATMUL_CASES: readonly OpCase[] = [
  ...products([], [], [3, 4, 5]),
  ...products([], [], [1, 3, 1]),
  ...products([], [], [4, 1, 5]),
  ...products([3], [3], [4, 5, 1]),
  ...products([3], [], [4, 5, 3]),
  ...products([], [4], [3, 1, 5]),
  ...products([3, 1], [4], [1, 5, 3]),
  ...products([1], [5], [3, 3, 4]),
  ...products([4, 3], [], [1, 4, 3]),
  opCase(
    "matmul",
    "by itself transposed",
    [uniform([3, 4])],
    (x) => matmul(x, x, { transposeB: true }),
  ),
];

const EINSUM_CASES: readonly OpCase[] = [
  ["ij,jk->ik", [3, 4], [4, 5]],
  ["ij,jk->ki", [3, 4], [4, 1]],
  ["i,j->ij", [3], [5]],
  ["i,i->", [4], [4]],
  ["i,i->i", [5], [5]],
  [",->", [], []],
  [",ij->ji", [], [3, 4]],
  ["bij,bjk->bik", [3, 4, 5], [3, 5, 1]],
  ["bij,jk->bik", [4, 3, 1], [1, 5]],
  ["ijk,kij->j", [3, 4, 5], [5, 3, 4]],
  ["ij,kj->ki", [5, 4], [3, 4]],
  ["bhqd,bkhd->bqhk", [1, 3, 4, 5], [1, 3, 3, 5]],
  // Axes that nobody else has.
  ["ij,k->i", [3, 4], [5]],
  ["ij,jk->", [1, 3], [3, 4]],
].map(([equation, a, b]) =>
  opCase(
    "einsum",
    equation as string,
    [uniform(a as Shape), uniform(b as Shape)],
    (x, y) => einsum(equation as string, x, y),
  )
);

const INDEXING_CASES: readonly OpCase[] = [
  opCase("gather", "rows", [uniform([5, 3]), integers([4], 0, 5)], gather),
  opCase(
    "gather",
    "of a vector",
    [uniform([5]), integers([3, 4], 0, 5)],
    gather,
  ),
  opCase(
    "gather",
    "by a scalar",
    [uniform([3, 4]), integers([], 0, 3)],
    gather,
  ),
  opCase(
    "gather",
    "matrices",
    [uniform([4, 3, 1]), integers([5, 1], 0, 4)],
    gather,
  ),
  opCase(
    "gather",
    "of one row",
    [uniform([1, 5]), integers([3], 0, 1)],
    gather,
  ),
  opCase(
    "gather",
    "int32",
    [integers([5, 3], -9, 9), integers([4], 0, 5)],
    gather,
  ),
  opCase(
    "scatterAdd",
    "rows",
    [integers([4], 0, 5), uniform([4, 3])],
    (i, x) => scatterAdd(i, x, 5),
  ),
  opCase("scatterAdd", "into a vector", [
    integers([3, 4], 0, 5),
    uniform([3, 4]),
  ], (i, x) => scatterAdd(i, x, 5)),
  opCase(
    "scatterAdd",
    "by a scalar",
    [integers([], 0, 3), uniform([4])],
    (i, x) => scatterAdd(i, x, 3),
  ),
  opCase("scatterAdd", "matrices", [
    integers([5, 1], 0, 4),
    uniform([5, 1, 3, 4]),
  ], (i, x) => scatterAdd(i, x, 4)),
  opCase("scatterAdd", "all into one row", [
    integers([5], 0, 1),
    uniform([5, 3]),
  ], (i, x) => scatterAdd(i, x, 1)),
];

/** Cases of the operations with structure. */
export const STRUCTURE_CASES: readonly OpCase[] = [
  ...MOVEMENT_CASES,
  ...REDUCTION_CASES,
  ...MATMUL_CASES,
  ...EINSUM_CASES,
  ...INDEXING_CASES,
];
