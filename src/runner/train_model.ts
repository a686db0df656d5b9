/**
 * Training and test of a run: what a configuration says of them, and who is
 * told how they go. Data and model are made elsewhere.
 */
import type { Communicator } from "../distributed/communicator.ts";
import { batchesOf, type BatchSource } from "../nn/batches.ts";
import { DivergenceError, type Seq2SeqAttentionModel } from "../nn/model.ts";
import type { Config } from "./config_types.ts";
import { History } from "./history.ts";
import type { Logger } from "./logging.ts";
import type { MetricsFile } from "./metrics_file.ts";
import { count, toSnakeCase } from "./names.ts";
import { Progress } from "./progress.ts";
import type { RunStatus, TestResults } from "./results.ts";
import type { RunOptions } from "./run_options.ts";
import { trainOptions } from "./train_options.ts";

/** What a run learns from. */
export interface LearningData {
  /** What is trained on. */
  readonly train: BatchSource;
  /** What is held out of that and measured, if anything. */
  readonly validation: BatchSource | undefined;
}

/** What came of the training. */
export interface Trained {
  /** How it ended. */
  readonly status: RunStatus;
  /** What the epochs came to. */
  readonly history: History;
}

/**
 * Trains a model as a configuration says.
 *
 * @param model What is trained.
 * @param config A complete configuration.
 * @param data What it is trained on.
 * @param log Where messages and progress go.
 * @param options Signal and callbacks.
 * @param metrics Where every step and epoch is noted, if anywhere.
 * @returns What came of it, also where it was interrupted or diverged.
 */
export async function trainModel(
  model: Seq2SeqAttentionModel,
  { training }: Config,
  data: LearningData,
  log: Logger,
  options: RunOptions,
  metrics: MetricsFile | undefined,
): Promise<Trained> {
  const { signal, onStep, onEpoch, resume, communicator } = options;
  const { epochs } = training;
  const steps = epochs * batchesOf(data.train);
  announce(data, epochs, steps, log);
  const history = new History(resume?.state);
  const done = history.steps;
  const progress = training.verbose
    ? new Progress(log, { epochs, steps, done })
    : undefined;
  try {
    const { bestEpoch, stoppedEarly } = await model.train(data.train, {
      ...trainOptions(training),
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
        validation: data.validation,
        signal,
        resume,
        onCheckpoint: options.onCheckpoint,
        checkpointEvery: options.checkpointEvery,
        communicator,
      }),
    });
    history.bestEpoch = bestEpoch;
    return { status: stoppedEarly ? "early_stopped" : "completed", history };
  } catch (error) {
    if (isAbort(error, signal, communicator)) {
      history.endEarly();
      return { status: "interrupted", history };
    }
    if (!(error instanceof DivergenceError)) throw error;
    log.error(
      `${error.message} (training.learning_rate is ${training.learning_rate})`,
    );
    const { loss } = error;
    if (error.of === "validation") history.endEarly({ validationLoss: loss });
    else {
      // The step that failed has no accuracy to report, but it must show.
      history.addStep({ loss, accuracy: NaN, tokens: 1 });
      history.endEarly();
    }
    return { status: "diverged", history };
  } finally {
    progress?.finish();
  }
}

function announce(
  { train: { sequences, batchSize }, validation }: LearningData,
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
  const held = validation === undefined
    ? ""
    : `, ${validation.sequences} held out`;
  log.info(
    `Training on ${count(sequences, "sequence")}${held} for ` +
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

/** What came of the test. */
export interface Tested {
  /** How the run ended by then. */
  readonly status: RunStatus;
  /** The test's results; undefined where it was interrupted. */
  readonly result: TestResults | undefined;
}

/**
 * Tests a model.
 *
 * @param model What is tested.
 * @param test What it is tested on.
 * @param status How the training ended.
 * @param options The signal, and processes that share the work.
 * @returns What came of it.
 */
export async function testModel(
  model: Seq2SeqAttentionModel,
  test: BatchSource,
  status: RunStatus,
  { signal, communicator }: RunOptions,
): Promise<Tested> {
  try {
    const { loss, accuracy, sequenceAccuracy } = await model.evaluate(test, {
      sequenceAccuracy: true,
      ...given({ signal, communicator }),
    });
    const sequence_accuracy = sequenceAccuracy ?? null;
    return {
      // The last update has no loss of its own that would tell.
      status: Number.isFinite(loss) ? status : "diverged",
      result: { loss, accuracy, sequence_accuracy },
    };
  } catch (error) {
    if (!isAbort(error, signal, communicator)) throw error;
    return { status: "interrupted", result: undefined };
  }
}
