/**
 * The configuration as data: its types, its built-in defaults, and the error
 * that lists what is wrong with one. Reading and checking live elsewhere.
 *
 * Keys are spelt as in YAML and JSON, in snake_case.
 */

/** How much is logged; each level includes those to its right. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** How the processes of a run find one another. */
export type Distributed = "auto" | "none" | "mpi";

/** The data of the copy task. */
export interface DataConfig {
  /** Sequences to train on. */
  readonly n_samples: number;
  /** Sequences to test on, never trained on by design of their own stream. */
  readonly n_test: number;
  /** Tokens in a source sequence. */
  readonly src_length: number;
  /** Tokens in a target sequence, at most `src_length`. */
  readonly tgt_length: number;
  /** Different tokens. */
  readonly vocab_size: number;
  /** The seed of data, initialisation and shuffling, by separate streams. */
  readonly random_seed: number;
}

/** The sizes of the model. */
export interface ModelConfig {
  /** Width of embeddings and decoder states. */
  readonly d_model: number;
  /** Width of attention queries and keys. */
  readonly d_k: number;
  /** Width of attention values. */
  readonly d_v: number;
}

/** How the model is trained. */
export interface TrainingConfig {
  /** Passes over the training data. */
  readonly epochs: number;
  /** Adam's step size. */
  readonly learning_rate: number;
  /** Sequences in one step; the last batch of an epoch may be smaller. */
  readonly batch_size: number;
  /** Whether progress is shown on standard error. */
  readonly verbose: boolean;
  /** Threads that share a training step. */
  readonly threads: number;
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
  /** The data of the copy task. */
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

/** A configuration of which any part may be left out. */
export type PartialConfig = {
  readonly [Section in keyof Config]?: Partial<Config[Section]>;
};

/** What is used for every key that a configuration leaves out; frozen. */
export const DEFAULT_CONFIG: Config = freezeDeep({
  data: {
    n_samples: 1280,
    n_test: 256,
    src_length: 10,
    tgt_length: 10,
    vocab_size: 20,
    random_seed: 0,
  },
  model: {
    d_model: 64,
    d_k: 64,
    d_v: 64,
  },
  training: {
    epochs: 10,
    learning_rate: 0.003,
    batch_size: 64,
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
