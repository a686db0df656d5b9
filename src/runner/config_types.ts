/**
 * The configuration as data: its types, its built-in defaults, and the error
 * that lists what is wrong with one. Reading and checking live elsewhere.
 *
 * Keys are spelt as in YAML and JSON, in snake_case.
 */
import type { TooLongPolicy } from "../data/pair_scan.ts";
import type { Task } from "../data/tasks.ts";
import type { TokenKind } from "../data/tokenizer.ts";

/** How much is logged; each level includes those to its right. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** How the processes of a run find one another. */
export type Distributed = "auto" | "none" | "mpi";

/** Where data come from: a task whose data are made up, or a file. */
export type DataSource = Task | "file";

/** The data to train and test on. */
export interface DataConfig {
  /** Where they come from. */
  readonly source: DataSource;
  /** Sequences to train on; not of a file. */
  readonly n_samples: number;
  /** Sequences to test on, of a stream of their own; not of a file. */
  readonly n_test: number;
  /** Tokens in a source sequence; null for the longest of a file. */
  readonly src_length: number | null;
  /**
   * Tokens in a target sequence, of a file with its end; null for the longest
   * of a file.
   */
  readonly tgt_length: number | null;
  /** Different tokens; not of a file. */
  readonly vocab_size: number;
  /** The seed of data, initialisation and shuffling, by separate streams. */
  readonly random_seed: number;
  /** A file of pairs. */
  readonly path: string | null;
  /** Another file to test on; null for a part of the first one. */
  readonly test_path: string | null;
  /** The share of the sources of a single file that are kept for the test. */
  readonly test_fraction: number;
  /** What a token of a text is. */
  readonly tokens: TokenKind;
  /** How often a token must occur to be in the vocabulary. */
  readonly min_count: number;
  /** The most tokens of the vocabulary; null for any number. */
  readonly max_size: number | null;
  /** What becomes of a pair that is longer than the lengths. */
  readonly on_too_long: TooLongPolicy;
  /** What becomes of a line that is no pair. */
  readonly on_broken: BrokenPolicy;
  /** The most pairs of a file that are in memory and shuffled at a time. */
  readonly shuffle_window: number;
}

/** What becomes of a line that is no pair. */
export type BrokenPolicy = "error" | "skip";

/** The sizes of the model. */
export interface ModelConfig {
  /** Width of embeddings and decoder states. */
  readonly d_model: number;
  /** Width of attention queries and keys. */
  readonly d_k: number;
  /** Width of attention values. */
  readonly d_v: number;
}

/** A metric of the epochs, under its name in results and `metrics.jsonl`. */
export type MetricName =
  | "loss"
  | "accuracy"
  | "validation_loss"
  | "validation_accuracy"
  | "validation_sequence_accuracy";

/** Which metric is watched, and what counts as better. */
export interface WatchConfig {
  /** The metric. */
  readonly metric: MetricName;
  /** Whether less or more is better; null for what goes with the metric. */
  readonly mode: "min" | "max" | null;
  /** Epochs in a row without an improvement. */
  readonly patience: number;
  /** What does not differ from the best by more is no improvement. */
  readonly min_delta: number;
}

/** The step size stays what it is. */
export interface ConstantConfig {
  /** Tells the kinds apart. */
  readonly type: "constant";
}

/** The step size rises in even steps and falls along half a cosine. */
export interface WarmupCosineConfig {
  /** Tells the kinds apart. */
  readonly type: "warmup_cosine";
  /** Steps in which it rises. */
  readonly warmup_steps: number;
  /** The step at which it has fallen; null for the last of all epochs. */
  readonly steps: number | null;
  /** What it falls to. */
  readonly min_learning_rate: number;
}

/** The step size falls where a metric does not get better. */
export interface PlateauConfig extends WatchConfig {
  /** Tells the kinds apart. */
  readonly type: "plateau";
  /** What the step size is multiplied with. */
  readonly factor: number;
  /** The least step size. */
  readonly min_learning_rate: number;
}

/** How the step size changes. */
export type ScheduleConfig =
  | ConstantConfig
  | WarmupCosineConfig
  | PlateauConfig;

/** How the model is trained. */
export interface TrainingConfig {
  /** Passes over the training data. */
  readonly epochs: number;
  /** Adam's step size. */
  readonly learning_rate: number;
  /** How it changes; null where it does not. */
  readonly schedule: ScheduleConfig | null;
  /** Sequences in one step; the last batch of an epoch may be smaller. */
  readonly batch_size: number;
  /** The share of every parameter that a step takes off, times the step size. */
  readonly weight_decay: number;
  /** The largest norm of all gradients together, or null for any. */
  readonly clip_norm: number | null;
  /** The share of a target's weight that is spread over the vocabulary. */
  readonly label_smoothing: number;
  /** The share of the training data that is held out and measured. */
  readonly validation_fraction: number;
  /** When training ends before its last epoch; null for never. */
  readonly early_stopping: WatchConfig | null;
  /** Whether progress is shown on standard error. */
  readonly verbose: boolean;
  /** Threads that share the work; `auto` takes as many as pay. */
  readonly threads: number | "auto";
  /** Whether processes share a run: `auto` where mpirun has started them. */
  readonly distributed: Distributed;
}

/** Where messages go. They go to standard error in any case. */
export interface LoggingConfig {
  /** The least important level that is logged. */
  readonly level: LogLevel;
  /** A file to append messages to, or null for none. */
  readonly file: string | null;
}

