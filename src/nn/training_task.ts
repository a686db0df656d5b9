/**
 * From what `train` is given to a training that can begin: data and options
 * checked and completed, held-out data set apart, and agreed on by all that
 * share it. Nothing has changed when this is done.
 */
import type { ArrayLike } from "../array.ts";
import { agree, type Facts } from "../distributed/agreement.ts";
import { VERSION } from "../version.ts";
import { type BatchSource, PairBatches, type Pairs } from "./batches.ts";
import { checkedSource, isBatchSource } from "./check_batches.ts";
import {
  checkBatchTrainOptions,
  checkTrainOptions,
  completeSettings,
  type TrainingSettings,
} from "./check_training.ts";
import { checkPairs } from "./checks.ts";
import { holdOut } from "./hold_out.ts";
import type { ModelSizes } from "./seq2seq.ts";
import type {
  BatchTrainOptions,
  TrainOptions,
  ValidationPairs,
} from "./training.ts";

/** The data of a training. */
export interface TrainingData {
  /** Where batches come from. */
  readonly source: BatchSource;
  /** Whether they are reordered; null where the source decides it. */
  readonly shuffle: boolean | null;
  /** What is measured after every epoch, if anything. */
  readonly validation: BatchSource | undefined;
}

/** A training that can begin. */
export interface TrainingTask {
  /** What it is trained on. */
  readonly data: TrainingData;
  /** How long, and whom it tells. */
  readonly options: BatchTrainOptions;
  /** How. */
  readonly settings: TrainingSettings;
}

/** What `train` may be given, see {@linkcode Seq2SeqAttentionModel.train}. */
export type TrainArguments = readonly [
  first: ArrayLike | BatchSource,
  second: ArrayLike | BatchTrainOptions,
  third: TrainOptions | undefined,
];

/**
 * Checks and completes what `train` was given.
 *
 * @param given The arguments.
 * @param sizes Those of the model.
 * @param facts What of the model must be the same on all ranks.
 * @returns The training.
 * @throws {TypeError | RangeError} If data or options are wrong.
 * @throws {DisagreementError} If ranks were given different things.
 */
export function prepareTraining(
  given: TrainArguments,
  sizes: ModelSizes,
  facts: Facts,
): TrainingTask {
  const [first] = given;
  const task = isBatchSource(first)
    ? onBatches(first, given[1] as BatchTrainOptions, sizes)
    : onPairs(given as readonly [ArrayLike, ArrayLike, TrainOptions], sizes);
  const { options, data: { source, shuffle, validation } } = task;
  const { communicator } = options;
  const settings = completeSettings(options, source, validation !== undefined);
  if (communicator === undefined) return { ...task, settings };
  agree(communicator, {
    version: VERSION,
    ...facts,
    "number of sequences": String(source.sequences),
    "batch size": String(source.batchSize),
    "number of epochs": String(options.epochs),
    "learning rate": String(settings.learningRate),
    "learning rate schedule": JSON.stringify(settings.schedule ?? null),
    "weight decay, clipping or smoothing": JSON.stringify(settings.step),
    "early stopping": JSON.stringify(settings.earlyStopping ?? null),
    "number of held-out sequences": String(validation?.sequences ?? 0),
    shuffle: String(shuffle),
    ...task.facts,
  });
  return { ...task, settings };
}

interface Unsettled extends Omit<TrainingTask, "settings"> {
  /** The data themselves, where they are in memory. */
  readonly facts: Facts;
}

function onBatches(
  given: BatchSource,
  options: BatchTrainOptions,
  sizes: ModelSizes,
): Unsettled {
  const source = checkedSource(given, sizes);
  checkBatchTrainOptions(options);
  const { validation, facts } = validationOf(options, sizes);
  return {
    data: { source, shuffle: null, validation },
    options,
    facts: { data: source.fingerprint ?? "", ...facts },
  };
}

function onPairs(
  [xSrc, xTgt, given]: readonly [ArrayLike, ArrayLike, TrainOptions],
  sizes: ModelSizes,
): Unsettled {
  const pairs = checkPairs(xSrc, xTgt, sizes);
  const options = checkTrainOptions(given);
  const { batchSize, shuffle = true, validationFraction = 0 } = options;
  const { randomSeed } = sizes;
  const order = { batchSize, shuffle, randomSeed };
  const facts = factsOf(pairs, "");
  if (validationFraction > 0) {
    const count = pairs.source.shape[0]!;
    const rows = holdOut(count, validationFraction, randomSeed);
    const source = new PairBatches(pairs, { ...order, rows: rows.training });
    const validation = inOrder(pairs, rows.validation);
    return { data: { source, shuffle, validation }, options, facts };
  }
  const source = new PairBatches(pairs, order);
  const held = validationOf(options, sizes);
  return {
    data: { source, shuffle, validation: held.validation },
    options,
    facts: { ...facts, ...held.facts },
  };
}

/** The data to validate on that the options bring along. */
function validationOf(
  { validation }: BatchTrainOptions,
  sizes: ModelSizes,
): { readonly validation: BatchSource | undefined; readonly facts: Facts } {
  if (validation === undefined) return { validation, facts: {} };
  if (isBatchSource(validation)) {
    const source = checkedSource(validation, sizes);
    const facts = { "held-out data": source.fingerprint ?? "" };
    return { validation: source, facts };
  }
  const { xSrc, xTgt } = checkIsPairs(validation);
  const pairs = checkPairs(xSrc, xTgt, sizes, "validation.");
  return { validation: inOrder(pairs), facts: factsOf(pairs, "held-out ") };
}

function checkIsPairs(validation: ValidationPairs): ValidationPairs {
  const isObject = typeof validation === "object" && validation !== null;
  if (isObject && "xSrc" in validation && "xTgt" in validation) {
    return validation;
  }
  throw new TypeError(
    "Cannot use validation: wanted an object with xSrc and xTgt, or a source " +
      "of batches",
  );
}

/** Held-out pairs that are picked out at a time: threads share them. */
const VALIDATION_BATCH = 1024;

function inOrder(pairs: Pairs, rows?: Int32Array): BatchSource {
  const options = {
    batchSize: VALIDATION_BATCH,
    shuffle: false,
    randomSeed: 0,
  };
  return new PairBatches(pairs, rows ? { ...options, rows } : options);
}

function factsOf({ source, target }: Pairs, prefix: string): Facts {
  return {
    [`${prefix}source data`]: source.data,
    [`${prefix}target data`]: target.data,
  };
}
