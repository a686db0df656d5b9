/**
 * Fusion: decides which nodes are computed in the same loops, and which values
 * must leave registers.
 */
import { isLeaf } from "../graph/leaves.ts";
import { type Node, reachable } from "../graph/node.ts";
import { stridesOf } from "../graph/shape.ts";
import { type Access, Accesses, isView, reshapeStrides } from "./access.ts";
import {
  isCheap,
  isFusable,
  isReduction,
  isRowReduction,
  iterationShape,
  loopStrides,
  same,
  sameSpace,
  type Space,
  spaceOf,
  withoutOnes,
} from "./space.ts";
import { assignStages, type Stages } from "./stages.ts";

/** Nodes that are computed together, by loops over the same rows. */
export interface Group extends Space {
  /** Position among all groups; a group depends on earlier ones alone. */
  readonly at: number;
  /** The stage its kernel belongs to. */
  readonly stage: number;
  /** In topological order; products and assemblies stand alone. */
  readonly nodes: Node[];
}

/** What grouping decides. */
export interface Grouping {
  readonly stages: Stages;
  readonly accesses: Accesses;
  /** In order of execution within each stage. */
  readonly groups: readonly Group[];
  /** The group that computes a node. */
  readonly groupOf: ReadonlyMap<Node, Group>;
  /** Nodes whose value is needed outside its group's registers. */
  readonly stored: ReadonlySet<Node>;
  /** Reductions whose result is gathered in memory, not in registers. */
  readonly inMemory: ReadonlySet<Node>;
  /** What must be readable after a run. */
  readonly results: ReadonlySet<Node>;
}

/** Floats in a vector. */
const LANES = 4;
/** Larger groups make functions that engines compile slowly. */
const MAX_GROUP = 96;

/**
 * Groups the nodes that the results depend on; `copies` are no mere views, and
 * `frozen` are variables that do not change from step to step.
 */
export function groupNodes(
  results: readonly Node[],
  copies: ReadonlySet<Node>,
  frozen: ReadonlySet<Node>,
): Grouping {
  const order = orderForUse(results);
  const stages = assignStages(order, frozen);
  const accesses = new Accesses(layoutOf(order, results));
  for (const node of order) {
    if (copies.has(node)) accesses.force(node);
    accesses.of(node);
    if (node.op !== "einsum" && node.op !== "concatenate") continue;
    // Products read plain strides alone.
    for (const input of node.inputs) {
      if (accesses.of(input).lookup) accesses.force(input);
    }
  }
  for (const node of results) if (!isLeaf(node.op)) accesses.force(node);
  const grouper = new Grouper(stages, accesses, results);
  grouper.countUses(order);
  for (const node of order) {
    if (!isLeaf(node.op) && accesses.isRoot(node)) grouper.place(node);
  }
  return grouper;
}

/**
 * The nodes in an order in which each comes as late as its first use allows:
 * what is used together then stands together.
 */
function orderForUse(results: readonly Node[]): Node[] {
  const heights = new Map<Node, number>();
  for (const node of reachable(results)) {
    const below = node.inputs.map((input) => heights.get(input)!);
    heights.set(node, Math.max(0, ...below) + 1);
  }
  const order: Node[] = [];
  const done = new Set<Node>();
  const pending = [...results].reverse();
  for (let node = pending.at(-1); node; node = pending.at(-1)) {
    const missing = done.has(node)
      ? []
      : node.inputs.filter((input) => !done.has(input));
    if (missing.length > 0) {
      // The longest way first: what is quickly there can wait for the rest.
      missing.sort((a, b) => heights.get(a)! - heights.get(b)!);
      pending.push(...missing);
      continue;
    }
    pending.pop();
    if (done.has(node)) continue;
    done.add(node);
    order.push(node);
  }
  return order;
}

/**
 * Row-major strides; rows of intermediates are padded to whole vectors where
 * that spares tails. What is read under another shape stays dense if it must,
 * and so does what people see.
 */
function layoutOf(
  order: readonly Node[],
  results: readonly Node[],
): (root: Node) => readonly number[] {
  const dense = new Set<Node>(results);
  const padded = (shape: readonly number[]): number[] => {
    const row = Math.ceil((shape.at(-1) ?? 1) / LANES) * LANES;
    return shape.length === 0 ? [] : stridesOf(shape.with(-1, row));
  };
  for (const node of order) {
    const [x] = node.inputs;
    if (
      node.op === "reshape" &&
      !reshapeStrides(x!.shape, padded(x!.shape), node.shape)
    ) dense.add(x!);
  }
  return (root) => {
    const short = (root.shape.at(-1) ?? 1) < LANES;
    return isLeaf(root.op) || dense.has(root) || short || isView(root)
      ? stridesOf(root.shape)
      : padded(root.shape);
  };
}

/** Puts nodes into groups, one after another. */
class Grouper implements Grouping {
  readonly stages: Stages;
  readonly accesses: Accesses;
  readonly groups: Group[] = [];
  readonly groupOf = new Map<Node, Group>();
  readonly stored: Set<Node>;
  readonly inMemory = new Set<Node>();
  readonly results: ReadonlySet<Node>;
  readonly #uses = new Map<Node, number>();
  readonly #bySpace = new Map<string, Group[]>();

  constructor(stages: Stages, accesses: Accesses, results: readonly Node[]) {
    this.stages = stages;
    this.accesses = accesses;
    this.stored = new Set(results);
    this.results = new Set(results);
  }

