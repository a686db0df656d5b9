/**
 * Arithmetic on shapes: broadcasting, reduction, strides. Knows nothing of
 * nodes; every failure is a ShapeError that carries both operands.
 */
import { formatShape } from "../array.ts";

/** The size of every axis, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/** Thrown when shapes do not fit an operation, while the graph is built. */
export class ShapeError extends TypeError {
  /** The error's name, `"ShapeError"`. */
  override name = "ShapeError";
}

/** The shape both operands broadcast to by NumPy's rules. */
export function broadcastShapes(a: Shape, b: Shape, action: string): Shape {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      throw new ShapeError(
        `Cannot ${action} shapes ${formatShape(a)} and ${formatShape(b)}: ` +
          `axis ${axis - rank} has sizes ${left} and ${right}`,
      );
    }
    out.push(left === 1 ? right : left);
  }
  return out;
}

/** Throws unless `from` broadcasts to exactly `to`. */
export function checkBroadcast(from: Shape, to: Shape): void {
  const offset = to.length - from.length;
  const fits = offset >= 0 &&
    to.every((extent) => Number.isSafeInteger(extent) && extent >= 0) &&
    from.every((extent, axis) => extent === 1 || extent === to[axis + offset]);
  if (!fits) {
    throw new ShapeError(
      `Cannot broadcast shape ${formatShape(from)} to ${formatShape(to)}`,
    );
  }
}

/** The axes of `to` along which a value of shape `from` is repeated. */
export function broadcastAxes(from: Shape, to: Shape): number[] {
  const offset = to.length - from.length;
  const axes: number[] = [];
  for (let axis = 0; axis < to.length; axis++) {
    if (axis < offset || (from[axis - offset] === 1 && to[axis] !== 1)) {
      axes.push(axis);
    }
  }
  return axes;
}

/** Counts negative axes from the end, sorts them and refuses what is not there. */
export function normalizeAxes(
  axes: readonly number[],
  rank: number,
  action: string,
): number[] {
  const positive = axes.map((axis) => axis < 0 ? axis + rank : axis);
  for (const [at, axis] of positive.entries()) {
    if (!Number.isInteger(axis) || axis < 0 || axis >= rank) {
      throw new ShapeError(
        `Cannot ${action} axis ${axes[at]} of ${rank} axes: ` +
          `wanted an integer from ${-rank} to ${rank - 1}`,
      );
    }
    if (positive.indexOf(axis) !== at) {
      throw new ShapeError(`Cannot ${action} axis ${axes[at]} twice`);
    }
  }
  return positive.sort((a, b) => a - b);
}

/** The shape left when `axes` are reduced to size 1. */
export function reduceShape(shape: Shape, axes: readonly number[]): Shape {
  return shape.map((extent, axis) => axes.includes(axis) ? 1 : extent);
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/**
 * Strides for reading a value of shape `from` at the indices of shape `to`:
 * zero along every repeated axis.
 */
export function broadcastStrides(from: Shape, to: Shape): number[] {
  const own = stridesOf(from);
  const offset = to.length - from.length;
  return to.map((_, axis) => {
    const at = axis - offset;
    return at < 0 || from[at] === 1 ? 0 : own[at]!;
  });
}
