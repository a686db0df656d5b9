/**
 * Asks a model without changing it: measures, predicts, shows attention, some
 * sequences at a time. What it is given has been checked.
 *
 * S source length, T target length.
 */
import type { TypedArray } from "../array.ts";
import { type Communicator, stopReason } from "../distributed/communicator.ts";
import type { Job } from "../run/jobs.ts";
import { type Batch, type BatchSource, cut, slicesOf } from "./batches.ts";
import type { Plans } from "./plans.ts";
import { fillEnds } from "./predict_job.ts";
import { RowJobs } from "./row_jobs.ts";
import type { Seq2SeqSizes, SpecialTokens } from "./seq2seq.ts";
import type { EvaluateOptions, Evaluation } from "./training.ts";
import type { Turns } from "./turns.ts";

/** Evaluation and prediction of one model. */
export class Inference {
  readonly #sizes: Seq2SeqSizes & SpecialTokens;
  readonly #plans: Plans;
  readonly #turns: Turns;

  /**
   * @param sizes The model's sizes and special tokens.
   * @param plans The model's plans.
   * @param turns Lets others have a turn.
   */
  constructor(
    sizes: Seq2SeqSizes & SpecialTokens,
    plans: Plans,
    turns: Turns,
  ) {
    this.#sizes = sizes;
    this.#plans = plans;
    this.#turns = turns;
  }

