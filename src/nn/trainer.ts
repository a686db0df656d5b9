/**
 * The training loop: a state machine whose state is a snapshot's, so that it
 * can stop and go on between any two steps. What it is given has been checked.
 */
import type { NDArray } from "../array.ts";
import { stopReason } from "../distributed/communicator.ts";
import type { Variables } from "../run/variables.ts";
import {
  type Batch,
  type Batches,
  batchesOf,
  rowsOf,
  slicesOf,
} from "./batches.ts";
import type { TrainingSettings } from "./check_training.ts";
import { countTokens, type Inference } from "./inference.ts";
import type { Plans } from "./plans.ts";
import { afterEpoch, firstState, rateAt } from "./schedule.ts";
import {
  type ModelSizes,
  PARAMETER_NAMES,
  type ParameterName,
} from "./seq2seq.ts";
import { agreeOnState, agreeOnTensors } from "./shared_snapshot.ts";
import { SharedSteps } from "./shared_steps.ts";
import {
  BEST,
  checkSnapshotState,
  checkSnapshotTensors,
  takeSnapshot,
  type TrainingSnapshot,
  type TrainingState,
  type TrainingTerms,
} from "./snapshot.ts";
import {
  type BatchTrainOptions,
  DivergenceError,
  type EpochReport,
  type StepReport,
  type TrainHistory,
} from "./training.ts";
import type { TrainingData, TrainingTask } from "./training_task.ts";
import type { Turns } from "./turns.ts";
import { type EpochMetric, NOTHING_SEEN, watch } from "./watch.ts";

/** How far a model has come, over all calls of `train`. */
export interface Age {
  /** Steps taken. */
  step: number;
  /** Epochs begun. */
  epoch: number;
}

/** What training needs of a model. */
export interface Trainee {
  /** What it was made of. */
  readonly sizes: ModelSizes;
  /** Its plans. */
  readonly plans: Plans;
  /** Where parameters and moments are. */
  readonly variables: Variables;
  /** Counted on by the training. */
  readonly age: Age;
  /** Lets others have a turn. */
  readonly turns: Turns;
  /** Measures it. */
  readonly inference: Inference;
}

type Mutable<T> = T extends object
  ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
  : T;

type StepMetrics = Pick<StepReport, "loss" | "accuracy" | "tokens">;

/** The metrics of an epoch by name; those of the validation may be missing. */
type EpochMetrics = Omit<EpochReport, "epoch" | "learningRate">;

/** One call of `train`. */
export class Training {
  readonly #model: Trainee;
  readonly #data: TrainingData;
  readonly #options: BatchTrainOptions;
  readonly #settings: TrainingSettings;
  /** Takes the steps where several processes share them. */
  readonly #shared: SharedSteps | undefined;
  readonly #state: Mutable<Omit<TrainingState, "step">>;
  /** The parameters of the best epoch, where they are to be kept. */
  #best: Record<string, NDArray<Float32Array>> = {};
  readonly #compiled: readonly { ready(): Promise<void> }[];
  /** Whether something has happened since the last snapshot. */
  #isNew = false;

  /**
   * Compiles what is needed, and takes the state of a snapshot over.
   *
   * @param model What is trained.
   * @param task On what, how and how long.
   * @throws {TypeError | RangeError} If the snapshot is wrong; nothing has
   * changed then.
   */
  constructor(model: Trainee, { data, options, settings }: TrainingTask) {
    this.#model = model;
    this.#data = data;
    this.#options = options;
    this.#settings = settings;
    const { communicator, resume, threads } = options;
    const { source } = data;
    if (threads !== undefined) model.plans.threads = threads;
    if (communicator !== undefined && communicator.size > 1) {
      this.#shared = new SharedSteps(model, communicator, settings.step);
      agreeOnState(communicator, resume);
    }
    const { schedule, learningRate, earlyStopping } = settings;
    const scheduleState = firstState(schedule, learningRate);
    this.#state = {
      version: 1,
      terms: termsOf(model.sizes, data, settings),
      epochsBefore: model.age.epoch,
      epoch: 1,
      batch: 0,
      sums: { loss: 0, accuracy: 0, tokens: 0 },
      history: { loss: [], accuracy: [] },
      ...(scheduleState && { schedule: scheduleState }),
      ...(earlyStopping && { earlyStopping: NOTHING_SEEN }),
    };
    if (resume !== undefined) {
      checkSnapshotState(resume, this.#state, options.epochs);
    }
    // What does not fit the memory should show before anything has changed.
    this.#compiled = this.#shared?.compile(source) ??
      [0, batchesOf(source) - 1].map((at) =>
        model.plans.train(rowsOf(source, at), settings.step)
      );
    if (resume !== undefined) this.#resume(resume);
  }

