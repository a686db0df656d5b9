// What the builders that move and look up elements refuse, with its message.
import { assertEquals, assertThrows } from "@std/assert";
import type { Nested } from "../../src/array.ts";
import { gather, scatterAdd } from "../../src/graph/indexing.ts";
import { iota } from "../../src/graph/leaves.ts";
import {
  concatenate,
  pad,
  reshape,
  slice,
  transpose,
} from "../../src/graph/movement.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { ShapeError } from "../../src/graph/shape.ts";
import { nested, refuses } from "./support.ts";

const graph = new Graph();
const float = (value: Nested): Node => graph.constant(value);
const int = (value: Nested): Node => graph.constant(value, "int32");
const x23 = float([[1, 2, 3], [4, 5, 6]]);
const x34 = float(Array(3).fill([1, 2, 3, 4]));

Deno.test("reshape() refuses another number of elements", () => {
  refuses(
    () => reshape(x23, [4, 2]),
    ShapeError,
    "Cannot reshape (2, 3) to (4, 2): 6 elements against 8",
  );
  const sizes = "wanted non-negative integers, at most one of them -1";
  refuses(
    () => reshape(x23, [4, -1]),
    ShapeError,
    `Cannot reshape (2, 3) to (4, 1.5): ${sizes}`,
  );
  refuses(() => reshape(x23, [-1, -1]), ShapeError, "Cannot reshape (2, 3) to");
  refuses(() => reshape(x23, [-2, -3]), ShapeError, "Cannot reshape (2, 3) to");
  refuses(() => reshape(x23, [0, -1]), ShapeError, "Cannot reshape (2, 3) to");
});

Deno.test("transpose() refuses what is no permutation of the axes", () => {
  refuses(
    () => transpose(x23, [0]),
    ShapeError,
    "Cannot transpose (2, 3) by (0): wanted 2 axes",
  );
  refuses(
    () => transpose(x23, [0, 0]),
    ShapeError,
    "Cannot transpose axis 0 t",
  );
  refuses(
    () => transpose(x23, [0, 2]),
    ShapeError,
    "Cannot transpose axis 2 of 2 axes: wanted an integer from -2 to 1",
  );
});

Deno.test("slice() refuses a block that is not inside", () => {
  const blocks: readonly (readonly [number[], number[]?])[] = [
    [[0, 0], [2, 4]],
    [[0, 2], [2, 1]],
    [[-3, 0]],
    [[0]],
    [[0, 0, 0]],
    [[0, 0], [2]],
    [[0.5, 0]],
    [[0, NaN]],
  ];
  for (const [start, end = [2, 3]] of blocks) {
    refuses(
      () => slice(x23, start, end),
      ShapeError,
      `Cannot slice (2, 3) from (${start.join(", ")}) to (${
        end.join(", ")
      }): wanted a block inside it`,
    );
  }
});

Deno.test("pad() refuses counts that are negative, fractional or too few", () => {
  const counts = [[[-1, 0], [0, 0]], [[0, 0], [0.5, 0]], [[0], [0, 0]], [[
    0,
    0,
  ], [1]]] as const;
  for (const [before, after] of counts) {
    refuses(
      () => pad(x23, before, after),
      ShapeError,
      `Cannot pad (2, 3) by (${before.join(", ")}) and (${after.join(", ")})`,
    );
  }
});

Deno.test("concatenate() refuses values that do not line up", () => {
  refuses(
    () => concatenate([x23, x34]),
    ShapeError,
    "Cannot concatenate float32 (2, 3) and float32 (3, 4) along axis 1: all " +
      "else must be equal",
  );
  refuses(
    () => concatenate([x23, float([1])], 0),
    ShapeError,
    "Cannot concatenate float32 (2, 3) and float32 (1) along axis 0",
  );
  refuses(
    () => concatenate([x23, int([[1], [2]])]),
    ShapeError,
    "Cannot concatenate float32 (2, 3) and int32 (2, 1) along axis 1",
  );
  refuses(
    () => concatenate([]),
    ShapeError,
    "Cannot concatenate no values: wanted at least one",
  );
  refuses(
    () => concatenate([x23], 2),
    ShapeError,
    "Cannot concatenate along axis 2 of 2 axes",
  );
  refuses(
    () => concatenate([float(1), float(2)]),
    ShapeError,
    "Cannot concatenate along axis -1 of 0 axes",
  );
});

