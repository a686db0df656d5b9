// Random graphs over batches, larger than tests/run/random_graph.ts makes them:
// inputs share their first axis, so that work is cut into tiles, and sizes go
// up to 40, so that rows have tails and do not fit registers. It asserts
// nothing. Every function is smooth; values stay moderate.
import fc from "fast-check";
import { type NDArray, sizeOf } from "../../src/array.ts";
import { broadcast, sum } from "../../src/graph/broadcast.ts";
import {
  crossEntropy,
  gelu,
  layerNorm,
  logSoftmax,
  maskedSoftmax,
  softmax,
} from "../../src/graph/composite.ts";
import { einsum, matmul } from "../../src/graph/einsum.ts";
import {
  add,
  div,
  exp,
  less,
  mul,
  select,
  sigmoid,
  sqrt,
  sub,
  tanh,
} from "../../src/graph/elementwise.ts";
import { grad } from "../../src/graph/grad.ts";
import { gather, scatterAdd } from "../../src/graph/indexing.ts";
import {
  concatenate,
  pad,
  reshape,
  slice,
  transpose,
} from "../../src/graph/movement.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { max, mean } from "../../src/graph/reduce.ts";
import { Random } from "../../src/random.ts";
import type { Update } from "../../src/run/program.ts";

/** How to make a graph; plain data, so that a failure can be replayed. */
export interface BatchRecipe {
  readonly seed: number;
  /** The batch, then two sizes of other axes, which may equal it. */
  readonly sizes: readonly number[];
  readonly steps: readonly (readonly [
    name: string,
    a: number,
    b: number,
    choice: number,
  ])[];
}

/** A graph and all that is needed to run it. */
export interface BatchGraph {
  readonly outputs: Readonly<Record<string, Node>>;
  readonly updates: readonly Update[];
  readonly feeds: Readonly<Record<string, NDArray>>;
}

/** The most elements of an intermediate. */
const LARGEST = 40_000;
const LARGEST_VALUE = 4;

/** What a step works with. */
class Hand {
  readonly graph: Graph = new Graph();
  readonly random: Random;
  readonly floats: Node[] = [];
  readonly variables: Node[] = [];
  readonly feeds: Record<string, NDArray> = {};
  readonly sizes: readonly number[];
  /** int32 (B, T), values in [0, 3). */
  readonly indices: Node;
  a!: Node;
  b!: Node;
  choice = 0;

  constructor({ seed, sizes }: BatchRecipe) {
    this.random = new Random(seed);
    this.sizes = sizes;
    const [batch, m, n] = sizes as [number, number, number];
    const shapes = [[batch, m], [batch, m, n], [batch, n], [batch]];
    const from = this.random.below(4);
    for (const [at, name] of ["x", "y"].entries()) {
      const shape = shapes[(from + at) % 4]!;
      this.feeds[name] = this.draw(shape);
      this.floats.push(this.graph.input(name, shape));
    }
    const data = Int32Array.from(
      { length: batch * m },
      () => this.random.below(3),
    );
    this.feeds.indices = { data, shape: [batch, m] };
    this.indices = this.graph.input("indices", [batch, m], "int32");
  }

  draw(shape: readonly number[]): NDArray {
    const data = Float64Array.from(
      { length: sizeOf(shape) },
      () => Math.fround(4 * this.random.uniform() - 2),
    );
    return { data, shape };
  }

  /** Integers in [0, 3). */
  levels(length: number): number[] {
    return Array.from({ length }, () => this.random.below(3));
  }

  noise(shape: readonly number[]): Node {
    return this.graph.constant(this.draw(shape));
  }

  variable(shape: readonly number[]): Node {
    const name = `v${this.variables.length}`;
    const node = this.graph.variable(name, this.draw(shape));
    this.variables.push(node);
    return node;
  }

  size(): number {
    // Products with wide operands take the interpreter long.
    return Math.min(40, this.sizes[this.choice % this.sizes.length]!);
  }

  axis(x: Node): number {
    return this.choice % x.shape.length;
  }
}

type Step = (hand: Hand) => Node;

function rows(x: Node): Node {
  return x.shape.length >= 1 ? x : reshape(x, [1]);
}

function matrix(x: Node): Node {
  return x.shape.length >= 2 ? x : reshape(x, [-1, 1]);
}

/** `b` with the axes summed over that do not broadcast with `a`. */
function fitted({ a, b }: Hand): Node {
  const axes = [...b.shape.keys()].filter((axis) => {
    const opposite = a.shape[axis - b.shape.length + a.shape.length] ?? 1;
    return b.shape[axis] !== 1 && opposite !== 1 && opposite !== b.shape[axis];
  });
  return sum(b, axes, true);
}

