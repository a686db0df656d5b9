/**
 * The learning curve of a run, epoch by epoch, also when the last epoch is cut
 * short. It draws nothing.
 */

/** Loss and accuracy of a step or an epoch, before its updates. */
export interface Metrics {
  /** The mean cross-entropy of a token, in nats. */
  readonly loss: number;
  /** The share of tokens that had the highest score, from 0 to 1. */
  readonly accuracy: number;
}

/** Collects the metrics of epochs, and the running mean of one under way. */
export class History {
  /** The loss of each epoch. */
  readonly loss: number[] = [];
  /** The accuracy of each epoch. */
  readonly accuracy: number[] = [];
  readonly #samples: number;
  readonly #batchSize: number;
  #steps = 0;
  #lossSum = 0;
  #accuracySum = 0;
  #seen = 0;

  /**
   * Starts without an entry.
   *
   * @param samples Sequences in an epoch.
   * @param batchSize Sequences in a step; the last of an epoch may have fewer.
   */
  constructor(samples: number, batchSize: number) {
    this.#samples = samples;
    this.#batchSize = batchSize;
  }

  /** Steps taken so far, in all epochs. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * Adds a step to the running mean, weighted by its sequences: all have the
   * same number of tokens.
   *
   * @param metrics Means over the step's tokens.
   */
  addStep({ loss, accuracy }: Metrics): void {
    const left = this.#samples - this.#seen;
    const rows = Math.min(this.#batchSize, left);
    this.#steps++;
    this.#seen += rows;
    this.#lossSum += rows * loss;
    this.#accuracySum += rows * accuracy;
  }

  /**
   * Adds an epoch's entry and starts the next epoch.
   *
   * @param metrics Means over the epoch's tokens.
   */
  addEpoch({ loss, accuracy }: Metrics): void {
    this.loss.push(loss);
    this.accuracy.push(accuracy);
    this.#seen = 0;
    this.#lossSum = 0;
    this.#accuracySum = 0;
  }

  /** Turns the running mean of an epoch under way, if any, into its entry. */
  endEarly(): void {
    if (this.#seen === 0) return;
    this.addEpoch({
      loss: this.#lossSum / this.#seen,
      accuracy: this.#accuracySum / this.#seen,
    });
  }
}
