/**
 * A training step that several ranks share: each computes the gradient of its
 * slice of the batch, the gradients are added up, and all take the same step.
 */
import { type Communicator, sliceOf } from "../distributed/communicator.ts";
import { type Batch, batchesOf, type BatchSource, rowsOf } from "./batches.ts";
import type { Plan } from "../run/plan.ts";
import type { Plans } from "./plans.ts";
import type { StepOptions } from "./steps.ts";

/** What a step is told besides its batch. */
export interface SharedStepOptions {
  /** The step size of Adam. */
  readonly learningRate: number;
  /** Whether this rank wants to stop after the step. */
  readonly wantsStop: boolean;
}

/** What came of a step: the same on every rank. */
export interface SharedStep {
  /** The mean over the tokens of the whole batch, before the update. */
  readonly loss: number;
  /** The share of those tokens predicted right, before the update. */
  readonly accuracy: number;
  /** How many tokens of the whole batch count. */
  readonly tokens: number;
  /** Whether a rank wants to stop: then all do. */
  readonly isLast: boolean;
}

/** The steps of one call of `train`. */
export class SharedSteps {
  readonly #plans: Plans;
  readonly #ranks: Communicator;
  readonly #options: StepOptions;

  /**
   * @param model Its plans take the steps.
   * @param ranks Who shares them.
   * @param options What steps do beyond Adam's.
   */
  constructor(
    { plans }: { readonly plans: Plans },
    ranks: Communicator,
    options: StepOptions,
  ) {
    this.#plans = plans;
    this.#ranks = ranks;
    this.#options = options;
  }

  /** Compiles what the data will need. */
  compile(source: BatchSource): Plan<string>[] {
    const gradients = [0, batchesOf(source) - 1].flatMap((at) => {
      const { from, to } = sliceOf(rowsOf(source, at), this.#ranks);
      return from < to ? [this.#plans.gradients(to - from, this.#options)] : [];
    });
    return [...gradients, this.#plans.update(this.#options)];
  }

  /**
   * Takes one step; all ranks call it with their rows of the same batch.
   *
   * @param slice The rank's rows, maybe none.
   * @param options Step size, and whether to stop.
   * @returns What came of it.
   */
  take(
    slice: Batch,
    { learningRate, wantsStop }: SharedStepOptions,
  ): SharedStep {
    if (slice.rows > 0) this.#computeGradients(slice);
    else this.#plans.gradientBlock().fill(0);
    const block = this.#plans.gradientBlock();
    block[block.length - 1] = wantsStop ? 1 : 0;
    this.#ranks.allReduce(block);
    const isLast = block[block.length - 1]! > 0;
    const plan = this.#plans.update(this.#options);
    plan.input("learning_rate")[0] = learningRate;
    plan.step();
    return {
      loss: plan.output("loss")[0]!,
      accuracy: plan.output("accuracy")[0]!,
      tokens: this.#plans.gradientTokens(),
      isLast,
    };
  }

  #computeGradients(slice: Batch): void {
    const plan = this.#plans.gradients(slice.rows, this.#options);
    plan.input("source").set(slice.source);
    plan.input("target").set(slice.target);
    plan.step();
  }
}
