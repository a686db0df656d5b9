/**
 * Products that read their operands as they are: transposes become labels,
 * repeated axes and numbers stay out of the inner loop.
 */
import { sizeOf } from "../../array.ts";
import { broadcast, sum } from "../../graph/broadcast.ts";
import { product } from "../../graph/einsum.ts";
import { mul } from "../../graph/elementwise.ts";
import { reshape, transpose } from "../../graph/movement.ts";
import type { Graph, Node, NodeOf } from "../../graph/node.ts";
import type { Rule } from "../rewrite.ts";
import { repeatedAxes, sourceOf } from "./patterns.ts";

/** A product on other operands and labels. */
interface Operand {
  readonly node: Node;
  readonly labels: string;
}

function operandsOf(
  { inputs, attrs: { labels } }: NodeOf<"einsum">,
): Operand[] {
  return [
    { node: inputs[0]!, labels: labels.a },
    { node: inputs[1]!, labels: labels.b },
  ];
}

function multiply([a, b]: readonly Operand[], out: string): Node {
  return product(a!.node, b!.node, a!.labels, b!.labels, out);
}

function inputs(graph: Graph): [Node, Node] {
  return [graph.input("x", [4, 3]), graph.input("w", [3, 5])];
}

/** Rules about single products. */
export const PRODUCT_RULES: readonly Rule[] = [
  {
    name: "product with a transpose",
    on: ["einsum"],
    rewrite(node) {
      if (node.op !== "einsum") return null;
      if (!node.inputs.some(({ op }) => op === "transpose")) return null;
      const operands = operandsOf(node).map(({ node, labels }) =>
        node.op === "transpose"
          ? {
            node: node.inputs[0]!,
            labels: Array.from(labels, (_, axis) =>
              labels[node.attrs.order.indexOf(axis)]!).join(""),
          }
          : { node, labels }
      );
      return multiply(operands, node.attrs.labels.out);
    },
    example(graph) {
      const [x, w] = inputs(graph);
      return product(transpose(x), w, "ji", "jk", "ik");
    },
  },
  {
    name: "transpose of a product",
    on: ["transpose"],
    rewrite(node) {
      const [x] = node.inputs as [Node];
      if (node.op !== "transpose" || x.op !== "einsum") return null;
      const { out } = x.attrs.labels;
      const order = node.attrs.order.map((axis) => out[axis]!);
      return multiply(operandsOf(x), order.join(""));
    },
    example(graph) {
      const [x, w] = inputs(graph);
      return transpose(product(x, w, "ij", "jk", "ik"));
    },
  },
  {
    name: "product with what is repeated",
    on: ["einsum"],
    rewrite: (node) => node.op === "einsum" ? dropRepeated(node) : null,
    example(graph) {
      const [x, w] = inputs(graph);
      const all = broadcast(w, [2, 3, 5]);
      return product(x, all, "ij", "bjk", "bik");
    },
  },
  {
    name: "product with a multiple",
    on: ["einsum"],
    rewrite: (node) => node.op === "einsum" ? pullNumber(node) : null,
    example(graph) {
      const x = graph.input("x", [8, 8]);
      const y = graph.input("y", [8]);
      return product(mul(x, 3), y, "ij", "j", "i");
    },
  },
];

/** Reads the source of a repetition; counts or repeats the result instead. */
function dropRepeated(node: NodeOf<"einsum">): Node | null {
  const { out } = node.attrs.labels;
  const operands = operandsOf(node);
  for (const [side, { node: operand, labels }] of operands.entries()) {
    const axes = repeatedAxes(operand);
    if (axes.length === 0) continue;
    const source = sourceOf(operand);
    const offset = operand.shape.length - source.shape.length;
    const kept = [...labels].filter((_, axis) => !axes.includes(axis)).join("");
    const shape = [...source.shape].filter((_, axis) =>
      !axes.includes(axis + offset)
    );
    // Leading axes of size 1 that the source lacks count as repeated too.
    const lost = kept.length - shape.length;
    const small = { node: reshape(source, shape), labels: kept.slice(lost) };
    const changed = operands.with(side, small);
    const [a, b] = changed.map((own, at) =>
      sumAlone(own, changed[1 - at]!.labels + out)
    );
    const known = a!.labels + b!.labels;
    const count = [...labels].reduce(
      (size, label, axis) =>
        known.includes(label) || out.includes(label) ||
          operands[1 - side]!.labels.includes(label)
          ? size
          : size * operand.shape[axis]!,
      1,
    );
    const rest = [...out].filter((label) => known.includes(label)).join("");
    const value = multiply([a!, b!], rest);
    const scaled = count === 1 ? value : mul(value, count);
    const unit = node.shape.map((extent, axis) =>
      known.includes(out[axis]!) ? extent : 1
    );
    return broadcast(reshape(scaled, unit), node.shape);
  }
  return null;
}

/** Sums over the axes of an operand that nobody else has. */
function sumAlone({ node, labels }: Operand, others: string): Operand {
  const alone = [...labels].flatMap((label, axis) =>
    others.includes(label) ? [] : [axis]
  );
  return {
    node: sum(node, alone),
    labels: [...labels].filter((label) => others.includes(label)).join(""),
  };
}

/** (c x) y = c (x y) where the result is smaller than x. */
function pullNumber(node: NodeOf<"einsum">): Node | null {
  const operands = operandsOf(node);
  for (const [side, { node: operand, labels }] of operands.entries()) {
    if (operand.op !== "mul") continue;
    if (sizeOf(node.shape) * 2 > sizeOf(operand.shape)) continue;
    for (const [at, factor] of operand.inputs.entries()) {
      const number = sourceOf(factor);
      if (factor.op !== "broadcast" || sizeOf(number.shape) !== 1) continue;
      const x = { node: operand.inputs[1 - at]!, labels };
      const value = multiply(operands.with(side, x), node.attrs.labels.out);
      return mul(value, reshape(number, []));
    }
  }
  return null;
}
