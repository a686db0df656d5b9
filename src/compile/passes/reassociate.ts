/**
 * Reassociation by cost. Lookups, scatters, repetitions and sums are products
 * with zeros and ones, so they commute with products: a table may be multiplied
 * before rows are looked up in it, gradients be added into a table before they
 * are multiplied, chains of products be grouped anew. Every linear region is
 * unfolded into a network and multiplied out again in the cheapest way.
 */
import { type Node, reachable } from "../../graph/node.ts";
import { Builder } from "../builder.ts";
import { graphCost } from "../cost.ts";
import { fixedBelow, type Frozen, NOTHING_FROZEN } from "../frozen.ts";
import { type Network, Networks } from "../network.ts";
import { applyRules, type OnRule } from "../rewrite.ts";
import { SPLIT_RULES } from "./split.ts";

/** Totals closer than this are equal, and the graph stays as it was. */
const WORTHWHILE = 0.999;

/**
 * Regroups products where that makes the whole graph cheaper: with
 * concatenations and slices taken apart if that pays, else as they are.
 *
 * @param outputs The nodes to start from.
 * @param onRule Called for each concatenation and slice taken apart.
 * @param frozen Variables that stay for many steps.
 * @returns Equal nodes; the same ones where nothing is gained.
 */
export function regroup(
  outputs: readonly Node[],
  onRule?: OnRule,
  frozen: Frozen = NOTHING_FROZEN,
): Node[] {
  const split = applyRules(outputs, SPLIT_RULES, onRule);
  const same = split.every((node, at) => node === outputs[at]);
  const regrouped = reassociate(split, frozen);
  if (same || isCheaper(regrouped, outputs, frozen)) return regrouped;
  return reassociate(outputs, frozen);
}

function isCheaper(
  after: readonly Node[],
  before: readonly Node[],
  frozen: Frozen,
): boolean {
  const [less, most] = [after, before].map((outputs) =>
    graphCost(outputs, frozen).total
  ) as [number, number];
  return less < most * WORTHWHILE;
}

/**
 * Regroups products where that makes the whole graph cheaper.
 *
 * @param outputs The nodes to start from.
 * @param frozen Variables that stay for many steps.
 * @returns Equal nodes; `outputs` itself where nothing is gained.
 */
export function reassociate(
  outputs: readonly Node[],
  frozen: Frozen = NOTHING_FROZEN,
): Node[] {
  const order = reachable(outputs);
  const networks = new Networks(
    order,
    fixedBelow(outputs, frozen),
    frozen.steps,
  );
  const rigid = new Set<Node>();
  for (;;) {
    const roots = findRoots(outputs, order, networks, rigid);
    const builder = new Builder(networks);
    const stuck = inBuildOrder(roots).find(([node, { network }]) =>
      !builder.rebuild(node, network)
    );
    if (stuck) {
      // Rare, and each time one region less is regrouped.
      rigid.add(stuck[0]);
      continue;
    }
    const rebuilt = outputs.map((node) => builder.valueOf(node));
    return isCheaper(rebuilt, outputs, frozen) ? rebuilt : [...outputs];
  }
}

/** What must exist, and what it needs. */
interface Root {
  /** Its network, if it can be regrouped. */
  readonly network: Network | null;
  /** The values it needs however it is computed. */
  readonly needs: readonly Node[];
}

/**
 * What must exist however products are grouped, users first: outputs, operands
 * of nonlinear operations, and what networks take as it is.
 */
function findRoots(
  outputs: readonly Node[],
  order: readonly Node[],
  networks: Networks,
  rigid: ReadonlySet<Node>,
): Map<Node, Root> {
  const wanted = new Set(outputs);
  const roots = new Map<Node, Root>();
  for (const node of order.toReversed()) {
    if (!wanted.has(node)) continue;
    const network = isRegroupable(node) && !rigid.has(node)
      ? networks.of(node)
      : null;
    const needs = network ? networks.valuesOf(network) : node.inputs;
    for (const input of needs) wanted.add(input);
    roots.set(node, { network, needs });
  }
  return roots;
}

/**
 * Operands before users, and sums over axes as late as can be: where the same
 * product is needed whole as well, it should be there already.
 */
function inBuildOrder(roots: ReadonlyMap<Node, Root>): [Node, Root][] {
  const downwards = [...roots.keys()];
  // A stack: what comes last here is built first.
  const pending = [
    ...downwards.filter(({ op }) => op === "sum"),
    ...downwards.filter(({ op }) => op !== "sum"),
  ];
  const done = new Set<Node>();
  const order: [Node, Root][] = [];
  for (let node = pending.at(-1); node; node = pending.at(-1)) {
    const root = roots.get(node)!;
    const missing = root.needs.find((input) => !done.has(input));
    if (missing !== undefined && !done.has(node)) {
      pending.push(missing);
      continue;
    }
    pending.pop();
    if (done.has(node)) continue;
    done.add(node);
    order.push([node, root]);
  }
  return order;
}

function isRegroupable({ op, inputs, dtype }: Node): boolean {
  if (dtype !== "float32") return false;
  if (op === "einsum" || op === "scatterAdd") return true;
  // A plain lookup or sum of a value leaves nothing to choose.
  return (op === "gather" || op === "sum") && !PLAIN.has(inputs[0]!.op);
}

const PLAIN: ReadonlySet<Node["op"]> = new Set([
  "input",
  "variable",
  "constant",
  "mul",
  "div",
  "exp",
  "select",
  "cast",
  "max",
]);
