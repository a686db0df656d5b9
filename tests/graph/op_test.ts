// The value of every operation against small truths written by hand, NumPy's
// rules in particular. Refusals are in op_error_test.ts.
import { assertEquals } from "@std/assert";
import type { Nested } from "../../src/array.ts";
import { toNested } from "../../src/array.ts";
import { broadcast, sum } from "../../src/graph/broadcast.ts";
import { einsum, matmul } from "../../src/graph/einsum.ts";
import {
  abs,
  add,
  div,
  equal,
  exp,
  greater,
  greaterEqual,
  less,
  lessEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  select,
  sigmoid,
  sqrt,
  stopGradient,
  sub,
  tanh,
  toFloat,
  toInt,
} from "../../src/graph/elementwise.ts";
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
import { argmax, max, mean } from "../../src/graph/reduce.ts";
import { assertClose, evaluate, nested } from "./support.ts";

const INF = Infinity;
const MIN = -(2 ** 31);
const MAX = 2 ** 31 - 1;

const graph = new Graph();
const float = (value: Nested): Node => graph.constant(value);
const int = (value: Nested): Node => graph.constant(value, "int32");

/** A float32 constant without elements. */
function empty(...shape: number[]): Node {
  return graph.constant({ data: new Float32Array(0), shape });
}

Deno.test("arithmetic follows IEEE 754, division by zero included", () => {
  const a = float([1, -1, 0, 6]);
  const b = float([0, 0, 0, 4]);
  assertEquals(nested(add(a, b)), [1, -1, 0, 10]);
  assertEquals(nested(sub(a, b)), [1, -1, 0, 2]);
  assertEquals(nested(mul(a, b)), [0, 0, 0, 24]);
  assertEquals(nested(div(a, b)), [INF, -INF, NaN, 1.5]);
  assertEquals(nested(mul(float([INF, NaN]), 0)), [NaN, NaN]);
  assertEquals(nested(neg(float([2, -INF]))), [-2, INF]);
  assertEquals(nested(abs(float([-2, 0, INF, NaN]))), [2, 0, INF, NaN]);
});

Deno.test("int32 arithmetic wraps around as in C", () => {
  assertEquals(nested(add(int([MAX, 3]), 1)), [MIN, 4]);
  assertEquals(nested(sub(int([MIN, 3]), 1)), [MAX, 2]);
  // 123456789 * 987654321 has no exact double.
  assertEquals(nested(mul(int([123456789, -7]), int([987654321, 6]))), [
    Math.imul(123456789, 987654321),
    -42,
  ]);
  assertEquals(nested(maximum(int([MIN, 3]), 0)), [0, 3]);
  assertEquals(nested(minimum(int([MIN, 3]), 0)), [MIN, 0]);
});

Deno.test("functions of a real number have their limits and their NaN", () => {
  const e = Math.E;
  assertEquals(nested(exp(float([0, 1, -INF, INF, NaN]))), [1, e, 0, INF, NaN]);
  assertEquals(nested(log(float([1, 0, INF, -1]))), [0, -INF, INF, NaN]);
  assertEquals(nested(sqrt(float([4, 0, INF, -1]))), [2, 0, INF, NaN]);
  assertEquals(nested(tanh(float([0, INF, -INF, NaN]))), [0, 1, -1, NaN]);
  assertEquals(nested(sigmoid(float([0, 1000, -1000, NaN]))), [0.5, 1, 0, NaN]);
  assertClose(
    evaluate(tanh(float([0.5]))).data,
    [0.46211715726],
    1e-11,
    "tanh",
  );
  const third = evaluate(sigmoid(float([-Math.log(2)]))).data;
  assertClose(third, [1 / 3], 1e-15, "sigmoid");
});

Deno.test("maximum and minimum give NaN where either is NaN", () => {
  const a = float([1, NaN, 2, -INF]);
  const b = float([3, 1, NaN, INF]);
  assertEquals(nested(maximum(a, b)), [3, NaN, NaN, INF]);
  assertEquals(nested(minimum(a, b)), [1, NaN, NaN, -INF]);
});

Deno.test("comparisons give int32, and NaN compares with nothing", () => {
  const a = float([1, 2, 3, NaN]);
  const b = float([2, 2, 2, NaN]);
  assertEquals(less(a, b).dtype, "int32");
  assertEquals(nested(equal(a, b)), [0, 1, 0, 0]);
  assertEquals(nested(less(a, b)), [1, 0, 0, 0]);
  assertEquals(nested(lessEqual(a, b)), [1, 1, 0, 0]);
  assertEquals(nested(greater(a, b)), [0, 0, 1, 0]);
  assertEquals(nested(greaterEqual(a, b)), [0, 1, 1, 0]);
  assertEquals(nested(equal(float([0]), -0)), [1]);
  assertEquals(nested(less(int([1, 2]), 2)), [1, 0]);
});

