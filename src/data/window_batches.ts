/**
 * Batches from data of which only a window is in memory at a time. While one
 * window is trained on, the next one is read. Who reads is not decided here.
 */
import { sliceOf } from "../distributed/communicator.ts";
import {
  type Batch,
  type BatchCounts,
  type BatchSource,
  cut,
  rowsOf,
  type Share,
} from "../nn/batches.ts";
import { copySequence, type PackedPairs } from "./packed_pairs.ts";
import type { SideLengths } from "./pair_part.ts";
import type { ChunkRequest } from "./pair_reader.ts";
import { type EpochWindow, windowsOf } from "./window_order.ts";

/** Reads the pairs of chunks. */
export type LoadChunks = (
  request: ChunkRequest,
) => PackedPairs | Promise<PackedPairs>;

/** What makes batches of chunks. */
export interface WindowBatchesOptions {
  /** The rows of each chunk, all at least 1. */
  readonly counts: readonly number[];
  /** Reads them. */
  readonly load: LoadChunks;
  /** The most rows in memory at a time, and as many again to go on with. */
  readonly window: number;
  /** Rows of a batch. */
  readonly batchSize: number;
  /** Decides the order of every epoch; null for that of the file. */
  readonly randomSeed: number | null;
  /** To which sequences are filled up. */
  readonly lengths: SideLengths;
  /** What they are filled up with. */
  readonly padToken: number;
  /** The same for the same data only. */
  readonly fingerprint: string;
}

/** A window that is being read, or has been. */
interface Loading {
  readonly key: string;
  readonly pairs: Promise<PackedPairs>;
}

/** Batches of pairs that are read window by window. */
export class WindowBatches implements BatchSource {
  readonly sequences: number;
  readonly batchSize: number;
  readonly fingerprint: string;
  readonly #options: WindowBatchesOptions;
  /** The window that comes next, or the only one there is. */
  #ahead: Loading | undefined;

  /** @param options The data, and how they are gone through. */
  constructor(options: WindowBatchesOptions) {
    this.#options = options;
    this.sequences = options.counts.reduce((sum, count) => sum + count, 0);
    this.batchSize = options.batchSize;
    this.fingerprint = options.fingerprint;
  }

  batches(epoch: number, from: number): AsyncIterable<Batch> {
    return this.slices(epoch, from, WHOLE);
  }

  async *slices(
    epoch: number,
    from: number,
    share: Share,
  ): AsyncIterable<Batch> {
    const windows = this.#windows(epoch);
    const builder = new BatchBuilder(this, share, this.#options);
    const start = from * this.batchSize;
    for (const [at, window] of windows.entries()) {
      const end = window.start + window.rows;
      // What a training has behind it is not read again.
      if (end <= start) continue;
      const pairs = await this.#take(epoch, windows, at, share);
      const order = window.order();
      for (let row = Math.max(start, window.start); row < end; row++) {
        if (isOwn(this, row, share)) {
          builder.add(pairs, order[row - window.start]!);
        }
        if (isLastOfBatch(this, row)) yield builder.take();
      }
    }
  }

  #windows(epoch: number): EpochWindow[] {
    return windowsOf(this.#options, epoch);
  }

  /** The pairs of a window; meanwhile those of the next one are asked for. */
  async #take(
    epoch: number,
    windows: readonly EpochWindow[],
    at: number,
    share: Share,
  ): Promise<PackedPairs> {
    // A window that stays is read whole: each epoch has other rows of it.
    if (windows.length === 1) {
      return await this.#load("all", windows[0]!, WHOLE).pairs;
    }
    const load = (epoch: number, at: number, window: EpochWindow) =>
      this.#load(`${epoch}.${at} for ${share.rank}`, window, share);
    const pairs = await load(epoch, at, windows[at]!).pairs;
    this.#ahead = undefined;
    if (at + 1 < windows.length) load(epoch, at + 1, windows[at + 1]!);
    // A training goes on with the next epoch.
    else if (this.#options.randomSeed !== null) {
      load(epoch + 1, 0, this.#windows(epoch + 1)[0]!);
    }
    return pairs;
  }

  #load(key: string, window: EpochWindow, share: Share): Loading {
    if (this.#ahead?.key === key) return this.#ahead;
    const request = {
      chunks: window.chunks,
      ...(share.size === 1 ? {} : { wanted: this.#wanted(window, share) }),
    };
    const pairs = Promise.try(this.#options.load, request);
    // It may fail when nobody waits for it, or ever will.
    pairs.catch(() => {});
    return this.#ahead = { key, pairs };
  }

  /** Which rows of a window are in a process's share of their batches. */
  #wanted(window: EpochWindow, share: Share): Uint8Array {
    const wanted = new Uint8Array(window.rows);
    window.order().forEach((row, at) => {
      if (isOwn(this, window.start + at, share)) wanted[row] = 1;
    });
    return wanted;
  }
}

/** One process that has everything. */
const WHOLE: Share = { rank: 0, size: 1 };

/** Whether a row of an epoch is in a process's share of its batch. */
function isOwn(counts: BatchCounts, row: number, share: Share): boolean {
  if (share.size === 1) return true;
  const batch = Math.floor(row / counts.batchSize);
  const { from, to } = sliceOf(rowsOf(counts, batch), share);
  const at = row - batch * counts.batchSize;
  return from <= at && at < to;
}

function isLastOfBatch(counts: BatchCounts, row: number): boolean {
  return (row + 1) % counts.batchSize === 0 || row + 1 === counts.sequences;
}

/** Fills batches row by row; one pair of arrays serves all. */
class BatchBuilder {
  readonly #source: Int32Array;
  readonly #target: Int32Array;
  readonly #most: number;
  readonly #options: WindowBatchesOptions;
  #rows = 0;

  constructor(
    { batchSize, sequences }: BatchCounts,
    { size }: Share,
    options: WindowBatchesOptions,
  ) {
    const { source, target } = options.lengths;
    const most = Math.ceil(Math.min(batchSize, sequences) / size);
    this.#source = new Int32Array(most * source);
    this.#target = new Int32Array(most * target);
    this.#most = most;
    this.#options = options;
  }

  add({ source, target }: PackedPairs, at: number): void {
    const { lengths, padToken } = this.#options;
    const row = this.#rows++;
    copySequence(
      source,
      at,
      rowOf(this.#source, row, lengths.source),
      padToken,
    );
    copySequence(
      target,
      at,
      rowOf(this.#target, row, lengths.target),
      padToken,
    );
  }

  take(): Batch {
    const rows = this.#rows;
    this.#rows = 0;
    const most = this.#most;
    const batch = { rows: most, source: this.#source, target: this.#target };
    return rows === most ? batch : cut(batch, rows);
  }
}

function rowOf(rows: Int32Array, at: number, width: number): Int32Array {
  return rows.subarray(at * width, (at + 1) * width);
}