/** An index for every element but those of the last axis. */
function indicesFor({ indices }: Hand, shape: readonly number[]): Node {
  const [batch, length] = indices.shape as [number, number];
  if (shape.length === 0) return reshape(max(indices), []);
  if (shape[0] === batch && shape[1] === length && shape.length === 2) {
    return indices;
  }
  const first = reshape(slice(indices, [0, 0], [batch, 1]), [batch]);
  if (shape[0] === batch) {
    const column = reshape(first, [batch, ...shape.slice(1).map(() => 1)]);
    return broadcast(column, shape);
  }
  return broadcast(max(indices), shape);
}

const STEPS: Readonly<Record<string, Step>> = {
  add: (hand) => add(hand.a, fitted(hand)),
  sub: (hand) => sub(fitted(hand), hand.a),
  mul: (hand) => mul(hand.a, fitted(hand)),
  div: (hand) => {
    const b = fitted(hand);
    return div(hand.a, add(mul(b, b), 0.5));
  },
  tanh: ({ a }) => tanh(a),
  sigmoid: ({ a }) => sigmoid(a),
  exp: ({ a }) => exp(tanh(a)),
  gelu: ({ a }) => gelu(a),
  sqrt: ({ a }) => sqrt(add(mul(a, a), 0.5)),
  scale: (hand) => mul(hand.a, hand.variable(hand.a.shape.slice(-1))),
  shift: (hand) => add(hand.a, hand.variable(hand.a.shape.slice(1))),
  dense: (hand) => {
    const x = matrix(hand.a);
    const w = hand.variable([x.shape.at(-1)!, hand.size()]);
    return mul(matmul(x, w), 1 / Math.sqrt(w.shape[0]!));
  },
  denseTransposed: (hand) => {
    const x = matrix(hand.a);
    const w = hand.variable([hand.size(), x.shape.at(-1)!]);
    return mul(matmul(x, w, { transposeB: true }), 1 / w.shape[1]!);
  },
  perEntry: ({ a, b }) => {
    const [x, y] = [matrix(a), matrix(b)];
    const fits = x.shape.length === 3 && y.shape.length === 3 &&
      x.shape[0] === y.shape[0] && x.shape[2] === y.shape[2];
    return matmul(x, fits ? y : x, { transposeB: true });
  },
  overBatch: ({ a, b }) => {
    const [x, y] = [matrix(a), matrix(b)];
    const fits = x.shape[0] === y.shape[0];
    const other = fits ? y : x;
    const left = "zab".slice(0, x.shape.length);
    const right = "zcd".slice(0, other.shape.length);
    return mul(einsum(`${left},${right}->ac`, x, other), 1 / x.shape[0]!);
  },
  sum: (hand) => sum(rows(hand.a), [hand.axis(rows(hand.a))], true),
  mean: (hand) => mean(rows(hand.a), [hand.axis(rows(hand.a))]),
  sumBatch: ({ a }) => sum(rows(a), [0]),
  centre: ({ a }) => sub(a, mean(rows(a), [0], true)),
  softmax: (hand) => softmax(rows(hand.a), hand.axis(rows(hand.a))),
  softmaxRow: ({ a }) => softmax(rows(a)),
  logSoftmax: ({ a }) => logSoftmax(rows(a)),
  maskedSoftmax: (hand) => {
    const x = matrix(hand.a);
    const lead = x.shape.slice(0, -1);
    const column = reshape(indicesFor(hand, lead), [...lead, 1]);
    const limits = hand.graph.constant(hand.levels(x.shape.at(-1)!), "int32");
    return maskedSoftmax(x, less(column, limits));
  },
  layerNorm: (hand) => {
    const x = rows(hand.a);
    const size = x.shape.slice(-1);
    return layerNorm(x, hand.variable(size), hand.variable(size), 0.5);
  },
  crossEntropy: (hand) => {
    const x = rows(hand.a);
    return crossEntropy(x, indicesFor(hand, x.shape.slice(0, -1)));
  },
  select: (hand) => {
    const x = rows(hand.a);
    const lead = x.shape.slice(0, -1);
    const column = reshape(indicesFor(hand, lead), [...lead, 1]);
    return select(less(column, 2), x, mul(x, x));
  },
  gather: (hand) => gather(hand.variable([3, hand.size()]), hand.indices),
  gatherFirst: (hand) => {
    const index = indicesFor(hand, hand.sizes.slice(0, 1));
    return gather(hand.variable([3, hand.size()]), index);
  },
  gatherPosition: (hand) => {
    const table = hand.variable([hand.sizes[1]!, hand.sizes[2]!]);
    return add(gather(hand.variable([3, hand.sizes[2]!]), hand.indices), table);
  },
  gatherRows: (hand) => {
    const x = rows(hand.a);
    return x.shape[0]! < 3 ? x : gather(x, hand.indices);
  },
  scatter: (hand) => {
    const x = matrix(hand.a);
    const full = x.shape[0] === hand.sizes[0] && x.shape[1] === hand.sizes[1];
    const index = full ? hand.indices : indicesFor(hand, x.shape.slice(0, 1));
    return scatterAdd(index, x, 4);
  },
  flatten: ({ a }) => {
    const x = rows(a);
    return reshape(x, [x.shape[0]!, -1]);
  },
  merge: ({ a }) => reshape(a, [-1, rows(a).shape.at(-1)!]),
  column: ({ a }) => reshape(a, [...a.shape, 1]),
  transpose: ({ a, choice }) =>
    a.shape.length === 3
      ? transpose(a, [[0, 2, 1], [1, 0, 2], [1, 2, 0]][choice % 3]!)
      : transpose(a),
  swap: ({ a }) => a.shape.length === 3 ? transpose(a, [0, 2, 1]) : a,
  slice: (hand) => {
    const x = rows(hand.a);
    const at = hand.axis(x);
    return slice(x, x.shape.map((n, i) => i === at && n > 1 ? 1 : 0));
  },
  halve: ({ a }) => {
    const x = rows(a);
    const half = Math.ceil(x.shape.at(-1)! / 2);
    return slice(x, x.shape.map(() => 0), x.shape.with(-1, half));
  },
  pad: (hand) => {
    const x = rows(hand.a);
    const ones = x.shape.map((_, i) => i === hand.axis(x) ? 1 : 0);
    return pad(x, ones, hand.choice % 2 ? ones : x.shape.map(() => 0));
  },
  concatenate: (hand) => {
    const x = rows(hand.a);
    return concatenate([x, tanh(x)], hand.axis(x));
  },
  join: ({ a, b }) => {
    const [x, y] = [matrix(a), matrix(b)];
    const fits = x.shape.length === y.shape.length &&
      x.shape.slice(0, -1).every((n, at) => n === y.shape[at]);
    return concatenate(fits ? [x, y] : [x, x]);
  },
  repeat: (hand) => {
    const x = rows(hand.a);
    const shape = [x.shape[0]!, hand.size(), ...x.shape.slice(1)];
    const column = reshape(x, [x.shape[0]!, 1, ...x.shape.slice(1)]);
    return sizeOf(shape) > LARGEST ? x : broadcast(column, shape);
  },
};

