/**
 * Batches from data of which only a window is in memory at a time. While one
 * window is trained on, the next one is read. Who reads is not decided here.
 */
import { type Batch, type BatchSource, cut } from "../nn/batches.ts";
import { copySequence, type PackedPairs } from "./packed_pairs.ts";
import type { SideLengths } from "./pair_part.ts";
import { type EpochWindow, windowsOf } from "./window_order.ts";

/** Reads the pairs of chunks, by their numbers. */
export type LoadChunks = (
  chunks: Int32Array,
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

  async *batches(epoch: number, from: number): AsyncIterable<Batch> {
    const windows = windowsOf(this.#options, epoch);
    const most = Math.min(this.batchSize, this.sequences);
    const builder = new BatchBuilder(most, this.#options);
    let skipped = from * this.batchSize;
    for (const [at, window] of windows.entries()) {
      if (skipped >= window.rows) {
        // What a training has behind it is not read again.
        skipped -= window.rows;
        continue;
      }
      const pairs = await this.#take(epoch, windows, at);
      const order = window.order();
      for (let row = skipped; row < order.length; row++) {
        builder.add(pairs, order[row]!);
        if (builder.isFull) yield builder.take();
      }
      skipped = 0;
    }
    if (!builder.isEmpty) yield builder.take();
  }

  /** The pairs of a window; meanwhile those of the next one are asked for. */
  async #take(
    epoch: number,
    windows: readonly EpochWindow[],
    at: number,
  ): Promise<PackedPairs> {
    if (windows.length === 1) return await this.#load("all", windows[0]!).pairs;
    const pairs = await this.#load(`${epoch}.${at}`, windows[at]!).pairs;
    this.#ahead = undefined;
    if (at + 1 < windows.length) {
      this.#load(`${epoch}.${at + 1}`, windows[at + 1]!);
    } else if (this.#options.randomSeed !== null) {
      // Training goes on with the next epoch.
      const [first] = windowsOf(this.#options, epoch + 1);
      this.#load(`${epoch + 1}.0`, first!);
    }
    return pairs;
  }

  #load(key: string, { chunks }: EpochWindow): Loading {
    if (this.#ahead?.key === key) return this.#ahead;
    const pairs = Promise.try(this.#options.load, chunks);
    // It may fail when nobody waits for it, or ever will.
    pairs.catch(() => {});
    return this.#ahead = { key, pairs };
  }
}

/** Fills batches row by row; one pair of arrays serves all. */
class BatchBuilder {
  readonly #source: Int32Array;
  readonly #target: Int32Array;
  readonly #most: number;
  readonly #options: WindowBatchesOptions;
  #rows = 0;

  constructor(most: number, options: WindowBatchesOptions) {
    const { source, target } = options.lengths;
    this.#source = new Int32Array(most * source);
    this.#target = new Int32Array(most * target);
    this.#most = most;
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#rows === 0;
  }

  get isFull(): boolean {
    return this.#rows === this.#most;
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
