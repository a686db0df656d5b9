/**
 * What training and evaluation are told and what they report, and the error of
 * a training that diverges. Checks of the options are elsewhere, and the work
 * is the model's.
 */
import type { ArrayLike } from "../array.ts";
import type { Communicator } from "../distributed/communicator.ts";
import type { BatchSource } from "./batches.ts";
import type { Schedule } from "./schedule.ts";
import type { TrainingSnapshot } from "./snapshot.ts";
import type { WatchOptions } from "./watch.ts";

/** One training step, as `onStep` is told of it. */
export interface StepReport {
  /** Counted from 1 over the life of the model. */
  readonly step: number;
  /** Counted from 1 within the call of `train`. */
  readonly epoch: number;
  /**
   * The mean over the batch's tokens, before the update, in nats; of smoothed
   * targets where there is label smoothing.
   */
  readonly loss: number;
  /** The share of the batch's tokens predicted right, before the update. */
  readonly accuracy: number;
  /** The tokens of the batch's targets, without padding. */
  readonly tokens: number;
  /** The step size of the update. */
  readonly learningRate: number;
}

/** One epoch, as `onEpoch` is told of it. */
export interface EpochReport {
  /** Counted from 1 within the call of `train`. */
  readonly epoch: number;
  /** The mean over the epoch's tokens of the losses before each update. */
  readonly loss: number;
  /** The mean over the epoch's tokens of the accuracy before each update. */
  readonly accuracy: number;
  /** The step size of the epoch's last update. */
  readonly learningRate: number;
  /**
   * The mean cross-entropy of a held-out token after the epoch, in nats, never
   * of smoothed targets; where there are data to validate on, only.
   */
  readonly validationLoss?: number;
  /** The share of held-out tokens predicted right from the true ones before. */
  readonly validationAccuracy?: number;
  /**
   * The share of held-out sequences that greedy prediction gets right as a
   * whole; where that metric is watched, only, for it takes time.
   */
  readonly validationSequenceAccuracy?: number;
}

/** When training ends before its last epoch. */
export interface EarlyStopping extends WatchOptions {
  /**
   * Training ends where so many epochs in a row have not been better, at least
   * 1; 3 by default.
   */
  readonly patience?: number;
}

/** Pairs of sequences as arrays. */
export interface ValidationPairs {
  /** int32 (n, S), tokens in [0, V). */
  readonly xSrc: ArrayLike;
  /** int32 (n, T), tokens in [0, V). */
  readonly xTgt: ArrayLike;
}

/**
 * Options of {@linkcode Seq2SeqAttentionModel.train} on batches that come from
 * a {@linkcode BatchSource}, which has a batch size and an order of its own.
 */
export interface BatchTrainOptions {
  /** How many times to go through the data. */
  readonly epochs: number;
  /** The step size of Adam, or where its schedule begins or rises to. */
  readonly learningRate: number;
  /** How the step size changes; not by default. */
  readonly schedule?: Schedule;
  /**
   * Times the step size, the share that every parameter loses in a step, as in
   * PyTorch's AdamW; 0 by default.
   */
  readonly weightDecay?: number;
  /**
   * The largest norm of all gradients as one vector, to which longer ones are
   * cut, as by PyTorch's `clip_grad_norm_`; none by default.
   */
  readonly clipNorm?: number;
  /**
   * The share of a target's weight that is spread evenly over the vocabulary,
   * in [0, 1), as in PyTorch's `CrossEntropyLoss`; 0 by default.
   */
  readonly labelSmoothing?: number;
  /** Data that are measured after every epoch; none by default. */
  readonly validation?: ValidationPairs | BatchSource;
  /**
   * When to end before the last epoch; never by default. With it the model has
   * the parameters of the best epoch in the end, whichever epoch was the last.
   */
  readonly earlyStopping?: EarlyStopping;
  /** Whether to write a line an epoch to stderr; not by default. */
  readonly verbose?: boolean;
  /**
   * How many threads share each step, the caller's included; `"auto"` takes as
   * many as pay. Evaluation and prediction have them from then on, too. By
   * default as many as before, at first those of the option `compile`, or 1. It
   * is 1 wherever threads cannot share memory.
   */
  readonly threads?: number | "auto";
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
  /**
   * The share of the data to hold out and measure after every epoch instead of
   * training on it, in [0, 1), to the nearest whole sequence; 0 by default. The
   * model's seed chooses the sequences, the same ones in every call.
   */
  readonly validationFraction?: number;
}

/** What {@linkcode Seq2SeqAttentionModel.train} resolves to. */
export interface TrainHistory {
  /** The loss of each epoch, see {@linkcode EpochReport}. */
  readonly loss: number[];
  /** The accuracy of each epoch, see {@linkcode EpochReport}. */
  readonly accuracy: number[];
  /** See {@linkcode EpochReport}; where there are data to validate on, only. */
  readonly validationLoss?: number[];
  /** See {@linkcode EpochReport}; where there are data to validate on, only. */
  readonly validationAccuracy?: number[];
  /** See {@linkcode EpochReport}; where that metric is watched, only. */
  readonly validationSequenceAccuracy?: number[];
  /**
   * The epoch whose parameters the model has, counted from 1; with early
   * stopping only.
   */
  readonly bestEpoch?: number;
  /** Whether it ended before its last epoch; with early stopping only. */
  readonly stoppedEarly?: boolean;
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

/** Thrown by `train` when a loss is not finite. */
export class DivergenceError extends Error {
  /** The error's name, `"DivergenceError"`. */
  override name = "DivergenceError";
  /** The step, counted from 1 over the life of the model. */
  readonly step: number;
  /** The epoch, counted from 1 within the call of `train`. */
  readonly epoch: number;
  /** The loss that was found. */
  readonly loss: number;
  /** Whose loss it is: that of the step, or of the validation after it. */
  readonly of: "step" | "validation";

  /**
   * Describes what went wrong.
   *
   * @param step The last step taken.
   * @param epoch Its epoch.
   * @param loss The loss that was found.
   * @param of Whose loss it is.
   */
  constructor(
    step: number,
    epoch: number,
    loss: number,
    of: "step" | "validation" = "step",
  ) {
    const what = of === "step" ? "loss of" : "validation loss after";
    super(
      `Cannot go on training: the ${what} step ${step} (epoch ${epoch}) is ` +
        `${loss}, wanted a finite number; try a smaller learning rate`,
    );
    this.step = step;
    this.epoch = epoch;
    this.loss = loss;
    this.of = of;
  }
}
