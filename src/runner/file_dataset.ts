/**
 * The data of a run that come from files of pairs. The files are looked at
 * once, whole, before anything else happens; their pairs are read when they
 * are trained on.
 */
import type { PairPart } from "../data/pair_part.ts";
import {
  type FoundLines,
  type PairScan,
  scanPairs,
} from "../data/pair_scan.ts";
import {
  mayStartWorker,
  OwnLoader,
  type PairLoader,
  WorkerLoader,
} from "../data/pair_loader.ts";
import { SPECIAL_TOKENS, type Vocabulary } from "../data/vocabulary.ts";
import { WindowBatches } from "../data/window_batches.ts";
import { FileError } from "../files/errors.ts";
import type { BatchSource } from "../nn/batches.ts";
import { deriveSeed } from "../random.ts";
import { type Config, ConfigError, type DataConfig } from "./config_types.ts";
import type { DataResults, Dataset } from "./dataset.ts";
import type { Logger } from "./logging.ts";
import type { RunSizes } from "./memory_estimate.ts";
import { ReadingProgress } from "./reading_progress.ts";
import { count } from "./names.ts";
import { findExcess, stepSizesOf } from "./memory_limit.ts";
import { findLongWarmup } from "./training_clashes.ts";

/** The longest sequence that is taken where no length is configured. */
const LONGEST = 65_536;

/** Lines that are read at once, at most. */
const CHUNK = 1024;

/** Pairs that are tested on at once, and in memory meanwhile. */
const TEST_BATCH = 1024;

/**
 * Opens the data of files.
 *
 * @param config A complete configuration whose `data.source` is `file`.
 * @returns The data.
 * @throws {FileError} If a file cannot be read, or has lines that it may not.
 * @throws {ConfigError} If the run would need too much memory.
 */
export async function openFileDataset(config: Config): Promise<Dataset> {
  const start = performance.now();
  const { data } = config;
  const scan = await lookAt(config);
  refuseLines(data, scan);
  refuseEmpty(config, scan);
  const { tokens, min_count: minCount, max_size: maxSize } = data;
  const { counter } = scan.train;
  const vocabulary = counter.vocabulary(tokens, { minCount, maxSize });
  refuseUnknown(data, scan, vocabulary);
  const memory = memoryOf(config, scan, vocabulary);
  const problems = [
    ...findExcess(memory, "data.shuffle_window"),
    ...findLongWarmup(config.training, scan.train.pairs.rows),
  ];
  if (problems.length > 0) throw new ConfigError(problems);
  return new FileDataset(config, scan, vocabulary, {
    memory,
    seconds: (performance.now() - start) / 1000,
  });
}

class FileDataset implements Dataset {
  readonly sizes: Dataset["sizes"];
  readonly results: DataResults;
  readonly memory: RunSizes;
  readonly vocabulary: Vocabulary;
  readonly fingerprint: string;
  readonly seconds: number;
  readonly #config: Config;
  readonly #found: Pick<PairScan, "broken" | "tooLong">;
  readonly #parts: Readonly<Record<"train" | "validation" | "test", PairPart>>;
  /** By how much the counts of tokens may be too low. */
  readonly #missing: number;
  readonly #loaders: PairLoader[] = [];

