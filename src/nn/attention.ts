/**
 * Scaled dot-product attention on concrete arrays: checks what it is given and
 * runs the very definition the model is built from.
 */
import {
  array,
  type ArrayLike,
  formatIndex,
  formatShape,
  type NDArray,
  sameShape,
} from "../array.ts";
import { type Attention, attention } from "../graph/composite.ts";
import { Graph } from "../graph/node.ts";
import { ShapeError } from "../graph/shape.ts";
import { compile } from "../run/plan.ts";

/**
 * Scaled dot-product attention (Vaswani et al. 2017, eq. 1):
 * softmax(Q Kᵀ / sqrt(d_k)) V, with the weights.
 *
 * The mask says who may be attended: true or 1 = allowed, false or 0 =
 * blocked. It is never additive. A query with nothing allowed gets weights and
 * output of exactly 0.
 *
 * @param query (B, T, d_k), finite.
 * @param key (B, S, d_k), finite, but for keys that every query of their batch
 * row blocks.
 * @param value (B, S, d_v), finite.
 * @param mask (B, T, S), true, false, 1 or 0; everything allowed by default.
 * @returns `output` (B, T, d_v) and `weights` (B, T, S), float32; rows of
 * weights sum to 1 or are all 0.
 * @throws {TypeError} If shapes do not fit.
 * @throws {RangeError} If a value is not finite or the mask holds anything
 * else than true, false, 1 or 0; the message has the index and the value. Also
 * if a product of query and key is too large for float32.
 *
 * @example One query, two keys, the second one blocked
 * ```ts
 * import { scaledDotProductAttention, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const { output, weights } = scaledDotProductAttention(
 *   [[[1, 0]]],
 *   [[[1, 0], [0, 1]]],
 *   [[[5], [7]]],
 *   [[[true, false]]],
 * );
 * assertEquals(toNested(weights), [[[1, 0]]]);
 * assertEquals(toNested(output), [[[5]]]);
 * ```
 */
export function scaledDotProductAttention(
  query: ArrayLike,
  key: ArrayLike,
  value: ArrayLike,
  mask?: ArrayLike,
): Attention<NDArray<Float32Array>> {
  const q = rank3(query, "query", "(B, T, d_k)");
  const k = rank3(key, "key", "(B, S, d_k)");
  const v = rank3(value, "value", "(B, S, d_v)");
  const [batch, targets, depth] = q.shape as [number, number, number];
  const sources = k.shape[1]!;
  wantShape(k, "key", [batch, sources, depth]);
  wantShape(v, "value", [batch, sources, v.shape[2]!]);
  const m = mask === undefined ? undefined : array(mask, { name: "mask" });
  if (m !== undefined) {
    wantShape(m, "mask", [batch, targets, sources]);
    checkMask(m);
  }
  checkFinite(q, "query");
  checkFinite(v, "value");
  checkFinite(k, "key", m && fullyBlocked(m));

  const graph = new Graph();
  const feeds: Record<string, NDArray> = { query: q, key: k, value: v };
  const nodes = Object.entries(feeds).map(([name, { shape }]) =>
    graph.input(name, shape)
  );
  const allowed = m && graph.input("mask", m.shape, "int32");
  if (m) feeds.mask = m;
  const outputs = attention(nodes[0]!, nodes[1]!, nodes[2]!, allowed);
  const result = compile({
    outputs: { ...outputs },
    // One run is not worth a module.
    executor: "interpreter",
  }).run(feeds);
  checkScores(result.weights, m);
  return result as Attention<NDArray<Float32Array>>;
}

function rank3(values: ArrayLike, name: string, wanted: string): NDArray {
  const result = array(values, { name });
  if (result.shape.length === 3 && !result.shape.includes(0)) return result;
  throw new ShapeError(
    `Cannot attend with ${name} of shape ${formatShape(result.shape)}: ` +
      `wanted ${wanted}, no size 0`,
  );
}

function wantShape(
  { shape }: NDArray,
  name: string,
  wanted: readonly number[],
): void {
  if (sameShape(shape, wanted)) return;
  throw new ShapeError(
    `Cannot attend with ${name} of shape ${formatShape(shape)}: ` +
      `wanted ${formatShape(wanted)} beside the other arrays`,
  );
}

function checkMask({ data, shape }: NDArray): void {
  const wrong = data.findIndex((value) => value !== 0 && value !== 1);
  if (wrong < 0) return;
  throw new RangeError(
    `Cannot attend with mask${formatIndex(wrong, shape)} = ${data[wrong]}: ` +
      `wanted true or 1 (may be attended), false or 0 (blocked)`,
  );
}

function checkFinite(
  { data, shape }: NDArray,
  name: string,
  exempt?: (row: number) => boolean,
): void {
  const width = shape[2]!;
  for (let at = 0; at < data.length; at++) {
    // What is finite as float64 alone would be infinite where it is used.
    const finite = Number.isFinite(Math.fround(data[at]!));
    if (finite || exempt?.(Math.floor(at / width))) {
      continue;
    }
    throw new RangeError(
      `Cannot attend with ${name}${formatIndex(at, shape)} = ${data[at]}: ` +
        `wanted a finite float32` +
        (name === "key" ? ", or a mask that blocks the key everywhere" : ""),
    );
  }
}

/**
 * Finite factors may have an infinite product, of which no softmax is one:
 * rows then come out as NaN, or as 0 although something is allowed.
 */
function checkScores({ data, shape }: NDArray, mask?: NDArray): void {
  const sources = shape[2]!;
  for (let at = 0; at < data.length; at += sources) {
    let total = 0;
    let allowed = mask === undefined;
    for (let s = at; s < at + sources; s++) {
      total += data[s]!;
      allowed ||= mask!.data[s] === 1;
    }
    if (total > 0 || !allowed) continue;
    throw new RangeError(
      `Cannot attend with query` +
        `${formatIndex(at / sources, shape.slice(0, 2))}: its product with a ` +
        `key exceeds float32, wanted smaller values`,
    );
  }
}

/** Tells of each key, counted through the batch, whether no query sees it. */
function fullyBlocked({ data, shape }: NDArray): (row: number) => boolean {
  const [batch, targets, sources] = shape as [number, number, number];
  const seen = new Uint8Array(batch * sources);
  for (let at = 0; at < data.length; at++) {
    const row = Math.floor(at / (targets * sources)) * sources + at % sources;
    if (data[at] === 1) seen[row] = 1;
  }
  return (row) => seen[row] === 0;
}
