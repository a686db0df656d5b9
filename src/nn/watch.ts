/**
 * Watching one metric of the epochs: what counts as better, and for how long
 * nothing has been. What follows from it is for others to decide.
 */

/**
 * A metric of an epoch, under its name in {@linkcode EpochReport}. Those of the
 * validation need data to validate on.
 */
export type EpochMetric =
  | "loss"
  | "accuracy"
  | "validationLoss"
  | "validationAccuracy"
  | "validationSequenceAccuracy";

/** All of them. */
export const EPOCH_METRICS: readonly EpochMetric[] = [
  "loss",
  "accuracy",
  "validationLoss",
  "validationAccuracy",
  "validationSequenceAccuracy",
];

/** Which metric is watched, and what counts as better. */
export interface WatchOptions {
  /** The metric; `"validationLoss"` by default. */
  readonly metric?: EpochMetric;
  /**
   * Whether less (`"min"`) or more (`"max"`) is better; by default less of a
   * loss, more of an accuracy.
   */
  readonly mode?: "min" | "max";
  /** What does not differ from the best by more is not better; 0 by default. */
  readonly minDelta?: number;
}

/** What the epochs so far have come to; it may go through JSON. */
export interface WatchState {
  /** The best value; null before the first. */
  readonly best: number | null;
  /** The epoch it is of, counted from 1; 0 before the first. */
  readonly bestEpoch: number;
  /** How many epochs in a row have not been better. */
  readonly waited: number;
}

/** Before the first epoch. */
export const NOTHING_SEEN: WatchState = { best: null, bestEpoch: 0, waited: 0 };

/**
 * Fills in what is left out.
 *
 * @param options What is to be watched.
 * @returns All of it.
 */
export function completeWatch(options: WatchOptions): Required<WatchOptions> {
  const { metric = "validationLoss", minDelta = 0 } = options;
  const isLoss = /loss$/i.test(metric);
  return { metric, mode: options.mode ?? (isLoss ? "min" : "max"), minDelta };
}

/** Whether a metric takes data to validate on. */
export function isOfValidation(metric: EpochMetric): boolean {
  return metric.startsWith("validation");
}

/**
 * Looks at one more epoch.
 *
 * @param state What those before have come to.
 * @param options What counts as better.
 * @param value Its metric, finite.
 * @param epoch Its number, counted from 1.
 * @returns What they have come to now.
 */
export function watch(
  state: WatchState,
  { mode, minDelta }: Pick<Required<WatchOptions>, "mode" | "minDelta">,
  value: number,
  epoch: number,
): WatchState {
  const { best } = state;
  const isBetter = best === null ||
    (mode === "min" ? value < best - minDelta : value > best + minDelta);
  return isBetter
    ? { best: value, bestEpoch: epoch, waited: 0 }
    : { ...state, waited: state.waited + 1 };
}