  constructor(
    config: Config,
    scan: PairScan,
    vocabulary: Vocabulary,
    { memory, seconds }: Pick<Dataset, "memory" | "seconds">,
  ) {
    const { train, validation, test, broken, tooLong, fingerprint } = scan;
    const { src_length, tgt_length } = memory;
    this.#config = config;
    // The counts of tokens, which may be many, are not kept.
    this.#found = { broken, tooLong };
    this.#parts = {
      train: train.pairs,
      validation: validation.pairs,
      test: test.pairs,
    };
    this.#missing = train.counter.missing;
    this.vocabulary = vocabulary;
    this.memory = memory;
    this.fingerprint = fingerprint;
    this.seconds = seconds;
    this.sizes = {
      vocabSize: vocabulary.size,
      srcLength: src_length,
      tgtLength: tgt_length,
      padToken: vocabulary.pad,
      eosToken: vocabulary.eos,
    };
    this.results = {
      train_sequences: train.pairs.rows,
      validation_sequences: validation.pairs.rows,
      test_sequences: test.pairs.rows,
      vocab_size: vocabulary.size,
      src_length,
      tgt_length,
      broken: broken.count,
      too_long: tooLong.count,
      unknown_tokens: [train, validation, test].reduce(
        (sum, { counter }) => sum + counter.unknownTo(vocabulary),
        0,
      ),
    };
  }

  tell(log: Logger): void {
    const { train_sequences, validation_sequences, test_sequences } =
      this.results;
    const { vocab_size, unknown_tokens } = this.results;
    const { path, on_too_long } = this.#config.data;
    const { broken, tooLong } = this.#found;
    log.info(
      `Read ${JSON.stringify(path)}: ${
        count(train_sequences, "pair")
      } to train on, ` +
        (validation_sequences > 0
          ? `${validation_sequences} to validate on, `
          : "") +
        `${test_sequences} to test on, a vocabulary of ${vocab_size}, ` +
        count(unknown_tokens, "unknown token"),
    );
    if (broken.count > 0) {
      log.warn(`Left out ${describeLines(broken, "no pair")}`);
    }
    if (tooLong.count > 0) {
      const done = on_too_long === "skip" ? "Left out" : "Cut";
      log.warn(`${done} ${describeLines(tooLong, "too long")}`);
    }
    if (this.#missing > 0) {
      log.warn(
        `There are so many different tokens that their counts may be up to ` +
          `${this.#missing} too low`,
      );
    }
  }

  train(): BatchSource {
    const { data, training } = this.#config;
    return this.#batches(this.#parts.train, {
      batchSize: training.batch_size,
      window: data.shuffle_window,
      randomSeed: data.random_seed,
    });
  }

  validation(): BatchSource | undefined {
    const { validation } = this.#parts;
    return validation.rows > 0 ? this.#inOrder(validation) : undefined;
  }

  test(): BatchSource {
    return this.#inOrder(this.#parts.test);
  }

  #inOrder(part: PairPart): BatchSource {
    return this.#batches(part, {
      batchSize: TEST_BATCH,
      window: TEST_BATCH,
      randomSeed: null,
    });
  }

  close(): void {
    this.#loaders.splice(0).forEach((loader) => loader.close());
  }

  #batches(
    pairs: PairPart,
    how: { batchSize: number; window: number; randomSeed: number | null },
  ): BatchSource {
    // With a single window there is nothing to read meanwhile.
    const isAhead = pairs.rows > how.window && how.randomSeed !== null &&
      mayStartWorker();
    const Loader = isAhead ? WorkerLoader : OwnLoader;
    const loader = new Loader(pairs, this.vocabulary);
    this.#loaders.push(loader);
    return new WindowBatches({
      ...how,
      counts: pairs.chunks.map(({ rows }) => rows),
      load: (request) => loader.load(request),
      lengths: { source: this.sizes.srcLength, target: this.sizes.tgtLength },
      padToken: this.vocabulary.pad,
      fingerprint: this.fingerprint,
    });
  }
}

/** Reads the files whole, which takes its time where they are large. */
async function lookAt(config: Config): Promise<PairScan> {
  const { training, logging } = config;
  const progress = new ReadingProgress();
  const isShown = training.verbose && logging.level !== "silent";
  try {
    return await scanPairs({
      ...scanOptions(config),
      ...(isShown && { onProgress: progress.show.bind(progress) }),
    });
  } finally {
    progress.end();
  }
}

