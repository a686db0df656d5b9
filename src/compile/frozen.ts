/**
 * What frozen variables alone decide: it is computed once for many steps.
 */
import { type Node, reachable } from "../graph/node.ts";

/** How many steps what is computed beforehand serves, where nothing is said. */
export const FROZEN_STEPS = 8;

/** Variables that stay for a while. */
export interface Frozen {
  readonly variables: readonly Node[];
  /**
   * About how many steps they stay for: the work of what they alone decide is
   * counted once for so many.
   */
  readonly steps: number;
}

/** Where every variable may change with each step. */
export const NOTHING_FROZEN: Frozen = { variables: [], steps: 1 };

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
  { variables }: Pick<Frozen, "variables">,
): ReadonlySet<Node> {
  return variables.length === 0
    ? new Set()
    : fixedIn(reachable(outputs), variables);
}