/** What a run leaves behind beside its results. */
export interface OutputConfig {
  /** The folder for it, made if there is none, or null for nothing. */
  readonly dir: string | null;
  /** Steps from one checkpoint to the next; null for those of an epoch. */
  readonly checkpoint_every: number | null;
  /** Whether a page to look at, report.html, is among it. */
  readonly report: boolean;
}

/** A complete configuration. */
export interface Config {
  /** The data to train and test on. */
  readonly data: DataConfig;
  /** The sizes of the model. */
  readonly model: ModelConfig;
  /** How the model is trained. */
  readonly training: TrainingConfig;
  /** Where messages go. */
  readonly logging: LoggingConfig;
  /** What is left behind. */
  readonly output: OutputConfig;
}

/** A configuration of which any part may be left out, but for types. */
export type PartialConfig = {
  readonly [Section in keyof Config]?: {
    readonly [Key in keyof Config[Section]]?: PartialValue<
      Config[Section][Key]
    >;
  };
};

/** Of a mapping, what tells its kind and any part of the rest. */
export type PartialValue<T> = T extends { readonly type: infer Type }
  ? { readonly type: Type } & Partial<T>
  : T extends object ? Partial<T>
  : T;

/** What is used for every key that a configuration leaves out; frozen. */
export const DEFAULT_CONFIG: Config = freezeDeep({
  data: {
    source: "copy",
    n_samples: 1280,
    n_test: 256,
    src_length: 10,
    tgt_length: 10,
    vocab_size: 20,
    random_seed: 0,
    path: null,
    test_path: null,
    test_fraction: 0.1,
    tokens: "characters",
    min_count: 1,
    max_size: null,
    on_too_long: "error",
    on_broken: "error",
    shuffle_window: 65_536,
  },
  model: {
    d_model: 64,
    d_k: 64,
    d_v: 64,
  },
  training: {
    epochs: 10,
    learning_rate: 0.003,
    schedule: null,
    batch_size: 64,
    weight_decay: 0,
    clip_norm: null,
    label_smoothing: 0,
    validation_fraction: 0,
    early_stopping: null,
    verbose: true,
    threads: 1,
    distributed: "auto",
  },
  logging: {
    level: "info",
    file: null,
  },
  output: {
    dir: null,
    checkpoint_every: null,
    report: false,
  },
});

/** Frozen, for one program's change would be every other's default. */
function freezeDeep(config: Config): Config {
  Object.values(config).forEach(Object.freeze);
  return Object.freeze(config);
}

/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** The key path, such as `"training.epochs"`; empty for the file as a whole. */
  readonly path: string;
  /** What is there, in words. */
  readonly found: string;
  /** What may be there, in words. */
  readonly wanted: string;
  /** What was probably meant, if something allowed is close. */
  readonly suggestion?: string;
  /** The line in the file, counted from 1, where known. */
  readonly line?: number;
  /** The column in the file, counted from 1, where known. */
  readonly column?: number;
  /** The option of the command line that says so, if it is not the file. */
  readonly option?: string;
}

/**
 * A configuration that cannot be used. It lists everything that is wrong, so
 * that one reading mends it all.
 *
 * @example Several problems at once
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { AttentionRunner, ConfigError } from "jsr:@weft/seq2seq";
 *
 * try {
 *   new AttentionRunner({ data: { n_samples: 0 }, training: { epochs: 0.5 } });
 * } catch (error) {
 *   assert(error instanceof ConfigError);
 *   const paths = error.problems.map((problem) => problem.path);
 *   assertEquals(paths, ["data.n_samples", "training.epochs"]);
 * }
 * ```
 */
export class ConfigError extends Error {
  /** The error's name, `"ConfigError"`. */
  override name = "ConfigError";
  /** Everything that is wrong, in the order of the file where that is known. */
  readonly problems: readonly ConfigProblem[];
  /** The file the configuration came from, if it came from one. */
  readonly file: string | undefined;

  /**
   * Describes the problems of a configuration.
   *
   * @param problems At least one problem.
   * @param file The file they were found in, if any.
   */
  constructor(problems: readonly ConfigProblem[], file?: string) {
    const place = file === undefined ? "" : ` ${JSON.stringify(file)}`;
    const count = problems.length === 1 ? "" : ` (${problems.length} problems)`;
    const lines = problems.map((problem) => formatProblem(problem, file));
    super(
      [`Cannot use the configuration${place}${count}:`, ...lines].join("\n  "),
    );
    this.problems = problems;
    this.file = file;
  }
}

/** One line for people, `file:line:column: key: found ..., wanted ...`. */
function formatProblem(
  problem: ConfigProblem,
  file: string | undefined,
): string {
  const { path, found, wanted, suggestion, line, column, option } = problem;
  let place = option === undefined ? "" : `${option}: `;
  if (line !== undefined) {
    place = file === undefined ? `line ${line}` : `${file}:${line}`;
    if (column !== undefined) {
      place += file === undefined ? `, column ${column}` : `:${column}`;
    }
    place += ": ";
  }
  const key = path === "" ? "" : `${path}: `;
  const hint = suggestion === undefined
    ? ""
    : `; did you mean ${JSON.stringify(suggestion)}?`;
  return `${place}${key}found ${found}, wanted ${wanted}${hint}`;
}
