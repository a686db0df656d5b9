/**
 * Combinations that a configuration may not have although each value by itself
 * is allowed.
 */
import { withDefaults } from "./config_defaults.ts";
import {
  type Config,
  type ConfigProblem,
  type DataConfig,
  DEFAULT_CONFIG,
  type PartialConfig,
} from "./config_types.ts";
import { describeFound, isMapping, valueAt } from "./mappings.ts";
import { findExcess, sizesOf } from "./memory_limit.ts";
import { findTrainingClashes } from "./training_clashes.ts";

/**
 * Finds impossible combinations.
 *
 * @param value A configuration, complete or not.
 * @param problems What has been found wrong with single values, of which
 * nothing is said again.
 * @returns One problem for each combination.
 */
export function findClashes(
  value: Record<string, unknown>,
  problems: readonly ConfigProblem[],
): ConfigProblem[] {
  const isSound = (...paths: string[]): boolean =>
    !problems.some((problem) =>
      paths.some((path) =>
        path === problem.path || path.startsWith(`${problem.path}.`)
      )
    );
  const config = withDefaults(soundSections(value));
  const { source } = config.data;
  const clashes: ConfigProblem[] = [];
  if (isSound("data.source")) {
    clashes.push(
      ...findForeignKeys(value, source)
        .filter(({ path }) => isSound(path)),
    );
    if (source === "file") {
      clashes.push(...findFileClashes(config).filter((x) => isSound(x.path)));
    } else {
      const isWhole = clashes.length === 0;
      if (isWhole && isSound("data.src_length", "data.tgt_length")) {
        clashes.push(...findLengthClash(value, config));
      }
      if (isWhole && isSound(...SIZE_PATHS)) {
        clashes.push(...findExcess(sizesOf(config), "data.n_samples"));
      }
    }
  }
  clashes.push(...findTrainingClashes(value, config, isSound));
  if (isSound("output") && config.output.report && config.output.dir === null) {
    clashes.push({
      path: "output.report",
      found: "true without output.dir",
      wanted: "output.dir, the folder in which the report goes",
    });
  }
  return clashes;
}

/** The keys that decide how much memory a run on generated data takes. */
const SIZE_PATHS = [
  "data.n_samples",
  "data.n_test",
  "data.src_length",
  "data.tgt_length",
  "data.vocab_size",
  "model.d_model",
  "model.d_k",
  "model.d_v",
  "training.batch_size",
  "training.threads",
];

/** What is decided by a file where there is one. */
const OF_TASKS = ["n_samples", "n_test", "vocab_size"] as const;

/** What only a file needs. */
const OF_FILES = [
  "path",
  "test_path",
  "test_fraction",
  "tokens",
  "min_count",
  "max_size",
  "on_too_long",
  "on_broken",
  "shuffle_window",
] as const;

/**
 * A key that has no meaning for the source must be left out, or have its
 * default, so that a complete configuration is one as well.
 */
function findForeignKeys(
  value: Record<string, unknown>,
  source: DataConfig["source"],
): ConfigProblem[] {
  const place = `with data.source: ${source}`;
  const isFile = source === "file";
  const foreign = (isFile ? OF_TASKS : OF_FILES).flatMap((key) => {
    const found = valueAt(value, ["data", key]) ?? null;
    const wanted = DEFAULT_CONFIG.data[key];
    if (found === null || found === wanted) return [];
    return [{
      path: `data.${key}`,
      found: `${describeFound(found)} ${place}`,
      wanted: isFile
        ? `no such key, for the file decides it`
        : `no such key, or data.source: file`,
    }];
  });
  if (isFile) return foreign;
  const lengths = ["src_length", "tgt_length"].flatMap((key) => {
    if (valueAt(value, ["data", key]) !== null) return [];
    return [{
      path: `data.${key}`,
      found: `no value ${place}`,
      wanted: "an integer, for only a file has a longest sequence",
    }];
  });
  return [...foreign, ...lengths];
}

function findFileClashes({ data }: Config): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  if (data.path === null) {
    problems.push({
      path: "data.source",
      found: "file without data.path",
      wanted: "data.path, the path of a file of pairs",
    });
  }
  const { test_fraction } = DEFAULT_CONFIG.data;
  if (data.test_path !== null && data.test_fraction !== test_fraction) {
    problems.push({
      path: "data.test_fraction",
      found: `${data.test_fraction} with data.test_path`,
      wanted: "one of the two, for the test is on another file or on a part",
    });
  }
  if (data.tgt_length === 1) {
    problems.push({
      path: "data.tgt_length",
      found: "1 with data.source: file",
      wanted: "at least 2, for a target ends with a token of its own",
    });
  }
  return problems;
}

/** The problem is put on a key that was written, not on a default. */
function findLengthClash(
  value: Record<string, unknown>,
  { data }: Config,
): ConfigProblem[] {
  const { src_length, tgt_length } = data;
  if (src_length === null || tgt_length === null) return [];
  if (tgt_length <= src_length) return [];
  const isGiven = (key: string): boolean =>
    (valueAt(value, ["data", key]) ?? null) !== null;
  const reason = `because the task is to ${data.source}`;
  return isGiven("tgt_length")
    ? [{
      path: "data.tgt_length",
      found: String(tgt_length),
      wanted: `an integer from 1 to data.src_length, which is ${src_length}${
        isGiven("src_length") ? "" : " by default"
      }, ${reason}`,
    }]
    : [{
      path: "data.src_length",
      found: String(src_length),
      wanted:
        `at least data.tgt_length, which is ${tgt_length} by default, ${reason}`,
    }];
}

/** The sections that are mappings at all, for checks across sections. */
function soundSections(value: Record<string, unknown>): PartialConfig {
  return Object.fromEntries(
    Object.entries(value).filter(([, section]) => isMapping(section)),
  );
}
