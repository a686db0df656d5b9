/**
 * What frozen variables alone decide: it is computed once for many steps.
 */
import { type Node, reachable } from "../graph/node.ts";

/** What is computed once for many steps counts for this share of its work. */
export const FROZEN_SHARE = 1 / 8;

/**
 * The nodes that stay from step to step.
 *
 * @param order Nodes in topological order.
 * @param frozen The variables that stay.
 * @returns These, constants, and all that depends on nothing else.
 */
export function fixedIn(
  order: readonly Node[],
  frozen: Iterable<Node>,
): Set<Node> {
  const fixed = new Set(frozen);
  for (const node of order) {
    const known = node.op === "constant" || node.op === "iota" ||
      (node.inputs.length > 0 && node.inputs.every((x) => fixed.has(x)));
    if (known) fixed.add(node);
  }
  return fixed;
}

/** The same of all that outputs depend on; nothing where nothing is frozen. */
export function fixedBelow(
  outputs: readonly Node[],
  frozen: readonly Node[],
): ReadonlySet<Node> {
  return frozen.length === 0 ? new Set() : fixedIn(reachable(outputs), frozen);
}
