/**
 * The distributive law the other way: what a sum's terms share is done once.
 * Whether it pays depends on who else uses the terms, so the pass compares
 * whole graphs.
 */
import { sizeOf } from "../../array.ts";
import { broadcast } from "../../graph/broadcast.ts";
import { product } from "../../graph/einsum.ts";
import { add, sub } from "../../graph/elementwise.ts";
import { gather, scatterAdd } from "../../graph/indexing.ts";
import { reshape } from "../../graph/movement.ts";
import type { Node, NodeOf } from "../../graph/node.ts";
import { broadcastShapes, type Shape } from "../../graph/shape.ts";
import type { Rule } from "../rewrite.ts";
import { sourceOf } from "./patterns.ts";

/** Longer sums are left as they are. */
const MAX_ADDENDS = 6;

function combine(op: Node["op"], a: Node, b: Node): Node {
  return op === "sub" ? sub(a, b) : add(a, b);
}

/** Rules that take common factors out of sums. */
export const FACTOR_RULES: readonly Rule[] = [
  {
    name: "sum of products with a common factor",
    on: ["add", "sub"],
    rewrite({ op, inputs: [a, b] }) {
      return a!.op === "einsum" && b!.op === "einsum"
        ? commonFactor(op, a!, b!)
        : null;
    },
    example(graph) {
      const a = graph.input("a", [4, 3]);
      const b = graph.input("b", [4, 3]);
      const w = graph.input("w", [3, 5]);
      return add(
        product(a, w, "ij", "jk", "ik"),
        product(b, w, "ij", "jk", "ik"),
      );
    },
  },
  {
    name: "sum of scatters to the same rows",
    on: ["add", "sub"],
    rewrite({ op, inputs: [a, b] }) {
      if (a!.op !== "scatterAdd" || b!.op !== "scatterAdd") return null;
      const [indices, left] = a!.inputs as [Node, Node];
      if (b!.inputs[0] !== indices) return null;
      const both = combine(op, left, b!.inputs[1]!);
      return scatterAdd(indices, both, a!.attrs.rows);
    },
    example(graph) {
      const index = graph.input("index", [2], "int32");
      const a = graph.input("a", [2, 3]);
      const b = graph.input("b", [2, 3]);
      return add(scatterAdd(index, a, 5), scatterAdd(index, b, 5));
    },
  },
  {
    name: "sum of lookups of the same rows",
    on: ["add", "sub"],
    rewrite({ op, inputs: [a, b] }) {
      if (a!.op !== "gather" || b!.op !== "gather") return null;
      const [left, indices] = a!.inputs as [Node, Node];
      const [right, others] = b!.inputs as [Node, Node];
      const same = indices === others && left.shape[0] === right.shape[0];
      if (!same || left.dtype !== "float32") return null;
      return gather(combine(op, left, right), indices);
    },
    example(graph) {
      const index = graph.input("index", [9], "int32");
      const a = graph.input("a", [2, 3]);
      const b = graph.input("b", [2, 3]);
      return add(gather(a, index), gather(b, index));
    },
  },
];

function commonFactor(
  op: Node["op"],
  a: NodeOf<"einsum">,
  b: NodeOf<"einsum">,
): Node | null {
  const { labels } = a.attrs;
  const same = labels.a === b.attrs.labels.a && labels.b === b.attrs.labels.b &&
    labels.out === b.attrs.labels.out;
  if (!same) return null;
  const [left, right] = a.inputs as [Node, Node];
  const [otherLeft, otherRight] = b.inputs as [Node, Node];
  if (right === otherRight) {
    const both = combine(op, left, otherLeft);
    return product(both, right, labels.a, labels.b, labels.out);
  }
  if (left === otherLeft) {
    const both = combine(op, right, otherRight);
    return product(left, both, labels.a, labels.b, labels.out);
  }
  return null;
}

/** Rules that add what is repeated before it is repeated. */
export const ADDEND_RULES: readonly Rule[] = [
  {
    name: "repeated addends added first",
    on: ["add"],
    rewrite: addRepeatedFirst,
    example(graph) {
      const x = graph.input("x", [4, 3]);
      const row = graph.input("row", [3]);
      const other = graph.input("other", [3]);
      return add(add(x, row), other);
    },
  },
];

/** Adds the repeated among some addends, in their common shape. */
function addRepeatedFirst(node: Node): Node | null {
  const addends = addendsOf(node);
  const repeated = addends.filter(({ op }) => op === "broadcast");
  if (repeated.length < 2 || addends.length > MAX_ADDENDS) return null;
  const sources = repeated.map((addend) => trimmed(sourceOf(addend)));
  const shape = sources.reduce<Shape>(
    (all, source) => broadcastShapes(all, source.shape, "add"),
    [],
  );
  if (sizeOf(shape) >= sizeOf(node.shape)) return null;
  const small = sources.reduce((total, source) => add(total, source));
  const rest = addends.filter(({ op }) => op !== "broadcast");
  const large = broadcast(small, node.shape);
  return rest.length === 0
    ? large
    : add(rest.reduce((total, addend) => add(total, addend)), large);
}

/** Without leading axes of size 1. */
function trimmed(node: Node): Node {
  const lead = node.shape.findIndex((extent) => extent !== 1);
  return reshape(node, node.shape.slice(lead < 0 ? node.shape.length : lead));
}

function addendsOf(node: Node): Node[] {
  let addends = [node];
  while (addends.length <= MAX_ADDENDS) {
    const at = addends.findIndex(({ op }) => op === "add");
    if (at < 0) break;
    addends = addends.toSpliced(at, 1, ...addends[at]!.inputs);
  }
  return addends;
}
