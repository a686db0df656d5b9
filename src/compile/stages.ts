/**
 * Decides what is done once a step and what is done tile by tile along the
 * batch. Stages alternate: 0 works on whole arrays, 1 is a loop over tiles, 2
 * works on whole arrays again with what stage 1 has accumulated, and so on.
 * What frozen variables alone decide is done before, once for many steps.
 */
import { isLeaf } from "../graph/leaves.ts";
import type { Node } from "../graph/node.ts";
import { fixedIn } from "./frozen.ts";

/** How a node relates to the batch axis. */
export type Share =
  /** Has no batch axis, or is not cut along it. */
  | "whole"
  /** Its first axis is the batch: a tile holds a slice of it. */
  | "tiled"
  /** Sums over the batch: every tile adds to it. */
  | "accumulated";

/** Where a node belongs. */
export interface Stage {
  /** Even for whole work, odd for a loop over tiles. */
  readonly at: number;
  /** How the node relates to the batch axis. */
  readonly share: Share;
}

/** The stages of a graph. */
export interface Stages {
  /** The size of the batch axis; 1 where nothing is cut. */
  readonly batch: number;
  /** The stage of every node. */
  readonly of: ReadonlyMap<Node, Stage>;
}

/** The stage of what is computed once for many steps. */
export const PREPARED = -2;

/** Assigns every node a stage. */
export function assignStages(
  order: readonly Node[],
  frozen: ReadonlySet<Node>,
): Stages {
  const batch = batchOf(order);
  const stages = new Map<Node, Stage>();
  for (const node of order) stages.set(node, stageOf(node, batch, stages));
  sink(order, stages);
  for (const node of fixedIn(order, frozen)) {
    if (!isLeaf(node.op)) stages.set(node, { at: PREPARED, share: "whole" });
  }
  return { batch, of: stages };
}

/**
 * Whole work that only later whole work needs moves there: what both compute
 * then shares loops, and nothing is kept meanwhile.
 */
function sink(order: readonly Node[], stages: Map<Node, Stage>): void {
  const firstUse = new Map<Node, number>();
  for (const node of [...order].reverse()) {
    const stage = stages.get(node)!;
    const use = firstUse.get(node);
    const at = use !== undefined && use > stage.at && use % 2 === 0 &&
        stage.at % 2 === 0 && !isLeaf(node.op)
      ? use
      : stage.at;
    if (at !== stage.at) stages.set(node, { ...stage, at });
    for (const input of node.inputs) {
      firstUse.set(input, Math.min(at, firstUse.get(input) ?? at));
    }
  }
}

/** The commonest first extent of the inputs: that of the batch. */
function batchOf(order: readonly Node[]): number {
  const votes = new Map<number, number>();
  for (const node of order) {
    if (node.op !== "input" || node.shape.length === 0) continue;
    const extent = node.shape[0]!;
    votes.set(extent, (votes.get(extent) ?? 0) + 1);
  }
  let batch = 1;
  let most = 0;
  for (const [extent, count] of votes) {
    if (count > most && extent > 1) [batch, most] = [extent, count];
  }
  return batch;
}

function stageOf(
  node: Node,
  batch: number,
  stages: ReadonlyMap<Node, Stage>,
): Stage {
  if (isLeaf(node.op)) {
    const cut = node.op === "input" && batch > 1 && node.shape[0] === batch;
    return { at: 0, share: cut ? "tiled" : "whole" };
  }
  const inputs = node.inputs.map((input) => stages.get(input)!);
  const share = shareOf(node, inputs, batch);
  let at = 0;
  for (const [i, input] of inputs.entries()) {
    // Sums over the batch are complete only once the loop is over; so is what
    // must be seen whole. Leaves are there from the start.
    const whole = share === "whole" || input.share !== "tiled";
    const complete = input.at % 2 === 1 && whole ? input.at + 1 : input.at;
    at = Math.max(at, isLeaf(node.inputs[i]!.op) ? 0 : complete);
  }
  const odd = share !== "whole";
  return { at: at % 2 === (odd ? 1 : 0) ? at : at + 1, share };
}

function shareOf(
  node: Node,
  inputs: readonly Stage[],
  batch: number,
): Share {
  const tiled = inputs.map(({ share }) => share === "tiled");
  if (batch === 1 || !tiled.includes(true)) return "whole";
  const cut = (): Share => node.shape[0] === batch ? "tiled" : "whole";
  switch (node.op) {
    case "sum":
      return node.attrs.axes.includes(0) ? "accumulated" : "tiled";
    case "max":
    case "argmax":
      return node.attrs.axes.includes(0) ? "whole" : "tiled";
    case "transpose":
      return node.attrs.order[0] === 0 ? "tiled" : "whole";
    case "concatenate":
      return node.attrs.axis === 0 ? "whole" : "tiled";
    case "broadcast":
      return node.shape.length === node.inputs[0]!.shape.length
        ? cut()
        : "whole";
    case "gather":
      return tiled[0] ? "whole" : "tiled";
    case "scatterAdd":
      return tiled[0] && tiled[1] ? "accumulated" : "whole";
    case "einsum":
      return productShare(node.attrs.labels, tiled);
    default:
      return cut();
  }
}

function productShare(
  { a, b, out }: { a: string; b: string; out: string },
  tiled: readonly boolean[],
): Share {
  const label = tiled[0] ? a[0]! : b[0]!;
  if (tiled[0] && tiled[1] && a[0] !== b[0]) return "whole";
  // A batch axis that only one operand is cut along must lie first in both.
  const elsewhere = [[a, tiled[0]], [b, tiled[1]]] as const;
  for (const [own, isTiled] of elsewhere) {
    if (!isTiled && own.indexOf(label) > 0) return "whole";
  }
  if (!out.includes(label)) return "accumulated";
  return out[0] === label ? "tiled" : "whole";
}