function scanOptions(
  { data, training }: Config,
): Parameters<typeof scanPairs>[0] {
  const { src_length, tgt_length } = data;
  return {
    path: pathOf(data),
    testPath: data.test_path,
    testFraction: data.test_fraction,
    seed: deriveSeed(data.random_seed, "split"),
    validationFraction: training.validation_fraction,
    validationSeed: deriveSeed(data.random_seed, "validation"),
    kind: data.tokens,
    most: {
      source: src_length ?? LONGEST,
      // The end takes one.
      target: (tgt_length ?? LONGEST) - 1,
    },
    onTooLong: data.on_too_long,
    chunkLines: Math.min(CHUNK, data.shuffle_window),
  };
}

function pathOf({ path }: DataConfig): string {
  if (path !== null) return path;
  throw new Error("internal: data of a file without its path");
}

/** What is in memory: the window under way and the one that comes next. */
function memoryOf(
  { data, model, training }: Config,
  { train, test, longest }: PairScan,
  vocabulary: Vocabulary,
): RunSizes {
  return {
    n_samples: Math.min(train.pairs.rows, 2 * data.shuffle_window),
    n_test: Math.min(test.pairs.rows, TEST_BATCH),
    src_length: data.src_length ?? longest.source,
    tgt_length: data.tgt_length ?? longest.target + 1,
    vocab_size: vocabulary.size,
    ...stepSizesOf({ model, training }),
  };
}

/** Wrong data are refused unless they are said to be expected. */
function refuseLines(data: DataConfig, { broken, tooLong }: PairScan): void {
  const reasons: string[] = [];
  let path = "";
  if (broken.count > 0 && data.on_broken === "error") {
    path = broken.path;
    reasons.push(
      `${describeLines(broken, "no pair")}\n` +
        `data.on_broken: skip would leave them out`,
    );
  }
  if (tooLong.count > 0 && data.on_too_long === "error") {
    path ||= tooLong.path;
    reasons.push(
      `${describeLines(tooLong, "too long")}\n` +
        `data.src_length and data.tgt_length give the room (a target needs ` +
        `one more for its end); data.on_too_long: skip would leave such pairs ` +
        `out, truncate cut them`,
    );
  }
  if (reasons.length === 0) return;
  throw new FileError(path, `it has ${reasons.join("\nand ")}`);
}

/** How many lines there are, and the first of them, each on a line. */
function describeLines(
  { count, first }: FoundLines,
  what: "no pair" | "too long",
): string {
  const [lines, are] = count === 1 ? ["line", "is"] : ["lines", "are"];
  const more = count - first.length;
  return [
    `${count} ${lines} that ${are} ${what}:`,
    ...first,
    ...(more > 0 ? [`and ${more} more`] : []),
  ].join("\n  ");
}

function refuseEmpty(
  { data, training }: Config,
  { train, validation, test }: PairScan,
): void {
  const refuse = (path: string, use: string, wanted: string) => {
    throw new FileError(path, `it has no pair to ${use} on, wanted ${wanted}`);
  };
  const isSplit = data.test_path === null;
  const path = pathOf(data);
  if (train.pairs.rows === 0) {
    const smaller = [
      ...(validation.pairs.rows > 0 ? ["training.validation_fraction"] : []),
      ...(isSplit && test.pairs.rows > 0 ? ["data.test_fraction"] : []),
    ];
    const wanted = `a smaller ${smaller.join(" or ")}`;
    refuse(path, "train", smaller.length > 0 ? wanted : "one");
  }
  if (training.validation_fraction > 0 && validation.pairs.rows === 0) {
    const wanted = "a larger training.validation_fraction or more data";
    refuse(path, "validate", wanted);
  }
  if (test.pairs.rows > 0) return;
  if (isSplit) refuse(path, "test", "a larger data.test_fraction or more data");
  refuse(data.test_path ?? path, "test", "one");
}

function refuseUnknown(
  { min_count }: DataConfig,
  { train: { pairs } }: PairScan,
  vocabulary: Vocabulary,
): void {
  if (vocabulary.tokens.length > SPECIAL_TOKENS) return;
  throw new ConfigError([{
    path: "data.min_count",
    found: String(min_count),
    wanted: `at most how often a token of ${JSON.stringify(pairs.path)} occurs`,
  }]);
}
