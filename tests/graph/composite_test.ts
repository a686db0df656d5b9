// The values of the composites, and what they promise at the edges.
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Nested } from "../../src/array.ts";
import { sum } from "../../src/graph/broadcast.ts";
import {
  attention,
  crossEntropy,
  gelu,
  layerNorm,
  logSoftmax,
  maskedSoftmax,
  oneHot,
  relu,
  softmax,
} from "../../src/graph/composite.ts";
import { mul } from "../../src/graph/elementwise.ts";
import { grad } from "../../src/graph/grad.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { ShapeError } from "../../src/graph/shape.ts";
import { assertClose, evaluate, nested } from "./support.ts";

const graph = new Graph();
const float = (value: Nested): Node => graph.constant(value);
const int = (value: Nested): Node => graph.constant(value, "int32");

Deno.test("relu() is 0 below 0 and keeps NaN", () => {
  assertEquals(nested(relu(float([-2, 0, 3, NaN, Infinity, -Infinity]))), [
    0,
    0,
    3,
    NaN,
    Infinity,
    0,
  ]);
});

Deno.test("gelu() is the tanh form of the unit", () => {
  // 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), worked out in Python.
  const want = [-0.04540230591222, 0, 0.84119199060828, 2.99636260791823];
  const got = evaluate(gelu(float([-2, 0, 1, 3])));
  assertClose(got.data, want, 1e-12, "gelu");
});

Deno.test("gelu() keeps its digits in float32 where it comes close to zero", () => {
  // -4 and -5 in Python; with 1 + tanh, a third of the second would be rounding.
  const want = [-7.024594819237266e-5, -2.2917961966295044e-07];
  const { data } = evaluate(gelu(float([-4, -5])), {}, "float32");
  want.forEach((value, i) => assert(Math.abs(data[i]! / value - 1) < 2e-6));
});

Deno.test("softmax() sums to 1 along its axis, however large the values", () => {
  const x = float([[1000, 1000, 1000], [0, Math.log(2), Math.log(5)]]);
  const rows = evaluate(softmax(x)).data;
  assertClose(rows, [1 / 3, 1 / 3, 1 / 3, 1 / 8, 2 / 8, 5 / 8], 1e-15, "rows");
  const columns = evaluate(softmax(float([[-1e9, 0], [-1e9, 0]]), 0)).data;
  assertClose(columns, [0.5, 0.5, 0.5, 0.5], 1e-15, "columns");
});

Deno.test("logSoftmax() stays finite where softmax() has become 0", () => {
  const got = evaluate(logSoftmax(float([0, -1000])));
  assertClose(got.data, [0, -1000], 1e-15, "logSoftmax");
});

Deno.test("maskedSoftmax() leaves out what is blocked, NaN and all", () => {
  const x = float([[NaN, 0, Math.log(3)], [1, 2, NaN], [5, -Infinity, 5]]);
  const mask = int([[0, 1, 1], [0, 0, 0], [1, 1, 1]]);
  const got = evaluate(maskedSoftmax(x, mask));
  assertClose(got.data, [0, 0.25, 0.75, 0, 0, 0, 0.5, 0, 0.5], 1e-15, "masked");
});

Deno.test("maskedSoftmax() gives a row wholly blocked the gradient 0", () => {
  const own = new Graph();
  const x = own.variable("x", [[1, 2, 3], [4, 5, 6]]);
  const weights = maskedSoftmax(
    x,
    own.constant([[0, 0, 0], [1, 0, 1]], "int32"),
  );
  const loss = sum(mul(weights, own.constant([[1, 2, 3], [1, 2, 5]])));
  const gradient = evaluate(grad(loss, [x])[0]!).data;
  assertEquals([...gradient.subarray(0, 3)], [0, 0, 0]);
  assert(gradient[3]! < 0 && gradient[4] === 0 && gradient[5]! > 0);
});

