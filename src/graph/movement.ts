/**
 * Operations that move elements and compute nothing: reshape, transpose,
 * slice, pad, concatenate. Slice and pad are each other's adjoint.
 */
import { formatShape, sameShape, sizeOf } from "../array.ts";
import type { Node } from "./node.ts";
import { apply, type OpFamily } from "./op.ts";
import { normalizeAxes, type Shape, ShapeError, stridesOf } from "./shape.ts";
import { forEachRow } from "./walk.ts";

/** The op records of this family. */
export const MOVEMENT: OpFamily<
  "reshape" | "transpose" | "slice" | "pad" | "concatenate"
> = {
  reshape: {
    infer([x], { shape }) {
      if (sizeOf(shape) !== sizeOf(x!.shape)) {
        throw new ShapeError(
          `Cannot reshape ${formatShape(x!.shape)} to ${formatShape(shape)}: ` +
            `${sizeOf(x!.shape)} elements against ${sizeOf(shape)}`,
        );
      }
      return { shape, dtype: x!.dtype };
    },
    vjp: (dy, { inputs: [x] }) => [reshape(dy, x!.shape)],
    evaluate: ([x], out) => out.data.set(x!.data),
  },
  transpose: {
    infer([x], { order }) {
      normalizeAxes(order, x!.shape.length, "transpose");
      return { shape: order.map((axis) => x!.shape[axis]!), dtype: x!.dtype };
    },
    vjp: (dy, { attrs: { order } }) => [
      transpose(dy, order.map((_, axis) => order.indexOf(axis))),
    ],
    evaluate([x], out, { order }) {
      const own = stridesOf(x!.shape);
      const strides = order.map((axis) => own[axis]!);
      forEachRow(out.shape, strides, (flat, offset, length, stride) => {
        for (let i = 0; i < length; i++) {
          out.data[flat + i] = x!.data[offset + i * stride]!;
        }
      });
    },
  },
  slice: {
    infer([x], { start, end }) {
      const shape = end.map((stop, axis) => stop - start[axis]!);
      return { shape, dtype: x!.dtype };
    },
    vjp: (dy, { inputs: [x], attrs: { start, end } }) => [
      pad(dy, start, end.map((stop, axis) => x!.shape[axis]! - stop)),
    ],
    evaluate([x], out, { start }) {
      const strides = stridesOf(x!.shape);
      const first = start.reduce((at, s, axis) => at + s * strides[axis]!, 0);
      forEachRow(out.shape, strides, (flat, offset, length) => {
        for (let i = 0; i < length; i++) {
          out.data[flat + i] = x!.data[first + offset + i]!;
        }
      });
    },
  },
  pad: {
    infer([x], { before, after }) {
      const shape = x!.shape.map((extent, axis) =>
        before[axis]! + extent + after[axis]!
      );
      return { shape, dtype: x!.dtype };
    },
    vjp: (dy, { inputs: [x], attrs: { before } }) => [
      slice(dy, before, before.map((b, axis) => b + x!.shape[axis]!)),
    ],
    evaluate([x], out, { before }) {
      const strides = stridesOf(out.shape);
      const first = before.reduce((at, b, axis) => at + b * strides[axis]!, 0);
      out.data.fill(0);
      forEachRow(x!.shape, strides, (flat, offset, length) => {
        for (let i = 0; i < length; i++) {
          out.data[first + offset + i] = x!.data[flat + i]!;
        }
      });
    },
  },
  concatenate: {
    infer(inputs, { axis }) {
      const [first] = inputs;
      for (const other of inputs) {
        const fits = other.dtype === first!.dtype &&
          other.shape.length === first!.shape.length &&
          other.shape.every((extent, at) =>
            at === axis || extent === first!.shape[at]
          );
        if (!fits) {
          throw new ShapeError(
            `Cannot concatenate ${first!.dtype} ${formatShape(first!.shape)} ` +
              `and ${other.dtype} ${formatShape(other.shape)} along axis ` +
              `${axis}: all else must be equal`,
          );
        }
      }
      const extent = inputs.reduce((sum, x) => sum + x.shape[axis]!, 0);
      return { shape: first!.shape.with(axis, extent), dtype: first!.dtype };
    },
    vjp(dy, { inputs, attrs: { axis } }) {
      let at = 0;
      return inputs.map(({ shape }) => {
        const start = shape.map((_, i) => i === axis ? at : 0);
        at += shape[axis]!;
        return slice(dy, start, shape.with(axis, at));
      });
    },
    evaluate(inputs, out, { axis }) {
      const inner = sizeOf(out.shape.slice(axis + 1));
      const row = out.shape[axis]! * inner;
      let at = 0;
      for (const x of inputs) {
        const part = x.shape[axis]! * inner;
        const outer = part === 0 ? 0 : x.data.length / part;
        for (let o = 0; o < outer; o++) {
          out.data.set(
            x.data.subarray(o * part, (o + 1) * part),
            o * row + at,
          );
        }
        at += part;
      }
    },
  },
};

/**
 * The same elements in another shape, the row-major order kept.
 *
 * @param x Any shape.
 * @param shape The new shape; one extent may be -1 and is worked out.
 * @returns `shape`.
 * @throws {ShapeError} If the number of elements differs.
 *
 * @example Two rows of three
 * ```ts
 * import { compile, Graph, reshape, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const y = reshape(graph.constant([1, 2, 3, 4, 5, 6]), [2, -1]);
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [
 *   [1, 2, 3],
 *   [4, 5, 6],
 * ]);
 * ```
 */
