/**
 * One run from a configuration to its results: generate, build, train, test,
 * and fill the run's folder if it has one. It reads no configuration.
 */
import { batchesOf, type BatchSource } from "../nn/batches.ts";
import {
  DivergenceError,
  type EpochReport,
  type PlanOptions,
  Seq2SeqAttentionModel,
  type StepReport,
  type TrainingSnapshot,
} from "../nn/model.ts";
import type { Communicator } from "../distributed/communicator.ts";
import type { Config } from "./config_types.ts";
import { type Dataset, openDataset } from "./dataset.ts";
import { History } from "./history.ts";
import type { Logger } from "./logging.ts";
import type { MetricsFile } from "./metrics_file.ts";
import { toSnakeCase } from "./names.ts";
import { OutputError } from "./output.ts";
import { OutputFolder } from "./output_folder.ts";
import { Progress } from "./progress.ts";
import {
  buildResults,
  type Results,
  type RunStatus,
  type TestResults,
} from "./results.ts";
import { agreeOnData } from "./ranks.ts";
import { takeSamples } from "./take_samples.ts";

/** Options of a run. */
export interface RunOptions {
  /** Ends the run early: between two steps, with what there is by then. */
  readonly signal?: AbortSignal;
  /** Called after every step. */
  readonly onStep?: (report: StepReport) => void;
  /** Called after every epoch. */
  readonly onEpoch?: (report: EpochReport) => void;
  /** A training of the same configuration to go on from. */
  readonly resume?: TrainingSnapshot;
  /** Takes a snapshot every so often, at the end, and when interrupted. */
  readonly onCheckpoint?: (
    snapshot: TrainingSnapshot,
  ) => void | Promise<void>;
  /** Steps from one snapshot to the next; by default there are none between. */
  readonly checkpointEvery?: number;
  /** How the model's plans are compiled, and whether one looks into them. */
  readonly compile?: PlanOptions;
  /** Processes that share the run, see {@linkcode connectMpi}. */
  readonly communicator?: Communicator;
}

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
  const [train, test] = [dataset.train(), dataset.test()];
  const data = clock.lap();
  const model = buildModel(config, dataset, {
    onDebug: (text) => log.console.line(text),
    ...options.compile,
  });
  const build = clock.lap();
  const metrics = folder?.metrics(options.resume?.state);
  const saving = folder === undefined
    ? options
    : withCheckpoints(options, folder, metrics, batchesOf(train), config, log);
  const training = await trainModel(model, config, train, log, saving, metrics)
    .finally(() => metrics?.close());
  const trained = clock.lap();
  const { status, result } = training.status === "completed"
    ? await testModel(model, test, options)
    : { status: training.status, result: undefined };
  const evaluate = clock.lap();
  const { history } = training;
  const steps = history.steps - (options.resume?.state.step ?? 0);
  describeEnd(status, result, history, log);
  const results = buildResults({
    status,
    config,
    data: dataset.results,
    history,
    test: result,
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

async function trainModel(
  model: Seq2SeqAttentionModel,
  { training }: Config,
  data: BatchSource,
  log: Logger,
  options: RunOptions,
  metrics: MetricsFile | undefined,
): Promise<{ status: RunStatus; history: History }> {
  const { signal, onStep, onEpoch, resume, communicator } = options;
  const { epochs } = training;
  const steps = epochs * batchesOf(data);
  announce(data, epochs, steps, log);
  const history = new History(resume?.state);
  const done = history.steps;
  const progress = training.verbose
    ? new Progress(log, { epochs, steps, done })
    : undefined;
  try {
    await model.train(data, {
      epochs,
      learningRate: training.learning_rate,
      threads: training.threads,
      onStep(report) {
        history.addStep(report);
        const { step, epoch } = report;
        metrics?.add({ kind: "step", step, epoch, ...toSnakeCase(report) });
        progress?.step(report.epoch, report);
        onStep?.(report);
      },
      onEpoch(report) {
        history.addEpoch(report);
        const { steps: step } = history;
        const { epoch } = report;
        metrics?.add({ kind: "epoch", step, epoch, ...toSnakeCase(report) });
        progress?.epoch(report.epoch, report);
        onEpoch?.(report);
      },
      ...given({
        signal,
        resume,
        onCheckpoint: options.onCheckpoint,
        checkpointEvery: options.checkpointEvery,
        communicator,
      }),
    });
    return { status: "completed", history };
  } catch (error) {
    if (isAbort(error, signal, communicator)) {
      history.endEarly();
      return { status: "interrupted", history };
    }
    if (!(error instanceof DivergenceError)) throw error;
    log.error(
      `${error.message} (training.learning_rate is ${training.learning_rate})`,
    );
    // The step that failed has no accuracy to report, but it must show.
    history.addStep({ loss: error.loss, accuracy: NaN, tokens: 1 });
    history.endEarly();
    return { status: "diverged", history };
  } finally {
    progress?.finish();
  }
}

function announce(
  { sequences, batchSize }: BatchSource,
  epochs: number,
  steps: number,
  log: Logger,
): void {
  if (batchSize > sequences) {
    log.warn(
      `training.batch_size is ${batchSize}, but there are only ${sequences} ` +
        `sequences: every step trains on all data as one partial batch`,
    );
  }
  log.info(
    `Training on ${count(sequences, "sequence")} for ` +
      `${count(epochs, "epoch")}, ${count(steps, "step")} in all`,
  );
}

/** Leaves out what is undefined, for an option that is there must be one. */
function given<T extends object>(
  options: T,
): { [Key in keyof T]?: NonNullable<T[Key]> } {
  const entries = Object.entries(options)
    .filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as {
    [Key in keyof T]?: NonNullable<T[Key]>;
  };
}

/** Whether the signal is why something failed. */
function isAbort(
  error: unknown,
  signal: AbortSignal | undefined,
  communicator: Communicator | undefined,
): boolean {
  if (signal?.aborted && error === signal.reason) return true;
  // It may be another rank that was told to stop.
  return communicator !== undefined && error instanceof DOMException &&
    error.name === "AbortError";
}

async function testModel(
  model: Seq2SeqAttentionModel,
  test: BatchSource,
  { signal, communicator }: RunOptions,
): Promise<{ status: RunStatus; result: TestResults | undefined }> {
  try {
    const { loss, accuracy, sequenceAccuracy } = await model.evaluate(test, {
      sequenceAccuracy: true,
      ...given({ signal, communicator }),
    });
    const sequence_accuracy = sequenceAccuracy ?? null;
    return {
      // The last update has no loss of its own that would tell.
      status: Number.isFinite(loss) ? "completed" : "diverged",
      result: { loss, accuracy, sequence_accuracy },
    };
  } catch (error) {
    if (!isAbort(error, signal, communicator)) throw error;
    return { status: "interrupted", result: undefined };
  }
}

/** What a token stands for. */
function nameOf({ vocabulary }: Dataset): (token: number) => string {
  return (token) => vocabulary?.tokens[token] ?? String(token);
}

function describeEnd(
  status: RunStatus,
  test: TestResults | undefined,
  history: History,
  log: Logger,
): void {
  if (status === "interrupted") {
    log.warn(`Interrupted after ${count(history.steps, "step")}`);
  }
  if (test === undefined) return;
  const { loss, accuracy, sequence_accuracy } = test;
  if (status === "diverged") {
    log.error(
      `Cannot use the trained model: its test loss is ${loss}, wanted a ` +
        `finite number; try a smaller learning rate`,
    );
    return;
  }
  log.info(
    `Test loss ${loss?.toFixed(4)}, accuracy ${accuracy?.toFixed(4)}, ` +
      `sequence accuracy ${sequence_accuracy?.toFixed(4)}`,
  );
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
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
