/**
 * Which elements of which buffers work touches: what decides whether threads
 * must wait for one another. Never too few elements, sometimes too many.
 */
import type { Buffer, Kernel, Operand, View } from "../kernel.ts";

/** Elements of one buffer. */
export interface Range {
  readonly buffer: Buffer;
  readonly from: number;
  /** Behind the last one. */
  readonly end: number;
  readonly writes: boolean;
}

/**
 * What a kernel touches.
 *
 * @param kernel The kernel.
 * @param first The iteration at which the cut loop begins.
 * @param count How many iterations of it are run.
 */
export function rangesOf(
  kernel: Kernel,
  first: number,
  count: number,
): Range[] {
  const ranges = kernel.clears.map((buffer) => wholeOf(buffer, true));
  if (kernel.kind === "product") {
    const { extents, tiledLoop, a, b, out, scratch } = kernel;
    const run = extents.map((extent, loop) =>
      loop === tiledLoop ? count : extent
    );
    const range = (side: Operand, writes: boolean) =>
      rangeOf(side, run, first, writes);
    ranges.push(range(a, false), range(b, false), range(out, true));
    if (scratch) ranges.push(wholeOf(scratch, true));
    return ranges;
  }
  const run = kernel.tiled ? kernel.extents.with(0, count) : kernel.extents;
  const add = (view: View, writes: boolean): void => {
    const { lookup, buffer } = view;
    // Only running it tells which rows are looked up.
    if (lookup) add(lookup.index, false);
    ranges.push(
      lookup ? wholeOf(buffer, writes) : rangeOf(view, run, first, writes),
    );
  };
  for (const { view } of kernel.stores) add(view, true);
  for (const value of kernel.values) {
    if (value.op === "load") add(value.view, false);
  }
  return ranges;
}

/** All of a buffer. */
export function wholeOf(buffer: Buffer, writes: boolean): Range {
  return { buffer, from: 0, end: buffer.size, writes };
}

function rangeOf(
  { buffer, offset, strides, tileStride }: Operand | View,
  extents: readonly number[],
  first: number,
  writes: boolean,
): Range {
  let from = offset + first * tileStride;
  let end = from + 1;
  for (const [loop, extent] of extents.entries()) {
    const span = strides[loop]! * (extent - 1);
    if (span < 0) from += span;
    else end += span;
  }
  return { buffer, from, end, writes };
}

/** Whether two pieces of work may not run at once. */
export function conflicts(a: Range, b: Range): boolean {
  return (a.writes || b.writes) && a.from < b.end && b.from < a.end;
}

/** Whether a kernel may find an index outside its table, and trap. */
export function looksUp(kernel: Kernel): boolean {
  return kernel.kind === "loop" &&
    (kernel.stores.some(({ view }) => view.lookup !== undefined) ||
      kernel.values.some((value) =>
        value.op === "load" && value.view.lookup !== undefined
      ));
}
