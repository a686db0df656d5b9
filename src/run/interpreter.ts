/**
 * The reference executor: evaluates the nodes of a program one after another
 * with the operations' own records. Slow, plain, and the truth that compiled
 * plans are compared with.
 */
import type { NDArray } from "../array.ts";
import type { Node } from "../graph/node.ts";
import { recordOf } from "../graph/ops.ts";
import type { Executor, Location, Program } from "./program.ts";

interface Step {
  readonly inputs: readonly NDArray[];
  readonly out: NDArray;
  readonly node: Node;
  /** What is dead after this step; overwritten in test mode. */
  readonly freed: readonly Location[];
}

/** Runs a program by evaluating its nodes in order. */
export class Interpreter implements Executor {
  readonly #program: Program;
  #buffer: ArrayBuffer | undefined;
  #steps: readonly Step[] = [];
  #copies: readonly (readonly [from: NDArray, to: NDArray])[] = [];

  /** Prepares a program. */
  constructor(program: Program) {
    this.#program = program;
    for (const { node, location } of program.constants) {
      const out = this.#array(location);
      recordOf(node).evaluate!([], out, node.attrs as never);
    }
  }

  /** Does nothing: every step evaluates every node. */
  prepare(): void {}

  /** Evaluates every node, then moves the updates into the variables. */
  step(times: number): void {
    for (let turn = 0; turn < times; turn++) this.#stepOnce();
  }

  #stepOnce(): void {
    const { memory } = this.#program;
    // Growth of the memory detaches every view of it.
    if (this.#buffer !== memory.buffer) this.#bind();
    for (const { node, inputs, out, freed } of this.#steps) {
      recordOf(node).evaluate!(inputs, out, node.attrs as never);
      for (const dead of freed) this.#poison(dead);
    }
    for (const [from, to] of this.#copies) to.data.set(from.data);
  }

  #bind(): void {
    const { memory, steps, copies } = this.#program;
    this.#buffer = memory.buffer;
    this.#steps = steps.map(({ node, inputs, out, freed }) => ({
      node,
      inputs: inputs.map((location) => this.#array(location)),
      out: this.#array(out),
      freed,
    }));
    this.#copies = copies.map(({ from, to }) =>
      [this.#array(from), this.#array(to)] as const
    );
  }

  #array({ offset, shape, size, dtype }: Location): NDArray {
    const { memory, precision } = this.#program;
    return { data: memory.view(offset, size, dtype, precision), shape };
  }

  #poison(location: Location): void {
    const { data } = this.#array(location);
    data.fill(data instanceof Int32Array ? -(2 ** 31) : NaN);
  }
}
