/** Decides how many threads run a plan. */
import type { Lowered } from "../compile/kernel.ts";
import { estimateAlone, shareStep } from "../compile/threads/share.ts";
import { canShare, coreCount } from "./threads.ts";

/** Sharing pays if it saves this part of the time that a step should take. */
const LEAST_GAIN = 0.15;

/**
 * How many threads are to run a plan, or how to find out from its kernels for
 * one thread.
 *
 * @param wanted What the user wants.
 * @param most The most that "auto" may take; the machine's cores by default.
 */
export function chooseThreads(
  wanted: number | "auto",
  most: number = coreCount(),
): number | ((alone: Lowered) => number) {
  if (wanted === 1 || !canShare()) return 1;
  if (wanted !== "auto") return wanted;
  return most === 1 ? 1 : (alone) => quickest(alone, most);
}

/** The number of threads with which a step should take least time. */
function quickest(alone: Lowered, most: number): number {
  let best = { threads: 1, time: (1 - LEAST_GAIN) * estimateAlone(alone) };
  for (let threads = most; threads > 1; threads = Math.floor(threads / 2)) {
    // Of smaller tiles: they can be shared, and take no longer.
    const tile = Math.min(alone.tile, Math.ceil(alone.batch / threads));
    const time = shareStep({ ...alone, tile }, threads).estimate;
    if (time < best.time) best = { threads, time };
  }
  return best.threads;
}
