/**
 * What a configuration may contain, and the check that finds everything in
 * one that may not. It neither reads files nor fills in defaults.
 *
 * The schema library stays inside this file and those of the fields: no type of
 * it is exported from the package.
 */
import { z } from "zod";
import { findClashes } from "./config_clashes.ts";
import type { Config, ConfigProblem } from "./config_types.ts";
import {
  file,
  flag,
  folder,
  fraction,
  fromZero,
  integer,
  integerOrNull,
  oneOf,
  positive,
  positiveOrNull,
  share,
  size,
} from "./field_types.ts";
import {
  describeFound,
  isMapping,
  listKeys,
  mapValues,
  valueAt,
} from "./mappings.ts";
import { suggest } from "./suggest.ts";
import {
  EARLY_STOPPING,
  EARLY_STOPPING_FIELDS,
  SCHEDULE,
  SCHEDULE_FIELDS,
  SCHEDULE_TYPE,
} from "./training_fields.ts";

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
    source: oneOf("copy", "reverse", "substitute", "file"),
    n_samples: size(10_000_000),
    n_test: size(10_000_000),
    src_length: integerOrNull(1, 65_536, "the longest of a file"),
    tgt_length: integerOrNull(1, 65_536, "the longest of a file"),
    vocab_size: size(1_000_000),
    random_seed: integer(0, Number.MAX_SAFE_INTEGER),
    path: file(),
    test_path: file(),
    test_fraction: fraction(),
    tokens: oneOf("characters", "words", "integers"),
    min_count: size(1_000_000_000),
    max_size: integerOrNull(4, 1_000_000, "any number"),
    on_too_long: oneOf("error", "skip", "truncate"),
    on_broken: oneOf("error", "skip"),
    shuffle_window: size(10_000_000),
  },
  model: {
    d_model: size(65_536),
    d_k: size(65_536),
    d_v: size(65_536),
  },
  training: {
    epochs: size(1_000_000),
    learning_rate: positive(),
    schedule: SCHEDULE,
    batch_size: size(1_000_000),
    weight_decay: fromZero(),
    clip_norm: positiveOrNull(),
    label_smoothing: share(),
    validation_fraction: share(),
    early_stopping: EARLY_STOPPING,
    verbose: flag(),
    threads: z.union([z.int().min(1).max(256), z.literal("auto")]).describe(
      "an integer from 1 to 256, or auto",
    ),
    distributed: oneOf("auto", "none", "mpi"),
  },
  logging: {
    level: oneOf("debug", "info", "warn", "error", "silent"),
    file: file(),
  },
  output: {
    dir: folder(),
    checkpoint_every: integerOrNull(1, MAX_STEPS, "the steps of an epoch"),
    report: flag(),
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

function unknownKey(
  root: Record<string, unknown>,
  section: readonly string[],
  key: string,
): ConfigProblem {
  const path = [...section, key];
  const fields = fieldsAt(root, section);
  const near = suggest(key, Object.keys(fields));
  const elsewhere = allPaths().find((other) =>
    other.endsWith(`.${key}`) && other !== path.join(".")
  );
  const suggestion = elsewhere ?? near;
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
  const field = fieldsAt(root, path.slice(0, -1))[path.at(-1)!]!;
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

type Keys = Readonly<Record<string, z.ZodType>>;

/** The keys that there may be in a mapping of the configuration. */
function fieldsAt(
  root: Record<string, unknown>,
  path: readonly string[],
): Keys {
  const [section, key] = path;
  if (section === undefined) return FIELDS as unknown as Keys;
  if (key === "early_stopping") return EARLY_STOPPING_FIELDS;
  if (key !== "schedule") return FIELDS[section as keyof Config];
  const type = String(valueAt(root, [...path, "type"]));
  const others: Keys = Object.hasOwn(SCHEDULE_FIELDS, type)
    ? SCHEDULE_FIELDS[type as keyof typeof SCHEDULE_FIELDS]
    : {};
  return { type: SCHEDULE_TYPE, ...others };
}

/** The paths of all keys, sections aside. */
function allPaths(): string[] {
  const schedule = Object.assign({}, ...Object.values(SCHEDULE_FIELDS));
  return Object.entries<object>({
    ...FIELDS,
    "training.early_stopping": EARLY_STOPPING_FIELDS,
    "training.schedule": schedule,
  }).flatMap(([path, fields]) =>
    Object.keys(fields).map((key) => `${path}.${key}`)
  );
}
