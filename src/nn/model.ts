/**
 * The model as its users see it: train, evaluate, predict, look inside. It
 * checks what it is given and hands the work on.
 */
import type { ArrayLike, NDArray } from "../array.ts";
import { checkInteger } from "../checks.ts";
import { withFile } from "../files/byte_source.ts";
import {
  decodeModel,
  encodeModel,
  type SaveOptions,
} from "../files/model_format.ts";
import { openPlace } from "../files/place.ts";
import { Random } from "../random.ts";
import { Variables } from "../run/variables.ts";
import { type BatchSource, type Pairs, wholeOf } from "./batches.ts";
import { checkedSource, isBatchSource } from "./check_batches.ts";
import { checkSignal } from "./check_training.ts";
import {
  checkPairs,
  checkParameters,
  checkSizes,
  checkSpecialTokens,
  checkTokens,
} from "./checks.ts";
import { Inference } from "./inference.ts";
import { type PlanOptions, Plans } from "./plans.ts";
import {
  initialParameters,
  mapParameters,
  type ModelSizes,
  PARAMETER_NAMES,
  type ParameterName,
  parameterShapes,
  type Seq2SeqSizes,
  type SpecialTokens,
} from "./seq2seq.ts";
import { type Age, Training } from "./trainer.ts";
import { prepareTraining } from "./training_task.ts";
import type {
  BatchTrainOptions,
  EvaluateOptions,
  Evaluation,
  TrainHistory,
  TrainOptions,
} from "./training.ts";
import { Turns } from "./turns.ts";

export type { Batch, Batches, BatchSource, Share } from "./batches.ts";
export {
  type BatchTrainOptions,
  DivergenceError,
  type EarlyStopping,
  type EpochReport,
  type EvaluateOptions,
  type Evaluation,
  type StepReport,
  type TrainHistory,
  type TrainOptions,
  type ValidationPairs,
} from "./training.ts";
export type {
  CompleteSchedule,
  ConstantSchedule,
  PlateauSchedule,
  Schedule,
  ScheduleState,
  WarmupCosineSchedule,
} from "./schedule.ts";
export type { EpochMetric, WatchOptions, WatchState } from "./watch.ts";
export type { PlanOptions } from "./plans.ts";
export type { ModelSizes } from "./seq2seq.ts";
export type {
  TrainingSnapshot,
  TrainingState,
  TrainingTerms,
} from "./snapshot.ts";
export type { SaveOptions } from "../files/model_format.ts";

/** Options of {@linkcode Seq2SeqAttentionModel}. */
export interface Seq2SeqOptions extends Seq2SeqSizes, SpecialTokens {
  /** Seeds initialisation and shuffling; 0 by default. */
  readonly randomSeed?: number;
  /** How the model's plans are compiled, and whether one looks into them. */
  readonly compile?: PlanOptions;
}

