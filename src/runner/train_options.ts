/**
 * From the keys of a configuration to the options of `train`. What data there
 * are, and who listens, is not decided here.
 */
import type {
  BatchTrainOptions,
  EarlyStopping,
  Schedule,
} from "../nn/model.ts";
import type { TrainingConfig } from "./config_types.ts";
import { camelCase } from "./names.ts";

/**
 * What a configuration says of the steps of a training.
 *
 * @param training A complete configuration's.
 * @returns The options.
 */
export function trainOptions(training: TrainingConfig): BatchTrainOptions {
  const { clip_norm, schedule, early_stopping } = training;
  return {
    epochs: training.epochs,
    learningRate: training.learning_rate,
    threads: training.threads,
    weightDecay: training.weight_decay,
    labelSmoothing: training.label_smoothing,
    ...(clip_norm === null ? {} : { clipNorm: clip_norm }),
    ...(schedule === null
      ? {}
      : { schedule: renamed(schedule) as unknown as Schedule }),
    ...(early_stopping === null
      ? {}
      : { earlyStopping: renamed(early_stopping) as EarlyStopping }),
  };
}

/** Keys, types and metrics in camelCase; what is null is left out. */
function renamed(mapping: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(mapping)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => [
        camelCase(key),
        typeof value === "string" ? camelCase(value) : value,
      ]),
  );
}
