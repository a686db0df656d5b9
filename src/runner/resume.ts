/**
 * Going on with a run: which checkpoint, and whether it is of the run that the
 * configuration describes. It trains nothing.
 */
import { isJsonObject, type Json } from "../files/strict_json.ts";
import type { TrainingSnapshot } from "../nn/model.ts";
import {
  type Config,
  ConfigError,
  type ConfigProblem,
} from "./config_types.ts";
import type { Dataset } from "./dataset.ts";
import type { Logger } from "./logging.ts";
import { OutputError } from "./output.ts";
import type { PreparedRun } from "./experiment.ts";

/** A run to go on with. */
export interface Resumed {
  /** Where it goes on from; nothing if it never came to a checkpoint. */
  readonly snapshot: TrainingSnapshot | undefined;
  /** Tells where the run goes on, and what is damaged. */
  tell(log: Logger): void;
}

/** What may differ: it changes neither the data nor what is learned from them. */
const FREE = [
  // What is in the files is compared, not where they are.
  "data.path",
  "data.test_path",
  "training.epochs",
  "training.verbose",
  "training.threads",
  "training.distributed",
  "logging",
  "output",
];

/**
 * Finds the newest readable checkpoint of a run. Nothing is written.
 *
 * @param prepared Data and folder of the run; no folder without `output.dir`.
 * @param config The configuration that the run is to go on with.
 * @returns Where it goes on.
 * @throws {ConfigError} If there is no folder, or configuration or data differ
 * in what matters from those of the checkpoint.
 * @throws {FileError} If there are checkpoints and none can be read.
 * @throws {OutputError} If the folder has results and no checkpoint.
 */
export function findResumed(
  { folder, dataset }: PreparedRun,
  config: Config,
): Resumed {
  if (folder === undefined) {
    throw new ConfigError([{
      path: "output.dir",
      found: "null",
      wanted: "the folder of the run that --resume is to go on with",
    }]);
  }
  const damaged: string[] = [];
  const found = folder.checkpoints.newest((error) =>
    damaged.push(error.message)
  );
  if (found === undefined) {
    if (folder.hasResults()) {
      throw new OutputError(
        folder.path,
        "it holds results and no checkpoint to resume from",
      );
    }
    return {
      snapshot: undefined,
      tell: (log) =>
        log.info(
          `No checkpoint in ${JSON.stringify(folder.path)}: starting anew`,
        ),
    };
  }
  const { state } = found.snapshot;
  const problems = [
    ...compare(found.config, config as unknown as Json, ""),
    ...compareEpochs(state, config),
    ...compareData(state, dataset),
  ];
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    snapshot: found.snapshot,
    tell(log: Logger): void {
      for (const message of damaged) {
        log.warn(`${message}; using the checkpoint before it`);
      }
      log.info(`Resuming after step ${state.step}, from ${found.path}`);
      const { epochs, early_stopping } = config.training;
      const { waited = 0 } = state.earlyStopping ?? {};
      if (early_stopping !== null && waited >= early_stopping.patience) {
        log.info(
          `No epoch has been better for ${waited}: nothing is left to train`,
        );
      } else if (state.epoch > epochs) {
        log.info(
          `All ${epochs} epochs are done; to train on, set ` +
            `training.epochs to more`,
        );
      }
    },
  };
}

/** One problem for each key that differs and matters. */
function compare(
  before: Json | undefined,
  now: Json,
  path: string,
): ConfigProblem[] {
  if (FREE.includes(path)) return [];
  if (isJsonObject(now)) {
    const old = isJsonObject(before) ? before : {};
    const keys = new Set([...Object.keys(now), ...Object.keys(old)]);
    return Array.from(keys).flatMap((key) =>
      compare(old[key], now[key] ?? null, path === "" ? key : `${path}.${key}`)
    );
  }
  const [found, wanted] = [JSON.stringify(now), JSON.stringify(before ?? null)];
  return found === wanted ? [] : [{
    path,
    found,
    wanted: `${wanted}, as in the run to resume`,
  }];
}

/** Fewer epochs than have begun would be another run. */
function compareEpochs(
  { epoch, batch, terms }: TrainingSnapshot["state"],
  { training: { epochs, schedule } }: Config,
): ConfigProblem[] {
  const begun = batch > 0 ? epoch : epoch - 1;
  const problem = (wanted: string): ConfigProblem[] => [{
    path: "training.epochs",
    found: String(epochs),
    wanted,
  }];
  if (begun > epochs) {
    return problem(
      `at least ${begun}, the epoch that the run to resume has come to`,
    );
  }
  // A cosine over all epochs is another one from its first step if they change.
  const isOverAll = schedule?.type === "warmup_cosine" &&
    schedule.steps === null;
  if (!isOverAll || terms.schedule?.type !== "warmupCosine") return [];
  const before = terms.schedule.steps /
    Math.ceil(terms.sequences / terms.batchSize);
  return before === epochs ? [] : problem(
    `${before}, as in the run to resume, for training.schedule falls until ` +
      `the last of them`,
  );
}

/** Files that have changed since would be other data. */
function compareData(
  { terms }: TrainingSnapshot["state"],
  { fingerprint }: Dataset,
): ConfigProblem[] {
  const before = terms.fingerprint ?? null;
  if (fingerprint === before) return [];
  return [{
    path: "data.path",
    found: `files with other content (${fingerprint})`,
    wanted: `those of the run to resume (${before})`,
  }];
}
