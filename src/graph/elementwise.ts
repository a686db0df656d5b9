/**
 * Operations that work element by element: arithmetic, comparison, select and
 * the transcendental functions. Builders broadcast their operands; the records
 * see equal shapes only.
 */
import { describe, formatShape, type NDArray, sameShape } from "../array.ts";
import { broadcast } from "./broadcast.ts";
import type { DType, Node, NodeType } from "./node.ts";
import { apply, type OpDef, type OpFamily } from "./op.ts";
import { broadcastShapes, type Shape, ShapeError } from "./shape.ts";

/** A node, or a number that becomes a constant. */
export type Operand = Node | number;

type Unary = "neg" | "abs" | "exp" | "log" | "tanh" | "sqrt" | "sigmoid";
type Arithmetic = "add" | "sub" | "mul" | "div" | "maximum" | "minimum";
type Comparison = "equal" | "less" | "lessEqual";

/** The op records of this family. */
export const ELEMENTWISE: OpFamily<
  Unary | Arithmetic | Comparison | "select" | "cast" | "stopGradient"
> = {
  neg: unary((x) => -x, (dy) => neg(dy)),
  abs: unary(Math.abs, (dy, x) => mul(dy, sign(x))),
  exp: unary(Math.exp, (dy, _, y) => mul(dy, y)),
  log: unary(Math.log, (dy, x) => div(dy, x)),
  tanh: unary(Math.tanh, (dy, _, y) => mul(dy, sub(1, mul(y, y)))),
  sqrt: unary(Math.sqrt, (dy, _, y) => div(mul(dy, 0.5), y)),
  sigmoid: unary(
    (x) => 1 / (1 + Math.exp(-x)),
    (dy, _, y) => mul(dy, mul(y, sub(1, y))),
  ),
  add: binary((a, b) => a + b, (dy) => [dy, dy]),
  sub: binary((a, b) => a - b, (dy) => [dy, neg(dy)]),
  mul: {
    ...binary((a, b) => a * b, (dy, a, b) => [mul(dy, b), mul(dy, a)]),
    evaluate([a, b], out) {
      // A double holds no product of two large int32 exactly.
      const integers = out.data instanceof Int32Array;
      for (let i = 0; i < out.data.length; i++) {
        const x = a!.data[i]!;
        const y = b!.data[i]!;
        out.data[i] = integers ? Math.imul(x, y) : x * y;
      }
    },
  },
  div: {
    ...binary((a, b) => a / b, (dy, _, b, y) => {
      const scaled = div(dy, b);
      return [scaled, neg(mul(scaled, y))];
    }),
    infer: (inputs) => sameType("div", inputs, "float32"),
  },
  maximum: binary(Math.max, (dy, a, b) => shareOf(dy, a, b)),
  minimum: binary(Math.min, (dy, a, b) => shareOf(dy, b, a)),
  equal: comparison((a, b) => a === b),
  less: comparison((a, b) => a < b),
  lessEqual: comparison((a, b) => a <= b),
  select: {
    infer([condition, a, b]) {
      if (condition!.dtype !== "int32") {
        throw new TypeError(
          `Cannot select by a ${condition!.dtype} condition: ` +
            `wanted int32, as comparisons give it`,
        );
      }
      const type = sameType("select", [a!, b!]);
      checkSameShape("select", condition!.shape, type.shape);
      return type;
    },
    vjp: (dy, { inputs: [condition] }) => [
      null,
      select(condition!, dy, 0),
      select(condition!, 0, dy),
    ],
    evaluate([condition, a, b], out) {
      for (let i = 0; i < out.data.length; i++) {
        out.data[i] = (condition!.data[i] ? a : b)!.data[i]!;
      }
    },
  },
  cast: {
    infer: ([x], { dtype }) => ({ shape: x!.shape, dtype }),
    // Only between float32 and int32, and integers carry no gradient.
    vjp: null,
    evaluate([x], out) {
      for (let i = 0; i < out.data.length; i++) {
        const value = x!.data[i]!;
        out.data[i] = out.data instanceof Int32Array
          ? Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(value) || 0))
          : value;
      }
    },
  },
  stopGradient: {
    infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
    vjp: null,
    evaluate: ([x], out) => out.data.set(x!.data),
  },
};

