/**
 * The one loop under the reference evaluations that index: it visits a shape
 * row by row. Plain and obviously right; speed is the compiler's business.
 */
import type { Shape } from "./shape.ts";

/**
 * Calls `visit(flat, offset, length, stride)` for each row along the last axis
 * of `shape`: `flat` is the row's first flat index, `offset` its first position
 * under `strides`, `stride` the step from element to element.
 */
export function forEachRow(
  shape: Shape,
  strides: readonly number[],
  visit: (flat: number, offset: number, length: number, stride: number) => void,
): void {
  const last = shape.length - 1;
  if (last < 0) return visit(0, 0, 1, 0);
  if (shape.includes(0)) return;
  const length = shape[last]!;
  const stride = strides[last]!;
  const index = new Array<number>(last).fill(0);
  let flat = 0;
  let offset = 0;
  for (;;) {
    visit(flat, offset, length, stride);
    flat += length;
    let axis = last - 1;
    for (; axis >= 0; axis--) {
      offset += strides[axis]!;
      index[axis]!++;
      if (index[axis]! < shape[axis]!) break;
      offset -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}
