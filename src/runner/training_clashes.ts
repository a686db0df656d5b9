/**
 * Options of the training that do not go together although each is allowed.
 */
import { countHeldOut } from "../nn/hold_out.ts";
import type {
  Config,
  ConfigProblem,
  MetricName,
  TrainingConfig,
  WatchConfig,
} from "./config_types.ts";

const SCHEDULE = "training.schedule";

/** Whether nothing has been found wrong with any of the given keys. */
type IsSound = (...paths: string[]) => boolean;

/**
 * Finds options that do not go together.
 *
 * @param value The configuration as it was written.
 * @param config The same, complete.
 * @param isSound Tells where something is wrong already.
 * @returns One problem for each.
 */
export function findTrainingClashes(
  value: Record<string, unknown>,
  config: Config,
  isSound: IsSound,
): ConfigProblem[] {
  const { early_stopping, schedule } = config.training;
  const problems: ConfigProblem[] = [];
  const isGenerated = config.data.source !== "file";
  if (
    isGenerated && isSound("data.n_samples", "training.validation_fraction")
  ) {
    problems.push(...findEmptyPart(config));
  }
  if (isSound("training.early_stopping") && early_stopping !== null) {
    problems.push(...findUnmeasured("early_stopping", value, config, isSound));
  }
  if (!isSound(`${SCHEDULE}.type`) || schedule === null) return problems;
  if (schedule.type === "plateau") {
    problems.push(...findUnmeasured("schedule", value, config, isSound));
  }
  if (isSound("training.learning_rate", `${SCHEDULE}.min_learning_rate`)) {
    problems.push(...findHighMinimum(config));
  }
  if (isWarmupSound(config, isSound)) {
    const { n_samples } = config.data;
    const held = countHeldOut(n_samples, config.training.validation_fraction);
    problems.push(...findLongWarmup(config.training, n_samples - held));
  }
  return problems;
}

/** A held-out part needs sequences, and the training does. */
function findEmptyPart({ data, training }: Config): ConfigProblem[] {
  const { validation_fraction: fraction } = training;
  const { n_samples } = data;
  if (fraction === 0) return [];
  const count = countHeldOut(n_samples, fraction);
  if (count >= 1 && count < n_samples) return [];
  return [{
    path: "training.validation_fraction",
    found: `${fraction}, which is ${count} of ${n_samples} sequences ` +
      `(data.n_samples)`,
    wanted: "a share of at least 1 sequence that leaves 1 to train on",
  }];
}

/** The metrics that every training has. */
const OF_TRAINING: readonly MetricName[] = ["loss", "accuracy"];

/** A metric of data that there are none of. */
function findUnmeasured(
  key: "early_stopping" | "schedule",
  value: Record<string, unknown>,
  { training }: Config,
  isSound: IsSound,
): ConfigProblem[] {
  const path = `training.${key}.metric`;
  const { metric } = training[key] as WatchConfig;
  if (!isSound(path, "training.validation_fraction")) return [];
  if (training.validation_fraction > 0 || OF_TRAINING.includes(metric)) {
    return [];
  }
  const written = value["training"] as Record<string, { metric?: unknown }>;
  const isDefault = (written[key]?.metric ?? null) === null;
  return [{
    // A default is on no line of the file.
    path: isDefault ? `training.${key}` : path,
    found: `${isDefault ? "the default metric " : ""}${metric} without ` +
      `training.validation_fraction`,
    wanted: `training.validation_fraction above 0, or as ` +
      `training.${key}.metric one of ${OF_TRAINING.join(", ")}`,
  }];
}

function findHighMinimum({ training }: Config): ConfigProblem[] {
  const { schedule, learning_rate } = training;
  if (schedule === null || schedule.type === "constant") return [];
  const { min_learning_rate } = schedule;
  if (min_learning_rate <= learning_rate) return [];
  return [{
    path: `${SCHEDULE}.min_learning_rate`,
    found: String(min_learning_rate),
    wanted: `at most training.learning_rate, which is ${learning_rate}`,
  }];
}

/** Whether it can be told that the rise ends before the fall does. */
function isWarmupSound(config: Config, isSound: IsSound): boolean {
  const { schedule } = config.training;
  const own = [`${SCHEDULE}.warmup_steps`, `${SCHEDULE}.steps`];
  if (schedule?.type !== "warmup_cosine" || !isSound(...own)) return false;
  if (schedule.steps !== null) return true;
  // How many there are in a file is not known yet.
  if (config.data.source === "file") return false;
  const keys = ["training.epochs", "training.batch_size", "data.n_samples"];
  return isSound(...keys, "training.validation_fraction");
}

/**
 * Finds a rise of the step size that does not end before the fall does.
 *
 * @param training A complete configuration's.
 * @param sequences How many sequences are trained on.
 * @returns The problem, if there is one.
 */
export function findLongWarmup(
  { schedule, epochs, batch_size }: TrainingConfig,
  sequences: number,
): ConfigProblem[] {
  if (schedule?.type !== "warmup_cosine") return [];
  const all = epochs * Math.ceil(sequences / batch_size);
  const [most, what] = schedule.steps === null
    ? [all, "the number of all steps"]
    : [schedule.steps, `${SCHEDULE}.steps`];
  if (schedule.warmup_steps < most) return [];
  return [{
    path: `${SCHEDULE}.warmup_steps`,
    found: String(schedule.warmup_steps),
    wanted: `less than ${what}, which is ${most}`,
  }];
}