function unary(
  f: (x: number) => number,
  vjp: (dy: Node, x: Node, y: Node) => Node,
): OpDef<Unary> {
  return {
    infer([x]) {
      if (x!.dtype === "float32") return { shape: x!.shape, dtype: "float32" };
      throw new TypeError(
        `Cannot apply a real function to int32 ${formatShape(x!.shape)}: ` +
          `wanted float32, see toFloat`,
      );
    },
    vjp: (dy, node) => [vjp(dy, node.inputs[0]!, node as Node)],
    evaluate([x], out) {
      for (let i = 0; i < out.data.length; i++) out.data[i] = f(x!.data[i]!);
    },
  };
}

function binary(
  f: (a: number, b: number) => number,
  vjp: (dy: Node, a: Node, b: Node, y: Node) => Node[],
): OpDef<Arithmetic> {
  return {
    infer: (inputs) => sameType("combine", inputs),
    vjp: (dy, node) => vjp(dy, node.inputs[0]!, node.inputs[1]!, node as Node),
    evaluate: elementByElement(f),
  };
}

function comparison(f: (a: number, b: number) => boolean): OpDef<Comparison> {
  return {
    infer: (inputs) => ({ ...sameType("compare", inputs), dtype: "int32" }),
    vjp: null,
    evaluate: elementByElement((a, b) => f(a, b) ? 1 : 0),
  };
}

function elementByElement(
  f: (a: number, b: number) => number,
): (inputs: readonly NDArray[], out: NDArray) => void {
  return ([a, b], out) => {
    for (let i = 0; i < out.data.length; i++) {
      out.data[i] = f(a!.data[i]!, b!.data[i]!);
    }
  };
}

function checkSameShape(action: string, a: Shape, b: Shape): void {
  if (sameShape(a, b)) return;
  throw new ShapeError(
    `Cannot ${action} shapes ${formatShape(a)} and ${formatShape(b)}: ` +
      `wanted equal shapes`,
  );
}

function sameType(
  action: string,
  [a, b]: readonly Node[],
  wanted?: DType,
): NodeType {
  if (a!.dtype !== b!.dtype || (wanted && a!.dtype !== wanted)) {
    throw new TypeError(
      `Cannot ${action} ${a!.dtype} and ${b!.dtype}: wanted ` +
        `${wanted ?? "equal dtypes"}, see toFloat and toInt`,
    );
  }
  checkSameShape(action, a!.shape, b!.shape);
  return { shape: a!.shape, dtype: a!.dtype };
}

/** The gradients of max(a, b): all to the larger, half each where equal. */
function shareOf(dy: Node, a: Node, b: Node): Node[] {
  const half = mul(dy, 0.5);
  const tie = equal(a, b);
  return [
    select(tie, half, select(less(b, a), dy, 0)),
    select(tie, half, select(less(a, b), dy, 0)),
  ];
}

function sign(x: Node): Node {
  return select(less(0, x), 1, select(less(x, 0), -1, 0));
}

/** Makes operands nodes of one shape; numbers take the others' dtype. */
function together(
  action: string,
  operands: readonly Operand[],
  dtypes?: readonly (DType | undefined)[],
): Node[] {
  const model = operands.find((operand) => typeof operand !== "number");
  if (model === undefined) {
    throw new TypeError(
      `Cannot ${action} numbers alone: wanted at least one node`,
    );
  }
  const typed = operands.find((operand, at): operand is Node =>
    typeof operand !== "number" && dtypes?.[at] === undefined
  );
  const nodes = operands.map((operand, at) => {
    if (typeof operand === "number") {
      const dtype = dtypes?.[at] ?? typed?.dtype ?? "float32";
      return model.graph.constant(operand, dtype);
    }
    if (
      typeof operand !== "object" || operand === null || !("graph" in operand)
    ) {
      throw new TypeError(
        `Cannot ${action} ${describe(operand)}: wanted a node or a number`,
      );
    }
    return operand;
  });
  const shape = nodes.reduce<Shape>(
    (all, node) => broadcastShapes(all, node.shape, action),
    [],
  );
  return nodes.map((node) => broadcast(node, shape));
}

function combine(op: Arithmetic | Comparison, a: Operand, b: Operand): Node {
  return apply(ELEMENTWISE, op, together(op, [a, b]), {});
}

function map(op: Unary, x: Node): Node {
  return apply(ELEMENTWISE, op, [x], {});
}

/**
 * Sum, element by element. Broadcasts; float32 or int32.
 *
 * @param a A node or a number.
 * @param b A node or a number.
 * @returns The common shape.
 * @throws {ShapeError} If the shapes do not broadcast to a common one.
 * @throws {TypeError} If the dtypes differ.
 *
 * @example A row added to every row
 * ```ts
 * import { add, compile, Graph, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const x = graph.constant([[1, 2], [3, 4]]);
 * const y = add(x, graph.constant([10, 20]));
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [
 *   [11, 22],
 *   [13, 24],
 * ]);
 * ```
 */
