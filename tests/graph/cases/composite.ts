// Cases of the functions built from operations.
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
} from "../../../src/graph/composite.ts";
import { mul, toFloat } from "../../../src/graph/elementwise.ts";
import type { Node } from "../../../src/graph/node.ts";
import type { Shape } from "../../../src/graph/shape.ts";
import {
  away,
  exactly,
  integers,
  type OpCase,
  opCase,
  uniform,
} from "./case.ts";

function alongAxes(
  op: string,
  build: (x: Node, axis?: number) => Node,
): OpCase[] {
  const uses: readonly (readonly [Shape, number | undefined])[] = [
    [[5], undefined],
    [[3, 4], undefined],
    [[3, 4], 0],
    [[4, 3, 5], 1],
    [[3, 1], -1],
    [[1, 5, 1], -2],
  ];
  return [
    ...uses.map(([shape, axis]) =>
      opCase(
        op,
        `(${shape}) along ${axis ?? "the last"}`,
        [uniform(shape)],
        (x) => build(x, axis),
      )
    ),
    opCase(
      op,
      "large values",
      [uniform([3, 5], -900, 900)],
      (x) => build(x),
      [],
    ),
  ];
}

/** A mask with a row wholly blocked, one wholly allowed, and mixed ones. */
const MASK = exactly(
  [4, 5],
  [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0],
  "int32",
);
const CAUSAL = exactly([3, 3], [1, 0, 0, 1, 1, 0, 1, 1, 1], "int32");

const NORMAL_CASES: readonly OpCase[] = [
  opCase(
    "layerNorm",
    "(4)",
    [uniform([4]), uniform([4]), uniform([4])],
    (x, gain, bias) => layerNorm(x, gain, bias),
  ),
  opCase(
    "layerNorm",
    "(5, 3)",
    [uniform([5, 3]), uniform([3]), uniform([3])],
    (x, gain, bias) => layerNorm(x, gain, bias),
  ),
  opCase("layerNorm", "(3, 1, 5) with another epsilon", [
    uniform([3, 1, 5]),
    uniform([5]),
    uniform([5]),
  ], (x, gain, bias) => layerNorm(x, gain, bias, 0.1)),
  opCase("layerNorm", "one element a row", [
    uniform([3, 1]),
    uniform([1]),
    uniform([1]),
  ], (x, gain, bias) => layerNorm(x, gain, bias)),
];

const MASKED_CASES: readonly OpCase[] = [
  opCase(
    "maskedSoftmax",
    "a mask of the shape",
    [uniform([4, 5]), MASK],
    maskedSoftmax,
  ),
  opCase(
    "maskedSoftmax",
    "a mask for every batch",
    [uniform([3, 4, 5]), MASK],
    maskedSoftmax,
  ),
  opCase("maskedSoftmax", "a mask for all rows", [
    uniform([3, 4]),
    exactly([4], [1, 0, 1, 1], "int32"),
  ], maskedSoftmax),
  opCase("maskedSoftmax", "one column", [
    uniform([3, 1]),
    exactly([3, 1], [1, 0, 1], "int32"),
  ], maskedSoftmax),
  opCase(
    "maskedSoftmax",
    "NaN where blocked",
    [
      exactly([2, 3], [NaN, 1, 2, 3, NaN, NaN]),
      exactly([2, 3], [0, 1, 1, 0, 0, 0], "int32"),
    ],
    maskedSoftmax,
    [],
  ),
];

const plainCrossEntropy = (logits: Node, targets: Node): Node =>
  crossEntropy(logits, targets);

const LOSS_CASES: readonly OpCase[] = [
  opCase(
    "oneHot",
    "times a matrix",
    [integers([3, 4], 0, 5), uniform([5])],
    (i, x) => mul(toFloat(oneHot(i, 5)), x),
  ),
  opCase("oneHot", "of a scalar", [integers([], 0, 4)], (i) => oneHot(i, 4)),
  opCase("oneHot", "of depth 1", [integers([3], 0, 2)], (i) => oneHot(i, 1)),
  opCase(
    "crossEntropy",
    "(5) and ()",
    [uniform([5]), integers([], 0, 5)],
    plainCrossEntropy,
  ),
  opCase("crossEntropy", "(3, 4) and (3)", [
    uniform([3, 4]),
    integers([3], 0, 4),
  ], plainCrossEntropy),
  opCase("crossEntropy", "(4, 3, 5) and (4, 3)", [
    uniform([4, 3, 5]),
    integers([4, 3], 0, 5),
  ], plainCrossEntropy),
  opCase(
    "crossEntropy",
    "one class",
    [uniform([3, 1]), integers([3], 0, 1)],
    plainCrossEntropy,
  ),
  opCase(
    "crossEntropy",
    "large logits",
    [uniform([4, 3], -900, 900), integers([4], 0, 3)],
    plainCrossEntropy,
    [],
  ),
  opCase(
    "crossEntropy",
    "smoothed",
    [uniform([4, 3, 5]), integers([4, 3], 0, 5)],
    (logits, targets) => crossEntropy(logits, targets, { labelSmoothing: 0.1 }),
  ),
  opCase(
    "crossEntropy",
    "smoothed, one class",
    [uniform([3, 1]), integers([3], 0, 1)],
    (logits, targets) => crossEntropy(logits, targets, { labelSmoothing: 0.4 }),
  ),
];

const output = (q: Node, k: Node, v: Node, mask?: Node): Node =>
  attention(q, k, v, mask).output;

const ATTENTION_CASES: readonly OpCase[] = [
  opCase("attention", "one batch", [
    uniform([4, 3]),
    uniform([5, 3]),
    uniform([5, 1]),
  ], output),
  opCase("attention", "batched", [
    uniform([3, 4, 5]),
    uniform([3, 1, 5]),
    uniform([3, 1, 4]),
  ], output),
  opCase(
    "attention",
    "weights",
    [uniform([3, 4]), uniform([5, 4])],
    (q, k) => attention(q, k, k).weights,
  ),
  opCase(
    "attention",
    "of itself, causal",
    [uniform([5, 3, 4]), CAUSAL],
    (x, mask) => output(x, x, x, mask),
  ),
  opCase("attention", "with a row blocked", [
    uniform([4, 3]),
    uniform([5, 3]),
    uniform([5, 3]),
    MASK,
  ], output),
];

/** Cases of the composites. */
export const COMPOSITE_CASES: readonly OpCase[] = [
  ...[[], [1], [3, 4], [5, 1, 3]].flatMap((shape) => [
    opCase("relu", `of (${shape})`, [away(shape)], relu),
    opCase("gelu", `of (${shape})`, [uniform(shape, -4, 4)], gelu),
  ]),
  opCase(
    "relu",
    "of special values",
    [exactly([5], [NaN, Infinity, -Infinity, 0, -0])],
    relu,
    [],
  ),
  ...alongAxes("softmax", softmax),
  ...alongAxes("logSoftmax", logSoftmax),
  ...MASKED_CASES,
  ...LOSS_CASES,
  ...NORMAL_CASES,
  ...ATTENTION_CASES,
];
