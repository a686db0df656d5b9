/**
 * Products of two arrays over named axes, and the matrix product among them.
 * Every gradient of a product is a product of the same kind, and labels let
 * the compiler regroup chains of products without looking through reshapes.
 */
import { formatShape, type NDArray, sizeOf } from "../array.ts";
import { sum } from "./broadcast.ts";
import type { Node, OpAttrs } from "./node.ts";
import { apply, type OpFamily } from "./op.ts";
import { ShapeError, stridesOf } from "./shape.ts";

/** The op record. */
export const EINSUM: OpFamily<"einsum"> = {
  einsum: {
    infer([a, b], { labels }) {
      const extents = extentsOf(a!, b!, labels);
      const shape = Array.from(labels.out, (label) => extents.get(label)!);
      return { shape, dtype: "float32" };
    },
    vjp: (dy, { inputs: [a, b], attrs: { labels } }) => [
      product(dy, b!, labels.out, labels.b, labels.a),
      product(dy, a!, labels.out, labels.a, labels.b),
    ],
    evaluate: ([a, b], out, { labels }) => evaluate(a!, b!, out, labels),
  },
};

type Labels = OpAttrs["einsum"]["labels"];

/** The size that each label stands for. */
function extentsOf(a: Node, b: Node, labels: Labels): Map<string, number> {
  const extents = new Map<string, number>();
  const sides = [[a, labels.a], [b, labels.b]] as const;
  for (const [node, own] of sides) {
    if (node.dtype !== "float32" || node.shape.length !== own.length) {
      throw new ShapeError(
        `Cannot multiply ${node.dtype} ${formatShape(node.shape)} under the ` +
          `labels "${own}": wanted float32, one axis for each label`,
      );
    }
    for (const [axis, label] of [...own].entries()) {
      const extent = node.shape[axis]!;
      const known = extents.get(label) ?? extent;
      if (known !== extent) {
        throw new ShapeError(
          `Cannot multiply ${formatShape(a.shape)} by ` +
            `${formatShape(b.shape)}: the sizes of "${label}" in ` +
            `"${labels.a},${labels.b}" are ${known} and ${extent}`,
        );
      }
      extents.set(label, extent);
    }
  }
  return extents;
}

/** The axes of a product by the role they play. */
export interface ProductRoles {
  /** In both operands and the result. */
  readonly batch: string;
  /** In the left operand and the result. */
  readonly m: string;
  /** In the right operand and the result. */
  readonly n: string;
  /** In both operands, summed over. */
  readonly k: string;
}

/** Sorts the labels of a product by role; each in the result's, then a's order. */
export function rolesOf({ a, b, out }: Labels): ProductRoles {
  const keep = (from: string, test: (label: string) => boolean): string =>
    [...from].filter(test).join("");
  return {
    batch: keep(out, (label) => a.includes(label) && b.includes(label)),
    m: keep(out, (label) => !b.includes(label)),
    n: keep(out, (label) => !a.includes(label)),
    k: keep(a, (label) => !out.includes(label)),
  };
}

/** The offset of every combination of some axes of an array, row-major. */
function offsetsOf(
  labels: string,
  extents: ReadonlyMap<string, number>,
  own: string,
  shape: readonly number[],
): Int32Array {
  const strides = stridesOf(shape);
  let offsets = Int32Array.of(0);
  for (const label of labels) {
    const extent = extents.get(label)!;
    const axis = own.indexOf(label);
    const stride = axis < 0 ? 0 : strides[axis]!;
    const next = new Int32Array(offsets.length * extent);
    for (let at = 0; at < next.length; at++) {
      next[at] = offsets[Math.floor(at / extent)]! + (at % extent) * stride;
    }
    offsets = next;
  }
  return offsets;
}

