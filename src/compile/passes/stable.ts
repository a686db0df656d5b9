/**
 * Softmax, cross-entropy and their gradients, as autodiff leaves them, brought
 * to forms with fewer operations over whole rows and no needless underflow. The
 * rules know exponentials and quotients, no layers.
 */
import { broadcast, sum } from "../../graph/broadcast.ts";
import {
  add,
  div,
  equal,
  exp,
  less,
  lessEqual,
  log,
  mul,
  select,
  sub,
} from "../../graph/elementwise.ts";
import { iota } from "../../graph/leaves.ts";
import { reshape } from "../../graph/movement.ts";
import type { Graph, Node } from "../../graph/node.ts";
import type { Rule } from "../rewrite.ts";
import { isUniform, repeatedAxes, sourceOf, withoutAxes } from "./patterns.ts";

/** A quotient whose divisor is repeated along axes. */
interface RowQuotient {
  readonly numerator: Node;
  readonly divisor: Node;
}

function quotientOf(node: Node): RowQuotient | null {
  if (node.op !== "div" || repeatedAxes(node.inputs[1]!).length === 0) {
    return null;
  }
  return { numerator: node.inputs[0]!, divisor: node.inputs[1]! };
}

function rows(graph: Graph): { x: Node; y: Node; total: Node } {
  const x = graph.input("x", [2, 3]);
  const y = graph.input("y", [2, 3]);
  const total = broadcast(add(exp(graph.input("t", [2, 1])), 1), [2, 3]);
  return { x, y, total };
}

/** Rules about quotients by the total of a row. */
const QUOTIENTS: readonly Rule[] = [
  {
    name: "logarithm of a softmax",
    on: ["log"],
    rewrite({ inputs: [x] }) {
      const quotient = quotientOf(x!);
      if (quotient?.numerator.op !== "exp") return null;
      const [power] = quotient.numerator.inputs as [Node];
      const total = sourceOf(quotient.divisor);
      return sub(power, broadcast(log(total), power.shape));
    },
    example(graph) {
      const { x, total } = rows(graph);
      return log(div(exp(x), total));
    },
  },
  {
    name: "sum of products with a quotient",
    on: ["sum"],
    rewrite(node) {
      const [x] = node.inputs as [Node];
      if (node.op !== "sum" || x.op !== "mul") return null;
      for (const [at, factor] of x.inputs.entries()) {
        const quotient = quotientOf(factor);
        const once = quotient &&
          withoutAxes(quotient.divisor, node.attrs.axes);
        // Of a softmax the weights are there anyway, and undivided they are not.
        if (!once || quotient.numerator.op === "exp") continue;
        const product = mul(quotient.numerator, x.inputs[1 - at]!);
        return div(sum(product, node.attrs.axes, true), once);
      }
      return null;
    },
    example(graph) {
      const { x, y, total } = rows(graph);
      return sum(mul(div(x, total), y), [1], true);
    },
  },
  {
    name: "difference of quotients",
    on: ["add", "sub"],
    rewrite({ op, inputs: [a, b] }) {
      const left = quotientOf(a!);
      const right = b!.op === "broadcast" && b!.inputs[0]!.op === "div"
        ? b!.inputs[0]!
        : null;
      if (!left || !right) return null;
      const [numerator, divisor] = right.inputs as [Node, Node];
      // Equal divisors are the same node, once repeated alike.
      if (broadcast(divisor, a!.shape) !== left.divisor) return null;
      const repeated = broadcast(numerator, a!.shape);
      const combined = op === "add"
        ? add(left.numerator, repeated)
        : sub(left.numerator, repeated);
      return div(combined, left.divisor);
    },
    example(graph) {
      const { x, total } = rows(graph);
      const one = sourceOf(total);
      return sub(div(x, total), div(graph.input("r", [2, 1]), one));
    },
  },
  {
    name: "quotient times an exponential",
    on: ["mul"],
    rewrite({ inputs }) {
      for (const [at, factor] of inputs.entries()) {
        const quotient = quotientOf(factor);
        const other = inputs[1 - at]!;
        if (!quotient || other.op !== "exp") continue;
        if (quotient.numerator.op === "exp") continue;
        // The weights themselves, which the forward pass has computed.
        return mul(quotient.numerator, div(other, quotient.divisor));
      }
      return null;
    },
    example(graph) {
      const { x, y, total } = rows(graph);
      return mul(div(x, total), exp(y));
    },
  },
];