Deno.test("select() takes elements one by one, and lets no NaN through", () => {
  const condition = int([1, 0, -3]);
  assertEquals(
    nested(select(condition, float([1, NaN, 3]), float([NaN, 5, NaN]))),
    [
      1,
      5,
      3,
    ],
  );
  assertEquals(nested(select(condition, 1, 0)), [1, 0, 1]);
  assertEquals(select(condition, 1, 0).dtype, "float32");
  assertEquals(select(condition, int([4]), 0).dtype, "int32");
  assertEquals(nested(select(int([[1], [0]]), float([1, 2]), float(9))), [
    [1, 2],
    [9, 9],
  ]);
});

Deno.test("toInt() rounds towards 0 and bounds what does not fit", () => {
  const x = float([1.9, -1.9, 3e9, -3e9, INF, -INF, NaN, -0.5]);
  assertEquals(nested(toInt(x)), [1, -1, MAX, MIN, MAX, MIN, 0, 0]);
  assertEquals(toNested(evaluate(toFloat(int([7, -1])), {}, "float32")), [
    7,
    -1,
  ]);
  // What is of that type already stays the same node.
  assertEquals(toFloat(x), x);
  assertEquals(toInt(int([1])), int([1]));
  assertEquals(nested(stopGradient(float([1, NaN]))), [1, NaN]);
});

Deno.test("operands broadcast by NumPy's rules, from either side", () => {
  const row = float([1, 2, 3]);
  const column = float([[10], [20]]);
  const table = [[11, 12, 13], [21, 22, 23]];
  assertEquals(nested(add(row, column)), table);
  assertEquals(nested(add(column, row)), table);
  assertEquals(nested(sub(5, row)), [4, 3, 2]);
  assertEquals(nested(add(float(1), row)), [2, 3, 4]);
  assertEquals(add(empty(0), float([1])).shape, [0]);
  assertEquals(add(empty(3, 0), empty(1, 1, 0)).shape, [1, 3, 0]);
  assertEquals(nested(broadcast(float([[1], [2]]), [2, 2, 2])), [
    [[1, 1], [2, 2]],
    [[1, 1], [2, 2]],
  ]);
  assertEquals(broadcast(row, [3]), row);
});

Deno.test("sum() and mean() reduce any axes, negative and kept ones too", () => {
  const x = float([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]);
  assertEquals(nested(sum(x)), 36);
  assertEquals(nested(sum(x, [0])), [[6, 8], [10, 12]]);
  assertEquals(nested(sum(x, [-1])), [[3, 7], [11, 15]]);
  assertEquals(nested(sum(x, [2, 0])), [14, 22]);
  assertEquals(nested(sum(x, [0, 2], true)), [[[14], [22]]]);
  assertEquals(nested(sum(x, [])), nested(x));
  assertEquals(nested(mean(x, [1])), [[2, 3], [6, 7]]);
  assertEquals(nested(mean(x)), 4.5);
  assertEquals(nested(mean(x, [-3, -2, -1], true)), [[[4.5]]]);
  assertEquals(nested(sum(float([1, NaN]))), NaN);
});

Deno.test("sums over nothing are 0", () => {
  assertEquals(nested(sum(empty(0))), 0);
  assertEquals(nested(sum(empty(2, 0), [1])), [0, 0]);
  assertEquals(sum(empty(2, 0), [0]).shape, [0]);
  assertEquals(nested(sum(empty(2, 0), [0])), []);
});

Deno.test("max() finds the largest value, and NaN before it", () => {
  const x = float([[1, 5, 3], [-INF, -2, -INF]]);
  assertEquals(nested(max(x)), 5);
  assertEquals(nested(max(x, [1])), [5, -2]);
  assertEquals(nested(max(x, [0], true)), [[1, 5, 3]]);
  assertEquals(nested(max(float([1, NaN, 3]))), NaN);
  assertEquals(nested(max(float([-INF, -INF]))), -INF);
  assertEquals(nested(max(int([[MIN, MIN], [-5, -7]]), [1])), [MIN, -5]);
  assertEquals(max(int([1])).dtype, "int32");
  assertEquals(max(empty(0, 2), [1]).shape, [0]);
});