/** What {@linkcode Seq2SeqAttentionModel.predictDetailed} resolves to. */
export interface Prediction {
  /** int32 (n, T): what `predict` gives. */
  readonly tokens: NDArray<Int32Array>;
  /**
   * (n, T): the natural logarithm of the probability that each token had after
   * those before it; 0 behind the end of a sequence. Their sum is that of the
   * whole sequence.
   */
  readonly logProbabilities: NDArray<Float32Array>;
  /** (n, T, S): what `attention` gives. */
  readonly attention: NDArray<Float32Array>;
}

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
  /** What the model was made of; another one made of it is the same anew. */
  readonly sizes: ModelSizes;
  readonly #variables = new Variables();
  readonly #plans: Plans;
  readonly #inference: Inference;
  readonly #turns = new Turns();
  readonly #age: Age = { step: 0, epoch: 0 };

  /**
   * Makes a model with random parameters.
   *
   * @param options Sizes, special tokens and seed.
   * @throws {TypeError} If a size, a token or the seed is no number.
   * @throws {RangeError} If a size is no positive integer, a token not of the
   * vocabulary, the seed no safe non-negative integer, or the whole too large.
   */
  constructor(options: Seq2SeqOptions) {
    const sizes = checkSizes(options);
    const special = checkSpecialTokens(options, sizes);
    const { randomSeed = 0, compile } = options;
    checkInteger(randomSeed, "randomSeed", 0);
    this.sizes = Object.freeze({ ...sizes, ...special, randomSeed });
    const random = new Random(randomSeed, "init");
    const initial = initialParameters(sizes, random);
    const shapes = parameterShapes(sizes);
    for (const name of PARAMETER_NAMES) {
      this.#variables.declare(name, initial[name]);
    }
    // Later graphs need the shapes alone: the values are in the variables.
    const current = (name: ParameterName): NDArray => ({
      data: this.#variables.view(name),
      shape: shapes[name],
    });
    this.#plans = new Plans(this.sizes, this.#variables, current, compile);
    this.#inference = new Inference(this.sizes, this.#plans, this.#turns);
  }

  /** The most threads that have shared a step so far. */
  get threads(): number {
    return this.#plans.usedThreads;
  }

  /**
   * Ends the model's threads, if it has any. There is no need to: they sleep
   * while there is nothing to do, keep no program from ending, and end when the
   * model is no longer in use. A call that needs them starts them again.
   */
  close(): void {
    this.#variables.close();
  }

  /** The same as {@linkcode close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Trains with teacher forcing and Adam. A second call goes on from the
   * first: moments, step count and the order of shuffling continue, and no
   * batch size is compiled twice; schedules and early stopping begin anew. With
   * `resume` it goes on from a snapshot instead.
   *
   * @param xSrc int32 (n, S), tokens in [0, V).
   * @param xTgt int32 (n, T), tokens in [0, V).
   * @param options How long and how.
   * @returns Loss and accuracy of every epoch, computed before each update, and
   * what the validation came to.
   * @throws {TypeError | RangeError} If data or options are wrong; nothing has
   * changed then.
   * @throws {DivergenceError} If the loss of a step or of the validation is not
   * finite.
   */
  train(
    xSrc: ArrayLike,
    xTgt: ArrayLike,
    options: TrainOptions,
  ): Promise<TrainHistory>;
  /**
   * Trains on batches that come one by one, as from a file.
   *
   * @param source Where they come from.
   * @param options How long and how.
   * @returns Loss and accuracy of every epoch, computed before each update, and
   * what the validation came to.
   * @throws {TypeError | RangeError} If the options are wrong; nothing has
   * changed then. Also if a batch is wrong; those before it have been trained
   * on then.
   * @throws {DivergenceError} If the loss of a step or of the validation is not
   * finite.
   */
  train(source: BatchSource, options: BatchTrainOptions): Promise<TrainHistory>;
  async train(
    first: ArrayLike | BatchSource,
    second: ArrayLike | BatchTrainOptions,
    third?: TrainOptions,
  ): Promise<TrainHistory> {
    const task = prepareTraining([first, second, third], this.sizes, {
      "model size": JSON.stringify(this.sizes),
      "step count": JSON.stringify(this.#age),
      ...mapParameters((name) => this.#variables.view(name)),
    });
    const model = {
      sizes: this.sizes,
      plans: this.#plans,
      variables: this.#variables,
      age: this.#age,
      turns: this.#turns,
      inference: this.#inference,
    };
    return await new Training(model, task).run();
  }

  /**
   * Measures the model on data, with teacher forcing.
   *
   * @param xSrc int32 (n, S), tokens in [0, V).
   * @param xTgt int32 (n, T), tokens in [0, V).
   * @param options Whether to count whole sequences as well.
   * @returns Means over all tokens that are no padding.
   * @throws {TypeError | RangeError} If the data are wrong.
   */
  evaluate(
    xSrc: ArrayLike,
    xTgt: ArrayLike,
    options?: EvaluateOptions,
  ): Promise<Evaluation>;
  /**
   * Measures the model on batches that come one by one, as from a file.
   *
   * @param source Where they come from.
   * @param options Whether to count whole sequences as well.
   * @returns Means over all tokens that are no padding.
   * @throws {TypeError | RangeError} If a batch is wrong.
   */
  evaluate(source: BatchSource, options?: EvaluateOptions): Promise<Evaluation>;
  async evaluate(
    first: ArrayLike | BatchSource,
    second?: ArrayLike | EvaluateOptions,
    third?: EvaluateOptions,
  ): Promise<Evaluation> {
    const [source, options] = isBatchSource(first)
      ? [checkedSource(first, this.sizes), second as EvaluateOptions]
      : [wholeOf(checkPairs(first, second as ArrayLike, this.sizes)), third];
    checkSignal(options?.signal);
    return await this.#inference.evaluate(source, options ?? {});
  }

  /**
   * Predicts greedily: each token is the likeliest one after those predicted
   * before it, the lowest of several equally likely. After `eosToken` comes
   * `padToken` alone.
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
   * Predicts greedily, and tells how sure each token is and where it looks.
   *
   * @param xSrc int32 (n, S), tokens in [0, V).
   * @returns Tokens, their log-probabilities, and the attention weights.
   * @throws {TypeError | RangeError} If the data are wrong.
   */
  async predictDetailed(xSrc: ArrayLike): Promise<Prediction> {
    const { source, target } = await this.#withPrediction(xSrc);
    const { weights, logProbabilities } = await this.#inference.explain(
      source.data,
      target.data,
    );
    const { srcLength, tgtLength } = this.sizes;
    const rows = source.shape[0]!;
    return {
      tokens: target,
      logProbabilities: { data: logProbabilities, shape: [rows, tgtLength] },
      attention: { data: weights, shape: [rows, tgtLength, srcLength] },
    };
  }

  /**
   * The attention weights, for looking at.
   *
   * @param xSrc int32 (n, S), tokens in [0, V).
   * @param xTgt int32 (n, T), tokens in [0, V); by default the model's own
   * greedy prediction.
   * @returns (n, T, S): where each target position looks; rows sum to 1, and
   * have 0 where the source is padding.
   * @throws {TypeError | RangeError} If the data are wrong.
   */
  async attention(
    xSrc: ArrayLike,
    xTgt?: ArrayLike,
  ): Promise<NDArray<Float32Array>> {
    const { source, target } = xTgt === undefined
      ? await this.#withPrediction(xSrc)
      : checkPairs(xSrc, xTgt, this.sizes);
    const data = await this.#inference.attention(source.data, target.data);
    const { srcLength, tgtLength } = this.sizes;
    return { data, shape: [source.shape[0]!, tgtLength, srcLength] };
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
    const checked = checkParameters(values, this.sizes);
    for (const [name, value] of Object.entries(checked)) {
      this.#variables.set(name, value);
    }
  }

  /**
   * Writes the model to a file in the safetensors format: the parameters under
   * their names, and what the model is made of in the metadata. Where the
   * folder may be written, the file is written as a whole or not at all. Adam's
   * moments are not part of it.
   *
   * @param path The file; what was there before is replaced.
   * @param options What else the file is to say.
   * @throws {OutputError} If the file cannot be written.
   * @throws {RangeError} If a parameter is not finite.
   *
   * @example There and back
   * ```ts
   * import { Seq2SeqAttentionModel } from "jsr:@weft/seq2seq";
   * import { assertEquals } from "@std/assert";
   *
   * const sizes = { vocabSize: 4, srcLength: 2, tgtLength: 2 };
   * const widths = { dModel: 4, dK: 4, dV: 4 };
   * const model = new Seq2SeqAttentionModel({ ...sizes, ...widths });
   * const path = await Deno.makeTempFile({ suffix: ".safetensors" });
   * await model.save(path);
   * const loaded = await Seq2SeqAttentionModel.load(path);
   * assertEquals(loaded.parameters(), model.parameters());
   * await Deno.remove(path);
   * ```
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    const place = openPlace(path);
    await place.write(encodeModel(this.sizes, this.parameters(), options));
  }

  /**
   * Reads a model from a file that {@linkcode save} wrote.
   *
   * @param path The file.
   * @param options How the model's plans are compiled.
   * @returns The model, as it was but for Adam's moments.
   * @throws {FileError} If the file cannot be read, or is anything but a
   * model's.
   */
  static load(
    path: string,
    options: Pick<Seq2SeqOptions, "compile"> = {},
  ): Promise<Seq2SeqAttentionModel> {
    return Promise.try(() => {
      const { sizes, parameters } = withFile(path, decodeModel);
      const model = new Seq2SeqAttentionModel({ ...sizes, ...options });
      model.setParameters(parameters);
      return model;
    });
  }

  /** Copied once: the caller may change `xSrc` while the prediction runs. */
  async #withPrediction(xSrc: ArrayLike): Promise<Pairs> {
    const { srcLength, tgtLength } = this.sizes;
    const source = checkTokens(xSrc, "xSrc", srcLength, this.sizes);
    const data = await this.#inference.predict(source.data);
    return { source, target: { data, shape: [source.shape[0]!, tgtLength] } };
  }
}
