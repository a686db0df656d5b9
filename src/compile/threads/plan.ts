/**
 * How several threads share a step, as plain data. A step is a row of phases
 * with a barrier between each two; within a phase every thread does its own
 * tasks, in order, and none touches what another one writes:
 *
 *     thread 0   tables, rows 0-63    | tiles 0-31  | sum, first half  | ...
 *     thread 1   tables, rows 64-128  | tiles 32-63 | sum, second half | ...
 *
 * Intermediates of a tile, and what tiles add up, are each thread's own; such
 * sums are added up in the order of the threads, each by slices. Who does what
 * is fixed when the plan is compiled: the same number of threads gives the same
 * bytes.
 */
import type { Buffer, Kernel, Lowered, StageKernels } from "../kernel.ts";

/** A kernel, or the part of it that one thread runs. */
export interface KernelTask {
  readonly kind: "kernel";
  /** The kernel, cut along a loop where it is shared, see `cutKernel`. */
  readonly kernel: Kernel;
  /** Where in that loop the part begins; 0 for a whole kernel. */
  readonly first: number;
  /** How many iterations it has; 1 for a whole kernel. */
  readonly count: number;
}

/** Buffers set to 0 before others add to them. */
export interface ClearTask {
  readonly kind: "clear";
  readonly buffers: readonly Buffer[];
}

/** A thread's tiles of a stage: its own sums are cleared before. */
export interface TilesTask {
  readonly kind: "tiles";
  readonly stage: StageKernels;
  /** The first batch entry, a multiple of the tile. */
  readonly first: number;
  /** The batch entry behind the last one. */
  readonly end: number;
}

/** A thread's slice of the sums of all threads' tiles. */
export interface SumTask {
  readonly kind: "sum";
  readonly stage: StageKernels;
  /** Which of as many equal slices as there are threads. */
  readonly slice: number;
}

/** Elements of a new value, moved into its variable. */
export interface CopyTask {
  readonly kind: "copy";
  readonly from: Buffer;
  readonly to: Buffer;
  /** The first element. */
  readonly first: number;
  /** How many elements. */
  readonly count: number;
}

/** What one thread does without waiting for others. */
export type Task = KernelTask | ClearTask | TilesTask | SumTask | CopyTask;

/** Who does what and when. */
export interface ThreadPlan {
  /** How many threads take part, the caller included. */
  readonly threads: number;
  /** By phase, then by thread: tasks in order. */
  readonly phases: readonly (readonly (readonly Task[])[])[];
  /**
   * Whether a thread may begin the next step while others are still at this
   * one: none touches what another one writes, so there is one phase, and no
   * failing lookup of another one could oblige it to leave variables alone.
   */
  readonly apart: boolean;
  /** What a step may take, in nanoseconds: good for comparing plans alone. */
  readonly estimate: number;
}

/**
 * What tiles of a stage add up: every thread has its own until all are added
 * up. In the order of their ids.
 */
export function sumsOf({ tiled, kernels }: StageKernels): Buffer[] {
  if (!tiled) return [];
  const sums = new Set<Buffer>();
  for (const kernel of kernels) {
    const targets = kernel.kind === "product"
      ? [kernel.out]
      : kernel.stores.map(({ view }) => view);
    for (const { buffer, tileStride } of targets) {
      if (!buffer.local && tileStride === 0) sums.add(buffer);
    }
  }
  return [...sums].sort((a, b) => a.id - b.id);
}

/** Buffers of which every thread has one of its own while a stage runs. */
export function privateTo(
  { stages, buffers }: Lowered,
): (stage: StageKernels | undefined) => ReadonlySet<Buffer> {
  const own = buffers.filter(({ local }) => local);
  const byStage = new Map(
    stages.map((stage) => [stage, new Set([...own, ...sumsOf(stage)])]),
  );
  const elsewhere = new Set(own);
  return (stage) => (stage && byStage.get(stage)) ?? elsewhere;
}
