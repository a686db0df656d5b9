/**
 * The model as its users see it: train, evaluate, predict, look inside. Checks
 * its input, cuts it into batches and runs the plans.
 */
import { type ArrayLike, type NDArray, sizeOf } from "../array.ts";
import { checkInteger } from "../checks.ts";
import { Random } from "../random.ts";
import { Variables } from "../run/variables.ts";
import {
  checkPairs,
  checkParameters,
  checkSizes,
  checkTokens,
} from "./checks.ts";
import { type PlanOptions, Plans } from "./plans.ts";
import {
  initialParameters,
  mapParameters,
  PARAMETER_NAMES,
  type ParameterName,
  parameterShapes,
  type Seq2SeqSizes,
} from "./seq2seq.ts";
import {
  checkSignal,
  checkTrainOptions,
  DivergenceError,
  type EpochReport,
  type EvaluateOptions,
  type Evaluation,
  type StepReport,
  type TrainHistory,
  type TrainOptions,
} from "./training.ts";
import { Turns } from "./turns.ts";

export {
  DivergenceError,
  type EpochReport,
  type EvaluateOptions,
  type Evaluation,
  type StepReport,
  type TrainHistory,
  type TrainOptions,
} from "./training.ts";
export type { PlanOptions } from "./plans.ts";

/** Options of {@linkcode Seq2SeqAttentionModel}. */
export interface Seq2SeqOptions extends Seq2SeqSizes {
  /** Seeds initialisation and shuffling; 0 by default. */
  readonly randomSeed?: number;
  /** How the model's plans are compiled, and whether one looks into them. */
  readonly compile?: PlanOptions;
}

/** The most sequences that evaluation and prediction take at once. */
const CHUNK = 64;

/**
 * An attention sequence-to-sequence model: token and position embeddings, one
 * scaled dot-product attention over the source, a tanh layer over context and
 * state (Luong et al. 2015, eq. 5), trained with Adam and teacher forcing.
 * Any source and target length, fixed for a model.
 *
 * @example Learn to copy two tokens
 * ```ts
 * import {
 *   generateCopyTaskData,
 *   Seq2SeqAttentionModel,
 * } from "jsr:@weft/seq2seq";
 * import { assertGreater } from "@std/assert";
 *
 * const model = new Seq2SeqAttentionModel({
 *   vocabSize: 4,
 *   srcLength: 2,
 *   tgtLength: 2,
 *   dModel: 16,
 *   dK: 16,
 *   dV: 16,
 * });
 * const { xSrc, xTgt } = generateCopyTaskData({
 *   nSamples: 64,
 *   srcLength: 2,
 *   tgtLength: 2,
 *   vocabSize: 4,
 *   randomSeed: 1,
 * });
 * await model.train(xSrc, xTgt, {
 *   epochs: 30,
 *   learningRate: 0.01,
 *   batchSize: 16,
 * });
 * const { accuracy } = await model.evaluate(xSrc, xTgt);
 * assertGreater(accuracy, 0.9);
 * ```
 */
export class Seq2SeqAttentionModel {
  readonly #sizes: Seq2SeqSizes;
  readonly #variables = new Variables();
  readonly #plans: Plans;
  readonly #shuffle: Random;
  readonly #turns = new Turns();
  #steps = 0;

