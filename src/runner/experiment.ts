/**
 * One run from a configuration to its results: generate, build, train, test,
 * and fill the run's folder if it has one. It reads no configuration.
 */
import type { Communicator } from "../distributed/communicator.ts";
import { batchesOf } from "../nn/batches.ts";
import {
  type PlanOptions,
  Seq2SeqAttentionModel,
  type TrainingSnapshot,
} from "../nn/model.ts";
import type { Config } from "./config_types.ts";
import { type Dataset, openDataset } from "./dataset.ts";
import type { Logger } from "./logging.ts";
import type { MetricsFile } from "./metrics_file.ts";
import { describeEnd } from "./outcome.ts";
import { OutputError } from "./output.ts";
import { OutputFolder } from "./output_folder.ts";
import { agreeOnData } from "./ranks.ts";
import { buildResults, type Results } from "./results.ts";
import type { RunOptions } from "./run_options.ts";
import { takeSamples } from "./take_samples.ts";
import { testModel, trainModel } from "./train_model.ts";

/**
 * Runs a configuration. The model is given `data.random_seed` itself and has
 * streams of its own; data have others.
 *
 * @param config A complete configuration.
 * @param log Where messages and progress go.
 * @param options Signal and callbacks.
 * @param prepared Data and folder of the run; made by default.
 * @returns The results, also where the signal or a loss that is not finite has
 * ended the run.
 * @throws {FileError | ConfigError} If the data cannot be used.
 * @throws {OutputError} If the folder cannot be used.
 */
export async function runExperiment(
  config: Config,
  log: Logger,
  options: RunOptions = {},
  prepared?: PreparedRun,
): Promise<Results> {
  log.debug(`Configuration: ${JSON.stringify(config)}`);
  const { communicator } = options;
  const made = prepared ?? await prepareRun(config, { communicator });
  try {
    return await run(config, log, options, made);
  } finally {
    made.dataset.close();
  }
}

async function run(
  config: Config,
  log: Logger,
  options: RunOptions,
  { dataset, folder }: PreparedRun,
): Promise<Results> {
  dataset.tell(log);
  const clock = new Stopwatch(dataset.seconds);
  const train = dataset.train();
  const validation = dataset.validation();
  const test = dataset.test();
  const data = clock.lap();
  const model = buildModel(config, dataset, {
    onDebug: (text) => log.console.line(text),
    ...options.compile,
  });
  const build = clock.lap();
  const metrics = folder?.metrics(options.resume?.state, log);
  const saving = folder === undefined
    ? options
    : withCheckpoints(options, folder, metrics, batchesOf(train), config, log);
  const learning = { train, validation };
  const training = await trainModel(
    model,
    config,
    learning,
    log,
    saving,
    metrics,
  )
    .finally(() => metrics?.close());
  const trained = clock.lap();
  const { history } = training;
  const isTrained = training.status === "completed" ||
    training.status === "early_stopped";
  const { status, result } = isTrained
    ? await testModel(model, test, training.status, options)
    : { status: training.status, result: undefined };
  const evaluate = clock.lap();
  const steps = history.steps - (options.resume?.state.step ?? 0);
  describeEnd(status, config.training, history, result, log);
  const results = buildResults({
    status,
    config,
    data: dataset.results,
    history,
    test: result,
    threads: model.threads,
    ranks: options.communicator?.size ?? 1,
    timing: {
      data,
      build,
      train: trained,
      evaluate,
      total: clock.total(),
      steps_per_second: steps === 0 ? null : round(steps / trained),
    },
  });
  const samples = folder === undefined || result === undefined
    ? undefined
    : await takeSamples(model, test, nameOf(dataset));
  try {
    const isWorthKeeping = results.status !== "diverged" && history.steps > 0;
    if (isWorthKeeping) await folder?.saveModel(model, config, dataset);
    await folder?.finish(results, samples, config.output.report);
  } catch (error) {
    // The results are worth more than an end without them.
    if (!(error instanceof OutputError)) throw error;
    log.error(error.message);
  }
  return results;
}

/** What a run needs before it begins. */
export interface PreparedRun {
  /** Its data. */
  readonly dataset: Dataset;
  /** Its folder, if it has one. */
  readonly folder: OutputFolder | undefined;
}

/** Options of {@linkcode prepareRun}. */
export interface PrepareOptions {
  /** Whether the run in its folder is to be gone on with; not by default. */
  readonly resume?: boolean;
  /** Processes that share the run. */
  readonly communicator?: Communicator | undefined;
}

/**
 * Makes or refuses what a run needs, before anything else happens: its data
 * first, for only the folder is written to.
 *
 * @param config A complete configuration.
 * @param options Whether the run in its folder is gone on with, and by whom.
 * @returns Data and folder.
 * @throws {FileError | ConfigError} If the data cannot be used.
 * @throws {OutputError} If the folder cannot be used.
 * @throws {DisagreementError} If processes that share the run have other data.
 */
export async function prepareRun(
  config: Config,
  { resume = false, communicator }: PrepareOptions = {},
): Promise<PreparedRun> {
  const dataset = await openDataset(config);
  if (communicator !== undefined) agreeOnData(dataset, communicator);
  const { dir } = config.output;
  const folder = dir === null ? undefined : OutputFolder.open(dir, resume);
  return { dataset, folder };
}

/** The options of a run with a folder: what is to be saved is saved there. */
function withCheckpoints(
  options: RunOptions,
  folder: OutputFolder,
  metrics: MetricsFile | undefined,
  steps: number,
  config: Config,
  log: Logger,
): RunOptions {
  return {
    ...options,
    checkpointEvery: config.output.checkpoint_every ?? steps,
    async onCheckpoint(snapshot: TrainingSnapshot): Promise<void> {
      try {
        // First, for a run that goes on from here will not write them again.
        metrics?.flush();
        folder.checkpoints.write(snapshot, config);
      } catch (error) {
        // Without a checkpoint, the training itself is still worth its time.
        if (!(error instanceof OutputError)) throw error;
        log.error(error.message);
      }
      await options.onCheckpoint?.(snapshot);
    },
  };
}

function buildModel(
  { data, model }: Config,
  { sizes }: Dataset,
  compile: PlanOptions,
): Seq2SeqAttentionModel {
  return new Seq2SeqAttentionModel({
    compile,
    ...sizes,
    dModel: model.d_model,
    dK: model.d_k,
    dV: model.d_v,
    randomSeed: data.random_seed,
  });
}

/** What a token stands for. */
function nameOf({ vocabulary }: Dataset): (token: number) => string {
  return (token) => vocabulary?.tokens[token] ?? String(token);
}

/** To a millionth, beyond which clocks only make digits. */
function round(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

/** Seconds, lap by lap. */
class Stopwatch {
  readonly #start: number;
  #last: number;

  /** @param before Seconds that the first lap has taken already. */
  constructor(before: number) {
    this.#start = this.#last = performance.now() - 1000 * before;
  }

  /** Seconds since the last lap. */
  lap(): number {
    const now = performance.now();
    const seconds = (now - this.#last) / 1000;
    this.#last = now;
    return round(seconds);
  }

  /** Seconds until the last lap. */
  total(): number {
    return round((this.#last - this.#start) / 1000);
  }
}
