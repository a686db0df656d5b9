/**
 * The training loop: a state machine whose state is a snapshot's, so that it
 * can stop and go on between any two steps. What it is given has been checked.
 */
import { stopReason } from "../distributed/communicator.ts";
import type { Variables } from "../run/variables.ts";
import { type Batch, batchesOf, type BatchSource, rowsOf } from "./batches.ts";
import { countTokens } from "./inference.ts";
import type { Plans } from "./plans.ts";
import type { ModelSizes } from "./seq2seq.ts";
import { agreeOnState, agreeOnTensors } from "./shared_snapshot.ts";
import { SharedSteps } from "./shared_steps.ts";
import {
  checkSnapshotState,
  checkSnapshotTensors,
  takeSnapshot,
  type TrainingSnapshot,
  type TrainingState,
} from "./snapshot.ts";
import { trainingVariables } from "./steps.ts";
import {
  type BatchTrainOptions,
  DivergenceError,
  type EpochReport,
  type StepReport,
  type TrainHistory,
} from "./training.ts";
import type { Turns } from "./turns.ts";

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
}

/** The data of a training. */
export interface TrainingData {
  /** Where batches come from. */
  readonly source: BatchSource;
  /** Whether they are reordered; null where the source decides it. */
  readonly shuffle: boolean | null;
}

type Mutable<T> = T extends object
  ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
  : T;

type StepMetrics = Pick<StepReport, "loss" | "accuracy" | "tokens">;

/** One call of `train`. */
export class Training {
  readonly #model: Trainee;
  readonly #source: BatchSource;
  readonly #options: BatchTrainOptions;
  /** Takes the steps where several processes share them. */
  readonly #shared: SharedSteps | undefined;
  readonly #state: Mutable<Omit<TrainingState, "step">>;
  /** Whether something has happened since the last snapshot. */
  #isNew = false;

  /**
   * Compiles what is needed, and takes the state of a snapshot over.
   *
   * @param model What is trained.
   * @param data What it is trained on.
   * @param options How long and how.
   * @throws {TypeError | RangeError} If the snapshot is wrong; nothing has
   * changed then.
   */
  constructor(model: Trainee, data: TrainingData, options: BatchTrainOptions) {
    this.#model = model;
    this.#source = data.source;
    this.#options = options;
    const { communicator } = options;
    if (communicator !== undefined && communicator.size > 1) {
      this.#shared = new SharedSteps(model, communicator);
      agreeOnState(communicator, options.resume);
    }
    const { sequences, batchSize, fingerprint } = data.source;
    this.#state = {
      version: 1,
      terms: {
        model: model.sizes,
        sequences,
        batchSize,
        shuffle: data.shuffle,
        learningRate: options.learningRate,
        ...(fingerprint === undefined ? {} : { fingerprint }),
      },
      epochsBefore: model.age.epoch,
      epoch: 1,
      batch: 0,
      sums: { loss: 0, accuracy: 0, tokens: 0 },
      history: { loss: [], accuracy: [] },
    };
    const { resume } = options;
    if (resume !== undefined) {
      checkSnapshotState(resume, this.#state.terms, options.epochs);
    }
    // What does not fit the memory should show before anything has changed.
    if (this.#shared) this.#shared.compile(data.source);
    else {
      for (const at of [0, batchesOf(data.source) - 1]) {
        model.plans.train(rowsOf(data.source, at));
      }
    }
    if (resume !== undefined) this.#resume(resume);
  }

  /**
   * Trains to the end.
   *
   * @returns The history, from the beginning also where it was resumed.
   * @throws {DivergenceError} If the loss of a step is not finite.
   */
  async run(): Promise<TrainHistory> {
    const { epochs, signal } = this.#options;
    try {
      while (this.#state.epoch <= epochs) {
        this.#stopIfTold();
        await this.#trainEpoch();
        this.#endEpoch();
      }
    } catch (error) {
      if (signal?.aborted && error === signal.reason) await this.#checkpoint();
      throw error;
    }
    await this.#checkpoint();
    return this.#state.history;
  }

  #resume({ tensors, state }: TrainingSnapshot): void {
    const { variables, age } = this.#model;
    checkSnapshotTensors(tensors, variables, trainingVariables());
    const { communicator } = this.#options;
    if (communicator) agreeOnTensors(communicator, { tensors, state });
    for (const [name, tensor] of Object.entries(tensors)) {
      variables.set(name, tensor);
    }
    const { step, ...rest } = structuredClone(state);
    Object.assign(this.#state, rest);
    age.step = step;
    const begun = state.batch > 0 ? state.epoch : state.epoch - 1;
    age.epoch = state.epochsBefore + begun;
  }

  /** From the first batch that is left to the last one. */
  async #trainEpoch(): Promise<void> {
    const { age, turns } = this.#model;
    const { signal, onStep, checkpointEvery = Infinity } = this.#options;
    const state = this.#state;
    age.epoch = state.epochsBefore + state.epoch;
    for await (const batch of this.#source.batches(age.epoch, state.batch)) {
      this.#stopIfTold();
      const { isLast, ...report } = this.#step(batch);
      onStep?.(report);
      if (isLast) {
        // Also where it is another process that was told.
        await this.#checkpoint();
        throw stopReason(signal);
      }
      if (age.step % checkpointEvery === 0) await this.#checkpoint();
      if (turns.due()) await turns.take();
    }
  }

