/**
 * How long each kernel of a plan takes. Measuring repeats kernels and leaves
 * the memory as it was.
 */
import type { TypedArray } from "../array.ts";
import type { Kernel, View } from "../compile/kernel.ts";
import { viewsOf, writtenBy } from "../compile/kernel_buffers.ts";
import type { KernelCall } from "../compile/schedule.ts";
import type { Opened } from "./opened.ts";
import { formatTable } from "./table.ts";

/** A kernel is repeated for at least so many milliseconds. */
const LEAST_TIME = 0.5;
const MOST_REPETITIONS = 4096;

/** One kernel's share of a step. */
interface Share {
  readonly kernel: Kernel;
  /** How often the step runs it: once a tile. */
  runs: number;
  /** In milliseconds, all runs together. */
  time: number;
  /** Multiply-adds of products, elements read and written by loops. */
  work: number;
}

/**
 * Measures every kernel at its place in the step, warm, with the inputs as
 * they are. Tiles of one size are measured once.
 *
 * @param opened The plan.
 * @returns A table: each kernel's time and rate, in order of execution.
 */
export function measureKernels(opened: Opened): string {
  const before = opened.bytes().slice();
  const shares: Share[] = [];
  const known = new Map<string, number>();
  const measure = (call: KernelCall): void => {
    const { kernel, at, name, count } = call;
    const share = shares[at] ??= { kernel, runs: 0, time: 0, work: 0 };
    const time = known.get(name) ?? repeat(opened, call);
    if (known.has(name)) opened.run(call);
    known.set(name, time);
    share.runs++;
    share.time += time;
    share.work += workOf(kernel, count);
  };
  try {
    opened.walkPrepare(measure);
    const prepared = shares.length;
    opened.walk(measure);
    return formatShares(shares, prepared);
  } finally {
    opened.bytes().set(before);
  }
}

/** Runs one kernel over and over; the time of one run in milliseconds. */
function repeat(opened: Opened, call: KernelCall): number {
  const saved = writtenBy(call.kernel).map(
    (buffer): [TypedArray, TypedArray] => {
      const contents = opened.contents(buffer);
      return [contents, contents.slice()];
    },
  );
  let repetitions = 1;
  // The first runs are in code that the engine has yet to make better.
  while (
    timeOf(opened, call, repetitions) < LEAST_TIME &&
    repetitions < MOST_REPETITIONS
  ) repetitions *= 4;
  const time = Math.min(
    timeOf(opened, call, repetitions),
    timeOf(opened, call, repetitions),
  );
  // What adds to memory has added it many times by now.
  for (const [contents, values] of saved) contents.set(values);
  opened.run(call);
  return time / repetitions;
}

function timeOf(opened: Opened, call: KernelCall, repetitions: number): number {
  const start = performance.now();
  for (let i = 0; i < repetitions; i++) opened.run(call);
  return performance.now() - start;
}

function workOf(kernel: Kernel, tile: number): number {
  if (kernel.kind === "product") {
    return kernel.extents.reduce(
      (size, extent, loop) =>
        size * (loop === kernel.tiledLoop ? tile : extent),
      1,
    );
  }
  const extents = kernel.tiled ? kernel.extents.with(0, tile) : kernel.extents;
  return viewsOf(kernel).reduce(
    (sum, view) => sum + elementsOf(view, extents),
    0,
  );
}

/** How many different elements a view meets. */
function elementsOf(
  { strides, lookup }: View,
  extents: readonly number[],
): number {
  return strides.reduce(
    (size, stride, loop) =>
      stride !== 0 || (lookup && lookup.index.strides[loop] !== 0)
        ? size * extents[loop]!
        : size,
    1,
  );
}

/** The first kernels are prepared once: they are no part of the step. */
function formatShares(shares: readonly Share[], prepared: number): string {
  const total = shares.slice(prepared)
    .reduce((sum, { time }) => sum + time, 0);
  const rows = shares.map(({ kernel, runs, time, work }, at) => {
    const product = kernel.kind === "product";
    // Two operations a multiply-add, four bytes an element.
    const rate = (product ? 2 : 4) * work / (time * 1e6);
    return [
      `${at} ${kernel.name}`,
      kernel.extents.filter((extent) => extent !== 1).join("x") || "1",
      at < prepared ? "prepared" : String(runs),
      (1000 * time).toFixed(1),
      at < prepared ? "" : `${(100 * time / total).toFixed(1)} %`,
      `${rate.toFixed(1)} ${product ? "GFLOP/s" : "GB/s"}`,
    ];
  });
  return formatTable([
    ["kernel", "loops", "runs", "µs a step", "share", "rate"],
    ...rows,
    ["all", "", "", (1000 * total).toFixed(1), "", ""],
  ]);
}
