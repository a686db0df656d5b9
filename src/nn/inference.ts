/**
 * Asks a model without changing it: measures, predicts, shows attention, some
 * sequences at a time. What it is given has been checked.
 *
 * S source length, T target length.
 */
import { type Communicator, stopReason } from "../distributed/communicator.ts";
import type { Plan } from "../run/plan.ts";
import {
  type Batch,
  type Batches,
  type BatchSource,
  parts,
  slicesOf,
} from "./batches.ts";
import type { Plans } from "./plans.ts";
import { chunkFor } from "./chunks.ts";
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
    const evaluation = new PreparedPlans((size) => this.#plans.evaluate(size));
    const prediction = new PreparedPlans((size) => this.#plans.predict(size));
    const { tgtLength, padToken } = this.#sizes;
    let [loss, correct, tokens, rows, right] = [0, 0, 0, 0, 0];
    const own = communicator
      ? slicesOf(source, 1, 0, communicator)
      : source.batches(1, 0);
    // A rank does not stop by itself: the others would wait for it.
    const stop = communicator ? undefined : signal;
    const plans = sequenceAccuracy ? [evaluation, prediction] : [evaluation];
    await this.#inChunks(own, stop, plans, (chunk) => {
      const plan = evaluation.get(chunk.rows);
      plan.input("source").set(chunk.source);
      plan.input("target").set(chunk.target);
      plan.step();
      for (let at = 0; at < chunk.rows; at++) {
        loss += plan.output("loss")[at]!;
        correct += plan.output("correct")[at]!;
      }
      tokens += countTokens(chunk.target, padToken);
      rows += chunk.rows;
      if (!sequenceAccuracy) return;
      const predicted = prediction.get(chunk.rows).predict(chunk.source);
      right += countRight(predicted, chunk.target, tgtLength, padToken);
    });
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
    const plans = new PreparedPlans((size) => this.#plans.predict(size));
    let done = 0;
    const all = [{ rows, source, target: new Int32Array(0) }];
    await this.#inChunks(all, undefined, [plans], (chunk) => {
      const predicted = plans.get(chunk.rows).predict(chunk.source);
      result.set(predicted, done * tgtLength);
      done += chunk.rows;
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

  /** Outputs of a plan with teacher forcing, so many numbers a sequence. */
  async #outputs<K extends string>(
    source: Int32Array,
    target: Int32Array,
    make: (size: number) => Plan<K>,
    widths: Readonly<Record<K, number>>,
  ): Promise<Record<K, Float32Array>> {
    const rows = source.length / this.#sizes.srcLength;
    const plans = new PreparedPlans(make);
    const results = Object.entries<number>(widths).map(([name, width]) => ({
      name: name as K,
      width,
      data: new Float32Array(rows * width),
    }));
    let done = 0;
    const all = [{ rows, source, target }];
    await this.#inChunks(all, undefined, [plans], (chunk) => {
      const plan = plans.get(chunk.rows);
      plan.input("source").set(chunk.source);
      plan.input("target").set(chunk.target);
      plan.step();
      for (const { name, width, data } of results) {
        const found = plan.output(name).subarray(0, chunk.rows * width);
        data.set(found, done * width);
      }
      done += chunk.rows;
    });
    const entries = results.map(({ name, data }) => [name, data]);
    return Object.fromEntries(entries);
  }

  /** Cuts batches into chunks, and lets others have a turn between them. */
  async #inChunks(
    batches: Batches,
    signal: AbortSignal | undefined,
    plans: readonly PreparedPlans<Frozen>[],
    work: (chunk: Batch) => void,
  ): Promise<void> {
    const most = chunkFor(this.#sizes, this.#plans.mostThreads);
    for await (const batch of batches) {
      for (const chunk of parts(batch, most)) {
        signal?.throwIfAborted();
        for (const each of plans) await each.ready(chunk.rows);
        work(chunk);
        if (this.#turns.due()) await this.#turns.take();
      }
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

/** A plan in which parameters are frozen, or several that belong together. */
interface Frozen {
  prepare(): void;
  ready(): Promise<void>;
}

/**
 * The plans that one call uses. They come in few sizes: powers of two. Rows
 * beyond those of a chunk hold whatever was there before, which does no harm
 * where sequences do not meet.
 */
class PreparedPlans<T extends Frozen> {
  readonly #make: (size: number) => T;
  readonly #plans = new Map<number, T>();

  constructor(make: (size: number) => T) {
    this.#make = make;
  }

  /** Prepares the plan for so many rows, once a call. */
  async ready(rows: number): Promise<void> {
    const size = sizeFor(rows);
    if (this.#plans.has(size)) return;
    const plan = this.#make(size);
    this.#plans.set(size, plan);
    await plan.ready();
    plan.prepare();
  }

  /** The plan for so many rows; it must be ready. */
  get(rows: number): T {
    return this.#plans.get(sizeFor(rows))!;
  }
}

function sizeFor(rows: number): number {
  return 2 ** Math.ceil(Math.log2(rows));
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
  length: number,
  padToken?: number,
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
