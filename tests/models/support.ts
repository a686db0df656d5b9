// What the tests of models need: parameters made on demand, and a comparison
// of compiled plans with the reference interpreter, over several steps. All of
// it from the public door, as a user would write it.
import { assert, assertEquals } from "@std/assert";
import {
  adam,
  compile,
  type Feeds,
  grad,
  Graph,
  type NDArray,
  type Node,
  normal,
  Random,
  type Update,
} from "../../mod.ts";
import { backwards, forwards, PhaseProgram } from "../compile/phases.ts";

/** What is computed in each step, and what is updated. */
export interface Step {
  readonly outputs: Readonly<Record<string, Node>>;
  readonly updates: readonly Update[];
}

/** A graph with parameters made on demand. */
export class Model {
  readonly graph: Graph = new Graph();
  readonly random: Random = new Random(7);
  readonly #parameters = new Map<string, Node>();

  /** A variable of random numbers around 0, or around 1 for gains. */
  parameter(name: string, shape: readonly number[], centre = 0): Node {
    const fan = shape.length > 1 ? shape.at(-2)! : 4;
    const value = normal(shape, 1 / Math.sqrt(fan), this.random);
    value.data.forEach((x, at) => value.data[at] = centre + x);
    const node = this.graph.variable(name, value);
    this.#parameters.set(name, node);
    return node;
  }

  /**
   * Loss, all gradients and one step of Adam. Its epsilon is not the default:
   * of a gradient that is 0 by construction, such as that of a bias before a
   * normalisation, rounding alone is left, and its sign would be a whole step.
   */
  step(loss: Node, others: Readonly<Record<string, Node>> = {}): Step {
    const names = [...this.#parameters.keys()];
    const parameters = [...this.#parameters.values()];
    const gradients = grad(loss, parameters)
      .map((node, at) => [`d_${names[at]}`, node]);
    return {
      outputs: { loss, ...others, ...Object.fromEntries(gradients) },
      updates: adam(loss, parameters, { learningRate: 0.01, epsilon: 1e-3 }),
    };
  }
}

/** Normally distributed numbers. */
export function floats(seed: number, ...shape: number[]): NDArray {
  return normal(shape, 1, new Random(seed));
}

/** Integers in [0, below). */
export function integers(
  seed: number,
  below: number,
  ...shape: number[]
): NDArray {
  const random = new Random(seed);
  const size = shape.reduce((product, extent) => product * extent, 1);
  const data = Int32Array.from({ length: size }, () => random.below(below));
  return { data, shape };
}

/**
 * Per tensor: |got - want| <= tolerance * max(1e-3, the largest |want|), the
 * very same infinity, or NaN both.
 */
export function assertNear(
  got: NDArray,
  want: NDArray,
  tolerance: number,
  name: string,
): void {
  assertEquals(got.shape, want.shape, name);
  let scale = 1e-3;
  for (const x of want.data) {
    if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
  }
  for (const [at, x] of want.data.entries()) {
    const y = got.data[at]!;
    assert(
      Object.is(x, y) || x === y || Math.abs(x - y) <= tolerance * scale,
      `${name}: element ${at} of (${want.shape}) is ${y}, wanted ${x} ` +
        `within ${tolerance} of ${scale}`,
    );
  }
}

/** Options of {@linkcode assertSameSteps}. */
export interface SameOptions {
  /** How many steps are taken; 3 by default. */
  readonly steps?: number;
  /** For the outputs of the first step; 1e-4 by default. */
  readonly tolerance?: number;
  /** For everything after the first update; 2e-3 by default. */
  readonly later?: number;
}

/**
 * Runs steps on compiled plan, on one that three threads share, and on the
 * interpreter, and compares all there is.
 */
export function assertSameSteps(
  { outputs, updates }: Step,
  feeds: Feeds | ((step: number) => Feeds),
  name: string,
  options: SameOptions = {},
): void {
  const { steps = 3, tolerance = 1e-4, later = 2e-3 } = options;
  const plan = compile({ outputs, updates });
  const shared = new PhaseProgram({ outputs, updates, threads: 3 });
  const truth = compile({ outputs, updates, executor: "interpreter" });
  for (let step = 0; step < steps; step++) {
    const fed = typeof feeds === "function" ? feeds(step) : feeds;
    const order = step % 2 === 0 ? backwards : forwards;
    const results = [plan.run(fed), shared.run(fed, order)];
    const want = truth.run(fed);
    for (const key of Object.keys(outputs)) {
      const within = step === 0 ? tolerance : later;
      const where = `${name}: ${key}, step ${step}`;
      for (const got of results) {
        assertNear(got[key]!, want[key]!, within, where);
      }
    }
  }
  for (const key of truth.variables.names()) {
    const want = truth.variables.get(key);
    for (const { variables } of [plan, shared]) {
      assertNear(variables.get(key), want, later, `${name}: ${key}`);
    }
  }
}

/** Sizes of batches: one, odd ones, whole vectors, and a prime. */
export const BATCHES: readonly number[] = [1, 2, 3, 7, 8, 37];
