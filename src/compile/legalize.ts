/**
 * Brings a graph into the form that kernels take: maxima run along rows, and
 * the operands of products lie so that vectors can be read from them.
 */
import { sizeOf } from "../array.ts";
import { product, rolesOf } from "../graph/einsum.ts";
import { stopGradient } from "../graph/elementwise.ts";
import { reshape, transpose } from "../graph/movement.ts";
import { type Node, type NodeOf, reachable } from "../graph/node.ts";
import { recordOf } from "../graph/ops.ts";
import { argmax, max } from "../graph/reduce.ts";

/** From so many rows on, a transposed copy of the right operand pays. */
const SHARING_ROWS = 64;

/** A graph in legal form. */
export interface Legal {
  /** The new node for each of the results. */
  readonly of: (node: Node) => Node;
  /** Views that must be copied, for the sake of how they lie in memory. */
  readonly copies: ReadonlySet<Node>;
}

/**
 * Rewrites what some nodes depend on. A result that is a variable becomes a
 * copy: what is read must not change with the update of that variable.
 */
export function legalize(
  roots: readonly Node[],
  results: readonly Node[],
): Legal {
  const next = new Map<Node, Node>();
  const copies = new Set<Node>();
  for (const node of reachable(roots)) {
    const inputs = node.inputs.map((input) => next.get(input)!);
    const same = inputs.every((input, at) => input === node.inputs[at]);
    const rebuilt = same ? node : rebuild(node, inputs);
    const legal = rebuilt.graph.withScope(
      rebuilt.scope,
      () => legalNode(rebuilt, copies),
    );
    next.set(node, legal);
  }
  const variables = new Map<Node, Node>();
  for (const node of results) {
    if (node.op !== "variable") continue;
    const copy = stopGradient(node);
    copies.add(copy);
    variables.set(node, copy);
  }
  const of = (node: Node): Node => variables.get(node) ?? next.get(node)!;
  return { of, copies };
}

/** The same operation on other operands of the same types. */
export function rebuild(node: Node, inputs: readonly Node[]): Node {
  return node.graph.withScope(node.scope, () =>
    node.graph.intern(
      node.op,
      inputs,
      node.attrs as never,
      recordOf(node).infer(inputs, node.attrs),
    ));
}

function legalNode(node: Node, copies: Set<Node>): Node {
  switch (node.op) {
    case "max":
    case "argmax":
      return alongRow(node);
    case "einsum":
      return readable(node, copies);
    default:
      return node;
  }
}

/** A maximum over other axes than the last: move them there, as one. */
function alongRow(node: NodeOf<"max"> | NodeOf<"argmax">): Node {
  const [x] = node.inputs as [Node];
  const { axes } = node.attrs;
  const rank = x.shape.length;
  const large = axes.filter((axis) => x.shape[axis] !== 1);
  if (large.length === 0 || (large.length === 1 && large[0] === rank - 1)) {
    return node as Node;
  }
  const kept = [...x.shape.keys()].filter((axis) => !axes.includes(axis));
  const moved = transpose(x, [...kept, ...axes]);
  const rows = reshape(moved, [
    ...kept.map((axis) => x.shape[axis]!),
    sizeOf(axes.map((axis) => x.shape[axis]!)),
  ]);
  const reduced = node.op === "max" ? max(rows, [-1]) : argmax(rows, [-1]);
  return reshape(reduced, node.shape);
}

/**
 * Vectors run along the result's last axis, so one operand must too; or along
 * what is summed over, in both. Otherwise that operand is copied.
 */
function readable(node: NodeOf<"einsum">, copies: Set<Node>): Node {
  let { a, b } = node.attrs.labels;
  const { out } = node.attrs.labels;
  let [left, right] = node.inputs as [Node, Node];
  const last = out.at(-1) ?? "";
  if (a.includes(last) === b.includes(last)) return node as Node;
  if (a.includes(last)) [a, b, left, right] = [b, a, right, left];
  const { batch, m, k, n } = rolesOf({ a, b, out });
  const inner = k.at(-1);
  const dots = inner !== undefined && a.at(-1) === inner && b.at(-1) === inner;
  // Sums across lanes cost more than a copy that enough rows share.
  const rows = sizeOf([...m].map((label) => left.shape[a.indexOf(label)]!));
  const dotsPay = batch !== "" || rows < SHARING_ROWS;
  if (b.at(-1) === last || (dots && dotsPay)) return node as Node;
  const order = [...batch, ...k, ...n].join("");
  const copy = transpose(right, Array.from(order, (l) => b.indexOf(l)));
  copies.add(copy);
  return product(left, copy, a, order, out);
}
