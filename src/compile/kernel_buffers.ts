/** What kernels read and write: views and buffers, and where elements lie. */
import type { Buffer, Kernel, View } from "./kernel.ts";

/** Everywhere a loop kernel reads and writes. */
export function viewsOf(kernel: Kernel): View[] {
  if (kernel.kind === "product") return [];
  const views = kernel.stores.map(({ view }) => view);
  for (const value of kernel.values) {
    if (value.op === "load") views.push(value.view);
  }
  return views;
}

/** Every buffer that a kernel touches, some more than once. */
export function buffersOf(kernel: Kernel): Buffer[] {
  if (kernel.kind === "product") {
    const { a, b, out, clears } = kernel;
    return [...clears, ...scratchOf(kernel), a.buffer, b.buffer, out.buffer];
  }
  return [
    ...kernel.clears,
    ...viewsOf(kernel).flatMap(({ buffer, lookup }) =>
      lookup ? [buffer, lookup.index.buffer] : [buffer]
    ),
  ];
}

/** What a kernel writes for itself alone, to no meaning for others. */
export function scratchOf(kernel: Kernel): Buffer[] {
  return kernel.kind === "product" && kernel.scratch ? [kernel.scratch] : [];
}

/** Every buffer that a kernel writes for others, once. */
export function writtenBy(kernel: Kernel): Buffer[] {
  const stored = kernel.kind === "product"
    ? [kernel.out.buffer]
    : kernel.stores.map(({ view }) => view.buffer);
  return [...new Set([...kernel.clears, ...stored])];
}

/**
 * The indices of an element of a buffer in its node's value.
 *
 * @param buffer The buffer.
 * @param flat The element's position in the buffer.
 * @returns One index an axis, or null for the padding of rows.
 */
export function indicesOf(buffer: Buffer, flat: number): number[] | null {
  const { strides, node: { shape } } = buffer;
  const indices: number[] = [];
  let rest = flat;
  for (const [axis, stride] of strides.entries()) {
    const index = Math.floor(rest / stride);
    if (index >= shape[axis]!) return null;
    indices.push(index);
    rest -= index * stride;
  }
  return rest === 0 ? indices : null;
}
