/**
 * What training refuses to be told, and the options with all that was left out.
 * Data are checked elsewhere.
 */
import { describe } from "../array.ts";
import { checkInteger, checkThreads } from "../checks.ts";
import { type BatchCounts, batchesOf } from "./batches.ts";
import type { CompleteSchedule, Schedule } from "./schedule.ts";
import type { StepOptions } from "./steps.ts";
import type {
  BatchTrainOptions,
  EarlyStopping,
  TrainOptions,
} from "./training.ts";
import {
  completeWatch,
  EPOCH_METRICS,
  isOfValidation,
  type WatchOptions,
} from "./watch.ts";

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
  const { validationFraction = 0 } = options;
  checkNumber(validationFraction, "validationFraction", IN_UNIT);
  if (validationFraction > 0 && options.validation !== undefined) {
    throw new TypeError(
      `Cannot use validationFraction = ${validationFraction} with validation: ` +
        `wanted one of them`,
    );
  }
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
  for (const name of ["batchSize", "shuffle", "validationFraction"]) {
    if (!(name in options)) continue;
    throw new TypeError(
      `Cannot use ${name} with a source of batches: wanted none, ` +
        (name === "validationFraction"
          ? "but validation, data of its own"
          : "the source decides it"),
    );
  }
  checkCommonOptions(options);
  return options;
}

