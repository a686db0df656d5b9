/**
 * In which order the kernels of a lowered graph run, and for which tiles: what
 * the emitted step does, spelt out for those who run kernels one by one.
 */
import type { Kernel, Lowered, StageKernels } from "./kernel.ts";

/** One run of one kernel. */
export interface KernelCall {
  /** What runs. */
  readonly kernel: Kernel;
  /** Its position among all kernels, tiles of every size counted once. */
  readonly at: number;
  /** The name under which the module exports it where it exports kernels. */
  readonly name: string;
  /** The first batch entry of the tile; 0 for work on whole arrays. */
  readonly first: number;
  /** How many batch entries the tile has; 1 for work on whole arrays. */
  readonly count: number;
}

/** The calls of one stage, to be made after its buffers are cleared. */
export interface StageCalls {
  /** The stage. */
  readonly stage: StageKernels;
  /** In order. */
  readonly calls: readonly KernelCall[];
}

/** All calls: what is done once for many steps, and the stages of a step. */
export interface Schedule {
  /** What frozen variables alone decide. */
  readonly prepare: StageCalls;
  /** In order. */
  readonly stages: readonly StageCalls[];
}

/** Spells out the calls of a lowered graph. */
export function scheduleOf(
  { prepare, stages, batch, tile }: Lowered,
): Schedule {
  const rest = batch % tile;
  let kernels = 0;
  let exported = 0;
  const callsOf = (stage: StageKernels): StageCalls => {
    const count = stage.kernels.length;
    const start = kernels;
    kernels += count;
    const call = (name: number, first: number, size: number): KernelCall[] =>
      stage.kernels.map((kernel, at) => ({
        kernel,
        at: start + at,
        name: `kernel${name + at}`,
        first,
        count: size,
      }));
    // The emitter counts whole tiles first, then those for a smaller last one.
    const whole = exported;
    exported += count;
    if (!stage.tiled) return { stage, calls: call(whole, 0, 1) };
    const calls: KernelCall[] = [];
    for (let first = 0; first + tile <= batch; first += tile) {
      calls.push(...call(whole, first, tile));
    }
    if (rest > 0) {
      calls.push(...call(exported, batch - rest, rest));
      exported += count;
    }
    return { stage, calls };
  };
  return { prepare: callsOf(prepare), stages: stages.map(callsOf) };
}
