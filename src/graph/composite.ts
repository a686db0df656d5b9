/**
 * Functions built from operations. None has a gradient of its own: theirs
 * follow from what they are made of.
 */
import { formatShape, sameShape } from "../array.ts";
import { broadcast, sum } from "./broadcast.ts";
import {
  add,
  div,
  equal,
  exp,
  lessEqual,
  log,
  mul,
  neg,
  select,
  sigmoid,
  sqrt,
  stopGradient,
  sub,
} from "./elementwise.ts";
import { matmul } from "./einsum.ts";
import { iota } from "./leaves.ts";
import { reshape } from "./movement.ts";
import type { Node } from "./node.ts";
import { max, mean } from "./reduce.ts";
import { ShapeError } from "./shape.ts";

/**
 * x where positive, else 0; gradient 0 at 0; NaN stays.
 *
 * @param x float32, any shape.
 * @returns The shape of `x`.
 */
export function relu(x: Node): Node {
  return select(lessEqual(x, 0), 0, x);
}

/**
 * The Gaussian error linear unit in its tanh form (Hendrycks and Gimpel 2016,
 * section 2), as GPT-2 uses it.
 *
 * @param x float32, any shape.
 * @returns The shape of `x`.
 */
export function gelu(x: Node): Node {
  const cubic = add(x, mul(mul(mul(x, x), x), 0.044715));
  // (1 + tanh z) / 2 is the sigmoid of 2 z, which keeps its digits where tanh
  // comes close to -1.
  return mul(x, sigmoid(mul(cubic, 2 * Math.sqrt(2 / Math.PI))));
}

/**
 * exp(x) over one axis, scaled to sum to 1.
 *
 * @param x float32, any shape.
 * @param axis Negative counts from the end; the last by default.
 * @returns The shape of `x`.
 *
 * @example Equal scores, equal shares
 * ```ts
 * import { compile, Graph, softmax, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const y = softmax(graph.constant([[7, 7], [1e30, 0]]));
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [
 *   [0.5, 0.5],
 *   [1, 0],
 * ]);
 * ```
 */
export function softmax(x: Node, axis = -1): Node {
  const shifted = exp(sub(x, stopGradient(max(x, [axis], true))));
  return div(shifted, sum(shifted, [axis], true));
}

/**
 * Softmax over the last axis among allowed elements alone. Blocked elements
 * are selected away, never added to, so that not even NaN in them is seen.
 *
 * @param x float32, any shape.
 * @param mask int32, broadcasts to `x`: not 0 where allowed, 0 where blocked.
 * @returns The shape of `x`; blocked elements are 0, and so is a row with
 * nothing allowed, its gradient too.
 *
 * @example One blocked element, one blocked row
 * ```ts
 * import { compile, Graph, maskedSoftmax, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const x = graph.constant([[3, NaN, 3], [1, 2, 3]]);
 * const mask = graph.constant([[1, 0, 1], [0, 0, 0]], "int32");
 * const y = maskedSoftmax(x, mask);
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [
 *   [0.5, 0, 0.5],
 *   [0, 0, 0],
 * ]);
 * ```
 */
export function maskedSoftmax(x: Node, mask: Node): Node {
  const allowed = broadcast(mask, x.shape);
  const visible = select(allowed, x, -Infinity);
  const top = stopGradient(max(visible, [-1], true));
  // Minus infinity less minus infinity would be NaN in rows wholly blocked.
  const shift = select(equal(top, -Infinity), 0, top);
  const weights = exp(sub(visible, shift));
  const total = sum(weights, [-1], true);
  return div(weights, select(equal(total, 0), 1, total));
}

/**
 * The logarithm of the softmax, without ever leaving the logarithmic scale.
 *
 * @param x float32, any shape.
 * @param axis Negative counts from the end; the last by default.
 * @returns The shape of `x`.
 */
export function logSoftmax(x: Node, axis = -1): Node {
  const shifted = sub(x, stopGradient(max(x, [axis], true)));
  return sub(shifted, log(sum(exp(shifted), [axis], true)));
}

/**
 * 1 where the last axis is the index, else 0.
 *
 * @param indices int32 (…). One outside [0, depth) is no error: its row is all
 * zeros.
 * @param depth The size of the new axis.
 * @returns int32 (…, depth).
 *
 * @example Two indices
 * ```ts
 * import { compile, Graph, oneHot, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const y = oneHot(graph.constant([2, 0], "int32"), 3);
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [
 *   [0, 0, 1],
 *   [1, 0, 0],
 * ]);
 * ```
 */
export function oneHot(indices: Node, depth: number): Node {
  const shape = [...indices.shape, depth];
  const column = reshape(indices, [...indices.shape, 1]);
  return equal(broadcast(column, shape), iota(indices, depth));
}

/** Options of {@linkcode crossEntropy}. */
export interface CrossEntropyOptions {
  /**
   * The share of a target's weight that is spread evenly over all V classes
   * (Szegedy et al. 2016), as in PyTorch; a number in [0, 1), 0 by default.
   */
  readonly labelSmoothing?: number;
}

