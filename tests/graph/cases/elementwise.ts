// Cases of leaves and of operations that work element by element.
import {
  abs,
  add,
  div,
  equal,
  exp,
  greater,
  greaterEqual,
  less,
  lessEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  type Operand,
  select,
  sigmoid,
  sqrt,
  stopGradient,
  sub,
  tanh,
  toFloat,
  toInt,
} from "../../../src/graph/elementwise.ts";
import { iota } from "../../../src/graph/leaves.ts";
import type { Node } from "../../../src/graph/node.ts";
import type { Shape } from "../../../src/graph/shape.ts";
import {
  away,
  type CaseInput,
  distinct,
  exactly,
  integers,
  type OpCase,
  opCase,
  uniform,
} from "./case.ts";

const SPECIAL = [NaN, Infinity, -Infinity, 0, -0, 1e-40, -3e38, 1.5];

const LEAF_CASES: readonly OpCase[] = [
  opCase("input", "as output", [uniform([3, 4])], (x) => x),
  opCase(
    "variable",
    "added to an input",
    [uniform([4])],
    (x) => add(x, x.graph.variable("w", [0.5, -1, 2, 0.25])),
  ),
  opCase(
    "constant",
    "vector",
    [uniform([3, 4])],
    (x) => mul(x, x.graph.constant([1, -2, 0.5, 4])),
  ),
  opCase(
    "constant",
    "scalar",
    [uniform([5])],
    (x) => sub(x.graph.constant(1), x),
  ),
  opCase(
    "constant",
    "int32",
    [integers([3], -5, 6)],
    (x) => mul(x, x.graph.constant([2, -3, 7], "int32")),
  ),
  ...[1, 5].map((size) =>
    opCase(
      "iota",
      `of ${size}`,
      [uniform([3, 1])],
      (x) => mul(x, toFloat(iota(x, size))),
    )
  ),
];

const SHAPES: readonly Shape[] = [[], [1], [3, 4], [5, 1, 3]];

function unary(
  op: string,
  build: (x: Node) => Node,
  draw: (shape: Shape) => CaseInput,
): OpCase[] {
  return [
    ...SHAPES.map((shape) => opCase(op, `of (${shape})`, [draw(shape)], build)),
    opCase(op, "of special values", [exactly([8], SPECIAL)], build, []),
  ];
}

const PAIRS: readonly (readonly [Shape, Shape])[] = [
  [[3, 4], [3, 4]],
  [[3, 4], [4]],
  [[4], [3, 4]],
  [[3, 1], [1, 5]],
  [[], [3]],
  [[5], []],
  [[5, 1, 3], [4, 1]],
  [[1], [1]],
];

const PAIRED_SPECIAL = [
  exactly([6, 1], [NaN, Infinity, -Infinity, 0, -0, 2]),
  exactly([6], [NaN, Infinity, -Infinity, 0, -0, 2]),
];

function arithmetic(
  op: string,
  build: (a: Operand, b: Operand) => Node,
  left: (shape: Shape) => CaseInput,
  right: (shape: Shape) => CaseInput,
): OpCase[] {
  return [
    ...PAIRS.map(([a, b]) =>
      opCase(op, `(${a}) by (${b})`, [left(a), right(b)], build)
    ),
    opCase(op, "by a number", [left([3])], (x) => build(x, 1.57)),
    opCase(op, "of a number", [right([3])], (x) => build(1.57, x)),
    opCase(op, "special values", PAIRED_SPECIAL, build, []),
  ];
}

function whole(
  op: string,
  build: (a: Operand, b: Operand) => Node,
): OpCase[] {
  const large = exactly([3], [2 ** 31 - 1, -(2 ** 31), 123456789], "int32");
  return [
    opCase(op, "int32", [integers([3, 4], -9, 9), integers([4], -9, 9)], build),
    opCase(op, "int32, large", [large, integers([5, 1], -99, 99)], build),
    opCase(
      op,
      "int32 and a number",
      [integers([5], -9, 9)],
      (x) => build(x, 3),
    ),
  ];
}