function checkCommonOptions(options: BatchTrainOptions): void {
  checkInteger(options.epochs, "epochs", 1);
  checkThreads(options.threads);
  checkNumber(options.learningRate, "learningRate", POSITIVE);
  checkNumber(options.weightDecay ?? 0, "weightDecay", FROM_ZERO);
  checkNumber(options.clipNorm ?? 1, "clipNorm", POSITIVE);
  checkNumber(options.labelSmoothing ?? 0, "labelSmoothing", IN_UNIT);
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

/** What decides the steps of a training beside the data, nothing left out. */
export interface TrainingSettings {
  /** What the rate begins with or rises to. */
  readonly learningRate: number;
  /** What of a step is on. */
  readonly step: StepOptions;
  /** How the rate changes; undefined where it does not. */
  readonly schedule: CompleteSchedule | undefined;
  /** When training ends; undefined where after its last epoch. */
  readonly earlyStopping: Required<EarlyStopping> | undefined;
}

/**
 * Checks the options that depend on the data, and fills in what is left out.
 *
 * @param options Checked as far as they can be without data.
 * @param counts How much there is to train on.
 * @param hasValidation Whether there is something to validate on.
 * @returns The settings.
 * @throws {TypeError | RangeError} If an option is wrong.
 */
export function completeSettings(
  options: BatchTrainOptions,
  counts: BatchCounts,
  hasValidation: boolean,
): TrainingSettings {
  const { learningRate, schedule, earlyStopping } = options;
  const { weightDecay = 0, clipNorm, labelSmoothing = 0 } = options;
  const steps = options.epochs * batchesOf(counts);
  return {
    learningRate,
    step: {
      ...(weightDecay > 0 ? { weightDecay } : {}),
      ...(clipNorm === undefined ? {} : { clipNorm }),
      ...(labelSmoothing > 0 ? { labelSmoothing } : {}),
    },
    schedule: schedule &&
      completeSchedule(schedule, { learningRate, steps, hasValidation }),
    earlyStopping: earlyStopping &&
      completeEarlyStopping(earlyStopping, hasValidation),
  };
}

interface ScheduleTerms {
  readonly learningRate: number;
  /** Those of all epochs. */
  readonly steps: number;
  readonly hasValidation: boolean;
}

function completeSchedule(
  schedule: Schedule,
  { learningRate, steps: all, hasValidation }: ScheduleTerms,
): CompleteSchedule | undefined {
  checkIsObject(schedule, "schedule", "its type");
  switch (schedule.type) {
    case "constant":
      return undefined;
    case "warmupCosine": {
      const { type, warmupSteps = 0, steps = all } = schedule;
      const { minLearningRate = 0 } = schedule;
      checkInteger(warmupSteps, "schedule.warmupSteps", 0);
      checkInteger(steps, "schedule.steps", 1);
      if (warmupSteps >= steps) {
        throw new RangeError(
          `Cannot use schedule.warmupSteps = ${warmupSteps}: wanted less than ` +
            `schedule.steps, which is ${steps}`,
        );
      }
      checkMinimum(minLearningRate, learningRate);
      return { type, warmupSteps, steps, minLearningRate };
    }
    case "plateau": {
      const { type, factor = 0.1, patience = 10 } = schedule;
      const { minLearningRate = 0 } = schedule;
      checkNumber(factor, "schedule.factor", BETWEEN);
      checkInteger(patience, "schedule.patience", 0);
      checkMinimum(minLearningRate, learningRate);
      const watched = checkWatch(schedule, "schedule", hasValidation);
      return { type, ...watched, factor, patience, minLearningRate };
    }
    default:
      throw new RangeError(
        `Cannot use schedule.type = ${
          describe((schedule as Schedule).type)
        }: wanted "constant", "warmupCosine" or "plateau"`,
      );
  }
}

function completeEarlyStopping(
  given: EarlyStopping,
  hasValidation: boolean,
): Required<EarlyStopping> {
  checkIsObject(given, "earlyStopping", "a metric and patience");
  const { patience = 3 } = given;
  checkInteger(patience, "earlyStopping.patience", 1);
  return { ...checkWatch(given, "earlyStopping", hasValidation), patience };
}

function checkWatch(
  options: WatchOptions,
  name: string,
  hasValidation: boolean,
): Required<WatchOptions> {
  const { metric, mode, minDelta } = completeWatch(options);
  checkChoice(metric, `${name}.metric`, EPOCH_METRICS);
  checkChoice(mode, `${name}.mode`, ["min", "max"]);
  checkNumber(minDelta, `${name}.minDelta`, FROM_ZERO);
  if (isOfValidation(metric) && !hasValidation) {
    throw new TypeError(
      `Cannot use ${name}.metric = ${describe(metric)} without data to ` +
        `validate on: wanted validation or validationFraction, or another ` +
        `metric`,
    );
  }
  return { metric, mode, minDelta };
}

function checkMinimum(value: unknown, learningRate: number): void {
  checkNumber(value, "schedule.minLearningRate", {
    wanted: `a number from 0 to learningRate, which is ${learningRate}`,
    allows: (number) => number >= 0 && number <= learningRate,
  });
}

function checkChoice(
  value: unknown,
  name: string,
  choices: readonly string[],
): void {
  if (choices.includes(value as string)) return;
  throw new RangeError(
    `Cannot use ${name} = ${describe(value)}: wanted one of ` +
      choices.map((choice) => JSON.stringify(choice)).join(", "),
  );
}

/** What a number must be. */
interface Range {
  /** Completes the sentence "wanted ...". */
  readonly wanted: string;
  readonly allows: (number: number) => boolean;
}

// Steps compute in float32: what vanishes or overflows there is no such number.
const POSITIVE: Range = {
  wanted: "a finite float32 above 0",
  allows: (number) => isFloat32(number) && Math.fround(number) > 0,
};
const FROM_ZERO: Range = {
  wanted: "a finite float32 from 0",
  allows: (number) => isFloat32(number) && number >= 0,
};
const IN_UNIT: Range = {
  wanted: "a number from 0 to below 1",
  allows: (number) => number >= 0 && number < 1,
};
const BETWEEN: Range = {
  wanted: "a number between 0 and 1",
  allows: (number) => number > 0 && number < 1,
};

function isFloat32(number: number): boolean {
  return Number.isFinite(Math.fround(number));
}

function checkNumber(value: unknown, name: string, range: Range): void {
  const message = `Cannot use ${name} = ${describe(value)}: wanted `;
  if (typeof value !== "number") throw new TypeError(`${message}a number`);
  if (!range.allows(value)) throw new RangeError(message + range.wanted);
}

function checkIsObject(value: unknown, name: string, wanted: string): void {
  if (typeof value === "object" && value !== null) return;
  throw new TypeError(
    `Cannot use ${name} = ${describe(value)}: wanted an object with ${wanted}`,
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