function evaluate(a: NDArray, b: NDArray, out: NDArray, labels: Labels): void {
  const extents = new Map<string, number>();
  for (const [at, label] of [...labels.a].entries()) {
    extents.set(label, a.shape[at]!);
  }
  for (const [at, label] of [...labels.b].entries()) {
    extents.set(label, b.shape[at]!);
  }
  const { batch, m, n, k } = rolesOf(labels);
  const offsets = (axes: string) => ({
    a: offsetsOf(axes, extents, labels.a, a.shape),
    b: offsetsOf(axes, extents, labels.b, b.shape),
    out: offsetsOf(axes, extents, labels.out, out.shape),
  });
  const [batches, rows, columns, inner] = [batch, m, n, k].map(offsets) as [
    ReturnType<typeof offsets>,
    ReturnType<typeof offsets>,
    ReturnType<typeof offsets>,
    ReturnType<typeof offsets>,
  ];
  // Row-major doubles for b and one row of the result: quick enough for a
  // reference, and accumulation adds no rounding of its own.
  const right = new Float64Array(inner.b.length * columns.b.length);
  const row = new Float64Array(columns.out.length);
  for (let at = 0; at < batches.out.length; at++) {
    let next = 0;
    for (const p of inner.b) {
      for (const j of columns.b) {
        right[next++] = b.data[batches.b[at]! + p + j]!;
      }
    }
    for (let i = 0; i < rows.out.length; i++) {
      multiplyRow(a.data, batches.a[at]! + rows.a[i]!, inner.a, right, row);
      const base = batches.out[at]! + rows.out[i]!;
      for (let j = 0; j < row.length; j++) {
        out.data[base + columns.out[j]!] = row[j]!;
      }
    }
  }
}

function multiplyRow(
  a: NDArray["data"],
  start: number,
  inner: Int32Array,
  right: Float64Array,
  row: Float64Array,
): void {
  const n = row.length;
  row.fill(0);
  for (let p = 0; p < inner.length; p++) {
    const factor = a[start + inner[p]!]!;
    const base = p * n;
    for (let j = 0; j < n; j++) row[j]! += factor * right[base + j]!;
  }
}

/** Letters for labels, in the order in which canonical labels use them. */
const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/**
 * The node of a product whose labels are known to be sound. Labels are renamed
 * by first appearance, so that equal products are the same node.
 */
export function product(
  a: Node,
  b: Node,
  labelsA: string,
  labelsB: string,
  labelsOut: string,
): Node {
  const order = [...new Set(labelsA + labelsB)];
  const rename = (labels: string): string =>
    Array.from(labels, (label) => LETTERS[order.indexOf(label)]!).join("");
  const labels = {
    a: rename(labelsA),
    b: rename(labelsB),
    out: rename(labelsOut),
  };
  return apply(EINSUM, "einsum", [a, b], { labels });
}

/**
 * The product of two arrays over named axes, in Einstein's notation: an axis
 * that the result lacks is summed over. `einsum("bij,jk->bik", x, w)`
 * multiplies every matrix of a batch by `w`.
 *
 * @param equation One letter for every axis, `"a,b->out"`; no letter twice in
 * one array.
 * @param a float32.
 * @param b float32.
 * @returns The axes named after the arrow.
 * @throws {TypeError} If the equation is not of that form.
 * @throws {ShapeError} If a letter stands for two sizes, or an array has
 * another number of axes than letters.
 *
 * @example An outer product
 * ```ts
 * import { compile, einsum, Graph, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const x = graph.constant([1, 2]);
 * const y = graph.constant([3, 4, 5]);
 * const plan = compile({ outputs: { z: einsum("i,j->ij", x, y) } });
 * assertEquals(toNested(plan.run().z), [[3, 4, 5], [6, 8, 10]]);
 * ```
 */
export function einsum(equation: string, a: Node, b: Node): Node {
  const match = /^([a-z]*),([a-z]*)->([a-z]*)$/.exec(equation);
  const sides = match?.slice(1) ?? [];
  const [labelsA, labelsB, out] = sides as [string, string, string];
  const distinct = sides.every((own) => new Set(own).size === own.length);
  if (
    !match || !distinct ||
    [...out].some((label) =>
      !labelsA.includes(label) && !labelsB.includes(label)
    )
  ) {
    throw new TypeError(
      `Cannot read the equation "${equation}": wanted "a,b->out" with one ` +
        `letter for every axis, none twice in one array, and in the result ` +
        `only letters of a or b`,
    );
  }
  extentsOf(a, b, { a: labelsA, b: labelsB, out });
  const [left, restA] = sumAlone(a, labelsA, labelsB + out);
  const [right, restB] = sumAlone(b, labelsB, labelsA + out);
  return product(left, right, restA, restB, out);
}

