/**
 * Elementwise operations that change nothing, cancel one another, or are said
 * more simply. What could hide a NaN or an infinity stays: x 0 is not 0, and
 * x - x is not 0 either.
 */
import { broadcast, sum } from "../../graph/broadcast.ts";
import {
  add,
  less,
  mul,
  neg,
  select,
  stopGradient,
  sub,
  toFloat,
  toInt,
} from "../../graph/elementwise.ts";
import type { Graph, Node } from "../../graph/node.ts";
import type { Rule } from "../rewrite.ts";
import { isUniform, sourceOf, uniformValue } from "./patterns.ts";

function input(graph: Graph, name = "x"): Node {
  return graph.input(name, [2, 3]);
}

/** The operand that is not a neutral element, if the other one is. */
function unlessNeutral(node: Node, neutral: number): Node | null {
  const [a, b] = node.inputs as [Node, Node];
  if (isUniform(b, neutral)) return a;
  return isUniform(a, neutral) ? b : null;
}

/** Rules about arithmetic. */
const ARITHMETIC: readonly Rule[] = [
  {
    name: "adding 0",
    on: ["add"],
    rewrite: (node) => unlessNeutral(node, 0),
    example: (graph) => add(input(graph), 0),
  },
  {
    name: "subtracting 0",
    on: ["sub"],
    rewrite: ({ inputs: [a, b] }) => isUniform(b!, 0) ? a! : null,
    example: (graph) => sub(input(graph), 0),
  },
  {
    name: "multiplying by 1",
    on: ["mul"],
    rewrite: (node) => unlessNeutral(node, 1),
    example: (graph) => mul(1, input(graph)),
  },
  {
    name: "dividing by 1",
    on: ["div"],
    rewrite: ({ inputs: [a, b] }) => isUniform(b!, 1) ? a! : null,
    example: (graph) => {
      const x = input(graph);
      return x.graph.intern(
        "div",
        [x, broadcast(graph.constant(1), x.shape)],
        {},
        x,
      );
    },
  },
  {
    name: "negating twice",
    on: ["neg"],
    rewrite: ({ inputs: [x] }) => x!.op === "neg" ? x!.inputs[0]! : null,
    example: (graph) => neg(neg(input(graph))),
  },
  {
    name: "adding a negative",
    on: ["add"],
    rewrite({ inputs: [a, b] }) {
      const right = negated(b!);
      if (right) return sub(a!, right);
      const left = negated(a!);
      return left ? sub(b!, left) : null;
    },
    example: (graph) => add(input(graph), neg(input(graph, "y"))),
  },
  {
    name: "subtracting a negative",
    on: ["sub"],
    rewrite({ inputs: [a, b] }) {
      const right = negated(b!);
      return right ? add(a!, right) : null;
    },
    example: (graph) => sub(input(graph), neg(input(graph, "y"))),
  },
  {
    name: "sum of negatives",
    on: ["sum"],
    rewrite(node) {
      if (node.op !== "sum") return null;
      const [x] = node.inputs as [Node];
      return x.op === "neg"
        ? neg(sum(x.inputs[0]!, node.attrs.axes, true))
        : null;
    },
    example: (graph) => sum(neg(input(graph)), [1]),
  },
  {
    name: "multiplying by two numbers",
    on: ["mul"],
    rewrite: mergeFactors,
    example: (graph) => mul(mul(input(graph), 3), 5),
  },
];

/** What a node is the negative of, through repetition. */
function negated(node: Node): Node | null {
  if (node.op === "neg") return node.inputs[0]!;
  if (node.op !== "broadcast") return null;
  const [source] = node.inputs as [Node];
  return source.op === "neg" ? broadcast(source.inputs[0]!, node.shape) : null;
}

/** (x c) d = x (c d), unless the product of the numbers leaves float32. */
function mergeFactors(node: Node): Node | null {
  if (node.dtype !== "float32") return null;
  const outer = factorOf(node);
  if (outer === null || outer.x.op !== "mul") return null;
  const inner = factorOf(outer.x);
  if (inner === null) return null;
  const factor = outer.factor * inner.factor;
  const size = Math.abs(factor);
  if (!(size > 1e-30 && size < 1e30)) return null;
  return mul(inner.x, factor);
}

function factorOf({ inputs }: Node): { x: Node; factor: number } | null {
  const [a, b] = inputs as [Node, Node];
  const right = uniformValue(b);
  if (right !== null) return { x: a, factor: right };
  const left = uniformValue(a);
  return left === null ? null : { x: b, factor: left };
}

/** Rules about choice and type. */
const CHOICES: readonly Rule[] = [
  {
    name: "selecting by a constant",
    on: ["select"],
    rewrite({ inputs: [condition, a, b] }) {
      const value = uniformValue(condition!);
      return value === null ? null : value !== 0 ? a! : b!;
    },
    example: (graph) =>
      select(graph.constant(1, "int32"), input(graph), input(graph, "y")),
  },
  {
    name: "selecting between equals",
    on: ["select"],
    rewrite: ({ inputs: [, a, b] }) => a === b ? a! : null,
    example(graph) {
      const x = input(graph);
      return select(less(x, 0), x, x);
    },
  },
  {
    name: "selecting twice by one condition",
    on: ["select"],
    rewrite({ inputs: [condition, a, b] }) {
      const same = (node: Node): boolean =>
        node.op === "select" && node.inputs[0] === condition;
      if (!same(a!) && !same(b!)) return null;
      return select(
        condition!,
        same(a!) ? a!.inputs[1]! : a!,
        same(b!) ? b!.inputs[2]! : b!,
      );
    },
    example(graph) {
      const x = input(graph);
      const condition = less(x, 0);
      return select(condition, select(condition, x, 1), 2);
    },
  },
  {
    name: "negating a choice of numbers",
    on: ["neg"],
    rewrite({ inputs: [x] }) {
      if (x!.op !== "select") return null;
      const [condition, a, b] = x!.inputs as [Node, Node, Node];
      const known = uniformValue(a) !== null && uniformValue(b) !== null;
      const negative = (x: Node) => broadcast(neg(sourceOf(x)), x.shape);
      return known ? select(condition, negative(a), negative(b)) : null;
    },
    example: (graph) => neg(select(less(input(graph), 0), 1, 2)),
  },
  {
    name: "no gradient needed any more",
    on: ["stopGradient"],
    rewrite: ({ inputs: [x] }) => x!,
    example: (graph) => stopGradient(input(graph)),
  },
  {
    name: "cast of a comparison there and back",
    on: ["cast"],
    rewrite({ dtype, inputs: [x] }) {
      if (x!.op !== "cast") return null;
      const [source] = x!.inputs as [Node];
      const bits = source.op === "equal" || source.op === "less" ||
        source.op === "lessEqual";
      return bits && source.dtype === dtype ? source : null;
    },
    example: (graph) => toInt(toFloat(less(input(graph), 0))),
  },
];

/** Rules that say elementwise work more simply. */
export const IDENTITY_RULES: readonly Rule[] = [...ARITHMETIC, ...CHOICES];
