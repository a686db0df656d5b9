/**
 * Where training and evaluation get their data from: batches in an order that
 * the epoch decides, so that a training can go on from any of them. Reading
 * files is not done here.
 *
 * S source length, T target length.
 */
import type { NDArray } from "../array.ts";
import { type Communicator, sliceOf } from "../distributed/communicator.ts";
import { Random } from "../random.ts";

/** Some pairs of sequences, row by row. */
export interface Batch {
  /** How many pairs there are. */
  readonly rows: number;
  /** The source tokens, (rows, S). */
  readonly source: Int32Array;
  /** The target tokens, (rows, T). */
  readonly target: Int32Array;
}

/**
 * Data that come batch by batch, for what does not fit arrays: see
 * {@linkcode Seq2SeqAttentionModel.train}.
 *
 * @example Sequences made up as they are asked for
 * ```ts
 * import { type BatchSource, Seq2SeqAttentionModel } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const source: BatchSource = {
 *   sequences: 100,
 *   batchSize: 10,
 *   *batches(epoch, from) {
 *     for (let at = from; at < 10; at++) {
 *       const tokens = new Int32Array(20).map((_, i) => (epoch + at + i) % 4);
 *       yield { rows: 10, source: tokens, target: tokens };
 *     }
 *   },
 * };
 * const model = new Seq2SeqAttentionModel({
 *   vocabSize: 4,
 *   srcLength: 2,
 *   tgtLength: 2,
 *   dModel: 4,
 *   dK: 4,
 *   dV: 4,
 * });
 * const { loss } = await model.train(source, { epochs: 3, learningRate: 0.01 });
 * assertEquals(loss.length, 3);
 * ```
 */
export interface BatchSource {
  /** Pairs of sequences in an epoch. */
  readonly sequences: number;
  /** Rows of a batch; the last one of an epoch has what is left. */
  readonly batchSize: number;
  /**
   * The same for the same data only, such as a hash of them. A training does
   * not go on from one of other data, nor do processes share one of them.
   */
  readonly fingerprint?: string;
  /**
   * Gives the batches of an epoch. Which pairs they hold, and in which order,
   * depends on the epoch alone.
   *
   * @param epoch Counted from 1 over the life of the model; 1 in an evaluation.
   * @param from How many batches to leave out at the beginning.
   * @returns The batches. One may be changed when the next is asked for.
   */
  batches(epoch: number, from: number): Batches;
  /**
   * Gives the same batches, but of each only the rows of one process, where
   * several share the work. Without this, whole batches are given, and each
   * process takes its rows of them.
   *
   * @param epoch As for `batches`.
   * @param from As for `batches`.
   * @param share Which process of how many. Of n rows it has those from
   * floor(n rank / size) to floor(n (rank + 1) / size).
   * @returns As many batches, some of them maybe without a row.
   */
  slices?(epoch: number, from: number, share: Share): Batches;
}

/** Batches as they come. */
export type Batches = Iterable<Batch> | AsyncIterable<Batch>;

/** Which process of how many. */
export type Share = Pick<Communicator, "rank" | "size">;

/** Pairs of sequences in memory. */
export interface Pairs {
  /** (n, S). */
  readonly source: NDArray<Int32Array>;
  /** (n, T). */
  readonly target: NDArray<Int32Array>;
}

/** Options of {@linkcode PairBatches}. */
export interface PairBatchesOptions {
  /** Rows of a batch. */
  readonly batchSize: number;
  /** Decides the order of every epoch. */
  readonly randomSeed: number;
  /** Whether there is another order every epoch; so by default. */
  readonly shuffle?: boolean;
  /** Which of the pairs there are batches of; all by default. */
  readonly rows?: Int32Array;
}

/** Batches of pairs in memory. */
export class PairBatches implements BatchSource {
  readonly sequences: number;
  readonly batchSize: number;
  readonly #pairs: Pairs;
  readonly #randomSeed: number;
  readonly #shuffle: boolean;
  readonly #rows: Int32Array;

  /**
   * @param pairs At least one.
   * @param options Batch size and order.
   */
  constructor(pairs: Pairs, options: PairBatchesOptions) {
    this.#pairs = pairs;
    this.#rows = options.rows ?? indices(pairs.source.shape[0]!);
    this.sequences = this.#rows.length;
    this.batchSize = options.batchSize;
    this.#randomSeed = options.randomSeed;
    this.#shuffle = options.shuffle ?? true;
  }

  /** One batch object serves all: a step allocates nothing. */
  *batches(epoch: number, from: number): Iterable<Batch> {
    const { sequences, batchSize } = this;
    const { source, target } = this.#pairs;
    const order = this.#order(epoch);
    const rows = Math.min(batchSize, sequences);
    const batch = {
      rows,
      source: new Int32Array(rows * source.shape[1]!),
      target: new Int32Array(rows * target.shape[1]!),
    };
    for (let start = from * batchSize; start < sequences; start += batchSize) {
      const chosen = order.subarray(start, start + batchSize);
      fill(batch.source, source, chosen);
      fill(batch.target, target, chosen);
      yield chosen.length === rows ? batch : cut(batch, chosen.length);
    }
  }

  #order(epoch: number): Int32Array {
    if (!this.#shuffle) return this.#rows;
    // A stream for each epoch: none depends on those before it.
    return new Random(this.#randomSeed, `shuffle.${epoch}`)
      .permutation(this.sequences).map((at) => this.#rows[at]!);
  }
}

function indices(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, at) => at);
}

/** Pairs in memory as one batch, in their order. */
export function wholeOf({ source, target }: Pairs): BatchSource {
  const rows = source.shape[0]!;
  const whole = { rows, source: source.data, target: target.data };
  return { sequences: rows, batchSize: rows, batches: () => [whole] };
}

/** What decides how many batches there are, and of which size. */
export type BatchCounts = Pick<BatchSource, "sequences" | "batchSize">;

/** How many batches there are in an epoch. */
export function batchesOf({ sequences, batchSize }: BatchCounts): number {
  return Math.ceil(sequences / batchSize);
}

/** How many rows batch `at` of an epoch has, counted from 0. */
export function rowsOf(
  { sequences, batchSize }: BatchCounts,
  at: number,
): number {
  return Math.min(batchSize, sequences - at * batchSize);
}

/** Gives of every batch the rows of one process. */
export function slicesOf(
  source: BatchSource,
  epoch: number,
  from: number,
  share: Share,
): Batches {
  return source.slices?.(epoch, from, share) ??
    cutSlices(source.batches(epoch, from), share);
}

async function* cutSlices(
  batches: Batches,
  share: Share,
): AsyncIterable<Batch> {
  for await (const batch of batches) {
    const { from, to } = sliceOf(batch.rows, share);
    yield cut(batch, to - from, from);
  }
}

/** Takes `count` rows of a batch from `start` on, uncopied. */
export function cut(
  { rows, source, target }: Batch,
  count: number,
  start = 0,
): Batch {
  const take = (tokens: Int32Array): Int32Array => {
    const width = tokens.length / rows;
    return tokens.subarray(start * width, (start + count) * width);
  };
  return { rows: count, source: take(source), target: take(target) };
}

/** Copies the given rows of a matrix one after another. */
function fill(
  destination: Int32Array,
  { data, shape }: NDArray<Int32Array>,
  rows: Int32Array,
): void {
  const width = shape[1]!;
  for (let at = 0; at < rows.length; at++) {
    const start = rows[at]! * width;
    for (let i = 0; i < width; i++) {
      destination[at * width + i] = data[start + i]!;
    }
  }
}
