/**
 * What is meant where the mappings within `training` leave something out. It
 * checks nothing.
 */
import type {
  ScheduleConfig,
  TrainingConfig,
  WatchConfig,
} from "./config_types.ts";

/** What is used for what `training.early_stopping` leaves out. */
export const EARLY_STOPPING_DEFAULTS: WatchConfig = Object.freeze({
  metric: "validation_loss",
  mode: null,
  patience: 3,
  min_delta: 0,
});

/** What is used for what `training.schedule` leaves out, by its type. */
export const SCHEDULE_DEFAULTS: {
  readonly [Type in ScheduleConfig["type"]]: Extract<
    ScheduleConfig,
    { readonly type: Type }
  >;
} = {
  constant: { type: "constant" },
  warmup_cosine: {
    type: "warmup_cosine",
    warmup_steps: 0,
    steps: null,
    min_learning_rate: 0,
  },
  plateau: {
    type: "plateau",
    metric: "validation_loss",
    mode: null,
    patience: 10,
    min_delta: 0,
    factor: 0.1,
    min_learning_rate: 0,
  },
};

/**
 * Fills in what `early_stopping` and `schedule` leave out.
 *
 * @param training All keys are there.
 * @returns The same with complete mappings; what is wrong stays as it is.
 */
export function completeTraining(training: TrainingConfig): TrainingConfig {
  const { schedule, early_stopping } = training;
  const defaults: object | undefined =
    Object.hasOwn(SCHEDULE_DEFAULTS, schedule?.type ?? "")
      ? SCHEDULE_DEFAULTS[schedule!.type]
      : undefined;
  return {
    ...training,
    schedule: complete(schedule, defaults),
    early_stopping: complete(early_stopping, EARLY_STOPPING_DEFAULTS),
  };
}

/** The keys in the order of the defaults. */
function complete<T>(given: T, defaults: object | undefined): T {
  if (typeof given !== "object" || given === null || defaults === undefined) {
    return given;
  }
  const said = Object.entries(given)
    .filter(([, value]) => value !== null && value !== undefined);
  return { ...defaults, ...Object.fromEntries(said) } as T;
}
