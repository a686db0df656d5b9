/**
 * The results of a run as plain data, ready to be strict JSON. It computes
 * nothing and writes nothing.
 */
import { VERSION } from "../version.ts";
import type { Config } from "./config_types.ts";
import type { DataResults } from "./dataset.ts";
import type { History } from "./history.ts";
import { toSnakeCase } from "./names.ts";

/** How a run ended. */
export type RunStatus =
  | "completed"
  | "early_stopped"
  | "interrupted"
  | "diverged";

/** The learning curve; null stands for a number that was not finite. */
export interface HistoryResults {
  /** The loss of each epoch: the mean over its tokens, before each update. */
  readonly loss: (number | null)[];
  /** The accuracy of each epoch, likewise. */
  readonly accuracy: (number | null)[];
  /** The loss of held-out data after each whole epoch, if there are any. */
  readonly validation_loss?: (number | null)[];
  /** The accuracy of held-out data after each whole epoch, if there are any. */
  readonly validation_accuracy?: (number | null)[];
  /** The share of held-out sequences predicted right, if that is watched. */
  readonly validation_sequence_accuracy?: (number | null)[];
}

/** What came of the training. */
export interface TrainResults {
  /** The last entry of the history; null if there is none. */
  readonly loss: number | null;
  /** The last entry of the history; null if there is none. */
  readonly accuracy: number | null;
  /**
   * The epoch, counted from 1, whose parameters the model has; with early
   * stopping that has come to its end only.
   */
  readonly best_epoch?: number;
  /** One entry an epoch; the last may be the mean over a part of one. */
  readonly history: HistoryResults;
}

/** What came of the test, all null if the run ended before it. */
export interface TestResults {
  /** The mean cross-entropy of a token, in nats. */
  readonly loss: number | null;
  /** The share of tokens predicted right from the right tokens before them. */
  readonly accuracy: number | null;
  /** The share of sequences predicted right as a whole, from the source alone. */
  readonly sequence_accuracy: number | null;
}

/** Where a run took place. */
export interface EnvironmentResults {
  /** The version of this package. */
  readonly weft: string;
  /** The version of Deno. */
  readonly deno: string;
  /** The version of V8. */
  readonly v8: string;
  /** The version of TypeScript. */
  readonly typescript: string;
  /** The operating system, as Deno calls it. */
  readonly os: string;
  /** The processor architecture, as Deno calls it. */
  readonly arch: string;
  /** Threads that shared a step. */
  readonly threads: number;
  /** Processes that shared a step. */
  readonly ranks: number;
}

/** How long a run took, in seconds. */
export interface TimingResults {
  /** Generating the data, or looking at their files. */
  readonly data: number;
  /** Building the model. */
  readonly build: number;
  /** Training, with the compilation of its steps and with validation. */
  readonly train: number;
  /** Testing. */
  readonly evaluate: number;
  /** Everything. */
  readonly total: number;
  /** Steps in a second of training; null if there was no step. */
  readonly steps_per_second: number | null;
}

/**
 * The results of a run. They are strict JSON as they are: a number that is not
 * finite is null, and its path is in `nonfinite`. Everything outside
 * `environment` and `timing` is the same each time a configuration is run.
 */
export interface Results {
  /** The version of this form. */
  readonly schema_version: 1;
  /** How the run ended. */
  readonly status: RunStatus;
  /** The complete configuration, defaults filled in. */
  readonly config: Config;
  /** What is in the data. */
  readonly data: DataResults;
  /** What came of the training. */
  readonly train: TrainResults;
  /** What came of the test. */
  readonly test: TestResults;
  /** Paths of numbers that were not finite, such as `train.history.loss[2]`. */
  readonly nonfinite: readonly string[];
  /** Where the run took place. */
  readonly environment: EnvironmentResults;
  /** How long it took. */
  readonly timing: TimingResults;
}

/** What {@linkcode buildResults} puts in order. */
export interface Findings {
  /** How the run ended. */
  readonly status: RunStatus;
  /** The complete configuration. */
  readonly config: Config;
  /** What is in the data. */
  readonly data: DataResults;
  /** The metrics of each epoch. */
  readonly history:
    & Pick<History, "loss" | "accuracy">
    & Partial<Pick<History, "validation" | "bestEpoch">>;
  /** What came of the test, if it took place. */
  readonly test: TestResults | undefined;
  /** Threads that shared a step; 1 by default. */
  readonly threads?: number;
  /** Processes that shared the run; 1 by default. */
  readonly ranks?: number;
  /** How long it took. */
  readonly timing: TimingResults;
}

/**
 * Puts the findings of a run into the form of {@linkcode Results}, its keys in
 * a fixed order.
 *
 * @param findings The findings.
 * @returns The results.
 */
export function buildResults(findings: Findings): Results {
  const { status, config, data, history, timing } = findings;
  const untested = { loss: null, accuracy: null, sequence_accuracy: null };
  const nonfinite: string[] = [];
  const measured = withoutNonfinite(
    {
      train: {
        loss: history.loss.at(-1) ?? null,
        accuracy: history.accuracy.at(-1) ?? null,
        ...(history.bestEpoch && { best_epoch: history.bestEpoch }),
        history: {
          loss: [...history.loss],
          accuracy: [...history.accuracy],
          ...toSnakeCase(history.validation ?? {}),
        },
      },
      test: findings.test ?? untested,
    },
    "",
    nonfinite,
  );
  return {
    schema_version: 1,
    status,
    config,
    data,
    ...measured,
    nonfinite,
    environment: describeEnvironment(findings),
    timing,
  };
}

/**
 * Formats results as the text of a JSON file.
 *
 * @param results The results.
 * @returns Indented JSON that ends in a line feed.
 */
export function formatResults(results: Results): string {
  return `${JSON.stringify(results, null, 2)}\n`;
}

/** A deep copy with null for every number that JSON cannot express. */
function withoutNonfinite<T>(value: T, path: string, nonfinite: string[]): T {
  let copy: unknown = value;
  if (typeof value === "number" && !Number.isFinite(value)) {
    nonfinite.push(path);
    copy = null;
  } else if (Array.isArray(value)) {
    copy = value.map((item, index) =>
      withoutNonfinite(item, `${path}[${index}]`, nonfinite)
    );
  } else if (typeof value === "object" && value !== null) {
    copy = Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key,
        withoutNonfinite(item, path === "" ? key : `${path}.${key}`, nonfinite),
      ]),
    );
  }
  return copy as T;
}

function describeEnvironment(
  { threads = 1, ranks = 1 }: Pick<Findings, "threads" | "ranks">,
): EnvironmentResults {
  return {
    weft: VERSION,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    typescript: Deno.version.typescript,
    os: Deno.build.os,
    arch: Deno.build.arch,
    threads,
    ranks,
  };
}