  /** Means over all tokens that are no padding. */
  async evaluate(
    source: BatchSource,
    { sequenceAccuracy = false, signal, communicator }: EvaluateOptions,
  ): Promise<Evaluation> {
    const evaluation = this.#jobs((size) => this.#plans.evaluate(size));
    const prediction = this.#jobs((size) => this.#plans.predict(size));
    const { padToken } = this.#sizes;
    let [loss, correct, tokens, rows, right] = [0, 0, 0, 0, 0];
    const own = communicator
      ? slicesOf(source, 1, 0, communicator)
      : source.batches(1, 0);
    // A rank does not stop by itself: the others would wait for it.
    const stop = communicator ? undefined : signal;
    for await (const batch of own) {
      await this.#ask(evaluation, batch, stop, ({ rows }, found) => {
        const [losses, hits] = [found("loss"), found("correct")];
        for (let at = 0; at < rows; at++) {
          loss += losses[at]!;
          correct += hits[at]!;
        }
      });
      tokens += countTokens(batch.target, padToken);
      rows += batch.rows;
      if (!sequenceAccuracy) continue;
      await this.#ask(prediction, batch, stop, ({ rows, target }, found) => {
        const predicted = this.#ended(found("predicted"), rows);
        right += countRight(predicted, target, this.#sizes);
      });
    }
    if (communicator) {
      const sums = [loss, correct, tokens, rows, right];
      const all = addUp(communicator, sums, signal);
      [loss, correct, tokens, rows, right] = all as Sums;
    }
    const result = { loss: loss / tokens, accuracy: correct / tokens };
    if (!sequenceAccuracy) return result;
    return { ...result, sequenceAccuracy: right / rows };
  }

  /** Greedy tokens (n, T) of sources (n, S). */
  async predict(source: Int32Array): Promise<Int32Array> {
    const { srcLength, tgtLength } = this.#sizes;
    const rows = source.length / srcLength;
    const result = new Int32Array(rows * tgtLength);
    const jobs = this.#jobs((size) => this.#plans.predict(size));
    const batch = { rows, source, target: new Int32Array(0) };
    await this.#ask(jobs, batch, undefined, ({ rows }, found, from) => {
      result.set(this.#ended(found("predicted"), rows), from * tgtLength);
    });
    return result;
  }

  /** The weights (n, T, S), with teacher forcing. */
  async attention(
    source: Int32Array,
    target: Int32Array,
  ): Promise<Float32Array> {
    const { srcLength, tgtLength } = this.#sizes;
    const { weights } = await this.#outputs(
      source,
      target,
      (size) => this.#plans.attention(size),
      { weights: tgtLength * srcLength },
    );
    return weights;
  }

  /**
   * The weights (n, T, S) and the logarithm of each token's probability
   * (n, T), with teacher forcing; the latter 0 behind the end of a sequence.
   */
  async explain(
    source: Int32Array,
    target: Int32Array,
  ): Promise<{ weights: Float32Array; logProbabilities: Float32Array }> {
    const { srcLength, tgtLength, eosToken } = this.#sizes;
    const outputs = await this.#outputs(
      source,
      target,
      (size) => this.#plans.explain(size),
      { weights: tgtLength * srcLength, logProbabilities: tgtLength },
    );
    for (let start = 0; start < target.length; start += tgtLength) {
      const tokens = target.subarray(start, start + tgtLength);
      const end = eosToken === undefined ? -1 : tokens.indexOf(eosToken);
      if (end < 0) continue;
      outputs.logProbabilities.fill(0, start + end + 1, start + tgtLength);
    }
    return outputs;
  }

  /** What jobs with teacher forcing find, so many numbers a sequence. */
  async #outputs<O extends string>(
    source: Int32Array,
    target: Int32Array,
    make: (size: number) => Job<O>,
    widths: Readonly<Record<O, number>>,
  ): Promise<Record<O, Float32Array>> {
    const rows = source.length / this.#sizes.srcLength;
    const jobs = this.#jobs(make);
    const results = Object.entries<number>(widths).map(([name, width]) => ({
      name: name as O,
      width,
      data: new Float32Array(rows * width),
    }));
    const batch = { rows, source, target };
    await this.#ask(jobs, batch, undefined, ({ rows }, found, from) => {
      for (const { name, width, data } of results) {
        data.set(found(name).subarray(0, rows * width), from * width);
      }
    });
    const entries = results.map(({ name, data }) => [name, data]);
    return Object.fromEntries(entries);
  }

  /** A copy of what has been predicted of the first rows, ends filled up. */
  #ended(predicted: TypedArray, rows: number): Int32Array {
    const { tgtLength } = this.#sizes;
    const tokens = Int32Array.from(predicted.subarray(0, rows * tgtLength));
    fillEnds(tokens, this.#sizes);
    return tokens;
  }

  #jobs<O extends string>(make: (size: number) => Job<O>): RowJobs<O> {
    return new RowJobs(make, this.#sizes, this.#plans);
  }

  /**
   * Has jobs done for all rows of a batch, some at a time, and lets others have
   * a turn in between. `read` is told which rows, where their outputs are until
   * it returns, and how many rows were before them.
   */
  async #ask<O extends string>(
    jobs: RowJobs<O>,
    batch: Batch,
    signal: AbortSignal | undefined,
    read: (
      some: Batch,
      found: (name: O) => TypedArray,
      from: number,
    ) => void,
  ): Promise<void> {
    const isDue = (): boolean => this.#turns.due();
    const choice = jobs.choose(batch.rows);
    for (let from = 0; from < batch.rows;) {
      signal?.throwIfAborted();
      const rest = cut(batch, batch.rows - from, from);
      const job = await jobs.ready(rest.rows, choice);
      const rows = job.run(rest, isDue);
      read(cut(rest, rows), (name) => job.output(name), from);
      from += rows;
      if (isDue()) await this.#turns.take();
    }
  }
}

type Sums = [number, number, number, number, number];

/** The sums over all ranks; all stop where one has been told to. */
function addUp(
  ranks: Communicator,
  sums: readonly number[],
  signal: AbortSignal | undefined,
): number[] {
  const all = Float64Array.of(...sums, signal?.aborted ? 1 : 0);
  ranks.allReduce(all);
  if (all[sums.length]! > 0) throw stopReason(signal);
  return [...all.subarray(0, sums.length)];
}

/** How many tokens are no padding. */
export function countTokens(tokens: Int32Array, padToken?: number): number {
  if (padToken === undefined) return tokens.length;
  let count = 0;
  for (const token of tokens) if (token !== padToken) count++;
  return count;
}

/** How many sequences are predicted right wherever they are no padding. */
function countRight(
  predicted: Int32Array,
  target: Int32Array,
  { tgtLength: length, padToken }: Seq2SeqSizes & SpecialTokens,
): number {
  let right = 0;
  for (let start = 0; start < target.length; start += length) {
    let same = true;
    for (let at = start; at < start + length; at++) {
      same &&= predicted[at] === target[at] || target[at] === padToken;
    }
    if (same) right++;
  }
  return right;
}
