/**
 * What a configuration may contain, and the check that finds everything in
 * one that may not. It neither reads files nor fills in defaults.
 *
 * The schema library stays inside this file: no type of it is exported.
 */
import { z } from "zod";
import { describe } from "../array.ts";
import {
  type Config,
  type ConfigProblem,
  DEFAULT_CONFIG,
  type PartialConfig,
} from "./config_types.ts";
import { estimateMemory } from "./memory_estimate.ts";
import { suggest } from "./suggest.ts";

/** Beyond this no run will come. */
const MAX_STEPS = 1_000_000_000;

type Fields = {
  readonly [Section in keyof Config]: {
    readonly [Key in keyof Config[Section]]: z.ZodType<Config[Section][Key]>;
  };
};

/** Descriptions complete the sentence "wanted ...". */
const FIELDS: Fields = {
  data: {
    n_samples: size(10_000_000),
    n_test: size(10_000_000),
    src_length: size(65_536),
    tgt_length: size(65_536),
    vocab_size: size(1_000_000),
    random_seed: integer(0, Number.MAX_SAFE_INTEGER),
  },
  model: {
    d_model: size(65_536),
    d_k: size(65_536),
    d_v: size(65_536),
  },
  training: {
    epochs: size(1_000_000),
    learning_rate: z.number().positive().refine(isPositiveFloat32).describe(
      "a positive number in the range of float32",
    ),
    batch_size: size(1_000_000),
    verbose: z.boolean().describe("true or false"),
    threads: z.literal(1).describe("1, the only number of threads supported"),
    distributed: z.enum(["auto", "none", "mpi"]).describe(
      "one of auto, none, mpi",
    ),
  },
  logging: {
    level: z.enum(["debug", "info", "warn", "error", "silent"]).describe(
      "one of debug, info, warn, error, silent",
    ),
    file: z.string().min(1).nullable().describe(
      "the path of a file, or null for none",
    ),
  },
  output: {
    dir: z.string().min(1).nullable().describe(
      "the path of a folder, or null for none",
    ),
    checkpoint_every: z.int().min(1).max(MAX_STEPS).nullable().describe(
      `an integer from 1 to ${MAX_STEPS}, or null for the steps of an epoch`,
    ),
    report: z.boolean().describe("true or false"),
  },
};

const SCHEMA = z.strictObject(
  mapValues(
    FIELDS as Record<string, Record<string, z.ZodType>>,
    (fields) =>
      // A date and a set are objects without a key that could be wrong.
      z.custom(isMapping).pipe(z.strictObject(fields).partial()).optional(),
  ),
);

/** What all memory of a run may come to, the reach of a signed 32-bit offset. */
const MEMORY_LIMIT = 2 ** 31;

/**
 * Finds everything that is wrong with a configuration.
 *
 * @param value Anything, such as a parsed YAML file.
 * @returns The problems, empty if the value is a {@linkcode PartialConfig}
 * that makes sense together with the defaults.
 */
export function findProblems(value: unknown): ConfigProblem[] {
  if (!isMapping(value)) {
    return [{
      path: "",
      found: value === null ? "an empty document" : describeFound(value),
      wanted: `a mapping of ${listKeys(FIELDS)}`,
    }];
  }
  const problems: ConfigProblem[] = [];
  for (const issue of SCHEMA.safeParse(value).error?.issues ?? []) {
    const path = issue.path.map(String);
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) {
        problems.push(unknownKey(value, path, key));
      }
    } else if (!problems.some((problem) => problem.path === path.join("."))) {
      problems.push(wrongValue(value, path));
    }
  }
  return [...problems, ...findClashes(value, problems)];
}

/**
 * Fills in the defaults.
 *
 * @param partial A configuration without problems.
 * @returns The complete configuration, its keys in the order of the defaults.
 */
export function withDefaults(partial: PartialConfig): Config {
  return mapValues(DEFAULT_CONFIG, (defaults, section) => {
    const given: Record<string, unknown> = { ...partial[section] };
    return mapValues(defaults, (value, key) => given[key] ?? value);
  }) as unknown as Config;
}

/**
 * Describes what {@linkcode findProblems} allows each key to be.
 *
 * @returns A JSON Schema, draft 7, without defaults.
 */
export function toJsonSchema(): Record<string, unknown> {
  const sections = mapValues(
    FIELDS as Record<string, Record<string, z.ZodType>>,
    (fields) => z.strictObject(fields).partial(),
  );
  return z.toJSONSchema(z.strictObject(sections).partial(), {
    target: "draft-7",
    io: "input",
  });
}

