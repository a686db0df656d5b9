/**
 * The learning curve of a run, epoch by epoch, also when the last epoch is cut
 * short. It draws nothing.
 */
import type { EpochReport, TrainingState } from "../nn/model.ts";

/** Loss and accuracy of a step or an epoch, before its updates. */
export interface Metrics {
  /** The mean cross-entropy of a token, in nats. */
  readonly loss: number;
  /** The share of tokens that had the highest score, from 0 to 1. */
  readonly accuracy: number;
}

/** The metrics of a step. */
export interface StepMetrics extends Metrics {
  /** How many tokens they are the means of. */
  readonly tokens: number;
}

/** The metrics of an epoch, those of held-out data among them if there are. */
export type EpochMetrics =
  & Metrics
  & Pick<
    EpochReport,
    "validationLoss" | "validationAccuracy" | "validationSequenceAccuracy"
  >;

const OF_VALIDATION = [
  "validationLoss",
  "validationAccuracy",
  "validationSequenceAccuracy",
] as const;

/** Collects the metrics of epochs, and the running mean of one under way. */
export class History {
  /** The loss of each epoch. */
  readonly loss: number[] = [];
  /** The accuracy of each epoch. */
  readonly accuracy: number[] = [];
  /**
   * What held-out data came to after each epoch, if there are any; nothing of an
   * epoch that was cut short.
   */
  readonly validation: {
    -readonly [Name in typeof OF_VALIDATION[number]]?: number[];
  } = {};
  /** The epoch whose parameters are kept, once it is known; with early stopping. */
  bestEpoch: number | undefined = undefined;
  #steps = 0;
  #lossSum = 0;
  #accuracySum = 0;
  #tokens = 0;

  /**
   * Starts without an entry, or with what a training has come to before.
   *
   * @param before The state that the training goes on from, if any.
   */
  constructor(before?: TrainingState) {
    if (before === undefined) return;
    const { history, sums } = before;
    this.loss.push(...history.loss);
    this.accuracy.push(...history.accuracy);
    for (const name of OF_VALIDATION) {
      const values = history[name];
      if (values !== undefined) this.validation[name] = [...values];
    }
    this.#steps = before.step;
    this.#lossSum = sums.loss;
    this.#accuracySum = sums.accuracy;
    this.#tokens = sums.tokens;
  }

  /** Steps taken so far, in all epochs. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * Adds a step to the running mean, weighted by its tokens.
   *
   * @param metrics Means over the step's tokens.
   */
  addStep({ loss, accuracy, tokens }: StepMetrics): void {
    this.#steps++;
    this.#tokens += tokens;
    this.#lossSum += tokens * loss;
    this.#accuracySum += tokens * accuracy;
  }

  /**
   * Adds an epoch's entry and starts the next epoch.
   *
   * @param metrics Means over the epoch's tokens, and of held-out data.
   */
  addEpoch({ loss, accuracy, ...others }: EpochMetrics): void {
    this.loss.push(loss);
    this.accuracy.push(accuracy);
    for (const name of OF_VALIDATION) {
      const value = others[name];
      if (value !== undefined) (this.validation[name] ??= []).push(value);
    }
    this.#tokens = 0;
    this.#lossSum = 0;
    this.#accuracySum = 0;
  }

  /**
   * Turns the running mean of an epoch under way, if any, into its entry.
   *
   * @param validation What held-out data came to, if it came to that.
   */
  endEarly(validation: Partial<EpochMetrics> = {}): void {
    if (this.#tokens === 0) return;
    this.addEpoch({
      ...validation,
      loss: this.#lossSum / this.#tokens,
      accuracy: this.#accuracySum / this.#tokens,
    });
  }
}
