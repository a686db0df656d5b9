/**
 * Broadcast and sum, each the other's adjoint. Builders of elementwise
 * operations insert broadcasts explicitly, so that every other rule sees equal
 * shapes.
 */
import { formatShape, sameShape } from "../array.ts";
import { reshape } from "./movement.ts";
import type { Node } from "./node.ts";
import { apply, type OpFamily } from "./op.ts";
import {
  broadcastAxes,
  broadcastStrides,
  checkBroadcast,
  normalizeAxes,
  reduceShape,
  type Shape,
  ShapeError,
} from "./shape.ts";
import { forEachRow } from "./walk.ts";

/** The op records of this family. */
export const BROADCAST: OpFamily<"broadcast" | "sum"> = {
  broadcast: {
    infer([x], { shape }) {
      checkBroadcast(x!.shape, shape);
      return { shape, dtype: x!.dtype };
    },
    vjp: (dy, { inputs: [x], shape }) => [
      reshape(sum(dy, broadcastAxes(x!.shape, shape), true), x!.shape),
    ],
    evaluate([x], out) {
      const strides = broadcastStrides(x!.shape, out.shape);
      forEachRow(out.shape, strides, (flat, offset, length, stride) => {
        for (let i = 0; i < length; i++) {
          out.data[flat + i] = x!.data[offset + i * stride]!;
        }
      });
    },
  },
  sum: {
    infer([x], { axes }) {
      if (x!.dtype !== "float32") {
        throw new TypeError(
          `Cannot sum ${x!.dtype} ${formatShape(x!.shape)}: ` +
            `wanted float32, see toFloat`,
        );
      }
      return { shape: reduceShape(x!.shape, axes), dtype: x!.dtype };
    },
    vjp: (dy, { inputs: [x] }) => [broadcast(dy, x!.shape)],
    evaluate([x], out) {
      // Wide accumulators: the oracle should not add rounding of its own.
      const totals = new Float64Array(out.data.length);
      const strides = broadcastStrides(out.shape, x!.shape);
      forEachRow(x!.shape, strides, (flat, offset, length, stride) => {
        for (let i = 0; i < length; i++) {
          totals[offset + i * stride]! += x!.data[flat + i]!;
        }
      });
      out.data.set(totals);
    },
  },
};

/**
 * Repeats a value along new axes and axes of size 1, by NumPy's rules.
 *
 * @param x Any shape that broadcasts to `shape`.
 * @param shape The wanted shape.
 * @returns `shape`.
 * @throws {ShapeError} If `x` does not broadcast to `shape`.
 *
 * @example A column repeated
 * ```ts
 * import { broadcast, compile, Graph, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const y = broadcast(graph.constant([[1], [2]]), [2, 2]);
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [[1, 1], [2, 2]]);
 * ```
 */
export function broadcast(x: Node, shape: Shape): Node {
  if (sameShape(x.shape, shape)) return x;
  return apply(BROADCAST, "broadcast", [x], { shape: [...shape] });
}

/**
 * The sum over some axes.
 *
 * @param x float32, any shape.
 * @param axes Which to sum over, negative from the end; all by default.
 * @param keepDims Whether summed axes stay, with size 1; not by default.
 * @returns `x` without those axes.
 * @throws {ShapeError} If an axis is not there or named twice.
 * @throws {TypeError} If `x` is int32.
 *
 * @example Row sums
 * ```ts
 * import { compile, Graph, sum, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const y = sum(graph.constant([[1, 2], [3, 4]]), [-1]);
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [3, 7]);
 * ```
 */
export function sum(
  x: Node,
  axes: readonly number[] = x.shape.keys().toArray(),
  keepDims = false,
): Node {
  return reduction(x, axes, keepDims, "sum over", (sorted) =>
    // Summing over axes of size 1 changes nothing.
    sorted.every((axis) => x.shape[axis] === 1) && x.dtype === "float32"
      ? x
      : apply(BROADCAST, "sum", [x], { axes: sorted }));
}

/** The common part of reductions: axes made canonical, then kept or dropped. */
export function reduction(
  x: Node,
  axes: readonly number[],
  keepDims: boolean,
  action: string,
  build: (axes: readonly number[]) => Node,
): Node {
  if (!Array.isArray(axes)) {
    throw new ShapeError(`Cannot ${action} ${axes}: wanted an array of axes`);
  }
  const sorted = normalizeAxes(axes, x.shape.length, action);
  const kept = build(sorted);
  if (keepDims) return kept;
  return reshape(kept, kept.shape.filter((_, axis) => !sorted.includes(axis)));
}
