/**
 * How the learning rate changes over a training: a function of the step, or of
 * what the epochs have come to. Each step is told its rate as an input of its
 * plan.
 */
import {
  NOTHING_SEEN,
  watch,
  type WatchOptions,
  type WatchState,
} from "./watch.ts";

/** The rate stays what it is. */
export interface ConstantSchedule {
  /** Tells the kinds apart. */
  readonly type: "constant";
}

/**
 * The rate rises in even steps from `learningRate / warmupSteps` at the first
 * step to `learningRate` at step `warmupSteps`, and then falls along half a
 * cosine to `minLearningRate` at step `steps` (Loshchilov and Hutter 2017,
 * eq. 5, without restarts). After that it stays there.
 */
export interface WarmupCosineSchedule {
  /** Tells the kinds apart. */
  readonly type: "warmupCosine";
  /** Steps in which the rate rises, at least 0; with 0 or 1 there are none. */
  readonly warmupSteps?: number;
  /** The step at which it has fallen; by default the last of all epochs. */
  readonly steps?: number;
  /** What it falls to, from 0 to `learningRate`; 0 by default. */
  readonly minLearningRate?: number;
}

/**
 * The rate is multiplied with a factor where a metric has not become better
 * for more than `patience` epochs in a row, as by PyTorch's
 * `ReduceLROnPlateau`.
 */
export interface PlateauSchedule extends WatchOptions {
  /** Tells the kinds apart. */
  readonly type: "plateau";
  /** What the rate is multiplied with, between 0 and 1; 0.1 by default. */
  readonly factor?: number;
  /** Epochs without an improvement that are let pass; 10 by default. */
  readonly patience?: number;
  /** The least rate, from 0 to `learningRate`; 0 by default. */
  readonly minLearningRate?: number;
}

/** How the learning rate changes over a training. */
export type Schedule =
  | ConstantSchedule
  | WarmupCosineSchedule
  | PlateauSchedule;

/** A schedule with all that was left out. */
export type CompleteSchedule =
  | Required<WarmupCosineSchedule>
  | Required<PlateauSchedule>;

/** Where a schedule is that depends on what the epochs have come to. */
export interface ScheduleState extends WatchState {
  /** The rate by now. */
  readonly learningRate: number;
}

/**
 * The state of a schedule at the beginning.
 *
 * @param schedule The schedule; undefined for a constant rate.
 * @param learningRate The rate that it begins with.
 * @returns The state; undefined where the schedule has none.
 */
export function firstState(
  schedule: CompleteSchedule | undefined,
  learningRate: number,
): ScheduleState | undefined {
  if (schedule?.type !== "plateau") return undefined;
  return { ...NOTHING_SEEN, learningRate };
}

/**
 * The rate of a step.
 *
 * @param schedule The schedule; undefined for a constant rate.
 * @param learningRate The rate that it begins with or rises to.
 * @param step The step, counted from 1 over the training.
 * @param state Its state, if it has one.
 * @returns The rate.
 */
export function rateAt(
  schedule: CompleteSchedule | undefined,
  learningRate: number,
  step: number,
  state: ScheduleState | undefined,
): number {
  if (schedule === undefined) return learningRate;
  if (schedule.type === "plateau") return state?.learningRate ?? learningRate;
  const { warmupSteps, steps, minLearningRate } = schedule;
  if (step <= warmupSteps) return learningRate * step / warmupSteps;
  // The step with the whole rate, the last one of the rise.
  const top = Math.max(1, warmupSteps);
  const done = Math.min(1, (step - top) / Math.max(1, steps - top));
  const height = (1 + Math.cos(Math.PI * done)) / 2;
  return minLearningRate + (learningRate - minLearningRate) * height;
}

/**
 * Looks at one more epoch.
 *
 * @param schedule A schedule with a state.
 * @param state The state.
 * @param value The metric of the epoch, finite.
 * @param epoch Its number, counted from 1.
 * @returns The state after it.
 */
export function afterEpoch(
  schedule: Required<PlateauSchedule>,
  state: ScheduleState,
  value: number,
  epoch: number,
): ScheduleState {
  const { learningRate } = state;
  const seen = watch(state, schedule, value, epoch);
  if (seen.waited <= schedule.patience) return { ...seen, learningRate };
  const reduced = learningRate * schedule.factor;
  return {
    ...seen,
    waited: 0,
    learningRate: Math.max(reduced, schedule.minLearningRate),
  };
}
