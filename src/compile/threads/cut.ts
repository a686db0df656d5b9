/**
 * Cuts kernels that work on whole arrays along a loop, as tiles cut the batch,
 * so that threads can run parts of them. Pure functions of kernels.
 */
import type { Kernel, LoopKernel, ProductKernel, View } from "../kernel.ts";

/** A kernel that can be run in parts. */
export interface CutKernel {
  /** Reads and writes what lies from a given iteration on. */
  readonly kernel: Kernel;
  /** How many iterations there are in all. */
  readonly extent: number;
}

/**
 * Cuts a kernel along its first loop, a product along the loop that has most
 * rows.
 *
 * @param kernel A kernel of a stage without tiles.
 * @returns The kernel to be run in parts; null where parts would write to the
 * same places.
 */
export function cutKernel(kernel: Kernel): CutKernel | null {
  if (kernel.clears.length > 0) return null;
  return kernel.kind === "product" ? cutProduct(kernel) : cutLoop(kernel);
}

function cutProduct(kernel: ProductKernel): CutKernel | null {
  const { roles, extents } = kernel;
  const rows = extents.slice(0, roles.batch + roles.m);
  const extent = Math.max(0, ...rows);
  const loop = rows.indexOf(extent);
  if (extent <= 1) return null;
  const cut = (side: "a" | "b" | "out") => ({
    ...kernel[side],
    tileStride: kernel[side].strides[loop]!,
  });
  return {
    extent,
    kernel: {
      ...kernel,
      tiledLoop: loop,
      a: cut("a"),
      b: cut("b"),
      out: cut("out"),
    },
  };
}

function cutLoop(kernel: LoopKernel): CutKernel | null {
  const { extents, values, stores } = kernel;
  const [extent] = extents as [number];
  const needsRow = extents.length === 1 &&
    values.some(({ op }) => op.startsWith("row") || op === "position");
  const isApart = stores.every(({ view }) =>
    view.strides[0] !== 0 && view.lookup === undefined
  );
  if (extent <= 1 || needsRow || !isApart) return null;
  return {
    extent,
    kernel: {
      ...kernel,
      tiled: true,
      values: values.map((value) =>
        value.op === "load" ? { ...value, view: cutView(value.view) } : value
      ),
      stores: stores.map((store) => ({ ...store, view: cutView(store.view) })),
    },
  };
}

function cutView(view: View): View {
  const { lookup, strides } = view;
  return {
    ...view,
    tileStride: strides[0]!,
    ...(lookup ? { lookup: { ...lookup, index: cutView(lookup.index) } } : {}),
  };
}

/** From so many rows a thread on, parts consist of whole groups of rows. */
const GROUPING_ROWS = 32;
/** Rows that products take at once. */
const GROUP = 4;

/**
 * Where the parts of a loop begin and end: the same for every kernel over as
 * many rows, so that a thread goes on with the rows it has written itself.
 *
 * @param extent How many iterations there are.
 * @param threads How many parts; with few iterations some are empty.
 * @returns The beginnings, and the end of the last part.
 */
export function boundsOf(extent: number, threads: number): number[] {
  const group = extent >= GROUPING_ROWS * threads ? GROUP : 1;
  return Array.from(
    { length: threads + 1 },
    (_, at) =>
      at === threads
        ? extent
        : group * Math.round(extent * at / threads / group),
  );
}