  /**
   * Trains to the end.
   *
   * @returns The history, from the beginning also where it was resumed.
   * @throws {DivergenceError} If a loss is not finite.
   */
  async run(): Promise<TrainHistory> {
    const { epochs } = this.#options;
    for (const plan of this.#compiled) await plan.ready();
    try {
      while (this.#state.epoch <= epochs && !this.#isPatienceOver()) {
        this.#stopIfTold();
        await this.#trainEpoch();
        await this.#endEpoch();
      }
    } catch (error) {
      if (this.#isStop(error)) await this.#checkpoint();
      throw error;
    }
    await this.#checkpoint();
    const { history, earlyStopping, epoch } = this.#state;
    if (earlyStopping === undefined) return history;
    this.#setTensors(this.#best);
    return {
      ...history,
      bestEpoch: earlyStopping.bestEpoch,
      stoppedEarly: epoch <= epochs,
    };
  }

  #resume({ tensors, state }: TrainingSnapshot): void {
    const { variables, age } = this.#model;
    checkSnapshotTensors(tensors, variables, state);
    const { communicator } = this.#options;
    if (communicator) agreeOnTensors(communicator, { tensors, state });
    const own = Object.entries(tensors);
    const isBest = ([name]: [string, unknown]) => name.startsWith(BEST);
    this.#setTensors(Object.fromEntries(own.filter((each) => !isBest(each))));
    this.#best = Object.fromEntries(
      own.filter(isBest).map(([name, { data, shape }]) => [
        name.slice(BEST.length),
        { data: data.slice(), shape },
      ]),
    );
    const { step, ...rest } = structuredClone(state);
    Object.assign(this.#state, rest);
    age.step = step;
    const begun = state.batch > 0 ? state.epoch : state.epoch - 1;
    age.epoch = state.epochsBefore + begun;
  }

  #setTensors(tensors: Readonly<Record<string, NDArray>>): void {
    for (const [name, tensor] of Object.entries(tensors)) {
      this.#model.variables.set(name, tensor);
    }
  }

