/**
 * What training and evaluation are told and what they report: options, their
 * checks, and the error of a training that diverges. The work is the model's.
 */
import { describe } from "../array.ts";
import { checkInteger } from "../checks.ts";
import type { Communicator } from "../distributed/communicator.ts";
import type { TrainingSnapshot } from "./snapshot.ts";

/** One training step, as `onStep` is told of it. */
export interface StepReport {
  /** Counted from 1 over the life of the model. */
  readonly step: number;
  /** Counted from 1 within the call of `train`. */
  readonly epoch: number;
  /** The mean over the batch's tokens, before the update, in nats. */
  readonly loss: number;
  /** The share of the batch's tokens predicted right, before the update. */
  readonly accuracy: number;
  /** The tokens of the batch's targets, without padding. */
  readonly tokens: number;
}

/** One epoch, as `onEpoch` is told of it. */
export interface EpochReport {
  /** Counted from 1 within the call of `train`. */
  readonly epoch: number;
  /** The mean over the epoch's tokens of the losses before each update. */
  readonly loss: number;
  /** The mean over the epoch's tokens of the accuracy before each update. */
  readonly accuracy: number;
}

/**
 * Options of {@linkcode Seq2SeqAttentionModel.train} on batches that come from
 * a {@linkcode BatchSource}, which has a batch size and an order of its own.
 */
export interface BatchTrainOptions {
  /** How many times to go through the data. */
  readonly epochs: number;
  /** The step size of Adam. */
  readonly learningRate: number;
  /** Whether to write a line an epoch to stderr; not by default. */
  readonly verbose?: boolean;
  /** How many threads to use; 1, the only choice so far, by default. */
  readonly threads?: number;
  /** Called after every step. */
  readonly onStep?: (report: StepReport) => void;
  /** Called after every epoch. */
  readonly onEpoch?: (report: EpochReport) => void;
  /** Stops between two steps; `train` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Where to go on from, whatever the model has learned meanwhile. Data and
   * options must be those of the training that the snapshot is of; `epochs`
   * may be more, and counts from the beginning of that training. Processes that
   * share it need the same snapshot, taken with any number of processes; only
   * with the same number the result is the same to the last bit.
   */
  readonly resume?: TrainingSnapshot;
  /**
   * Takes a snapshot of the training: every `checkpointEvery` steps, at its
   * end, and when the signal stops it. Training waits for what it returns.
   * There is no snapshot of parameters that are not finite.
   */
  readonly onCheckpoint?: (
    snapshot: TrainingSnapshot,
  ) => void | Promise<void>;
  /** Steps from one snapshot to the next; by default there are none between. */
  readonly checkpointEvery?: number;
  /**
   * Processes that share every step, see {@linkcode connectMpi}; each calls
   * `train` with the same data and options. A signal of one stops all.
   */
  readonly communicator?: Communicator;
}

/** Options of {@linkcode Seq2SeqAttentionModel.train} on arrays. */
export interface TrainOptions extends BatchTrainOptions {
  /** Sequences in a step; the last step of an epoch takes what is left. */
  readonly batchSize: number;
  /** Whether to reorder the data every epoch; so by default. */
  readonly shuffle?: boolean;
}

/** What {@linkcode Seq2SeqAttentionModel.train} resolves to. */
export interface TrainHistory {
  /** The loss of each epoch, see {@linkcode EpochReport}. */
  readonly loss: number[];
  /** The accuracy of each epoch, see {@linkcode EpochReport}. */
  readonly accuracy: number[];
}

/** Options of {@linkcode Seq2SeqAttentionModel.evaluate}. */
export interface EvaluateOptions {
  /** Whether to predict as well and count whole sequences; not by default. */
  readonly sequenceAccuracy?: boolean;
  /** Stops between two batches; where processes share the work, at its end. */
  readonly signal?: AbortSignal;
  /** Processes that share the work; each calls it with the same data. */
  readonly communicator?: Communicator;
}