/** Combinations that are impossible although each value is allowed. */
function findClashes(
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
  const clashes: ConfigProblem[] = [];
  if (isSound("data.src_length", "data.tgt_length")) {
    clashes.push(...findLengthClash(value, config));
  }
  if (isSound(...SIZE_PATHS)) clashes.push(...findExcess(config));
  if (isSound("output") && config.output.report && config.output.dir === null) {
    clashes.push({
      path: "output.report",
      found: "true without output.dir",
      wanted: "output.dir, the folder in which the report goes",
    });
  }
  return clashes;
}

/** The problem is put on a key that was written, not on a default. */
function findLengthClash(
  value: Record<string, unknown>,
  config: Config,
): ConfigProblem[] {
  const { src_length, tgt_length } = config.data;
  if (tgt_length <= src_length) return [];
  const isGiven = (key: string): boolean =>
    (valueAt(value, ["data", key]) ?? null) !== null;
  const reason = "because the task is to copy";
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

/** The keys that decide how much memory a run takes. */
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
];

function findExcess(config: Config): ConfigProblem[] {
  const { parameters, activations, data } = estimateMemory(config);
  const total = parameters + activations + data;
  if (total <= MEMORY_LIMIT) return [];
  const largest = Math.max(parameters, activations, data);
  const path = largest === parameters
    ? "model"
    : largest === activations
    ? "data.src_length"
    : "data.n_samples";
  const found = SIZE_PATHS.map((key) =>
    `${key.split(".")[1]} ${valueAt(config, key.split("."))}`
  ).join(", ");
  return [{
    path,
    found: `sizes that need about ${formatBytes(total)} of memory (${found})`,
    wanted: `at most ${formatBytes(MEMORY_LIMIT)}: parameters and optimiser ${
      formatBytes(parameters)
    }, one sequence ${formatBytes(activations)}, data ${formatBytes(data)}`,
  }];
}

function unknownKey(
  root: Record<string, unknown>,
  section: readonly string[],
  key: string,
): ConfigProblem {
  const path = [...section, key];
  const fields: object = section.length === 0
    ? FIELDS
    : FIELDS[section[0] as keyof Config];
  const near = suggest(key, Object.keys(fields));
  const elsewhere = Object.entries(FIELDS)
    .filter(([, others]) => Object.hasOwn(others, key))
    .map(([name]) => `${name}.${key}`);
  const suggestion = elsewhere[0] ?? near;
  return {
    path: path.join("."),
    found: `an unknown key (its value is ${
      describeFound(valueAt(root, path))
    })`,
    wanted: `one of ${listKeys(fields)}`,
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

function wrongValue(
  root: Record<string, unknown>,
  path: readonly string[],
): ConfigProblem {
  const found = valueAt(root, path);
  const [section, key] = path as [keyof Config, string?];
  if (key === undefined) {
    return {
      path: section,
      found: describeFound(found),
      wanted: `a mapping of ${listKeys(FIELDS[section])}`,
    };
  }
  const field = valueAt(FIELDS, path) as z.ZodType;
  const suggestion = field instanceof z.ZodEnum && typeof found === "string"
    ? suggest(found, field.options.map(String))
    : undefined;
  return {
    path: path.join("."),
    found: describeFound(found),
    wanted: field.description ?? "another value",
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

function describeFound(value: unknown): string {
  if (value === null || value === undefined) return "no value";
  if (isMapping(value)) return "a mapping";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Date) return "a date";
  if (typeof value !== "string") return describe(value);
  const text = value.length > 40 ? `${value.slice(0, 40)}...` : value;
  return `${JSON.stringify(text)} (text)`;
}

function formatBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${Number(bytes.toPrecision(3))} ${units[unit]}`;
}

function listKeys(mapping: object): string {
  return Object.keys(mapping).join(", ");
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === "[object Object]";
}

/** The sections that are mappings at all, for checks across sections. */
function soundSections(value: Record<string, unknown>): PartialConfig {
  return Object.fromEntries(
    Object.entries(value).filter(([, section]) => isMapping(section)),
  );
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  let value = root;
  for (const key of path) {
    value = isMapping(value) && Object.hasOwn(value, key)
      ? value[key]
      : undefined;
  }
  return value;
}

function mapValues<T extends object, R>(
  mapping: T,
  map: (value: T[keyof T], key: keyof T) => R,
): { [Key in keyof T]: R } {
  const entries = Object.keys(mapping).map((key) => [
    key,
    map(mapping[key as keyof T], key as keyof T),
  ]);
  return Object.fromEntries(entries);
}

function size(most: number): z.ZodType<number> {
  return integer(1, most);
}

/** The model computes in float32: what vanishes or overflows there is no rate. */
function isPositiveFloat32(value: number): boolean {
  const rounded = Math.fround(value);
  return rounded > 0 && Number.isFinite(rounded);
}

function integer(least: number, most: number): z.ZodType<number> {
  return z.int().min(least).max(most)
    .describe(`an integer from ${least} to ${most}`);
}
