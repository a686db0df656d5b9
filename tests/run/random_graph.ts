// Random small graphs for property tests, of the interpreter and of whatever
// else executes graphs. It asserts nothing.
//
// Differences need smooth functions. What kinks or jumps (abs, maximum, max,
// comparisons, toInt, ...) first adds random numbers to its operand, so that no
// tie is there by construction, and lists in `margins` how far it is from the
// kink. A property skips a graph whose smallest margin is below its tolerance.
import fc from "fast-check";
import { type NDArray, sizeOf } from "../../src/array.ts";
import { sum } from "../../src/graph/broadcast.ts";
import { add, mul, sub, tanh } from "../../src/graph/elementwise.ts";
import { grad } from "../../src/graph/grad.ts";
import { Graph, type Node, reachable } from "../../src/graph/node.ts";
import { mean } from "../../src/graph/reduce.ts";
import { Random } from "../../src/random.ts";
import { compile } from "../../src/run/plan.ts";
import type { Update } from "../../src/run/program.ts";
import { FLOAT_STEPS, GROWING, type Hand, INT_STEPS } from "./random_steps.ts";

/** How to make a random graph; plain data, so that a failure can be replayed. */
export interface Recipe {
  /** Shapes and values of the leaves, and all random constants. */
  readonly seed: number;
  /** What is done: the name of a step, and which operands it takes. */
  readonly steps: readonly (readonly [
    name: string,
    a: number,
    b: number,
    choice: number,
  ])[];
}

/** A random graph and all that is needed to run it. */
export interface RandomGraph {
  readonly graph: Graph;
  /** `loss`, its gradients `d_x`, `d_y`, `d_w`, and some values on the way. */
  readonly outputs: Readonly<Record<string, Node>>;
  /** A step of descent for the variable `w`, and an int32 `count`. */
  readonly updates: readonly Update[];
  /** Values for the inputs `x`, `y` and the int32 `i`. */
  readonly feeds: Readonly<Record<string, NDArray>>;
  /** The first value of `w`. */
  readonly weight: NDArray;
  /** Where one of these is near 0, a kink or jump is near. */
  readonly margins: readonly Node[];
}

const NAMES = [...Object.keys(FLOAT_STEPS), ...Object.keys(INT_STEPS)];

/** Recipes of up to a dozen steps; they shrink to fewer steps. */
export const RECIPES: fc.Arbitrary<Recipe> = fc.record({
  seed: fc.nat(),
  steps: fc.array(
    fc.tuple(fc.constantFrom(...NAMES), fc.nat(99), fc.nat(99), fc.nat(99)),
    { minLength: 1, maxLength: 12, size: "max" },
  ),
});

/** What the step of a difference, times any slope, stays well below. */
const MARGIN = 1e-3;

/** Whether rounding or a small step may change what a graph computes a lot. */
export function isNearKink({ margins, feeds }: RandomGraph): boolean {
  if (margins.length === 0) return false;
  const outputs = Object.fromEntries(margins.map((node, at) => [at, node]));
  const used = reachable(margins).flatMap((node) =>
    node.op === "input" ? [node.attrs.name] : []
  );
  const needed = used.map((name) => [name, feeds[name]!] as const);
  const values = compile({ outputs, precision: "float64" })
    .run(Object.fromEntries(needed));
  return Object.values(values).some(({ data }) =>
    data.some((x) => !(Math.abs(x) >= MARGIN))
  );
}

const LARGEST_SIZE = 5;
const LARGEST_VALUE = 4;

/** Makes the graph of a recipe; the same one each time. */
export function buildRandomGraph({ seed, steps }: Recipe): RandomGraph {
  const random = new Random(seed);
  const graph = new Graph();
  const { leaves, feeds, weight, integers } = declare(graph, random);
  const floats = [...leaves];
  const margins: Node[] = [];
  const noise = (shape: readonly number[]): Node =>
    graph.constant(draw(random, shape));
  for (const [name, a, b, choice] of steps) {
    const hand: Hand = {
      a: floats[a % floats.length]!,
      b: floats[b % floats.length]!,
      i: integers[b % integers.length]!,
      choice,
      noise,
      margin: (distance) => margins.push(distance),
    };
    const step = (FLOAT_STEPS[name] ?? INT_STEPS[name])!;
    const made = fit(step(hand), GROWING.has(name));
    (made.dtype === "int32" ? integers : floats).push(made);
  }
  // Every value counts, and every leaf has a path to the loss.
  const loss = floats
    .map((node) => mean(mul(node, noise(node.shape))))
    .reduce((total, term) => add(total, term));
  const [dx, dy, dw] = grad(loss, leaves);
  const [, , w] = leaves;
  const count = graph.variable("count", 0, "int32");
  return {
    graph,
    outputs: {
      loss,
      d_x: dx!,
      d_y: dy!,
      d_w: dw!,
      w: w!,
      i: integers[0]!,
      ...Object.fromEntries(
        [...floats, ...integers].flatMap((node, at) =>
          at % 3 === 0 ? [[`value${at}`, node]] : []
        ),
      ),
    },
    updates: [[w!, sub(w!, mul(dw!, 0.1))], [count, add(count, 1)]],
    feeds,
    weight,
    margins,
  };
}

/** The inputs x, y and i, and the variable w. */
function declare(graph: Graph, random: Random): {
  leaves: Node[];
  feeds: Record<string, NDArray>;
  weight: NDArray;
  integers: Node[];
} {
  // Two sizes and 1 in all shapes, so that many of them fit together.
  const sizes = [1 + random.below(5), 1 + random.below(5)];
  const shape = (): number[] =>
    Array.from(
      { length: random.below(4) },
      () => random.below(5) === 0 ? 1 : sizes[random.below(2)]!,
    );
  const feeds: Record<string, NDArray> = {};
  for (const name of ["x", "y"]) feeds[name] = draw(random, shape());
  const extents = shape();
  feeds.i = {
    data: Int32Array.from(
      { length: sizeOf(extents) },
      () => random.below(5),
    ),
    shape: extents,
  };
  const weight = draw(random, shape());
  const { x, y, i } = feeds;
  return {
    leaves: [
      graph.input("x", x!.shape),
      graph.input("y", y!.shape),
      graph.variable("w", weight),
    ],
    feeds,
    weight,
    integers: [graph.input("i", i.shape, "int32")],
  };
}

/** Numbers between -2 and 2, off 0, that a float32 holds exactly. */
function draw(random: Random, shape: readonly number[]): NDArray {
  const data = Float64Array.from({ length: sizeOf(shape) }, () => {
    const magnitude = 0.05 + 1.95 * random.uniform();
    return Math.fround(random.below(2) === 0 ? -magnitude : magnitude);
  });
  return { data, shape };
}

/** Brings a result back to rank 3, size 5 and moderate values. */
function fit(node: Node, grows: boolean): Node {
  if (node.dtype === "int32") return node;
  const rank = node.shape.length;
  const axes = [...node.shape.keys()].filter((axis) =>
    axis < rank - 3 || node.shape[axis]! > LARGEST_SIZE
  );
  const kept = sum(node, axes);
  if (!grows && axes.length === 0) return kept;
  return mul(tanh(mul(kept, 1 / LARGEST_VALUE)), LARGEST_VALUE);
}
