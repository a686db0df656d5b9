/**
 * In which order an epoch goes through data of which only a window is in memory
 * at a time. It is decided by seed and epoch alone, so that a training can go
 * on from anywhere. It reads nothing.
 */
import { Random } from "../random.ts";

/** What decides an order. */
export interface WindowOptions {
  /** The rows of each chunk, all at least 1. */
  readonly counts: readonly number[];
  /** The most rows of a window, but for a larger chunk. */
  readonly window: number;
  /** Decides the order of every epoch; null for that of the file. */
  readonly randomSeed: number | null;
}

/** Rows that are in memory at a time. */
export interface EpochWindow {
  /** The chunks that they come from, by number, as they are put in memory. */
  readonly chunks: Int32Array;
  /** How many rows that is. */
  readonly rows: number;
  /** How many rows of the epoch come before them. */
  readonly start: number;
  /** Their order, made when it is needed. */
  order(): Int32Array;
}

/**
 * Cuts an epoch into windows: chunks from all over the file, and their rows
 * mixed. Where all data fit into one window, their order is that of data in
 * memory.
 *
 * @param options Chunks, window and seed.
 * @param epoch Counted from 1.
 * @returns The windows, together every row once.
 */
export function windowsOf(
  { counts, window, randomSeed }: WindowOptions,
  epoch: number,
): EpochWindow[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const stream = `shuffle.${epoch}`;
  const order = randomSeed === null || total <= window
    ? Int32Array.from(counts, (_, at) => at)
    : new Random(randomSeed, `${stream}.chunks`).permutation(counts.length);
  const windows: EpochWindow[] = [];
  let start = 0;
  for (let from = 0, to = 0; from < order.length; from = to) {
    let rows = counts[order[to++]!]!;
    while (to < order.length && rows + counts[order[to]!]! <= window) {
      rows += counts[order[to++]!]!;
    }
    const name = windows.length === 0 ? stream : `${stream}.${windows.length}`;
    windows.push({
      chunks: order.slice(from, to),
      rows,
      start,
      order: () =>
        randomSeed === null
          ? Int32Array.from({ length: rows }, (_, at) => at)
          : new Random(randomSeed, name).permutation(rows),
    });
    start += rows;
  }
  return windows;
}