/** A one-hot condition along an axis: the index, and how many there are. */
interface OneHot {
  readonly index: Node;
  readonly size: number;
}

/** Recognises iota along the only summed axis compared with a row's index. */
function oneHotOf(condition: Node, axes: readonly number[]): OneHot | null {
  if (condition.op !== "equal" || axes.length !== 1) return null;
  const [axis] = axes as [number];
  for (const [at, side] of condition.inputs.entries()) {
    const source = sourceOf(side);
    const position = source.shape.length - condition.shape.length + axis;
    const flat = source.op === "reshape" ? source.inputs[0]! : source;
    const along = flat.op === "iota" && position >= 0 &&
      source.shape[position] === flat.attrs.size;
    if (!along || flat.op !== "iota") continue;
    const index = withoutAxes(condition.inputs[1 - at]!, axes);
    if (index) return { index, size: flat.attrs.size };
  }
  return null;
}

/** The value where the index is one of the row's, else the other one. */
function whereHit({ index, size }: OneHot, value: Node, rest: Node): Node {
  const below = select(less(index, size), value, rest);
  return select(lessEqual(0, index), below, rest);
}

/** In shorter rows looking at every element is as quick. */
const LONG_ROW = 8;

/** The parts of a sum over select(one-hot, value, 0). */
function pickOf(
  node: Node,
): { hit: OneHot; condition: Node; value: Node; zero: Node } | null {
  const [x] = node.inputs as [Node];
  if (node.op !== "sum" || x.op !== "select") return null;
  const [condition, value, zero] = x.inputs as [Node, Node, Node];
  if (!isUniform(zero, 0) && !isUniform(zero, -0)) return null;
  const hit = oneHotOf(condition, node.attrs.axes);
  return hit && hit.size >= LONG_ROW ? { hit, condition, value, zero } : null;
}

function hits(graph: Graph): { condition: Node; row: Node } {
  const index = reshape(graph.input("index", [2], "int32"), [2, 1]);
  const row = graph.input("row", [2, 1]);
  return { condition: equal(index, iota(index, LONG_ROW)), row };
}

/** Rules about sums in which one element at most is not 0. */
const PICKS: readonly Rule[] = [
  {
    name: "one of equals picked from a row",
    on: ["sum"],
    rewrite(node) {
      const pick = pickOf(node);
      if (!pick || node.op !== "sum") return null;
      const once = withoutAxes(pick.value, node.attrs.axes);
      return once &&
        whereHit(pick.hit, once, broadcast(node.graph.constant(0), once.shape));
    },
    example(graph) {
      const { condition, row } = hits(graph);
      return sum(select(condition, row, 0), [1], true);
    },
  },
  {
    name: "shifted element picked from a row",
    on: ["sum"],
    rewrite(node) {
      const pick = pickOf(node);
      if (!pick || node.op !== "sum" || pick.value.op !== "sub") return null;
      const [x, shift] = pick.value.inputs as [Node, Node];
      const once = withoutAxes(shift, node.attrs.axes);
      if (!once) return null;
      const picked = sum(
        select(pick.condition, x, pick.zero),
        node.attrs.axes,
        true,
      );
      return sub(
        picked,
        whereHit(pick.hit, once, broadcast(node.graph.constant(0), once.shape)),
      );
    },
    example(graph) {
      const { condition, row } = hits(graph);
      const x = graph.input("x", [2, LONG_ROW]);
      return sum(select(condition, sub(x, row), 0), [1], true);
    },
  },
];

/** Rules about softmax, cross-entropy and their gradients. */
export const STABLE_RULES: readonly Rule[] = [...QUOTIENTS, ...PICKS];