const NAMES = Object.keys(STEPS);

/** Recipes of up to a dozen steps; they shrink to fewer steps. */
export const BATCH_RECIPES: fc.Arbitrary<BatchRecipe> = fc.record({
  seed: fc.nat(),
  sizes: fc.oneof(
    fc.tuple(fc.integer({ min: 2, max: 40 }), size(9), size(9)),
    fc.tuple(fc.integer({ min: 2, max: 40 }), size(40), size(40)),
    fc.tuple(
      fc.integer({ min: 5, max: 40 }),
      size(3),
      fc.integer({ min: 200, max: 600 }),
    ),
    size(12).map((n) => [n + 1, n + 1, n + 1]),
  ),
  steps: fc.array(
    fc.tuple(fc.constantFrom(...NAMES), fc.nat(99), fc.nat(99), fc.nat(99)),
    { minLength: 1, maxLength: 10, size: "max" },
  ),
});

function size(most: number): fc.Arbitrary<number> {
  return fc.integer({ min: 1, max: most });
}

/** Makes the graph of a recipe; the same one each time. */
export function buildBatchGraph(recipe: BatchRecipe): BatchGraph {
  const hand = new Hand(recipe);
  const { graph, floats, variables, feeds } = hand;
  for (const [name, a, b, choice] of recipe.steps) {
    hand.a = floats[a % floats.length]!;
    hand.b = floats[b % floats.length]!;
    hand.choice = choice;
    floats.push(fit(STEPS[name]!(hand)));
  }
  const inputs = floats.slice(0, 2);
  // Every value counts, and every leaf has a path to the loss.
  const loss = [...floats, ...variables]
    .map((node) => sum(mul(node, hand.noise(node.shape))))
    .reduce((total, term) => add(total, term));
  const leaves = [...inputs, ...variables];
  const gradients = grad(loss, leaves);
  const taken = graph.variable("steps", 0, "int32");
  // One that no step reads.
  const last = floats.at(-1)!;
  const { shape } = last;
  const data = new Float32Array(sizeOf(shape));
  const record = graph.variable("record", { data, shape });
  return {
    outputs: {
      loss,
      indices: max(hand.indices, [1]),
      ...Object.fromEntries(gradients.map((node, at) => [`d${at}`, node])),
      ...Object.fromEntries(
        floats.flatMap((node, at) =>
          at % 3 === 2 ? [[`value${at}`, node]] : []
        ),
      ),
    },
    updates: [
      ...variables.map((v, at): Update => [
        v,
        sub(v, mul(tanh(gradients[at + 2]!), 0.1)),
      ]),
      [taken, add(taken, 1)],
      [record, last],
    ],
    feeds,
  };
}

/** Brings a result back to rank 3 and moderate size and values. */
function fit(node: Node): Node {
  let kept = node;
  while (kept.shape.length > 3) kept = sum(kept, [1]);
  while (sizeOf(kept.shape) > LARGEST) kept = mean(kept, [-1]);
  return mul(tanh(mul(kept, 1 / LARGEST_VALUE)), LARGEST_VALUE);
}