  /**
   * Makes a model with random parameters.
   *
   * @param options Sizes and seed.
   * @throws {TypeError} If a size is no number.
   * @throws {RangeError} If a size is no positive integer, the seed no safe
   * non-negative integer, or the whole too large.
   */
  constructor(options: Seq2SeqOptions) {
    this.#sizes = checkSizes(options);
    const seed = options.randomSeed ?? 0;
    checkInteger(seed, "randomSeed", 0);
    const initial = initialParameters(this.#sizes, new Random(seed, "init"));
    const shapes = parameterShapes(this.#sizes);
    for (const name of PARAMETER_NAMES) {
      this.#variables.declare(name, initial[name]);
    }
    // Later graphs need the shapes alone: the values are in the variables.
    const current = (name: ParameterName): NDArray => ({
      data: this.#variables.view(name),
      shape: shapes[name],
    });
    const { compile } = options;
    this.#plans = new Plans(this.#sizes, this.#variables, current, compile);
    this.#shuffle = new Random(seed, "shuffle");
  }

  /**
   * Trains with teacher forcing and Adam. A second call goes on from the
   * first: moments, step count and the order of shuffling continue, and no
   * batch size is compiled twice.
   *
   * @param xSrc int32 (n, S), tokens in [0, V).
   * @param xTgt int32 (n, T), tokens in [0, V).
   * @param options How long and how.
   * @returns Loss and accuracy of every epoch, computed before each update.
   * @throws {TypeError | RangeError} If data or options are wrong; nothing has
   * changed then.
   * @throws {DivergenceError} If the loss of a step is not finite.
   */
  async train(
    xSrc: ArrayLike,
    xTgt: ArrayLike,
    options: TrainOptions,
  ): Promise<TrainHistory> {
    const { source, target } = checkPairs(xSrc, xTgt, this.#sizes);
    const { epochs, batchSize, signal } = checkTrainOptions(options);
    const history: TrainHistory = { loss: [], accuracy: [] };
    const count = source.shape[0]!;
    // What does not fit the memory should show before anything has changed.
    this.#plans.train(Math.min(batchSize, count));
    this.#plans.train(count % batchSize || Math.min(batchSize, count));
    for (let epoch = 1; epoch <= epochs; epoch++) {
      const order = options.shuffle === false
        ? Int32Array.from({ length: count }, (_, at) => at)
        : this.#shuffle.permutation(count);
      let loss = 0;
      let accuracy = 0;
      for (let start = 0; start < count; start += batchSize) {
        signal?.throwIfAborted();
        const rows = order.subarray(start, start + batchSize);
        const report = this.#trainStep(source, target, rows, epoch, options);
        loss += report.loss * rows.length;
        accuracy += report.accuracy * rows.length;
        options.onStep?.(report);
        if (this.#turns.due()) await this.#turns.take();
      }
      // Every sequence has T tokens, so weights by sequence are by token.
      const report = { epoch, loss: loss / count, accuracy: accuracy / count };
      history.loss.push(report.loss);
      history.accuracy.push(report.accuracy);
      if (options.verbose) logEpoch(report, epochs);
      options.onEpoch?.(report);
    }
    return history;
  }

  /**
   * Measures the model on data, with teacher forcing.
   *
   * @param xSrc int32 (n, S), tokens in [0, V).
   * @param xTgt int32 (n, T), tokens in [0, V).
   * @param options Whether to count whole sequences as well.
   * @returns Means over all tokens.
   * @throws {TypeError | RangeError} If the data are wrong.
   */
  async evaluate(
    xSrc: ArrayLike,
    xTgt: ArrayLike,
    options: EvaluateOptions = {},
  ): Promise<Evaluation> {
    const { source, target } = checkPairs(xSrc, xTgt, this.#sizes);
    checkSignal(options.signal);
    const count = source.shape[0]!;
    let loss = 0;
    let correct = 0;
    await this.#inChunks(count, options.signal, (rows, size, isNew) => {
      const plan = this.#plans.evaluate(size);
      if (isNew) plan.prepare();
      fill(plan.input("source"), source, rows);
      fill(plan.input("target"), target, rows);
      plan.step();
      for (let at = 0; at < rows.length; at++) {
        loss += plan.output("loss")[at]!;
        correct += plan.output("correct")[at]!;
      }
    });
    const tokens = sizeOf(target.shape);
    const result = { loss: loss / tokens, accuracy: correct / tokens };
    if (!options.sequenceAccuracy) return result;
    const predicted = await this.#predict(source, options.signal);
    const { tgtLength } = this.#sizes;
    let right = 0;
    for (let at = 0; at < predicted.length; at += tgtLength) {
      let same = true;
      for (let t = at; t < at + tgtLength; t++) {
        same &&= predicted[t] === target.data[t];
      }
      if (same) right++;
    }
    return { ...result, sequenceAccuracy: right / count };
  }

  /**
   * Predicts greedily: each token is the likeliest one after those predicted
   * before it, the lowest of several equally likely.
   *
   * @param xSrc int32 (n, S), tokens in [0, V).
   * @returns int32 (n, T).
   * @throws {TypeError | RangeError} If the data are wrong.
   */
  async predict(xSrc: ArrayLike): Promise<NDArray<Int32Array>> {
    const { target } = await this.#withPrediction(xSrc);
    return target;
  }

  /**
   * The attention weights, for looking at.
   *
   * @param xSrc int32 (n, S), tokens in [0, V).
   * @param xTgt int32 (n, T), tokens in [0, V); by default the model's own
   * greedy prediction.
   * @returns (n, T, S): where each target position looks; rows sum to 1.
   * @throws {TypeError | RangeError} If the data are wrong.
   */
  async attention(
    xSrc: ArrayLike,
    xTgt?: ArrayLike,
  ): Promise<NDArray<Float32Array>> {
    const { source, target } = xTgt === undefined
      ? await this.#withPrediction(xSrc)
      : checkPairs(xSrc, xTgt, this.#sizes);
    const { srcLength, tgtLength } = this.#sizes;
    const count = source.shape[0]!;
    const each = tgtLength * srcLength;
    const data = new Float32Array(count * each);
    await this.#inChunks(count, undefined, (rows, size, isNew) => {
      const plan = this.#plans.attention(size);
      if (isNew) plan.prepare();
      fill(plan.input("source"), source, rows);
      fill(plan.input("target"), target, rows);
      plan.step();
      const found = plan.output("weights").subarray(0, rows.length * each);
      data.set(found, rows[0]! * each);
    });
    return { data, shape: [count, tgtLength, srcLength] };
  }

  /**
   * The parameters.
   *
   * @returns A copy of each, by name.
   */
  parameters(): Record<ParameterName, NDArray<Float32Array>> {
    const copy = (name: ParameterName) =>
      this.#variables.get(name) as NDArray<Float32Array>;
    return { ...mapParameters(copy) };
  }

  /**
   * Replaces the parameters; the moments of Adam stay.
   *
   * @param values All of them, by name.
   * @throws {TypeError} If one is missing, unknown or of another shape.
   * @throws {RangeError} If a value is not finite. Nothing has changed then.
   */
  setParameters(values: Readonly<Record<string, ArrayLike>>): void {
    const checked = checkParameters(values, this.#sizes);
    for (const [name, value] of Object.entries(checked)) {
      this.#variables.set(name, value);
    }
  }

  #trainStep(
    source: NDArray<Int32Array>,
    target: NDArray<Int32Array>,
    rows: Int32Array,
    epoch: number,
    { learningRate }: TrainOptions,
  ): StepReport {
    const plan = this.#plans.train(rows.length);
    fill(plan.input("source"), source, rows);
    fill(plan.input("target"), target, rows);
    plan.input("learning_rate")[0] = learningRate;
    plan.step();
    const step = ++this.#steps;
    const loss = plan.output("loss")[0]!;
    if (!Number.isFinite(loss)) throw new DivergenceError(step, epoch, loss);
    return { step, epoch, loss, accuracy: plan.output("accuracy")[0]! };
  }

  /** Copied once: the caller may change `xSrc` while the prediction runs. */
  async #withPrediction(
    xSrc: ArrayLike,
  ): Promise<{ source: NDArray<Int32Array>; target: NDArray<Int32Array> }> {
    const { srcLength, tgtLength, vocabSize } = this.#sizes;
    const source = checkTokens(xSrc, "xSrc", srcLength, vocabSize);
    const data = await this.#predict(source);
    return { source, target: { data, shape: [source.shape[0]!, tgtLength] } };
  }

  async #predict(
    source: NDArray<Int32Array>,
    signal?: AbortSignal,
  ): Promise<Int32Array> {
    const { tgtLength, vocabSize } = this.#sizes;
    const count = source.shape[0]!;
    const result = new Int32Array(count * tgtLength);
    await this.#inChunks(count, signal, (rows, size, isNew) => {
      const plans = this.#plans.predict(size);
      if (isNew) {
        plans.encode.prepare();
        plans.step.prepare();
      }
      fill(plans.encode.input("source"), source, rows);
      plans.encode.step();
      this.#variables.view(plans.tokens).fill(vocabSize);
      for (let t = 0; t < tgtLength; t++) {
        plans.step.input("position")[0] = t;
        plans.step.step();
        const tokens = plans.step.output("tokens");
        for (let at = 0; at < rows.length; at++) {
          result[rows[at]! * tgtLength + t] = tokens[at]!;
        }
      }
    });
    return result;
  }

  /**
   * Cuts `count` sequences into chunks. Plans come in few sizes: `size` is a
   * power of two, and rows beyond `rows.length` are whatever was there before,
   * which does no harm where sequences do not meet. `isNew` tells a size from
   * the one before, so that its plan is prepared once a call.
   */
  async #inChunks(
    count: number,
    signal: AbortSignal | undefined,
    work: (rows: Int32Array, size: number, isNew: boolean) => void,
  ): Promise<void> {
    let last = 0;
    for (let start = 0; start < count; start += CHUNK) {
      signal?.throwIfAborted();
      const length = Math.min(CHUNK, count - start);
      const rows = Int32Array.from({ length }, (_, at) => start + at);
      const size = 2 ** Math.ceil(Math.log2(length));
      work(rows, size, size !== last);
      last = size;
      if (this.#turns.due()) await this.#turns.take();
    }
  }
}

/** Copies the given rows of a matrix one after another. */
function fill(
  destination: { [index: number]: number },
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

function logEpoch(report: EpochReport, epochs: number): void {
  const { epoch, loss, accuracy } = report;
  // stdout is for data; console.error writes to stderr.
  console.error(
    `epoch ${epoch}/${epochs}: loss ${loss.toFixed(4)}, ` +
      `accuracy ${accuracy.toFixed(4)}`,
  );
}
