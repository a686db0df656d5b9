/**
 * Concatenations and slices taken apart around products, so that every part can
 * be regrouped by itself.
 */
import { broadcast } from "../../graph/broadcast.ts";
import { product } from "../../graph/einsum.ts";
import { add } from "../../graph/elementwise.ts";
import { concatenate, slice } from "../../graph/movement.ts";
import type { Node, NodeOf } from "../../graph/node.ts";
import type { Rule } from "../rewrite.ts";

/** More parts than these make too many small products. */
const MAX_PARTS = 4;

/** Products with concatenations, and slices of what is computed. */
export const SPLIT_RULES: readonly Rule[] = [
  {
    name: "product with a concatenation, part by part",
    on: ["einsum"],
    rewrite: (node) => node.op === "einsum" ? splitProduct(node) : null,
    example(graph) {
      const a = graph.input("a", [4, 3]);
      const b = graph.input("b", [4, 2]);
      const w = graph.input("w", [5, 6]);
      return product(concatenate([a, b]), w, "ij", "jk", "ik");
    },
  },
  {
    name: "slice of a product as product of slices",
    on: ["slice"],
    rewrite: (node) => node.op === "slice" ? sliceProduct(node) : null,
    example(graph) {
      const a = graph.input("a", [4, 3]);
      const w = graph.input("w", [3, 6]);
      return slice(product(a, w, "ij", "jk", "ik"), [1, 0], [4, 2]);
    },
  },
  {
    name: "slice of a sum as sum of slices",
    on: ["slice"],
    rewrite: (node) => node.op === "slice" ? sliceElementwise(node) : null,
    example(graph) {
      const a = graph.input("a", [4, 3]);
      const b = graph.input("b", [3]);
      return slice(add(a, b), [1, 1], [3, 3]);
    },
  },
];

function splitProduct(node: NodeOf<"einsum">): Node | null {
  const { labels } = node.attrs;
  for (const [side, operand] of node.inputs.entries()) {
    if (operand.op !== "concatenate") continue;
    if (operand.inputs.length > MAX_PARTS) continue;
    const own = side === 0 ? labels.a : labels.b;
    const { axis } = operand.attrs;
    const label = own[axis]!;
    const other = node.inputs[1 - side]!;
    const shared = (side === 0 ? labels.b : labels.a).indexOf(label);
    let start = 0;
    const parts = operand.inputs.map((part) => {
      const end = start + part.shape[axis]!;
      const rest = shared < 0 ? other : block(other, shared, start, end);
      start = end;
      return side === 0
        ? product(part, rest, labels.a, labels.b, labels.out)
        : product(rest, part, labels.a, labels.b, labels.out);
    });
    const out = labels.out.indexOf(label);
    return out < 0
      ? parts.reduce((total, part) => add(total, part))
      : concatenate(parts, out);
  }
  return null;
}

/** The block from start to end along one axis. */
function block(node: Node, axis: number, start: number, end: number): Node {
  const first = node.shape.map(() => 0).with(axis, start);
  return slice(node, first, node.shape.with(axis, end));
}

function sliceProduct(node: NodeOf<"slice">): Node | null {
  const [inner] = node.inputs as [Node];
  if (inner.op !== "einsum") return null;
  const { labels } = inner.attrs;
  const { start, end } = node.attrs;
  const sides = [labels.a, labels.b];
  const [a, b] = inner.inputs.map((operand, side) => {
    const axes = Array.from(sides[side]!, (label) => labels.out.indexOf(label));
    return slice(
      operand,
      axes.map((axis) => axis < 0 ? 0 : start[axis]!),
      axes.map((axis, own) => axis < 0 ? operand.shape[own]! : end[axis]!),
    );
  });
  return product(a!, b!, labels.a, labels.b, labels.out);
}

function sliceElementwise(node: NodeOf<"slice">): Node | null {
  const [inner] = node.inputs as [Node];
  const { start, end } = node.attrs;
  if (inner.op === "add") {
    const [a, b] = inner.inputs as [Node, Node];
    return add(slice(a, start, end), slice(b, start, end));
  }
  if (inner.op !== "broadcast") return null;
  const [x] = inner.inputs as [Node];
  const offset = inner.shape.length - x.shape.length;
  const repeated = (axis: number): boolean =>
    x.shape[axis] === 1 && inner.shape[axis + offset] !== 1;
  const part = slice(
    x,
    x.shape.map((_, axis) => repeated(axis) ? 0 : start[axis + offset]!),
    x.shape.map((_, axis) => repeated(axis) ? 1 : end[axis + offset]!),
  );
  return broadcast(part, node.shape);
}
