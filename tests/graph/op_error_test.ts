// What the builders that compute refuse, and the message they refuse with.
// Those that only move elements are in movement_error_test.ts.
import { assertEquals, assertThrows } from "@std/assert";
import type { Nested } from "../../src/array.ts";
import { broadcast, sum } from "../../src/graph/broadcast.ts";
import { einsum, matmul } from "../../src/graph/einsum.ts";
import {
  add,
  div,
  equal,
  exp,
  mul,
  neg,
  select,
  tanh,
} from "../../src/graph/elementwise.ts";
import { concatenate, reshape } from "../../src/graph/movement.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { argmax, max, mean } from "../../src/graph/reduce.ts";
import { ShapeError } from "../../src/graph/shape.ts";
import { refuses } from "./support.ts";

const graph = new Graph();
const float = (value: Nested): Node => graph.constant(value);
const int = (value: Nested): Node => graph.constant(value, "int32");
const x23 = float([[1, 2, 3], [4, 5, 6]]);
const x34 = float(Array(3).fill([1, 2, 3, 4]));

Deno.test("a ShapeError is a TypeError with a name of its own", () => {
  const error = assertThrows(() => add(x23, x34), ShapeError);
  assertEquals((error as Error).name, "ShapeError");
  assertEquals(error instanceof TypeError, true);
});

Deno.test("operands that do not broadcast are refused, naming the axis", () => {
  refuses(
    () => add(x23, x34),
    ShapeError,
    "Cannot add shapes (2, 3) and (3, 4): axis -2 has sizes 2 and 3",
  );
  refuses(
    () => mul(x34, float([1, 2])),
    ShapeError,
    "Cannot mul shapes (3, 4) and (2): axis -1 has sizes 4 and 2",
  );
  refuses(
    () => select(int([1, 0]), x23, 0),
    ShapeError,
    "Cannot select shapes (2) and (2, 3): axis -1 has sizes 2 and 3",
  );
  refuses(
    () => broadcast(x23, [3]),
    ShapeError,
    "Cannot broadcast shape (2, 3) to (3)",
  );
  refuses(
    () => broadcast(x23, [3, 3]),
    ShapeError,
    "Cannot broadcast shape (2, 3) to (3, 3)",
  );
});

Deno.test("broadcast() refuses extents that are no sizes", () => {
  for (const extent of [-3, 1.5, NaN, Infinity]) {
    refuses(
      () => broadcast(float([1]), [extent]),
      ShapeError,
      `Cannot broadcast shape (1) to (${extent})`,
    );
  }
});

Deno.test("operands of two types are refused, with the way out", () => {
  refuses(
    () => add(float(1), int(1)),
    TypeError,
    "Cannot combine float32 and int32: wanted equal dtypes, see toFloat",
  );
  refuses(
    () => equal(int(1), float(1)),
    TypeError,
    "Cannot compare int32 and float32: wanted equal dtypes",
  );
  refuses(
    () => select(int(1), float(1), int(1)),
    TypeError,
    "Cannot select float32 and int32",
  );
  refuses(
    () => select(float(1), 1, 0),
    TypeError,
    "Cannot select by a float32 condition: wanted int32",
  );
  refuses(
    () => div(int(4), int(2)),
    TypeError,
    "Cannot div int32 and int32: wanted float32",
  );
  for (const build of [neg, exp, tanh]) {
    refuses(
      () => build(int([1, 2])),
      TypeError,
      "Cannot apply a real function to int32 (2): wanted float32, see toFloat",
    );
  }
  refuses(() => sum(int([1])), TypeError, "Cannot sum int32 (1): wanted float");
  refuses(() => mean(int([1])), TypeError, "Cannot sum int32 (1): wanted");
});

Deno.test("numbers alone, and what is no node, are refused", () => {
  refuses(
    () => add(1, 2),
    TypeError,
    "Cannot add numbers alone: wanted at least one node",
  );
  refuses(
    () => mul(x23, "2" as never),
    TypeError,
    'Cannot mul "2": wanted a node or a number',
  );
  refuses(
    () => add(x23, null as never),
    TypeError,
    "Cannot add null: wanted a node or a number",
  );
  refuses(
    () => add(x23, { data: [1] } as never),
    TypeError,
    "Cannot add a value of type Object: wanted a node or a number",
  );
  refuses(
    () => add(int(1), 0.5),
    RangeError,
    "Cannot read constant: found 0.5, wanted a 32-bit integer",
  );
});

