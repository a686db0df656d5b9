/**
 * Sums of one value over nested sets of axes: the larger sum goes on from the
 * smaller one instead of reading everything again.
 */
import { sum } from "../../graph/broadcast.ts";
import { type Node, reachable } from "../../graph/node.ts";
import { withInputs } from "../rewrite.ts";

type Axes = readonly number[];

/** Lets sums over more axes start from sums over fewer. */
export function shareSums(outputs: readonly Node[]): Node[] {
  const order = reachable(outputs);
  const sums = new Map<Node, Axes[]>();
  for (const node of order) {
    if (node.op !== "sum") continue;
    const [x] = node.inputs as [Node];
    sums.set(x, [...sums.get(x) ?? [], node.attrs.axes]);
  }
  const next = new Map<Node, Node>();
  for (const node of order) {
    const inputs = node.inputs.map((input) => next.get(input)!);
    const known = node.op === "sum" ? sums.get(node.inputs[0]!)! : [];
    next.set(
      node,
      node.op === "sum" && known.length > 1
        ? node.graph.withScope(
          node.scope,
          () => sumFrom(inputs[0]!, node.attrs.axes, known),
        )
        : inputs.every((input, at) => input === node.inputs[at])
        ? node
        : withInputs(node, inputs),
    );
  }
  return outputs.map((node) => next.get(node)!);
}

/** The sum of x over axes, by way of the largest of the known ones within. */
function sumFrom(x: Node, axes: Axes, known: readonly Axes[]): Node {
  const within = known
    .filter((other) =>
      other.length < axes.length && other.every((axis) => axes.includes(axis))
    )
    .sort((a, b) => b.length - a.length)[0];
  if (!within) return sum(x, axes, true);
  const rest = axes.filter((axis) => !within.includes(axis));
  return sum(sumFrom(x, within, known), rest, true);
}