Deno.test("gather() and scatterAdd() refuse indices that are no integers", () => {
  refuses(
    () => gather(x23, float([0])),
    TypeError,
    "Cannot gather by float32 indices: wanted int32",
  );
  refuses(
    () => scatterAdd(float([0]), float([1]), 2),
    TypeError,
    "Cannot scatter-add by float32 indices: wanted int32",
  );
  refuses(
    () => gather(float(1), int([0])),
    ShapeError,
    "Cannot gather from a scalar: wanted a table of one axis or more",
  );
  refuses(
    () => scatterAdd(int([0, 1, 2]), x23, 3),
    ShapeError,
    "Cannot scatter-add float32 (2, 3) by indices of shape (3)",
  );
  refuses(
    () => scatterAdd(int([0]), int([1]), 3),
    ShapeError,
    "Cannot scatter-add int32 (1) by indices of shape (1)",
  );
  for (const rows of [-1, 1.5]) {
    refuses(
      () => scatterAdd(int([0]), float([1]), rows),
      ShapeError,
      `Cannot scatter-add into ${rows} rows: wanted a non-negative integer`,
    );
  }
});

Deno.test("an index outside its table stops the run, naming its place", () => {
  const indices = int([[0, 1], [3, 0]]);
  refuses(
    () => nested(gather(float([1, 2, 3]), indices)),
    RangeError,
    "Cannot gather row 3 at index [1][0]: wanted 0 to 2",
  );
  refuses(
    () => nested(gather(float([1, 2, 3]), int(-1))),
    RangeError,
    "Cannot gather row -1: wanted 0 to 2",
  );
  refuses(
    () => nested(scatterAdd(indices, float([[1, 2], [3, 4]]), 3)),
    RangeError,
    "Cannot scatter-add row 3 at index [1][0]: wanted 0 to 2",
  );
});

Deno.test("iota() refuses what is no size", () => {
  for (const size of [-1, 0.5, NaN]) {
    refuses(
      () => iota(x23, size),
      ShapeError,
      `Cannot count to ${size}: wanted a non-negative integer`,
    );
  }
});

Deno.test("a graph refuses names taken or empty, and shapes that are none", () => {
  const own = new Graph();
  own.input("x", [1]);
  own.variable("w", [1]);
  const taken = (op: string, name: string, kind: string): string =>
    `Cannot name ${op} "${name}": the graph has ${kind} "${name}" already`;
  refuses(() => own.input("x", [1]), TypeError, taken("input", "x", "input"));
  refuses(
    () => own.input("w", [1]),
    TypeError,
    taken("input", "w", "variable"),
  );
  refuses(
    () => own.variable("x", 1),
    TypeError,
    taken("variable", "x", "input"),
  );
  refuses(
    () => own.input("", [1]),
    TypeError,
    'Cannot name input: found "", wanted a non-empty string',
  );
  refuses(
    () => own.variable(3 as never, 1),
    TypeError,
    "Cannot name variable:",
  );
  for (const shape of [[-1], [1.5], [2 ** 30, 2 ** 30], 3 as never]) {
    refuses(
      () => own.input("y", shape),
      ShapeError,
      `Cannot give input "y" the shape (${shape}): wanted non-negative`,
    );
  }
  refuses(
    () => own.variable("v", [[1], [2, 3]]),
    TypeError,
    "Cannot read v[1]: found an array of 2, wanted an array of 1",
  );
  refuses(
    () => own.variable("v", [0.5], "int32"),
    RangeError,
    "Cannot read v[0]: found 0.5, wanted a 32-bit integer",
  );
  const other = "int64" as "int32";
  for (
    const build of [
      () => own.input("v", [2], other),
      () => own.variable("v", [1, 2], other),
      () => own.constant([1, 2], other),
    ]
  ) {
    refuses(build, TypeError, "Cannot give ");
    assertThrows(build, TypeError, 'the dtype "int64": wanted "float32" or');
  }
  // None of these left anything behind.
  assertEquals(own.nodes.map(({ op }) => op), ["input", "variable"]);
});