  /** Also where it is another process that was told. */
  #isStop(error: unknown): boolean {
    const { signal } = this.#options;
    if (signal?.aborted && error === signal.reason) return true;
    return this.#shared !== undefined && error instanceof DOMException &&
      error.name === "AbortError";
  }

  #isPatienceOver(): boolean {
    const { patience = Infinity } = this.#settings.earlyStopping ?? {};
    return (this.#state.earlyStopping?.waited ?? 0) >= patience;
  }

  /** From the first batch that is left to the last one. */
  async #trainEpoch(): Promise<void> {
    const { age, turns } = this.#model;
    const { signal, onStep, checkpointEvery = Infinity } = this.#options;
    const state = this.#state;
    age.epoch = state.epochsBefore + state.epoch;
    for await (const batch of this.#batches()) {
      this.#stopIfTold();
      const { isLast, ...report } = this.#step(batch);
      onStep?.(report);
      if (isLast) throw stopReason(signal);
      if (age.step % checkpointEvery === 0) await this.#checkpoint();
      if (turns.due()) await turns.take();
    }
  }

  /** What is left of the epoch; where processes share it, this one's rows. */
  #batches(): Batches {
    const [epoch, from] = [this.#model.age.epoch, this.#state.batch];
    const { communicator } = this.#options;
    const { source } = this.#data;
    return this.#shared && communicator
      ? slicesOf(source, epoch, from, communicator)
      : source.batches(epoch, from);
  }

  /** A process does not stop by itself where others would wait for it. */
  #stopIfTold(): void {
    if (!this.#shared) this.#options.signal?.throwIfAborted();
  }

  /** The step size of a batch of the epoch under way, counted from 1. */
  #rateOf(batch: number): number {
    const { schedule, learningRate } = this.#settings;
    const { epoch, schedule: state } = this.#state;
    const step = (epoch - 1) * batchesOf(this.#data.source) + batch;
    return rateAt(schedule, learningRate, step, state);
  }

  #step(batch: Batch): StepReport & { readonly isLast: boolean } {
    const { age } = this.#model;
    const { signal } = this.#options;
    const { epoch, sums } = this.#state;
    const learningRate = this.#rateOf(this.#state.batch + 1);
    const { loss, accuracy, tokens, isLast } = this.#shared
      ? this.#shared.take(batch, {
        learningRate,
        wantsStop: signal?.aborted ?? false,
      })
      : { ...this.#takeStep(batch, learningRate), isLast: false };
    const step = ++age.step;
    if (!Number.isFinite(loss)) throw new DivergenceError(step, epoch, loss);
    sums.loss += loss * tokens;
    sums.accuracy += accuracy * tokens;
    sums.tokens += tokens;
    this.#state.batch++;
    this.#isNew = true;
    return { step, epoch, loss, accuracy, tokens, learningRate, isLast };
  }

  #takeStep(
    { rows, source, target }: Batch,
    learningRate: number,
  ): StepMetrics {
    const { plans, sizes } = this.#model;
    const plan = plans.train(rows, this.#settings.step);
    plan.input("source").set(source);
    plan.input("target").set(target);
    plan.input("learning_rate")[0] = learningRate;
    plan.step();
    return {
      loss: plan.output("loss")[0]!,
      accuracy: plan.output("accuracy")[0]!,
      tokens: countTokens(target, sizes.padToken),
    };
  }

  async #endEpoch(): Promise<void> {
    const { epochs, verbose, onEpoch } = this.#options;
    const state = this.#state;
    const { epoch, sums } = state;
    const metrics = {
      loss: sums.loss / sums.tokens,
      accuracy: sums.accuracy / sums.tokens,
      ...await this.#validate(),
    };
    const learningRate = this.#rateOf(batchesOf(this.#data.source));
    for (const [name, value] of Object.entries<number>(metrics)) {
      (state.history[name as EpochMetric] ??= []).push(value);
    }
    this.#judge(metrics);
    state.epoch++;
    state.batch = 0;
    state.sums = { loss: 0, accuracy: 0, tokens: 0 };
    this.#isNew = true;
    const report = { epoch, ...metrics, learningRate };
    if (verbose) logEpoch(report, epochs);
    onEpoch?.(report);
  }

  /** Measures what has been held out. */
  async #validate(): Promise<Partial<EpochMetrics>> {
    const { validation } = this.#data;
    if (validation === undefined) return {};
    const { schedule, earlyStopping } = this.#settings;
    const sequenceAccuracy = [schedule, earlyStopping].some((each) =>
      each !== undefined && "metric" in each &&
      each.metric === "validationSequenceAccuracy"
    );
    const { signal, communicator } = this.#options;
    const found = await this.#model.inference.evaluate(
      validation,
      {
        sequenceAccuracy,
        ...(signal && { signal }),
        ...(communicator && { communicator }),
      },
    );
    const { loss, accuracy } = found;
    if (!Number.isFinite(loss)) {
      const { step } = this.#model.age;
      throw new DivergenceError(step, this.#state.epoch, loss, "validation");
    }
    return {
      validationLoss: loss,
      validationAccuracy: accuracy,
      ...(found.sequenceAccuracy !== undefined &&
        { validationSequenceAccuracy: found.sequenceAccuracy }),
    };
  }

  /** What an epoch means for the rate, for the best one, and for patience. */
  #judge(metrics: EpochMetrics): void {
    const state = this.#state;
    const { schedule, earlyStopping } = this.#settings;
    const { epoch } = state;
    if (schedule?.type === "plateau" && state.schedule !== undefined) {
      const value = metrics[schedule.metric]!;
      state.schedule = afterEpoch(schedule, state.schedule, value, epoch);
    }
    if (earlyStopping === undefined) return;
    const value = metrics[earlyStopping.metric]!;
    const before = state.earlyStopping ?? NOTHING_SEEN;
    state.earlyStopping = watch(before, earlyStopping, value, epoch);
    if (state.earlyStopping.bestEpoch !== epoch) return;
    const { variables } = this.#model;
    const copy = (name: ParameterName) =>
      [name, variables.get(name) as NDArray<Float32Array>] as const;
    this.#best = Object.fromEntries(PARAMETER_NAMES.map(copy));
  }

  /** Hands a snapshot on, unless the last one is of this very moment. */
  async #checkpoint(): Promise<void> {
    const { onCheckpoint } = this.#options;
    const { variables, age } = this.#model;
    if (!onCheckpoint || !this.#isNew) return;
    const state = { ...this.#state, step: age.step };
    const snapshot = takeSnapshot(variables, this.#best, state);
    if (snapshot === undefined) return;
    this.#isNew = false;
    await onCheckpoint(snapshot);
  }
}

/** What a training can be gone on with by, and only by, the same. */
function termsOf(
  model: ModelSizes,
  { source, shuffle, validation }: TrainingData,
  { learningRate, step, schedule, earlyStopping }: TrainingSettings,
): TrainingTerms {
  const { sequences, batchSize, fingerprint } = source;
  return {
    model,
    sequences,
    batchSize,
    shuffle,
    learningRate,
    ...(fingerprint !== undefined && { fingerprint }),
    ...step,
    ...(schedule && { schedule }),
    ...(validation && { validationSequences: validation.sequences }),
    ...(validation?.fingerprint !== undefined &&
      { validationFingerprint: validation.fingerprint }),
    ...(earlyStopping && { earlyStopping }),
  };
}

function logEpoch(report: EpochReport, epochs: number): void {
  const { epoch, loss, accuracy } = report;
  const { validationLoss, validationAccuracy } = report;
  const validation = validationLoss === undefined
    ? ""
    : `, validation loss ${validationLoss.toFixed(4)}, ` +
      `validation accuracy ${validationAccuracy?.toFixed(4)}`;
  // stdout is for data; console.error writes to stderr.
  console.error(
    `epoch ${epoch}/${epochs}: loss ${loss.toFixed(4)}, ` +
      `accuracy ${accuracy.toFixed(4)}${validation}`,
  );
}
