/**
 * Tells which lookup made a module trap. The module itself only stops: to keep
 * account of where it is would cost every lookup that succeeds.
 */
import { formatIndex, type TypedArray } from "../array.ts";
import type { Buffer, Lowered, View } from "../compile/kernel.ts";
import { viewsOf } from "../compile/kernel_buffers.ts";
import { forEachRow } from "../graph/walk.ts";

/**
 * Finds the first index outside its table.
 *
 * @param lowered What the module computes.
 * @param read The elements of a buffer as the trap has left them.
 * @param cause What the module threw.
 * @returns The error to throw; `cause` itself where no index is to blame.
 */
export function explainTrap(
  lowered: Lowered,
  read: (buffer: Buffer) => TypedArray,
  cause: Error,
): Error {
  for (const { kernels } of [lowered.prepare, ...lowered.stages]) {
    for (const kernel of kernels) {
      for (const { lookup } of viewsOf(kernel)) {
        if (!lookup) continue;
        const { index, rows } = lookup;
        const data = read(index.buffer);
        const wrong = firstOutside(index, kernel.extents, rows, data);
        if (wrong < 0) continue;
        return new RangeError(
          `Cannot look up row ${data[wrong]} at index ` +
            `${placeOf(wrong, index.buffer)}: wanted 0 to ${rows - 1}`,
          { cause },
        );
      }
    }
  }
  return cause;
}

/**
 * The position in its buffer of the first index outside, or -1. Only what the
 * loops read counts: between rows, and beside slices, there may be anything.
 */
function firstOutside(
  { offset, strides }: View,
  extents: readonly number[],
  rows: number,
  data: TypedArray,
): number {
  let found = -1;
  forEachRow(extents, strides, (_, start, length, stride) => {
    for (let i = 0; found < 0 && i < length; i++) {
      const at = offset + start + i * stride;
      if (data[at]! < 0 || data[at]! >= rows) found = at;
    }
  });
  return found;
}

/** The index of a buffer's element in the array that it holds. */
function placeOf(at: number, { node: { shape }, strides }: Buffer): string {
  let rest = at;
  let flat = 0;
  for (const [axis, extent] of shape.entries()) {
    const step = Math.max(1, strides[axis]!);
    flat = flat * extent + Math.floor(rest / step);
    rest %= step;
  }
  return formatIndex(flat, shape);
}