  /** A process does not stop by itself where others would wait for it. */
  #stopIfTold(): void {
    if (!this.#shared) this.#options.signal?.throwIfAborted();
  }

  #step(batch: Batch): StepReport & { readonly isLast: boolean } {
    const { age } = this.#model;
    const { learningRate, signal } = this.#options;
    const { epoch, sums } = this.#state;
    const { loss, accuracy, tokens, isLast } = this.#shared
      ? this.#shared.take(batch, {
        learningRate,
        wantsStop: signal?.aborted ?? false,
      })
      : { ...this.#takeStep(batch), isLast: false };
    const step = ++age.step;
    if (!Number.isFinite(loss)) throw new DivergenceError(step, epoch, loss);
    sums.loss += loss * tokens;
    sums.accuracy += accuracy * tokens;
    sums.tokens += tokens;
    this.#state.batch++;
    this.#isNew = true;
    return { step, epoch, loss, accuracy, tokens, isLast };
  }

  #takeStep({ rows, source, target }: Batch): StepMetrics {
    const { plans, sizes } = this.#model;
    const plan = plans.train(rows);
    plan.input("source").set(source);
    plan.input("target").set(target);
    plan.input("learning_rate")[0] = this.#options.learningRate;
    plan.step();
    return {
      loss: plan.output("loss")[0]!,
      accuracy: plan.output("accuracy")[0]!,
      tokens: countTokens(target, sizes.padToken),
    };
  }

  #endEpoch(): void {
    const { epochs, verbose, onEpoch } = this.#options;
    const state = this.#state;
    const { epoch, sums, history } = state;
    const loss = sums.loss / sums.tokens;
    const accuracy = sums.accuracy / sums.tokens;
    history.loss.push(loss);
    history.accuracy.push(accuracy);
    state.epoch++;
    state.batch = 0;
    state.sums = { loss: 0, accuracy: 0, tokens: 0 };
    this.#isNew = true;
    const report = { epoch, loss, accuracy };
    if (verbose) logEpoch(report, epochs);
    onEpoch?.(report);
  }

  /** Hands a snapshot on, unless the last one is of this very moment. */
  async #checkpoint(): Promise<void> {
    const { onCheckpoint } = this.#options;
    const { variables, age } = this.#model;
    if (!onCheckpoint || !this.#isNew) return;
    const state = { ...this.#state, step: age.step };
    const snapshot = takeSnapshot(variables, trainingVariables(), state);
    if (snapshot === undefined) return;
    this.#isNew = false;
    await onCheckpoint(snapshot);
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
