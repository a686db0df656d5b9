/**
 * A training step that several ranks share: each computes the gradient of its
 * slice of the batch, the gradients are added up, and all take the same step.
 */
import type { TypedArray } from "../array.ts";
import { type Communicator, sliceOf } from "../distributed/communicator.ts";
import type { Variables } from "../run/variables.ts";
import {
  type Batch,
  batchesOf,
  type BatchSource,
  cut,
  rowsOf,
} from "./batches.ts";
import { countTokens } from "./inference.ts";
import { zeros } from "./init.ts";
import { gradientName, type Plans } from "./plans.ts";
import { PARAMETER_NAMES } from "./seq2seq.ts";

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

/** Follows the gradients, so that one reduction does for all. */
const SUMS = "gradient.sums";

/** The steps of one call of `train`. */
export class SharedSteps {
  readonly #plans: Plans;
  readonly #variables: Variables;
  readonly #ranks: Communicator;
  readonly #padToken: number | undefined;

  /**
   * Reserves the gradients.
   *
   * @param model Plans, their variables, and the token that does not count.
   * @param ranks Who shares the steps.
   */
  constructor(
    model: {
      readonly plans: Plans;
      readonly variables: Variables;
      readonly padToken: number | undefined;
    },
    ranks: Communicator,
  ) {
    this.#plans = model.plans;
    this.#variables = model.variables;
    this.#padToken = model.padToken;
    this.#ranks = ranks;
    // One after another, no plan between them: so they lie side by side.
    for (const name of PARAMETER_NAMES) {
      const { shape } = this.#variables.get(name);
      this.#variables.declare(gradientName(name), zeros(shape));
    }
    this.#variables.declare(SUMS, zeros([4]));
  }

  /** Compiles what the data will need. */
  compile(source: BatchSource): void {
    for (const at of [0, batchesOf(source) - 1]) {
      const { from, to } = sliceOf(rowsOf(source, at), this.#ranks);
      if (from < to) this.#plans.gradients(to - from);
    }
    this.#plans.update();
  }

  /**
   * Takes one step; all ranks call it with the same batch.
   *
   * @param batch The whole batch.
   * @param options Step size, and whether to stop.
   * @returns What came of it.
   */
  take(
    batch: Batch,
    { learningRate, wantsStop }: SharedStepOptions,
  ): SharedStep {
    const { from, to } = sliceOf(batch.rows, this.#ranks);
    const block = from < to
      ? this.#computeGradients(cut(batch, to - from, from))
      : this.#block().fill(0);
    const sums = block.subarray(block.length - 4);
    sums[3] = wantsStop ? 1 : 0;
    this.#ranks.allReduce(block);
    const [loss, correct, tokens, stops] = sums as Float32Array;
    const plan = this.#plans.update();
    plan.input("tokens")[0] = tokens!;
    plan.input("learning_rate")[0] = learningRate;
    plan.step();
    return {
      loss: loss! / tokens!,
      accuracy: correct! / tokens!,
      tokens: tokens!,
      isLast: stops! > 0,
    };
  }

  #computeGradients(slice: Batch): Float32Array {
    const plan = this.#plans.gradients(slice.rows);
    plan.input("source").set(slice.source);
    plan.input("target").set(slice.target);
    plan.step();
    const block = this.#block();
    block.set([
      plan.output("loss")[0]!,
      plan.output("correct")[0]!,
      countTokens(slice.target, this.#padToken),
    ], block.length - 4);
    return block;
  }

  /** All gradients and the sums, in place. */
  #block(): Float32Array<ArrayBuffer> {
    const first = this.#variables.view(gradientName(PARAMETER_NAMES[0]!));
    const last: TypedArray = this.#variables.view(SUMS);
    const end = last.byteOffset + last.byteLength;
    const length = (end - first.byteOffset) / 4;
    return new Float32Array(
      first.buffer as ArrayBuffer,
      first.byteOffset,
      length,
    );
  }
}