function comparison(
  op: string,
  build: (a: Operand, b: Operand) => Node,
): OpCase[] {
  const few = (shape: Shape): CaseInput => integers(shape, 0, 3);
  return [
    opCase(
      op,
      "float32 (3, 4) by (4)",
      [uniform([3, 4]), uniform([4])],
      build,
      [],
    ),
    opCase(
      op,
      "float32 with ties",
      [few([5, 1]), few([4])],
      (a, b) => build(toFloat(a), toFloat(b)),
    ),
    opCase(op, "int32 (3, 1) by (1, 5)", [few([3, 1]), few([1, 5])], build),
    opCase(op, "by a number", [few([5])], (a) => build(a, 1)),
    opCase(op, "special values", PAIRED_SPECIAL, build, []),
  ];
}

const bits = (shape: Shape): CaseInput => integers(shape, 0, 2);

const SELECT_CASES: readonly OpCase[] = [
  opCase("select", "equal shapes", [
    bits([3, 4]),
    uniform([3, 4]),
    uniform([3, 4]),
  ], select),
  opCase("select", "broadcast condition", [
    bits([4]),
    uniform([3, 4]),
    uniform([3, 1]),
  ], select),
  opCase("select", "broadcast operands", [
    bits([5, 3, 1]),
    uniform([]),
    uniform([4]),
  ], select),
  opCase(
    "select",
    "a number",
    [bits([5]), uniform([5])],
    (c, x) => select(c, 0, x),
  ),
  opCase("select", "any integer but 0 is true", [
    exactly([4], [0, -1, 7, 1], "int32"),
    uniform([4]),
    uniform([4]),
  ], select),
  opCase(
    "select",
    "int32",
    [bits([4]), integers([4], -9, 9)],
    (c, x) => select(c, x, -1),
  ),
  opCase(
    "select",
    "special values",
    [bits([8]), exactly([8], SPECIAL), uniform([8])],
    select,
    [],
  ),
];

const CAST_CASES: readonly OpCase[] = [
  opCase(
    "cast",
    "to float32",
    [integers([3, 4], -9, 9), uniform([4])],
    (i, x) => mul(toFloat(i), x),
  ),
  opCase("cast", "to int32", [uniform([5, 3], -9, 9)], toInt, []),
  opCase(
    "cast",
    "special values",
    [exactly([6], [NaN, Infinity, -Infinity, 3e9, -3e9, -0.5])],
    toInt,
    [],
  ),
  opCase(
    "stopGradient",
    "beside a path",
    [uniform([3]), uniform([3])],
    (x, y) => mul(stopGradient(x), y),
    [1],
  ),
  opCase("stopGradient", "alone", [uniform([1, 5])], stopGradient, []),
  opCase("stopGradient", "int32", [integers([4], -9, 9)], stopGradient),
];

/** Cases of leaves and elementwise operations. */
export const ELEMENTWISE_CASES: readonly OpCase[] = [
  ...LEAF_CASES,
  ...unary("neg", neg, uniform),
  ...unary("abs", abs, away),
  ...unary("exp", exp, uniform),
  ...unary("log", log, (shape) => uniform(shape, 0.3, 3)),
  ...unary("tanh", tanh, uniform),
  ...unary("sqrt", sqrt, (shape) => uniform(shape, 0.3, 3)),
  ...unary("sigmoid", sigmoid, (shape) => uniform(shape, -5, 5)),
  ...arithmetic("add", add, uniform, uniform),
  ...arithmetic("sub", sub, uniform, uniform),
  ...arithmetic("mul", mul, uniform, uniform),
  ...arithmetic("div", div, uniform, (shape) => away(shape, 0.4)),
  ...arithmetic("maximum", maximum, distinct, (shape) => distinct(shape, 0.1)),
  ...arithmetic("minimum", minimum, distinct, (shape) => distinct(shape, 0.1)),
  ...whole("add", add),
  ...whole("sub", sub),
  ...whole("mul", mul),
  ...whole("maximum", maximum),
  ...whole("minimum", minimum),
  ...comparison("equal", equal),
  ...comparison("less", less),
  ...comparison("lessEqual", lessEqual),
  ...comparison("greater", greater),
  ...comparison("greaterEqual", greaterEqual),
  ...SELECT_CASES,
  ...CAST_CASES,
];
