/**
 * The training loop: from epoch to epoch, from batch to batch. What it is given
 * has been checked.
 */
import { type Batch, batchesOf, type BatchSource, rowsOf } from "./batches.ts";
import { countTokens } from "./inference.ts";
import type { Variables } from "../run/variables.ts";
import { stopReason } from "../distributed/communicator.ts";
import type { Plans } from "./plans.ts";
import { SharedSteps } from "./shared_steps.ts";
import {
  type BatchTrainOptions,
  DivergenceError,
  type EpochReport,
  type StepReport,
  type TrainHistory,
} from "./training.ts";
import type { Turns } from "./turns.ts";

/** How far a model has come, over all calls of `train`. */
export interface Age {
  /** Steps taken. */
  step: number;
  /** Epochs begun. */
  epoch: number;
}

/** What training needs of a model. */
export interface Trainee {
  /** The model's plans. */
  readonly plans: Plans;
  /** Where parameters and moments are. */
  readonly variables: Variables;
  /** Counted on by the training. */
  readonly age: Age;
  /** Lets others have a turn. */
  readonly turns: Turns;
  /** The token that does not count, if any. */
  readonly padToken: number | undefined;
}

/**
 * Trains a model.
 *
 * @param model What is trained.
 * @param source The data.
 * @param options How long and how.
 * @returns The history.
 * @throws {DivergenceError} If the loss of a step is not finite.
 */
export async function trainModel(
  model: Trainee,
  source: BatchSource,
  options: BatchTrainOptions,
): Promise<TrainHistory> {
  const { plans, age } = model;
  const { epochs } = options;
  const { communicator } = options;
  const shared = communicator !== undefined && communicator.size > 1
    ? new SharedSteps(model, communicator)
    : undefined;
  const history: TrainHistory = { loss: [], accuracy: [] };
  // What does not fit the memory should show before anything has changed.
  if (shared) shared.compile(source);
  else {
    plans.train(rowsOf(source, 0));
    plans.train(rowsOf(source, batchesOf(source) - 1));
  }
  for (let epoch = 1; epoch <= epochs; epoch++) {
    age.epoch++;
    const means = await trainEpoch(
      { ...model, shared },
      source,
      epoch,
      options,
    );
    const report = { epoch, ...means };
    history.loss.push(report.loss);
    history.accuracy.push(report.accuracy);
    if (options.verbose) logEpoch(report, epochs);
    options.onEpoch?.(report);
  }
  return history;
}

async function trainEpoch(
  model: Trainee & { readonly shared: SharedSteps | undefined },
  source: BatchSource,
  epoch: number,
  options: BatchTrainOptions,
): Promise<{ loss: number; accuracy: number }> {
  const { age, turns, padToken, shared } = model;
  const { signal, onStep } = options;
  let [loss, accuracy, total] = [0, 0, 0];
  if (!shared) signal?.throwIfAborted();
  for await (const batch of source.batches(age.epoch, 0)) {
    // A rank does not stop by itself: the others would wait for it.
    if (!shared) signal?.throwIfAborted();
    const { isLast, ...report } = shared
      ? sharedStep(shared, age, batch, epoch, options)
      : { isLast: false, ...trainStep(model, batch, epoch, options) };
    // Without padding all sequences have as many tokens.
    const weight = padToken === undefined ? batch.rows : report.tokens;
    loss += report.loss * weight;
    accuracy += report.accuracy * weight;
    total += weight;
    onStep?.(report);
    if (isLast) throw stopReason(signal);
    if (turns.due()) await turns.take();
  }
  return { loss: loss / total, accuracy: accuracy / total };
}

function trainStep(
  { plans, age, padToken }: Trainee,
  { rows, source, target }: Batch,
  epoch: number,
  { learningRate }: BatchTrainOptions,
): StepReport {
  const plan = plans.train(rows);
  plan.input("source").set(source);
  plan.input("target").set(target);
  plan.input("learning_rate")[0] = learningRate;
  plan.step();
  const step = ++age.step;
  const loss = plan.output("loss")[0]!;
  if (!Number.isFinite(loss)) throw new DivergenceError(step, epoch, loss);
  const accuracy = plan.output("accuracy")[0]!;
  return { step, epoch, loss, accuracy, tokens: countTokens(target, padToken) };
}

function sharedStep(
  shared: SharedSteps,
  age: Age,
  batch: Batch,
  epoch: number,
  { learningRate, signal }: BatchTrainOptions,
): StepReport & { isLast: boolean } {
  const wantsStop = signal?.aborted ?? false;
  const { loss, ...rest } = shared.take(batch, { learningRate, wantsStop });
  const step = ++age.step;
  if (!Number.isFinite(loss)) throw new DivergenceError(step, epoch, loss);
  return { step, epoch, loss, ...rest };
}

function logEpoch(report: EpochReport, epochs: number): void {
  const { epoch, loss, accuracy } = report;
  // stdout is for data; console.error writes to stderr.
  console.error(
    `epoch ${epoch}/${epochs}: loss ${loss.toFixed(4)}, ` +
      `accuracy ${accuracy.toFixed(4)}`,
  );
}