export function reshape(x: Node, shape: Shape): Node {
  const free = shape.indexOf(-1);
  if (free >= 0) {
    const rest = sizeOf(shape.filter((_, axis) => axis !== free));
    shape = shape.with(free, rest === 0 ? 0 : sizeOf(x.shape) / rest);
  }
  if (shape.some((extent) => !Number.isSafeInteger(extent) || extent < 0)) {
    throw new ShapeError(
      `Cannot reshape ${formatShape(x.shape)} to ${formatShape(shape)}: ` +
        `wanted non-negative integers, at most one of them -1`,
    );
  }
  if (sameShape(x.shape, shape)) return x;
  return apply(MOVEMENT, "reshape", [x], { shape: [...shape] });
}

/**
 * Reorders the axes.
 *
 * @param x Any shape.
 * @param order For each new axis the old one; reversed by default.
 * @returns The axes of `x` in the new order.
 * @throws {ShapeError} If `order` is no permutation of the axes.
 *
 * @example A matrix
 * ```ts
 * import { compile, Graph, toNested, transpose } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const y = transpose(graph.constant([[1, 2], [3, 4]]));
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [[1, 3], [2, 4]]);
 * ```
 */
export function transpose(x: Node, order?: readonly number[]): Node {
  const rank = x.shape.length;
  const axes = order?.map((axis) => axis < 0 ? axis + rank : axis) ??
    x.shape.map((_, axis) => rank - 1 - axis);
  if (axes.length !== rank) {
    throw new ShapeError(
      `Cannot transpose ${formatShape(x.shape)} by ${formatShape(axes)}: ` +
        `wanted ${rank} axes`,
    );
  }
  if (axes.every((axis, at) => axis === at)) return x;
  return apply(MOVEMENT, "transpose", [x], { order: axes });
}

/**
 * The block from `start` up to, not including, `end`.
 *
 * @param x Any shape.
 * @param start The first index along every axis; negative counts from the end.
 * @param end One past the last index; by default the whole of every axis.
 * @returns `end - start`.
 * @throws {ShapeError} If the block is not inside `x`.
 *
 * @example All but the last
 * ```ts
 * import { compile, Graph, slice, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const y = slice(graph.constant([1, 2, 3]), [0], [-1]);
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [1, 2]);
 * ```
 */
export function slice(
  x: Node,
  start: readonly number[],
  end: readonly number[] = x.shape,
): Node {
  const bound = (value: number, axis: number): number =>
    value < 0 ? value + x.shape[axis]! : value;
  const first = start.map(bound);
  const stop = end.map(bound);
  const inside = first.length === x.shape.length &&
    stop.length === x.shape.length &&
    x.shape.every((extent, axis) =>
      Number.isInteger(first[axis]) && Number.isInteger(stop[axis]) &&
      first[axis]! >= 0 && first[axis]! <= stop[axis]! && stop[axis]! <= extent
    );
  if (!inside) {
    throw new ShapeError(
      `Cannot slice ${formatShape(x.shape)} from ${formatShape(start)} to ` +
        `${formatShape(end)}: wanted a block inside it`,
    );
  }
  if (sameShape(stop, x.shape) && first.every((at) => at === 0)) return x;
  return apply(MOVEMENT, "slice", [x], { start: first, end: stop });
}

/**
 * Surrounds a value with zeros.
 *
 * @param x Any shape.
 * @param before How many zeros go before every axis.
 * @param after How many go after.
 * @returns `before + x + after` along every axis.
 * @throws {ShapeError} If a count is negative or their number is not the rank.
 *
 * @example One zero before, two after
 * ```ts
 * import { compile, Graph, pad, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const y = pad(graph.constant([1, 2]), [1], [2]);
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [0, 1, 2, 0, 0]);
 * ```
 */
export function pad(
  x: Node,
  before: readonly number[],
  after: readonly number[],
): Node {
  const counts = [...before, ...after];
  if (
    before.length !== x.shape.length || after.length !== x.shape.length ||
    counts.some((count) => !Number.isInteger(count) || count < 0)
  ) {
    throw new ShapeError(
      `Cannot pad ${formatShape(x.shape)} by ${formatShape(before)} and ` +
        `${formatShape(after)}: wanted a count of zeros for every axis`,
    );
  }
  if (counts.every((count) => count === 0)) return x;
  return apply(MOVEMENT, "pad", [x], {
    before: [...before],
    after: [...after],
  });
}

/**
 * Joins values end to end along one axis.
 *
 * @param xs At least one; equal shapes but for that axis.
 * @param axis Negative counts from the end; the last by default.
 * @returns The joined value.
 * @throws {ShapeError} If the other axes differ.
 *
 * @example Side by side
 * ```ts
 * import { compile, concatenate, Graph, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const x = graph.constant([[1], [2]]);
 * const y = concatenate([x, x]);
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [[1, 1], [2, 2]]);
 * ```
 */
export function concatenate(xs: readonly Node[], axis = -1): Node {
  if (xs.length === 0) {
    throw new ShapeError("Cannot concatenate no values: wanted at least one");
  }
  const [at] = normalizeAxes([axis], xs[0]!.shape.length, "concatenate along");
  if (xs.length === 1) return xs[0]!;
  return apply(MOVEMENT, "concatenate", xs, { axis: at! });
}
