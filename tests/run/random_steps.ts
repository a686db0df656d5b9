// The steps random graphs are made of: one use each of the public operations,
// arranged such that every value stays small and, but for those listed as
// margins, smooth.
import { broadcast, sum } from "../../src/graph/broadcast.ts";
import {
  attention,
  crossEntropy,
  gelu,
  layerNorm,
  logSoftmax,
  maskedSoftmax,
  oneHot,
  relu,
  softmax,
} from "../../src/graph/composite.ts";
import { einsum, matmul } from "../../src/graph/einsum.ts";
import {
  abs,
  add,
  div,
  equal,
  exp,
  less,
  lessEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  select,
  sigmoid,
  sqrt,
  stopGradient,
  sub,
  tanh,
  toFloat,
  toInt,
} from "../../src/graph/elementwise.ts";
import { gather, scatterAdd } from "../../src/graph/indexing.ts";
import {
  concatenate,
  pad,
  reshape,
  slice,
  transpose,
} from "../../src/graph/movement.ts";
import type { Node } from "../../src/graph/node.ts";
import { argmax, max, mean } from "../../src/graph/reduce.ts";

/** What a step is given to work with. */
export interface Hand {
  /** Two float32 values made before, of any shapes. */
  readonly a: Node;
  readonly b: Node;
  /** An int32 value made before. */
  readonly i: Node;
  /** A number from 0 on, for choices such as an axis. */
  readonly choice: number;
  /** Random numbers of a shape, so that no tie comes by construction. */
  readonly noise: (shape: readonly number[]) => Node;
  /** The same function is not smooth where this is 0. */
  readonly margin: (distance: Node) => void;
}

type Step = (hand: Hand) => Node;

/** `b` with the axes summed over that do not broadcast with `a`. */
function fitted({ a, b }: Hand): Node {
  const axes = [...b.shape.keys()].filter((axis) => {
    const opposite = a.shape[axis - b.shape.length + a.shape.length] ?? 1;
    return b.shape[axis] !== 1 && opposite !== 1 && opposite !== b.shape[axis];
  });
  return sum(b, axes, true);
}

/** `x` shifted off whatever ties its making has given it. */
function shifted(x: Node, { noise }: Hand): Node {
  return add(x, noise(x.shape));
}

function compared(
  hand: Hand,
  build: (a: Node, b: Node) => Node,
): Node {
  const a = shifted(hand.a, hand);
  const b = fitted(hand);
  hand.margin(sub(a, b));
  return build(a, b);
}

/** Marks where the largest of some elements changes. */
function markMax(x: Node, axes: readonly number[], hand: Hand): void {
  const top = max(x, axes, true);
  const best = equal(x, top);
  const second = max(select(best, -1e9, x), axes, true);
  hand.margin(sub(top, second));
  // Of two that are exactly equal, neither is the second.
  const ties = sum(select(best, 1, 0), axes, true);
  hand.margin(select(less(ties, 1.5), 1, 0));
}

/** None, one or all axes. */
function someAxes(x: Node, choice: number): number[] {
  const rank = x.shape.length;
  const all = [...x.shape.keys()];
  const at = choice % (rank + 2);
  return at < rank ? [at] : at === rank ? all : all.slice(1);
}

function positive(x: Node): Node {
  return add(mul(x, x), 0.5);
}

/** As a matrix or a stack of matrices. */
function matrix(x: Node): Node {
  return x.shape.length >= 2 ? x : reshape(x, [-1, 1]);
}

/** As rows, for lookups and normalisation. */
function rows(x: Node): Node {
  return x.shape.length >= 1 ? x : reshape(x, [1]);
}

/** Indices brought into [0, size). */
function bounded(i: Node, size: number): Node {
  return minimum(maximum(i, 0), size - 1);
}

function product(hand: Hand): Node {
  const a = matrix(hand.a);
  const b = matrix(hand.b);
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      const inner = a.shape.at(transposeA ? -2 : -1) ===
        b.shape.at(transposeB ? -1 : -2);
      const batches = a.shape.length + b.shape.length < 6 ||
        a.shape[0] === b.shape[0] || a.shape[0] === 1 || b.shape[0] === 1;
      if (inner && batches) return matmul(a, b, { transposeA, transposeB });
    }
  }
  return matmul(a, a, { transposeB: true });
}

function rounded(hand: Hand): Node {
  const x = shifted(mul(hand.a, 3), hand);
  const whole = toInt(x);
  const rest = abs(sub(x, toFloat(whole)));
  hand.margin(rest);
  hand.margin(sub(1, rest));
  return whole;
}

function largest(hand: Hand, build: typeof max): Node {
  const x = shifted(rows(hand.a), hand);
  const axes = someAxes(x, hand.choice);
  markMax(x, axes, hand);
  return build(x, axes, hand.choice % 2 === 0);
}

function attended(hand: Hand): Node {
  const x = matrix(hand.a);
  const scores = x.shape.at(-2)!;
  const mask = less(hand.noise([scores, scores]), 0);
  return attention(x, x, x, hand.choice % 2 ? mask : undefined).output;
}