  /** Counts how often each value is used, in results as well. */
  countUses(order: readonly Node[]): void {
    const use = (root: Node): void => {
      this.#uses.set(root, (this.#uses.get(root) ?? 0) + 1);
    };
    this.results.forEach(use);
    for (const node of order) {
      if (isLeaf(node.op) || !this.accesses.isRoot(node)) continue;
      for (const input of node.inputs) this.#roots(input).forEach(use);
    }
  }

  /** Finds a group for a node, or opens one. */
  place(node: Node): void {
    const stage = this.stages.of.get(node)!.at;
    const space = spaceOf(node, stage);
    const group = this.#find(node, stage, space) ?? this.#open(stage, space);
    this.#pullOperands(node, group);
    group.nodes.push(node);
    this.groupOf.set(node, group);
    const inRow = isRowReduction(node) && sameSpace(space, group) &&
      group.row !== 1;
    if (isReduction(node) && !inRow) {
      this.inMemory.add(node);
      this.stored.add(node);
    }
    for (const input of node.inputs) this.#use(input, node, group);
  }

  #find(node: Node, stage: number, space: Space): Group | undefined {
    if (!isFusable(node)) return undefined;
    const earliest = this.#earliest(node, stage);
    const extents = withoutOnes(iterationShape(node));
    return this.#bySpace.get(`${stage} ${extents}`)?.findLast((group) => {
      const [first] = group.nodes;
      return group.at >= earliest && first !== undefined &&
        isFusable(first) && group.nodes.length < MAX_GROUP &&
        this.#joins(node, group, space);
    });
  }

  /** Opens a group, to be found by the extents of its loops and of its rows. */
  #open(stage: number, space: Space): Group {
    const group = { at: this.groups.length, stage, ...space, nodes: [] };
    this.groups.push(group);
    const { outer, row } = space;
    const keys = row === 1 ? [outer] : [outer, [...outer, row]];
    for (const extents of keys) {
      const key = `${stage} ${extents}`;
      const known = this.#bySpace.get(key);
      if (known) known.push(group);
      else this.#bySpace.set(key, [group]);
    }
    return group;
  }

  /**
   * Moves what only this use needs, and costs next to nothing, from an earlier
   * group here: its operands are read instead of its value.
   */
  #pullOperands(node: Node, group: Group): void {
    if (!isFusable(node)) return;
    for (const [at, input] of node.inputs.entries()) {
      if (!rereads(node, at)) this.#pull(input, group);
    }
  }

  #pull(input: Node, group: Group): void {
    const access = this.accesses.of(input);
    const { root } = access;
    const from = this.groupOf.get(root);
    if (
      !from || from === group || from.stage !== group.stage ||
      !isCheap(root) || this.#uses.get(root) !== 1 || access.lookup ||
      !this.#joins(root, group, spaceOf(root, group.stage))
    ) return;
    this.groupOf.set(root, group);
    if (!this.isDirect(input, group)) {
      this.groupOf.set(root, from);
      return;
    }
    from.nodes.splice(from.nodes.indexOf(root), 1);
    this.#pullOperands(root, group);
    group.nodes.push(root);
    for (const operand of root.inputs) this.#use(operand, root, group);
  }

  /** The first group by which all the operands are there. */
  #earliest(node: Node, stage: number): number {
    let at = 0;
    for (const input of node.inputs) {
      for (const root of this.#roots(input)) {
        const group = this.groupOf.get(root);
        if (group?.stage === stage) at = Math.max(at, group.at);
      }
    }
    return at;
  }

  #roots(input: Node): Node[] {
    const { root, lookup } = this.accesses.of(input);
    return lookup ? [root, lookup.index.root] : [root];
  }

  /** Whether a node can be computed in a group's loops. */
  #joins(node: Node, group: Group, space: Space): boolean {
    const rowwise = sameSpace(space, group);
    const perRow = !rowwise && (node.op === "sum" || !isReduction(node)) &&
      same(withoutOnes(iterationShape(node)), group.outer);
    if (!rowwise && !perRow) return false;
    return node.inputs.every((input, at) => {
      const access = this.accesses.of(input);
      const inside = this.#roots(input).some((root) =>
        this.groupOf.get(root) === group
      );
      return !inside ||
        (!access.lookup && !rereads(node, at) && this.isDirect(input, group));
    });
  }

  /**
   * Whether an operand computed in the same group is just the value at hand:
   * element for element, or the row's one value for every element of it.
   */
  isDirect(input: Node, group: Group): boolean {
    const access: Access = this.accesses.of(input);
    const { root } = access;
    if (this.inMemory.has(root)) return false;
    const own = this.accesses.of(root);
    const wanted = loopStrides(own.strides, root.shape, group);
    const found = loopStrides(access.strides, input.shape, group);
    return access.offset === 0 && wanted !== null && found !== null &&
      same(wanted, found);
  }

  /** Notes which values must be written to memory for this use. */
  #use(input: Node, node: Node, group: Group): void {
    for (const root of this.#roots(input)) {
      const producer = this.groupOf.get(root);
      if (producer && (producer !== group || !isFusable(node))) {
        this.stored.add(root);
      }
    }
  }
}

/** Whether a node reads an operand from memory, or not at the loop's place. */
function rereads(node: Node, operand: number): boolean {
  if (node.op === "scatterAdd") return operand === 0;
  return isView(node) && node.op !== "reshape" && node.op !== "stopGradient";
}