export function add(a: Operand, b: Operand): Node {
  return combine("add", a, b);
}

/** Difference, element by element. Broadcasts; float32 or int32. */
export function sub(a: Operand, b: Operand): Node {
  return combine("sub", a, b);
}

/** Product, element by element. Broadcasts; float32 or int32. */
export function mul(a: Operand, b: Operand): Node {
  return combine("mul", a, b);
}

/** Quotient, element by element. Broadcasts; float32. */
export function div(a: Operand, b: Operand): Node {
  return combine("div", a, b);
}

/**
 * The larger of two, element by element; NaN where either is. Where they are
 * equal each gets half the gradient.
 */
export function maximum(a: Operand, b: Operand): Node {
  return combine("maximum", a, b);
}

/** The smaller of two, element by element; otherwise as {@linkcode maximum}. */
export function minimum(a: Operand, b: Operand): Node {
  return combine("minimum", a, b);
}

/** 1 where a = b, else 0, as int32. Broadcasts. NaN equals nothing. */
export function equal(a: Operand, b: Operand): Node {
  return combine("equal", a, b);
}

/** 1 where a < b, else 0, as int32. Broadcasts. */
export function less(a: Operand, b: Operand): Node {
  return combine("less", a, b);
}

/** 1 where a <= b, else 0, as int32. Broadcasts. */
export function lessEqual(a: Operand, b: Operand): Node {
  return combine("lessEqual", a, b);
}

/** 1 where a > b, else 0, as int32. Broadcasts. */
export function greater(a: Operand, b: Operand): Node {
  return combine("less", b, a);
}

/** 1 where a >= b, else 0, as int32. Broadcasts. */
export function greaterEqual(a: Operand, b: Operand): Node {
  return combine("lessEqual", b, a);
}

/**
 * Takes `a` where the condition is not 0, else `b`. What is not taken does not
 * reach the result, be it NaN or infinite, and gets the gradient 0; behind it a
 * rule may still make NaN of that 0, such as that of log at 0.
 *
 * @param condition int32, as comparisons give it.
 * @param a Broadcasts with the others.
 * @param b Broadcasts with the others.
 * @returns The common shape.
 *
 * @example No NaN where it is not taken
 * ```ts
 * import {
 *   compile,
 *   Graph,
 *   less,
 *   select,
 *   sqrt,
 *   toNested,
 * } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const x = graph.constant([4, -1]);
 * const y = select(less(x, 0), 0, sqrt(x));
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [2, 0]);
 * ```
 */
export function select(condition: Node, a: Operand, b: Operand): Node {
  const operands = together("select", [condition, a, b], ["int32"]);
  return apply(ELEMENTWISE, "select", operands, {});
}

/** The negative. float32. */
export function neg(x: Node): Node {
  return map("neg", x);
}

/** The magnitude; gradient 0 at 0. float32. */
export function abs(x: Node): Node {
  return map("abs", x);
}

/** e to the power of x. float32. */
export function exp(x: Node): Node {
  return map("exp", x);
}

/** The natural logarithm; -Infinity at 0, NaN below. float32. */
export function log(x: Node): Node {
  return map("log", x);
}

/** The hyperbolic tangent. float32. */
export function tanh(x: Node): Node {
  return map("tanh", x);
}

/** The square root; NaN below 0. float32. */
export function sqrt(x: Node): Node {
  return map("sqrt", x);
}

/** The logistic function 1 / (1 + exp(-x)). float32. */
export function sigmoid(x: Node): Node {
  return map("sigmoid", x);
}

/** int32 as float32; magnitudes above 2^24 are rounded. */
export function toFloat(x: Node): Node {
  if (x.dtype === "float32") return x;
  return apply(ELEMENTWISE, "cast", [x], { dtype: "float32" });
}

/** float32 as int32: rounded towards 0, bounded to 32 bits, NaN becomes 0. */
export function toInt(x: Node): Node {
  if (x.dtype === "int32") return x;
  return apply(ELEMENTWISE, "cast", [x], { dtype: "int32" });
}

/** The same value, through which no gradient flows. */
export function stopGradient(x: Node): Node {
  return apply(ELEMENTWISE, "stopGradient", [x], {});
}