/** Steps that give float32. */
export const FLOAT_STEPS: Readonly<Record<string, Step>> = {
  add: (hand) => add(hand.a, fitted(hand)),
  sub: (hand) => sub(hand.a, fitted(hand)),
  mul: (hand) => mul(hand.a, fitted(hand)),
  div: (hand) => div(hand.a, positive(fitted(hand))),
  square: ({ a }) => mul(a, a),
  maximum: (hand) => compared(hand, maximum),
  minimum: (hand) => compared(hand, minimum),
  select: (hand) =>
    compared(hand, (a, b) => select(lessEqual(a, b), mul(a, 2), b)),
  selectByInteger: ({ a, i }) => select(less(max(i), 2), a, neg(a)),
  neg: ({ a }) => neg(a),
  abs: (hand) => {
    const x = shifted(hand.a, hand);
    hand.margin(x);
    return abs(x);
  },
  relu: (hand) => {
    const x = shifted(hand.a, hand);
    hand.margin(x);
    return relu(x);
  },
  exp: ({ a }) => exp(tanh(a)),
  log: ({ a }) => log(positive(a)),
  sqrt: ({ a }) => sqrt(positive(a)),
  tanh: ({ a }) => tanh(a),
  sigmoid: ({ a }) => sigmoid(a),
  gelu: ({ a }) => gelu(a),
  reshape: ({ a, choice }) => reshape(a, [[-1], [1, -1], [-1, 1]][choice % 3]!),
  transpose: ({ a, choice }) =>
    a.shape.length === 3 && choice % 2 ? transpose(a, [1, 2, 0]) : transpose(a),
  slice: ({ a, choice }) =>
    slice(a, a.shape.map((extent) => extent > 1 && choice % 2 ? 1 : 0)),
  pad: ({ a, choice }) =>
    pad(
      a,
      a.shape.map((extent) => extent < 5 ? choice % 2 : 0),
      a.shape.map((extent) => extent < 4 ? 1 : 0),
    ),
  concatenate: (hand) => {
    const a = rows(hand.a);
    return concatenate([a, mul(a, 2)], hand.choice % a.shape.length);
  },
  broadcast: ({ a, choice }) => broadcast(a, [1 + choice % 4, ...a.shape]),
  sum: ({ a, choice }) => sum(a, someAxes(a, choice), choice % 2 === 0),
  mean: ({ a, choice }) => mean(a, someAxes(a, choice), choice % 2 === 0),
  max: (hand) => largest(hand, max),
  matmul: product,
  einsum: ({ a }) => {
    const x = matrix(a);
    return x.shape.length === 2
      ? einsum("ij,ik->kj", x, x)
      : einsum("bij,bik->jbk", x, x);
  },
  gather: (hand) => {
    const table = rows(hand.a);
    return gather(table, bounded(hand.i, table.shape[0]!));
  },
  scatterAdd: (hand) => {
    const x = rows(hand.a);
    const size = x.shape[0]!;
    const flat = bounded(reshape(hand.i, [-1]), 2);
    const index = gather(flat, bounded(toInt(hand.noise([size])), 1));
    return scatterAdd(index, x, 3);
  },
  softmax: ({ a, choice }) => softmax(rows(a), choice % 2 ? 0 : -1),
  logSoftmax: ({ a }) => logSoftmax(rows(a)),
  maskedSoftmax: (hand) => {
    const x = rows(hand.a);
    return maskedSoftmax(x, less(hand.noise(x.shape), 0.3));
  },
  layerNorm: (hand) => {
    const x = rows(hand.a);
    const size = [x.shape.at(-1)!];
    return layerNorm(x, hand.noise(size), hand.noise(size), 0.5);
  },
  crossEntropy: (hand) => {
    const x = rows(hand.a);
    const target = hand.choice % x.shape.at(-1)!;
    const targets = toInt(mul(hand.noise(x.shape.slice(0, -1)), 0));
    return crossEntropy(x, add(targets, target));
  },
  attention: attended,
  // Of integers: differences would see through it, gradients do not.
  stopGradient: ({ a, i }) => mul(a, mean(stopGradient(toFloat(i)))),
  toFloat: ({ a, i }) => mul(a, mean(toFloat(i))),
};

/** Steps that give int32. */
export const INT_STEPS: Readonly<Record<string, Step>> = {
  toInt: rounded,
  argmax: (hand) => largest(hand, argmax),
  less: (hand) => compared(hand, less),
  addInteger: ({ i }) => add(i, 1),
  subInteger: ({ i }) => sub(3, i),
  mulInteger: ({ i, choice }) => bounded(mul(i, choice % 3), 5),
  maxInteger: ({ i, choice }) => max(i, someAxes(i, choice)),
  oneHot: ({ i }) => oneHot(reshape(i, [-1]), 3),
  equal: ({ i }) => equal(i, 1),
};

/** Steps whose values can be larger than their operands'. */
export const GROWING: ReadonlySet<string> = new Set([
  "add",
  "sub",
  "mul",
  "div",
  "square",
  "select",
  "concatenate",
  "sum",
  "matmul",
  "einsum",
  "scatterAdd",
  "logSoftmax",
  "layerNorm",
  "crossEntropy",
  "stopGradient",
  "toFloat",
]);