Deno.test("nodes of two graphs are refused", () => {
  const other = new Graph().input("x", [2, 3]);
  const builds = [
    () => add(x23, other),
    () => mul(other, x23),
    () => matmul(x23, other, { transposeB: true }),
    () => concatenate([x23, other]),
    () => select(int(1), other, x23),
  ];
  for (const build of builds) {
    const error = assertThrows(build, TypeError) as Error;
    assertEquals(
      / to nodes of two graphs: \w+ \(node/.test(error.message),
      true,
    );
  }
});

Deno.test("matmul() refuses inner sizes that differ, and vectors", () => {
  refuses(
    () => matmul(x23, x23),
    ShapeError,
    "Cannot multiply (2, 3) by (2, 3): inner sizes are 3 and 2",
  );
  refuses(
    () => matmul(x23, x34, { transposeA: true }),
    ShapeError,
    "Cannot multiply (2, 3) by (3, 4): inner sizes are 2 and 3",
  );
  refuses(
    () => matmul(x23, x34, { transposeB: true }),
    ShapeError,
    "Cannot multiply (2, 3) by (3, 4): inner sizes are 3 and 4",
  );
  refuses(
    () => matmul(float([1]), x23),
    ShapeError,
    "Cannot multiply (1) by (2, 3): wanted two axes or more each",
  );
  refuses(
    () => matmul(int([[1]]), int([[1]])),
    TypeError,
    "Cannot multiply int32 (1, 1) by int32 (1, 1): wanted float32, see toFl",
  );
  const stack = reshape(x23, [2, 1, 3]);
  const other = broadcast(float(1), [3, 3, 1]);
  refuses(
    () => matmul(stack, other),
    ShapeError,
    "Cannot multiply (2, 1, 3) by (3, 3, 1): the sizes of",
  );
});

Deno.test("einsum() refuses equations it cannot read", () => {
  for (
    const equation of [
      "ij,jk",
      "ij->ij",
      "ij,jk->ik->",
      "ii,ij->j",
      "ij,jk->il",
      "ij,jk->ii",
      "Ij,jk->Ik",
      "",
    ]
  ) {
    refuses(
      () => einsum(equation, x23, x34),
      TypeError,
      `Cannot read the equation "${equation}": wanted "a,b->out"`,
    );
  }
  refuses(
    () => einsum("ij,kj->ik", x23, x34),
    ShapeError,
    'Cannot multiply (2, 3) by (3, 4): the sizes of "j" in "ij,kj" are 3 and 4',
  );
  refuses(
    () => einsum("i,ij->j", x23, x34),
    ShapeError,
    'Cannot multiply float32 (2, 3) under the labels "i": wanted float32, ' +
      "one axis for each label",
  );
});

Deno.test("axes out of range, named twice or no array are refused", () => {
  const reductions = { "sum over": sum, "take the max over": max };
  for (const [action, build] of Object.entries(reductions)) {
    refuses(
      () => build(x23, [2]),
      ShapeError,
      `Cannot ${action} axis 2 of 2 axes: wanted an integer from -2 to 1`,
    );
    refuses(() => build(x23, [-3]), ShapeError, `Cannot ${action} axis -3 of`);
    refuses(() => build(x23, [0.5]), ShapeError, `Cannot ${action} axis 0.5`);
    refuses(
      () => build(x23, [1, -1]),
      ShapeError,
      `Cannot ${action} axis -1 twice`,
    );
    refuses(
      () => build(x23, 1 as never),
      ShapeError,
      `Cannot ${action} 1: wanted an array of axes`,
    );
  }
  refuses(() => mean(x23, [2]), ShapeError, "Cannot sum over axis 2 of 2");
  refuses(() => argmax(x23, [2]), ShapeError, "Cannot take the argmax over");
  refuses(() => sum(float(1), [0]), ShapeError, "Cannot sum over axis 0 of 0");
});

Deno.test("max, argmax and mean of no elements are refused", () => {
  const none = new Graph().input("none", [2, 0, 3]);
  for (const [name, build] of Object.entries({ max, argmax, mean })) {
    refuses(
      () => build(none, [1]),
      ShapeError,
      `Cannot take the ${name} of no elements: shape (2, 0, 3) over axes (1)`,
    );
    refuses(() => build(none), ShapeError, `Cannot take the ${name} of no`);
    assertEquals(build(none, [2]).shape, [2, 0]);
  }
  refuses(() => mean(none, [-2]), ShapeError, "Cannot take the mean of no");
});
