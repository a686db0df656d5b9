/**
 * What the mappings within `training` may contain: `early_stopping`, and
 * `schedule`, whose keys depend on its type.
 */
import { z } from "zod";
import type {
  MetricName,
  ScheduleConfig,
  WatchConfig,
} from "./config_types.ts";
import {
  fraction,
  fromZero,
  integer,
  integerOrNull,
  oneOf,
} from "./field_types.ts";
import { listKeys } from "./mappings.ts";
import {
  EARLY_STOPPING_DEFAULTS,
  SCHEDULE_DEFAULTS,
} from "./training_defaults.ts";

/** Keys with what each may be. */
type Fields = Readonly<Record<string, z.ZodType>>;

const WATCH = {
  metric: oneOf<MetricName>(
    "loss",
    "accuracy",
    "validation_loss",
    "validation_accuracy",
    "validation_sequence_accuracy",
  ),
  mode: z.enum(["min", "max"]).nullable().describe(
    "min, max, or null for what goes with the metric",
  ),
  min_delta: fromZero(),
};

/** The keys of `training.early_stopping`. */
export const EARLY_STOPPING_FIELDS: Fields = {
  metric: WATCH.metric,
  mode: WATCH.mode,
  patience: integer(1, 1_000_000),
  min_delta: WATCH.min_delta,
};

/** The keys of `training.schedule` beside its type, by the type. */
export const SCHEDULE_FIELDS: Readonly<
  Record<ScheduleConfig["type"], Fields>
> = {
  constant: {},
  warmup_cosine: {
    warmup_steps: integer(0, 1_000_000_000),
    steps: integerOrNull(1, 1_000_000_000, "the steps of all epochs"),
    min_learning_rate: fromZero(),
  },
  plateau: {
    metric: WATCH.metric,
    mode: WATCH.mode,
    patience: integer(0, 1_000_000),
    min_delta: WATCH.min_delta,
    factor: fraction(),
    min_learning_rate: fromZero(),
  },
};

const TYPES = Object.keys(SCHEDULE_FIELDS) as ScheduleConfig["type"][];

/** What `training.schedule.type` may be. */
export const SCHEDULE_TYPE: z.ZodType<ScheduleConfig["type"]> = oneOf(...TYPES);

/** What `training.early_stopping` may be. */
export const EARLY_STOPPING: z.ZodType<WatchConfig | null> = z.strictObject(
  optional(EARLY_STOPPING_FIELDS, EARLY_STOPPING_DEFAULTS),
).nullable().describe(
  `a mapping of ${listKeys(EARLY_STOPPING_FIELDS)}, or null for none`,
) as unknown as z.ZodType<WatchConfig | null>;

/** What `training.schedule` may be. */
export const SCHEDULE: z.ZodType<ScheduleConfig | null> = z.discriminatedUnion(
  "type",
  [kindOf("constant"), kindOf("warmup_cosine"), kindOf("plateau")],
).nullable().describe(
  `a mapping with type: ${TYPES.join(", ")}, or null for constant`,
) as unknown as z.ZodType<ScheduleConfig | null>;

function kindOf(type: ScheduleConfig["type"]): z.ZodObject {
  return z.strictObject({
    type: z.literal(type),
    ...optional(SCHEDULE_FIELDS[type], SCHEDULE_DEFAULTS[type]),
  });
}

/** All keys may be left out; the schema tells what is used then. */
function optional(fields: Fields, defaults: object): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([key, field]) => [
      key,
      field.meta({
        ...field.meta(),
        default: (defaults as Record<string, unknown>)[key],
      }).optional(),
    ]),
  );
}
