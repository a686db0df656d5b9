/**
 * The data of a run, wherever they come from: what they are like is known at
 * once, the data themselves are made or read when they are asked for.
 */
import { generateTaskData, type TaskOptions } from "../data/tasks.ts";
import type { Vocabulary } from "../data/vocabulary.ts";
import { type BatchSource, PairBatches, type Pairs } from "../nn/batches.ts";
import { holdOut } from "../nn/hold_out.ts";
import type { Seq2SeqSizes, SpecialTokens } from "../nn/seq2seq.ts";
import { deriveSeed } from "../random.ts";
import type { Config, DataSource } from "./config_types.ts";
import type { Logger } from "./logging.ts";
import { lengthsOf, sizesOf } from "./memory_limit.ts";
import type { RunSizes } from "./memory_estimate.ts";

/** What is in the data; keys as they stand in results. */
export interface DataResults {
  /** Pairs of sequences to train on. */
  readonly train_sequences: number;
  /** Pairs of sequences held out of the training to measure it. */
  readonly validation_sequences: number;
  /** Pairs of sequences to test on. */
  readonly test_sequences: number;
  /** Different tokens that the model knows, special ones included. */
  readonly vocab_size: number;
  /** Tokens in a source sequence, padding included. */
  readonly src_length: number;
  /** Tokens in a target sequence, end and padding included. */
  readonly tgt_length: number;
  /** Lines of a file that are no pair and were left out. */
  readonly broken: number;
  /** Pairs that were too long, and were left out or cut. */
  readonly too_long: number;
  /** Tokens in the pairs that the vocabulary does not have. */
  readonly unknown_tokens: number;
}

/** The data of one run. */
export interface Dataset {
  /** What a model of these data must be like. */
  readonly sizes:
    & Pick<Seq2SeqSizes, "vocabSize" | "srcLength" | "tgtLength">
    & SpecialTokens;
  /** What is in them. */
  readonly results: DataResults;
  /** What decides how much memory the run takes. */
  readonly memory: RunSizes;
  /** What the tokens stand for; null where they are just numbers. */
  readonly vocabulary: Vocabulary | null;
  /** The same for the same files only; null where there are none. */
  readonly fingerprint: string | null;
  /** Seconds that it has taken to look at the data. */
  readonly seconds: number;
  /** Tells what is to be said of the data. */
  tell(log: Logger): void;
  /** What to train on. */
  train(): BatchSource;
  /**
   * What to measure after every epoch, always in the same order; undefined
   * where nothing is held out.
   */
  validation(): BatchSource | undefined;
  /** What to test on, always in the same order. */
  test(): BatchSource;
  /** Ends what reads ahead. */
  close(): void;
}

/**
 * Opens the data that a configuration describes. Nothing is written.
 *
 * @param config A complete configuration.
 * @returns The data.
 * @throws {FileError} If a file cannot be read, or has lines that it may not.
 * @throws {ConfigError} If what is in a file and the configuration do not go
 * together.
 */
export async function openDataset(config: Config): Promise<Dataset> {
  const { source } = config.data;
  if (isOfTask(source)) return generatedDataset(config, source);
  // Hashing files loads much of Node's library, which others do not need.
  const { openFileDataset } = await import("./file_dataset.ts");
  return await openFileDataset(config);
}

type TaskSource = Exclude<DataSource, "file">;

function isOfTask(source: DataSource): source is TaskSource {
  return source !== "file";
}

/**
 * Data that are made up. The streams of `data.random_seed` are "train" and
 * "test"; which token `substitute` puts for which is decided by the seed
 * itself.
 */
function generatedDataset(config: Config, task: TaskSource): Dataset {
  const { data, training } = config;
  const { src_length, tgt_length } = lengthsOf(config);
  const { n_samples, n_test, vocab_size, random_seed } = data;
  const sizes = {
    vocabSize: vocab_size,
    srcLength: src_length,
    tgtLength: tgt_length,
  };
  const generate = (stream: string, nSamples: number) =>
    taskPairs({ ...sizes, task, nSamples }, random_seed, stream);
  const { validation_fraction } = training;
  const held = validation_fraction === 0
    ? undefined
    : holdOut(n_samples, validation_fraction, random_seed);
  // Both parts are of the same pairs, which are made once.
  let made: Pairs | undefined;
  const samples = () => made ??= generate("train", n_samples);
  return {
    sizes,
    results: {
      train_sequences: held?.training.length ?? n_samples,
      validation_sequences: held?.validation.length ?? 0,
      test_sequences: n_test,
      vocab_size,
      src_length,
      tgt_length,
      broken: 0,
      too_long: 0,
      unknown_tokens: 0,
    },
    memory: sizesOf(config),
    vocabulary: null,
    fingerprint: null,
    seconds: 0,
    tell: () => {},
    train: () =>
      new PairBatches(samples(), {
        batchSize: training.batch_size,
        randomSeed: random_seed,
        ...(held && { rows: held.training }),
      }),
    validation: () =>
      held && new PairBatches(samples(), {
        batchSize: held.validation.length,
        randomSeed: random_seed,
        shuffle: false,
        rows: held.validation,
      }),
    test: () =>
      new PairBatches(generate("test", n_test), {
        batchSize: n_test,
        randomSeed: random_seed,
        shuffle: false,
      }),
    close: () => {},
  };
}

function taskPairs(
  options: Omit<TaskOptions, "taskSeed" | "randomSeed">,
  seed: number,
  stream: string,
): Pairs {
  const { xSrc, xTgt } = generateTaskData({
    ...options,
    taskSeed: seed,
    randomSeed: deriveSeed(seed, stream),
  });
  return { source: xSrc, target: xTgt };
}