/** Sums over the axes that nobody else has. */
function sumAlone(
  node: Node,
  own: string,
  others: string,
): [Node, string] {
  const alone = [...own].flatMap((label, axis) =>
    others.includes(label) ? [] : [axis]
  );
  const kept = [...own].filter((_, axis) => !alone.includes(axis)).join("");
  return [sum(node, alone), kept];
}

/** Which operands are read transposed. */
export interface MatmulOptions {
  /** Whether `a` is (…, K, M) instead of (…, M, K); not by default. */
  transposeA?: boolean;
  /** Whether `b` is (…, N, K) instead of (…, K, N); not by default. */
  transposeB?: boolean;
}

/**
 * The matrix product over the last two axes; the axes before them broadcast.
 *
 * @param a (…, M, K), or (…, K, M) with `transposeA`.
 * @param b (…, K, N), or (…, N, K) with `transposeB`.
 * @param options Which operands are read transposed.
 * @returns (…, M, N).
 * @throws {ShapeError} If an operand has fewer than two axes, or sizes do not
 * fit.
 * @throws {TypeError} If an operand is int32.
 *
 * @example Shapes
 * ```ts
 * import { Graph, matmul } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const x = graph.input("x", [8, 5, 4]);
 * const w = graph.input("w", [3, 4]);
 * assertEquals(matmul(x, w, { transposeB: true }).shape, [8, 5, 3]);
 * ```
 */
export function matmul(a: Node, b: Node, options: MatmulOptions = {}): Node {
  const { transposeA = false, transposeB = false } = options;
  const ranks = [a.shape.length, b.shape.length] as const;
  const batch = Math.max(...ranks) - 2;
  const innerA = a.shape.at(transposeA ? -2 : -1);
  const innerB = b.shape.at(transposeB ? -1 : -2);
  if (a.dtype !== "float32" || b.dtype !== "float32") {
    throw new TypeError(
      `Cannot multiply ${a.dtype} ${formatShape(a.shape)} by ${b.dtype} ` +
        `${formatShape(b.shape)}: wanted float32, see toFloat`,
    );
  }
  if (Math.min(...ranks) < 2 || innerA !== innerB) {
    throw new ShapeError(
      `Cannot multiply ${formatShape(a.shape)} by ${formatShape(b.shape)}: ` +
        (Math.min(...ranks) < 2
          ? "wanted two axes or more each"
          : `inner sizes are ${innerA} and ${innerB}`),
    );
  }
  // Labels: batch axes from the right, then m, k, n. A batch axis of size 1
  // against a larger one is dropped by summing over it.
  const letters = LETTERS.slice(0, batch);
  const own = (node: Node, other: Node): [Node, string] => {
    const lead = node.shape.length - 2;
    const repeated = [...node.shape.slice(0, lead).keys()].filter((axis) => {
      const opposite =
        other.shape[axis - node.shape.length + other.shape.length];
      return node.shape[axis] === 1 && axis - lead >= 2 - other.shape.length &&
        opposite !== 1;
    });
    const labels = letters.slice(batch - lead);
    return [
      sum(node, repeated),
      [...labels].filter((_, axis) => !repeated.includes(axis)).join(""),
    ];
  };
  const [left, batchA] = own(a, b);
  const [right, batchB] = own(b, a);
  return product(
    left,
    right,
    batchA + (transposeA ? "yx" : "xy"),
    batchB + (transposeB ? "zy" : "yz"),
    `${letters}xz`,
  );
}

/** How many multiplications and additions a product is. */
export function multiplyAdds(node: Node): number {
  if (node.op !== "einsum") return 0;
  const { a, out } = node.attrs.labels;
  const summed = [...a].reduce(
    (size, label, axis) =>
      out.includes(label) ? size : size * node.inputs[0]!.shape[axis]!,
    1,
  );
  return sizeOf(node.shape) * summed;
}