Deno.test("argmax() takes the lowest of equal positions", () => {
  const x = float([[1, 5, 5], [7, 7, 7], [-INF, -INF, 0]]);
  assertEquals(argmax(x).dtype, "int32");
  assertEquals(nested(argmax(x, [1])), [1, 0, 2]);
  assertEquals(nested(argmax(x, [0])), [1, 1, 1]);
  assertEquals(nested(argmax(x, [0], true)), [[1, 1, 1]]);
  assertEquals(nested(argmax(x)), 3);
  assertEquals(nested(argmax(float([-INF, -INF]))), 0);
  assertEquals(nested(argmax(int([2, 9, 9]))), 1);
});

Deno.test("argmax() over several axes counts through them row-major", () => {
  // The largest of each block [:, j, :] lies at another place.
  const x = float([
    [[0, 1], [2, 9], [0, 0]],
    [[5, 4], [3, 3], [0, 7]],
  ]);
  assertEquals(nested(argmax(x, [0, 2])), [2, 1, 3]);
  assertEquals(nested(argmax(x, [2, 0])), [2, 1, 3]);
  assertEquals(nested(argmax(x, [1, 2])), [3, 5]);
});

Deno.test("argmax() is the position of max(), of NaN as well", () => {
  assertEquals(nested(argmax(float([1, NaN, 3, NaN]))), 1);
  assertEquals(nested(argmax(float([NaN, 1, 3]))), 0);
});

Deno.test("reshape() keeps the order and works out -1", () => {
  const x = float([[1, 2, 3], [4, 5, 6]]);
  assertEquals(nested(reshape(x, [3, 2])), [[1, 2], [3, 4], [5, 6]]);
  assertEquals(nested(reshape(x, [-1])), [1, 2, 3, 4, 5, 6]);
  assertEquals(nested(reshape(float([7]), [])), 7);
  assertEquals(reshape(empty(0, 3), [3, -1]).shape, [3, 0]);
  assertEquals(reshape(x, [2, -1]), x);
});

Deno.test("transpose() reorders axes, all of them reversed by default", () => {
  const x = float([[[1, 2, 3], [4, 5, 6]]]);
  assertEquals(transpose(x).shape, [3, 2, 1]);
  assertEquals(nested(transpose(x)), [[[1], [4]], [[2], [5]], [[3], [6]]]);
  assertEquals(nested(transpose(x, [1, 0, 2])), [[[1, 2, 3]], [[4, 5, 6]]]);
  assertEquals(nested(transpose(x, [0, -1, -2])), [[[1, 4], [2, 5], [3, 6]]]);
  assertEquals(transpose(x, [0, 1, 2]), x);
  assertEquals(transpose(float(1)), float(1));
});

Deno.test("slice() takes a block, counting from the end where negative", () => {
  const x = float([[1, 2, 3], [4, 5, 6], [7, 8, 9]]);
  assertEquals(nested(slice(x, [1, 0], [3, 2])), [[4, 5], [7, 8]]);
  assertEquals(nested(slice(x, [-1, -2])), [[8, 9]]);
  assertEquals(nested(slice(x, [0, 1], [-1, -1])), [[2], [5]]);
  assertEquals(slice(x, [2, 2], [2, 3]).shape, [0, 1]);
  assertEquals(slice(x, [0, 0]), x);
});

Deno.test("pad() surrounds with zeros, integers too", () => {
  assertEquals(nested(pad(float([[1, 2]]), [1, 0], [0, 2])), [
    [0, 0, 0, 0],
    [1, 2, 0, 0],
  ]);
  assertEquals(nested(pad(int([3]), [1], [1])), [0, 3, 0]);
  assertEquals(nested(pad(empty(0), [1], [1])), [0, 0]);
});

Deno.test("concatenate() joins along any axis, empty parts included", () => {
  const a = float([[1], [2]]);
  const b = float([[3, 4], [5, 6]]);
  assertEquals(nested(concatenate([a, b])), [[1, 3, 4], [2, 5, 6]]);
  assertEquals(nested(concatenate([a, a], 0)), [[1], [2], [1], [2]]);
  assertEquals(nested(concatenate([a, empty(2, 0), b], -1)), [
    [1, 3, 4],
    [2, 5, 6],
  ]);
  assertEquals(concatenate([a]), a);
  assertEquals(nested(concatenate([int([1]), int([2])])), [1, 2]);
});