/**
 * The negative logarithm of the probability of each target.
 *
 * @param logits float32 (…, V), not normalised.
 * @param targets int32 (…), values in [0, V). One outside is no error: its loss
 * and its gradients are 0, while it still counts in a mean. Smoothing spreads
 * its share all the same.
 * @param options How targets are smoothed; by default not at all.
 * @returns (…), natural logarithm; take the mean for the usual loss.
 * @throws {ShapeError} If the shape of `targets` is not that of `logits`
 * without its last axis.
 * @throws {RangeError} If the smoothing is not in [0, 1).
 *
 * @example Of even odds
 * ```ts
 * import { compile, crossEntropy, Graph, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const logits = graph.constant([[5, 5]]);
 * const loss = crossEntropy(logits, graph.constant([1], "int32"));
 * const bits = Math.fround(Math.LN2);
 * assertEquals(toNested(compile({ outputs: { loss } }).run().loss), [bits]);
 * ```
 */
export function crossEntropy(
  logits: Node,
  targets: Node,
  { labelSmoothing = 0 }: CrossEntropyOptions = {},
): Node {
  if (!sameShape(logits.shape.slice(0, -1), targets.shape)) {
    throw new ShapeError(
      `Cannot compare logits ${formatShape(logits.shape)} with targets ` +
        `${formatShape(targets.shape)}: wanted targets of shape ` +
        `${formatShape(logits.shape.slice(0, -1))}`,
    );
  }
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new RangeError(
      `Cannot use labelSmoothing = ${labelSmoothing}: wanted a number in [0, 1)`,
    );
  }
  const classes = logits.shape.at(-1)!;
  const hit = oneHot(targets, classes);
  const logarithms = logSoftmax(logits);
  if (labelSmoothing === 0) {
    return neg(sum(select(hit, logarithms, 0), [-1]));
  }
  const spread = labelSmoothing / classes;
  const weights = select(hit, 1 - labelSmoothing + spread, spread);
  return neg(sum(mul(weights, logarithms), [-1]));
}

/**
 * Normalises the last axis to mean 0 and variance 1 (Ba, Kiros and Hinton
 * 2016, eq. 4, the biased variance), then scales and shifts it.
 *
 * @param x float32 (…, D).
 * @param gain (D).
 * @param bias (D).
 * @param epsilon Added to the variance; 1e-5 by default.
 * @returns (…, D).
 *
 * @example Mean 0, deviation 1
 * ```ts
 * import { compile, Graph, layerNorm, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const x = graph.constant([[2, 4, 2, 4]]);
 * const y = layerNorm(x, graph.constant(1), graph.constant(0), 0);
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [[-1, 1, -1, 1]]);
 * ```
 */
export function layerNorm(
  x: Node,
  gain: Node,
  bias: Node,
  epsilon = 1e-5,
): Node {
  const centred = sub(x, mean(x, [-1], true));
  const variance = mean(mul(centred, centred), [-1], true);
  const normal = div(centred, sqrt(add(variance, epsilon)));
  return add(mul(normal, gain), bias);
}

/** What {@linkcode attention} returns. */
export interface Attention<T> {
  /** (…, T, d_v): for each query the weighted sum of the values. */
  readonly output: T;
  /** (…, T, S): rows sum to 1, or are 0 where nothing is allowed. */
  readonly weights: T;
}

/**
 * Scaled dot-product attention (Vaswani et al. 2017, eq. 1) as graph:
 * softmax(Q Kᵀ / sqrt(d_k)) V.
 *
 * @param query float32 (…, T, d_k).
 * @param key float32 (…, S, d_k).
 * @param value float32 (…, S, d_v).
 * @param mask int32, broadcasts to (…, T, S): not 0 where the query may attend
 * to the key, 0 where it is blocked; see {@linkcode maskedSoftmax}.
 * @returns Output (…, T, d_v) and weights (…, T, S).
 *
 * @example A model's attention, causal
 * ```ts
 * import { attention, compile, Graph, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const x = graph.input("x", [1, 2, 4]);
 * const causal = graph.constant([[1, 0], [1, 1]], "int32");
 * const { output, weights } = attention(x, x, x, causal);
 * assertEquals(output.shape, [1, 2, 4]);
 * const plan = compile({ outputs: { weights } });
 * const found = plan.run({ x: [[[0, 0, 0, 0], [0, 0, 0, 0]]] });
 * assertEquals(toNested(found.weights), [[[1, 0], [0.5, 0.5]]]);
 * ```
 */
export function attention(
  query: Node,
  key: Node,
  value: Node,
  mask?: Node,
): Attention<Node> {
  const scale = 1 / Math.sqrt(query.shape.at(-1)!);
  const scores = mul(matmul(query, key, { transposeB: true }), scale);
  const weights = mask ? maskedSoftmax(scores, mask) : softmax(scores);
  return { output: matmul(weights, value), weights };
}
