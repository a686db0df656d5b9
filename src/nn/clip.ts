/**
 * Clipping of gradients by their common norm (Pascanu, Mikolov and Bengio
 * 2013, algorithm 1) as graph.
 */
import { sum } from "../graph/broadcast.ts";
import { add, div, minimum, mul, sqrt } from "../graph/elementwise.ts";
import type { Node } from "../graph/node.ts";

/** Added to the norm, as PyTorch does, so that it may be 0. */
const EPSILON = 1e-6;

/**
 * Shortens gradients whose norm, taken over all of them as one vector, is more
 * than allowed; their direction stays. As PyTorch's `clip_grad_norm_`.
 *
 * @param gradients At least one, float32, of any shapes.
 * @param most The largest norm allowed, above 0.
 * @returns One node for each gradient, in the same order.
 * @throws {RangeError} If the norm allowed is not a finite number above 0.
 *
 * @example Two gradients whose common norm is 5
 * ```ts
 * import { clipByGlobalNorm, compile, Graph } from "jsr:@weft/seq2seq";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const gradients = [graph.constant([3, 0]), graph.constant(4)];
 * const [a, b] = clipByGlobalNorm(gradients, 1);
 * const found = compile({ outputs: { a: a!, b: b! } }).run();
 * assertAlmostEquals(found.a.data[0]!, 3 / 5, 1e-5);
 * assertAlmostEquals(found.b.data[0]!, 4 / 5, 1e-5);
 * ```
 */
export function clipByGlobalNorm(
  gradients: readonly Node[],
  most: number,
): Node[] {
  if (!(most > 0 && most < Infinity)) {
    throw new RangeError(
      `Cannot clip gradients to a norm of ${most}: wanted a finite number ` +
        `above 0`,
    );
  }
  const [first] = gradients;
  if (first === undefined) return [];
  return first.graph.scope("clip", () => {
    const squares = gradients.map((gradient) => sum(mul(gradient, gradient)));
    const norm = sqrt(squares.reduce((total, square) => add(total, square)));
    const scale = minimum(1, div(most, add(norm, EPSILON)));
    return gradients.map((gradient) => mul(gradient, scale));
  });
}
