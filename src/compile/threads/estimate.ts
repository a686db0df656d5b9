/**
 * What kernels may take, in nanoseconds, roughly: good enough to tell large
 * work from small, and whether sharing it pays.
 */
import type { Kernel, LoopKernel, Value } from "../kernel.ts";

/** One multiply-add of a product. */
const MULTIPLY_ADD = 0.05;
/** One element of a product's result. */
const RESULT = 0.1;
/** Calling a kernel. */
const CALL = 15;
/** One row of a loop. */
const ROW = 3;
/** One row looked up. */
const LOOKUP = 2;
/** One element through a load, a store or a simple operation. */
const ELEMENT = 0.06;
/** One element through exp, log, tanh and their like. */
const TRANSCENDENTAL = 0.5;
/** One element through a division or a root. */
const DIVISION = 0.3;
/** One float moved, cleared or added up. */
export const MOVED = 0.12;

/**
 * What work may be taken to cost more if the first thread does not do it alone:
 * whoever needs all of it has to wait for others. Which is best shows only when
 * all work has been dealt out.
 */
export const AWAY = [0, 300, 1000, 3000];

/** All threads meeting. */
export const BARRIER = 1000;
/** Waking the others at the beginning, and waiting for them at the end. */
export const MEETING = 4000;

/** The time of a kernel, or of so many iterations of the loop it is cut along. */
export function estimateKernel(kernel: Kernel, count: number): number {
  if (kernel.kind === "product") {
    const { roles, tiledLoop } = kernel;
    const extents = kernel.extents.map((extent, loop) =>
      loop === tiledLoop ? count : extent
    );
    const size = (from: number, to?: number): number =>
      extents.slice(from, to).reduce((all, extent) => all * extent, 1);
    return CALL + MULTIPLY_ADD * size(0) +
      RESULT * size(0, roles.batch + roles.m + roles.n);
  }
  return CALL + estimateLoop(kernel, count);
}

function estimateLoop(kernel: LoopKernel, count: number): number {
  const { tiled, values, stores } = kernel;
  const extents = tiled ? kernel.extents.with(0, count) : kernel.extents;
  const elements = extents.reduce((all, extent) => all * extent, 1);
  const rows = elements / Math.max(1, extents.at(-1)!);
  let [element, row] = [ELEMENT * stores.length, ROW];
  for (const value of values) {
    if (value.op === "load" && value.view.lookup) row += LOOKUP;
    if (value.scalar) row += valueTime(value);
    else element += valueTime(value);
  }
  for (const { view } of stores) if (view.lookup) row += LOOKUP;
  return element * elements + row * rows;
}

function valueTime({ op }: Value): number {
  switch (op) {
    case "constant":
    case "position":
      return 0;
    case "exp":
    case "log":
    case "tanh":
    case "sigmoid":
      return TRANSCENDENTAL;
    case "div":
    case "sqrt":
      return DIVISION;
    default:
      return ELEMENT;
  }
}