Deno.test("oneHot() is 1 at the index, and nowhere for one out of range", () => {
  assertEquals(nested(oneHot(int([2, 0, 3, -1]), 3)), [
    [0, 0, 1],
    [1, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
  ]);
  assertEquals(nested(oneHot(int(1), 2)), [0, 1]);
});

Deno.test("crossEntropy() is minus the logarithm of the target's probability", () => {
  const logits = float([[0, 0, 0, 0], [0, Math.log(3), -1e30, -1e30]]);
  const got = evaluate(crossEntropy(logits, int([2, 1])));
  assertEquals(got.shape, [2]);
  assertClose(got.data, [Math.log(4), -Math.log(0.75)], 1e-15, "cross-entropy");
});

Deno.test("crossEntropy() survives logits that softmax() rounds to 0", () => {
  const got = evaluate(
    crossEntropy(float([[0, 500]]), int([0])),
    {},
    "float32",
  );
  assertClose(got.data, [500], 1e-7, "cross-entropy");
});

Deno.test("crossEntropy() is 0 for a target out of range, its gradients too", () => {
  const own = new Graph();
  const logits = own.variable("logits", [[1, 2], [3, 5], [4, 4]]);
  const losses = crossEntropy(logits, own.constant([2, -1, 0], "int32"));
  assertClose(evaluate(losses).data, [0, 0, Math.LN2], 1e-15, "losses");
  const gradient = evaluate(grad(sum(losses), [logits])[0]!).data;
  assertClose(gradient, [0, 0, 0, 0, -0.5, 0.5], 1e-15, "gradient");
});

Deno.test("crossEntropy() refuses targets of another shape or type", () => {
  const logits = float([[1, 2], [3, 4]]);
  assertThrows(
    () => crossEntropy(logits, int([[0, 1]])),
    ShapeError,
    "Cannot compare logits (2, 2) with targets (1, 2): wanted targets of " +
      "shape (2)",
  );
  assertThrows(
    () => crossEntropy(logits, float([0, 1])),
    TypeError,
    "Cannot compare float32 and int32",
  );
  assertThrows(() => crossEntropy(float(1), int(0)), ShapeError, "Cannot");
});

Deno.test("oneHot() refuses a depth that is no size", () => {
  for (const depth of [-1, 1.5, NaN]) {
    assertThrows(() => oneHot(int([1]), depth), ShapeError, String(depth));
  }
});

Deno.test("layerNorm() gives rows mean 0 and variance 1 before the gain", () => {
  const x = float([[1, 3], [-10, 10]]);
  const got = evaluate(layerNorm(x, float([1, 2]), float([0, 5]), 0));
  assertClose(got.data, [-1, 7, -1, 7], 1e-15, "layer norm");
  // A constant row has variance 0: epsilon keeps it finite.
  const flat = evaluate(layerNorm(float([4, 4]), float([1, 1]), float([0, 0])));
  assertEquals([...flat.data], [0, 0]);
});

Deno.test("attention() weighs values by the softmax of scaled scores", () => {
  // One key matches: scores are 0 and sqrt(4) ln 3 / sqrt(4).
  const query = float([[2 * Math.log(3), 0, 0, 0]]);
  const key = float([[0, 1, 0, 0], [1, 0, 0, 0]]);
  const value = float([[4, 0], [0, 8]]);
  const { output, weights } = attention(query, key, value);
  assertClose(evaluate(weights).data, [0.25, 0.75], 1e-15, "weights");
  assertClose(evaluate(output).data, [1, 6], 1e-14, "output");
});

Deno.test("attention() broadcasts one mask over a batch", () => {
  const own = new Graph();
  const x = own.input("x", [3, 2, 4]);
  const mask = own.constant([[1, 0], [0, 0]], "int32");
  const { output, weights } = attention(x, x, x, mask);
  const feeds = { x: Float32Array.from({ length: 24 }, (_, at) => at) };
  assertEquals(nested(weights, feeds), Array(3).fill([[1, 0], [0, 0]]));
  assertEquals(
    nested(output, feeds),
    [0, 8, 16].map((at) => [
      [at, at + 1, at + 2, at + 3],
      [0, 0, 0, 0],
    ]),
  );
});

Deno.test("attention() refuses sizes that do not fit, and float masks", () => {
  const query = float([[1, 2]]);
  assertThrows(
    () => attention(query, float([[1, 2, 3]]), float([[1]])),
    ShapeError,
    "Cannot multiply (1, 2) by (1, 3): inner sizes are 2 and 3",
  );
  assertThrows(
    () => attention(query, query, float([[1], [2]])),
    ShapeError,
    "inner sizes are 1 and 2",
  );
  assertThrows(
    () => attention(query, query, query, float([[1]])),
    TypeError,
    "Cannot select by a float32 condition",
  );
  assertThrows(
    () => attention(query, query, query, int([[1, 1]])),
    ShapeError,
    "Cannot broadcast shape (1, 2) to (1, 1)",
  );
});
