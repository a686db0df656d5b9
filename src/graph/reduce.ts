/**
 * Reductions beside the sum: maximum, its position, and the mean.
 */
import { formatShape, type NDArray } from "../array.ts";
import { broadcast, reduction, sum } from "./broadcast.ts";
import { div, equal, mul, select } from "./elementwise.ts";
import type { Node } from "./node.ts";
import { apply, type OpFamily } from "./op.ts";
import {
  broadcastStrides,
  reduceShape,
  type Shape,
  ShapeError,
} from "./shape.ts";
import { forEachRow } from "./walk.ts";

/** The op records of this family. */
export const REDUCE: OpFamily<"max" | "argmax"> = {
  max: {
    infer([x], { axes }) {
      refuseEmpty("max", x!.shape, axes);
      return { shape: reduceShape(x!.shape, axes), dtype: x!.dtype };
    },
    // Ties share the gradient evenly.
    vjp(dy, node) {
      const { inputs: [x], attrs: { axes } } = node;
      const best = equal(x!, broadcast(node as Node, x!.shape));
      const ties = sum(select(best, 1, 0), axes, true);
      return [select(best, broadcast(div(dy, ties), x!.shape), 0)];
    },
    evaluate([x], out) {
      out.data.fill(x!.data instanceof Int32Array ? -(2 ** 31) : -Infinity);
      const strides = broadcastStrides(out.shape, x!.shape);
      forEachRow(x!.shape, strides, (flat, offset, length, stride) => {
        for (let i = 0; i < length; i++) {
          const at = offset + i * stride;
          out.data[at] = Math.max(out.data[at]!, x!.data[flat + i]!);
        }
      });
    },
  },
  argmax: {
    infer([x], { axes }) {
      refuseEmpty("argmax", x!.shape, axes);
      return { shape: reduceShape(x!.shape, axes), dtype: "int32" };
    },
    vjp: null,
    evaluate: ([x], out, { axes }) => evaluateArgmax(x!, out, axes),
  },
};

function evaluateArgmax(
  x: NDArray,
  out: NDArray,
  axes: readonly number[],
): void {
  const best = new Float64Array(out.data.length);
  const started = new Uint8Array(out.data.length);
  const strides = broadcastStrides(out.shape, x.shape);
  // Positions count through the reduced axes alone, in row-major order.
  const reduced = x.shape.map((extent, axis) =>
    axes.includes(axis) ? extent : 1
  );
  const positionStrides = broadcastStrides(reduced, x.shape);
  const positions = new Int32Array(x.data.length);
  forEachRow(x.shape, positionStrides, (flat, offset, length, stride) => {
    for (let i = 0; i < length; i++) positions[flat + i] = offset + i * stride;
  });
  forEachRow(x.shape, strides, (flat, offset, length, stride) => {
    for (let i = 0; i < length; i++) {
      const at = offset + i * stride;
      const value = x.data[flat + i]!;
      // Strictly larger: of equal values the first one counts, NaN being the
      // largest. Row-major order over x visits the positions of each result in
      // ascending order.
      const larger = value > best[at]! ||
        (Number.isNaN(value) && !Number.isNaN(best[at]!));
      if (!started[at] || larger) {
        started[at] = 1;
        best[at] = value;
        out.data[at] = positions[flat + i]!;
      }
    }
  });
}

function refuseEmpty(
  action: string,
  shape: Shape,
  axes: readonly number[],
): void {
  if (axes.some((axis) => shape.at(axis) === 0)) {
    throw new ShapeError(
      `Cannot take the ${action} of no elements: shape ${
        formatShape(shape)
      } over axes ${formatShape(axes)}`,
    );
  }
}

/**
 * The largest value over some axes; NaN where there is one. Ties share the
 * gradient evenly.
 *
 * @param x Any shape.
 * @param axes Which to reduce, negative from the end; all by default.
 * @param keepDims Whether reduced axes stay, with size 1; not by default.
 * @returns `x` without those axes.
 * @throws {ShapeError} If an axis is not there, named twice or empty.
 *
 * @example Of each column
 * ```ts
 * import { compile, Graph, max, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const y = max(graph.constant([[1, 5], [3, 4]]), [0]);
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [3, 5]);
 * ```
 */
export function max(
  x: Node,
  axes: readonly number[] = x.shape.keys().toArray(),
  keepDims = false,
): Node {
  return reduction(
    x,
    axes,
    keepDims,
    "take the max over",
    (sorted) => apply(REDUCE, "max", [x], { axes: sorted }),
  );
}

/**
 * The position of the largest value over some axes, that of NaN where there is
 * one, and the lowest where several are equal; with more than one axis, the row-major position among them.
 *
 * @param x Any shape.
 * @param axes Which to reduce, negative from the end; all by default.
 * @param keepDims Whether reduced axes stay, with size 1; not by default.
 * @returns int32, `x` without those axes.
 * @throws {ShapeError} If an axis is not there, named twice or empty.
 *
 * @example The first of equals
 * ```ts
 * import { argmax, compile, Graph, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const y = argmax(graph.constant([[1, 5, 5], [3, 0, 2]]), [-1]);
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [1, 0]);
 * ```
 */
export function argmax(
  x: Node,
  axes: readonly number[] = x.shape.keys().toArray(),
  keepDims = false,
): Node {
  return reduction(
    x,
    axes,
    keepDims,
    "take the argmax over",
    (sorted) => apply(REDUCE, "argmax", [x], { axes: sorted }),
  );
}

/**
 * The mean over some axes.
 *
 * @param x float32, any shape.
 * @param axes Which to average over, negative from the end; all by default.
 * @param keepDims Whether averaged axes stay, with size 1; not by default.
 * @returns `x` without those axes.
 * @throws {ShapeError} If an axis is not there, named twice or empty.
 *
 * @example Of everything
 * ```ts
 * import { compile, Graph, mean, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const y = mean(graph.constant([[1, 2], [3, 6]]));
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), 3);
 * ```
 */
export function mean(
  x: Node,
  axes: readonly number[] = x.shape.keys().toArray(),
  keepDims = false,
): Node {
  const total = sum(x, axes, keepDims);
  const count = axes.reduce((n, axis) => n * x.shape.at(axis)!, 1);
  if (count === 0) refuseEmpty("mean", x.shape, axes);
  return mul(total, 1 / count);
}