/** What {@linkcode Seq2SeqAttentionModel.evaluate} resolves to. */
export interface Evaluation {
  /** The mean cross-entropy of a token, in nats. */
  readonly loss: number;
  /** The share of tokens predicted right from the true tokens before them. */
  readonly accuracy: number;
  /**
   * The share of sequences that greedy prediction gets right as a whole,
   * padding aside.
   */
  readonly sequenceAccuracy?: number;
}

/** Thrown by `train` when the loss of a step is not finite. */
export class DivergenceError extends Error {
  /** The error's name, `"DivergenceError"`. */
  override name = "DivergenceError";
  /** The step, counted from 1 over the life of the model. */
  readonly step: number;
  /** The epoch, counted from 1 within the call of `train`. */
  readonly epoch: number;
  /** The loss that was found. */
  readonly loss: number;

  /** Describes the step that went wrong. */
  constructor(step: number, epoch: number, loss: number) {
    super(
      `Cannot go on training: the loss of step ${step} (epoch ${epoch}) is ` +
        `${loss}, wanted a finite number; try a smaller learning rate`,
    );
    this.step = step;
    this.epoch = epoch;
    this.loss = loss;
  }
}

/**
 * Checks the options of training on arrays.
 *
 * @param options What `train` was given.
 * @returns The same.
 * @throws {TypeError | RangeError} If one is wrong.
 */
export function checkTrainOptions(options: TrainOptions): TrainOptions {
  checkObject(options, "epochs, learningRate and batchSize");
  checkCommonOptions(options);
  checkInteger(options.batchSize, "batchSize", 1);
  checkType(options.shuffle, "shuffle", "boolean");
  return options;
}

/**
 * Checks the options of training on a source of batches.
 *
 * @param options What `train` was given.
 * @returns The same.
 * @throws {TypeError | RangeError} If one is wrong.
 */
export function checkBatchTrainOptions(
  options: BatchTrainOptions,
): BatchTrainOptions {
  checkObject(options, "epochs and learningRate");
  for (const name of ["batchSize", "shuffle"]) {
    if (!(name in options)) continue;
    throw new TypeError(
      `Cannot use ${name} with a source of batches: wanted none, the source ` +
        `decides it`,
    );
  }
  checkCommonOptions(options);
  return options;
}

function checkCommonOptions(options: BatchTrainOptions): void {
  checkInteger(options.epochs, "epochs", 1);
  checkInteger(options.threads ?? 1, "threads", 1, 1);
  const { learningRate } = options;
  if (typeof learningRate !== "number") {
    throw new TypeError(
      `Cannot use learningRate = ${describe(learningRate)}: wanted a number`,
    );
  }
  const rate = Math.fround(learningRate);
  if (!(rate > 0 && Number.isFinite(rate))) {
    throw new RangeError(
      `Cannot use learningRate = ${learningRate}: wanted a finite float32 ` +
        `above 0`,
    );
  }
  // Found out now, not at the first call, when parameters have changed.
  checkType(options.verbose, "verbose", "boolean");
  checkType(options.onStep, "onStep", "function");
  checkType(options.onEpoch, "onEpoch", "function");
  checkType(options.onCheckpoint, "onCheckpoint", "function");
  if (options.checkpointEvery !== undefined) {
    checkInteger(options.checkpointEvery, "checkpointEvery", 1);
    if (options.onCheckpoint === undefined) {
      throw new TypeError(
        `Cannot use checkpointEvery = ${options.checkpointEvery} without ` +
          `onCheckpoint: wanted a function that takes the snapshots`,
      );
    }
  }
  checkSignal(options.signal);
}

/** Checks an option that is an abort signal if it is there. */
export function checkSignal(value: unknown): void {
  if (value === undefined || value instanceof AbortSignal) return;
  throw new TypeError(
    `Cannot use signal = ${describe(value)}: wanted an AbortSignal`,
  );
}

function checkObject(options: unknown, wanted: string): void {
  if (typeof options === "object" && options !== null) return;
  throw new TypeError(
    `Cannot train with options ${describe(options)}: wanted an object with ` +
      wanted,
  );
}

function checkType(value: unknown, name: string, wanted: string): void {
  if (value === undefined || typeof value === wanted) return;
  throw new TypeError(
    `Cannot use ${name} = ${describe(value)}: wanted a ${wanted}`,
  );
}