Deno.test("matmul() multiplies with either side transposed", () => {
  const a = [[1, 2, 3], [4, 5, 6]];
  const b = [[1, 0], [2, 1], [0, 3]];
  const turn = (x: number[][]): number[][] =>
    x[0]!.map((_, at) => x.map((row) => row[at]!));
  const want = [[5, 11], [14, 23]];
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      const left = float(transposeA ? turn(a) : a);
      const right = float(transposeB ? turn(b) : b);
      const y = matmul(left, right, { transposeA, transposeB });
      assertEquals(nested(y), want);
    }
  }
});

Deno.test("matmul() broadcasts the axes before the last two", () => {
  const stack = float([[[1, 2]], [[3, 4]]]);
  const matrix = float([[1], [10]]);
  assertEquals(nested(matmul(stack, matrix)), [[[21]], [[43]]]);
  const columns = float([[[1], [0]], [[0], [1]]]);
  assertEquals(nested(matmul(float([[5, 6]]), columns)), [[[5]], [[6]]]);
  const left = float([[[[1]]], [[[2]]]]);
  const right = float([[[3]], [[4]], [[5]]]);
  assertEquals(nested(matmul(left, right)), [
    [[[3]], [[4]], [[5]]],
    [[[6]], [[8]], [[10]]],
  ]);
});

Deno.test("products over no elements are 0, and with no rows empty", () => {
  assertEquals(nested(matmul(empty(2, 0), empty(0, 3))), [
    [0, 0, 0],
    [0, 0, 0],
  ]);
  const batched = matmul(empty(2, 3, 0), empty(0, 4));
  assertEquals(evaluate(batched).data, new Float64Array(24));
  assertEquals(matmul(empty(0, 3), float([[1], [2], [3]])).shape, [0, 1]);
  assertEquals(nested(matmul(empty(0, 3), float([[1], [2], [3]]))), []);
});

Deno.test("einsum() sums over the letters that the result lacks", () => {
  const a = float([[1, 2], [3, 4]]);
  const b = float([[5, 6], [7, 8]]);
  assertEquals(nested(einsum("ij,jk->ik", a, b)), [[19, 22], [43, 50]]);
  assertEquals(nested(einsum("ij,jk->ki", a, b)), [[19, 43], [22, 50]]);
  assertEquals(nested(einsum("ij,ij->", a, b)), 70);
  assertEquals(nested(einsum("ij,ij->ji", a, b)), [[5, 21], [12, 32]]);
  assertEquals(nested(einsum("ij,kj->j", a, b)), [48, 84]);
  assertEquals(nested(einsum(",ij->ij", float(2), a)), [[2, 4], [6, 8]]);
});

Deno.test("gather() looks up rows by indices of any shape", () => {
  const table = float([[1, 2], [3, 4], [5, 6]]);
  assertEquals(nested(gather(table, int([2, 0, 2]))), [[5, 6], [1, 2], [5, 6]]);
  assertEquals(nested(gather(table, int(1))), [3, 4]);
  assertEquals(nested(gather(float([7, 8]), int([[1], [0]]))), [[8], [7]]);
  assertEquals(gather(table, int([])).shape, [0, 2]);
  assertEquals(gather(int([1]), int([0])).dtype, "int32");
});

Deno.test("scatterAdd() adds up rows of one index, and leaves others 0", () => {
  const rows = float([[1, 2], [3, 4], [5, 6]]);
  assertEquals(nested(scatterAdd(int([2, 0, 2]), rows, 4)), [
    [3, 4],
    [0, 0],
    [6, 8],
    [0, 0],
  ]);
  assertEquals(nested(scatterAdd(int(1), float([1, 2]), 2)), [[0, 0], [1, 2]]);
  assertEquals(nested(scatterAdd(int([[0], [0]]), float([[3], [4]]), 1)), [7]);
  assertEquals(nested(scatterAdd(int([]), empty(0, 2), 1)), [[0, 0]]);
});

Deno.test("iota() counts, and every leaf is worth what it was given", () => {
  assertEquals(nested(iota(float(0), 4)), [0, 1, 2, 3]);
  assertEquals(iota(float(0), 0).shape, [0]);
  assertEquals(nested(float([[1.5], [NaN]])), [[1.5], [NaN]]);
  const own = new Graph();
  const x = own.input("x", [2]);
  const w = own.variable("w", [1, 2]);
  assertEquals(nested(x, { x: [0.1, 4] }), [0.1, 4]);
  assertEquals(nested(w), [1, 2]);
});
