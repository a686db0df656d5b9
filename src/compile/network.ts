/**
 * Linear regions as networks: a value written as one product of many factors
 * over labelled axes. Lookups and scatters are factors like any other, products
 * with a matrix of zeros and ones; sums over axes are labels that the result
 * lacks; repeated axes are labels that no factor has. Decides nothing: in which
 * order a network is best multiplied out is the planner's business.
 */
import type { Node, NodeOf } from "../graph/node.ts";

/** The label of an axis of size 1 that stands for nothing. */
export const UNIT = -1;

/** Larger networks are cut, so that planning one takes bounded time. */
export const MAX_FACTORS = 6;

/** Longer sums are values of their own. */
const MAX_TERMS = 6;

/** So are sums of products of sums of products of sums. */
const MAX_NESTING = 3;

/** One factor of a network. */
export interface Factor {
  /**
   * `value`: a node taken as it is. `lookup`: the zeros and ones that select
   * row `labels.at(-1)` for the index at the other labels. `sum`: a sum of
   * networks, which may be multiplied out term by term.
   */
  readonly kind: "value" | "lookup" | "sum";
  /** The value; for lookups the indices. */
  readonly node: Node;
  /** The label of each axis; for lookups those of the indices, then the row. */
  readonly labels: readonly number[];
}

/** A product of factors, summed over every label that `out` lacks. */
export interface Network {
  /** The factors. */
  readonly factors: readonly Factor[];
  /** The size that each label stands for. */
  readonly extents: readonly number[];
  /** The labels of the result's axes, UNIT for axes of size 1 without one. */
  readonly out: readonly number[];
  /** All labels, in an order that suits results' layouts. */
  readonly sequence: readonly number[];
  /** What the product is multiplied by: signs and counts of repetitions. */
  readonly scale: number;
  /** The sets of factors, as bits, under one product of the original graph. */
  readonly groups: ReadonlySet<number>;
}

/** One term of a sum. */
export interface Term {
  /** 1 or -1. */
  readonly sign: number;
  /** The term as a network, its `out` the axes of the sum. */
  readonly network: Network;
}

/** Part of a value on its way from the root to the factors. */
interface Piece {
  readonly node: Node;
  readonly labels: readonly number[];
  /** The products above it. */
  readonly above: readonly number[];
}

/** Unfolds values into networks, each sum once. */
export class Networks {
  readonly #terms = new Map<Node, readonly Term[]>();
  readonly #sums: ReadonlySet<Node>;
  readonly #fixed: ReadonlySet<Node>;
  /** How many steps fixed nodes are computed for at once. */
  readonly fixedSteps: number;

  /**
   * @param order All nodes that may be looked at, in topological order.
   * @param fixed Those that stay from step to step.
   * @param fixedSteps For how many steps.
   */
  constructor(
    order: readonly Node[],
    fixed: ReadonlySet<Node>,
    fixedSteps: number,
  ) {
    this.#sums = findSums(order);
    this.#fixed = fixed;
    this.fixedSteps = fixedSteps;
  }

  /** Whether the node is computed once for many steps. */
  isFixed(node: Node): boolean {
    return this.#fixed.has(node);
  }

  /** Whether it may pay to multiply the node out term by term. */
  isSum(node: Node): boolean {
    return this.#sums.has(node);
  }

  /** The network of a value. */
  of(root: Node): Network {
    return new Unfolding(this).run(root);
  }

  /** The terms of a sum. */
  termsOf(sum: Node): readonly Term[] {
    const known = this.#terms.get(sum);
    if (known) return known;
    const terms = addends(sum).map(({ sign, node }) => ({
      sign,
      network: this.of(node),
    }));
    this.#terms.set(sum, terms);
    return terms;
  }

  /** Every node that the network needs as a value, whatever its plan. */
  valuesOf(network: Network): Node[] {
    const values: Node[] = [];
    const pending = [network];
    for (let next = pending.pop(); next; next = pending.pop()) {
      for (const { kind, node } of next.factors) {
        if (kind !== "sum") values.push(node);
        else pending.push(...this.termsOf(node).map((term) => term.network));
      }
    }
    return values;
  }
}

/** Whether an operation is a product with zeros and ones, or any product. */
export function isLinear(op: Node["op"]): boolean {
  return op === "einsum" || op === "gather" || op === "scatterAdd" ||
    op === "broadcast" || op === "sum";
}

/** The addends of nested sums and differences, or the node alone. */
function addends(sum: Node): { sign: number; node: Node }[] {
  let parts = [{ sign: 1, node: sum }];
  for (;;) {
    const at = parts.findIndex(({ node: { op } }) =>
      op === "add" || op === "sub" || op === "neg"
    );
    if (at < 0 || parts.length > MAX_TERMS) break;
    const { sign, node: { op, inputs: [a, b] } } = parts[at]!;
    const opened = op === "neg"
      ? [{ sign: -sign, node: a! }]
      : [{ sign, node: a! }, { sign: op === "sub" ? -sign : sign, node: b! }];
    parts = parts.toSpliced(at, 1, ...opened);
  }
  return parts;
}

/** Whether a node is a sum of linear terms. */
function isSum(node: Node): boolean {
  if (node.op !== "add" && node.op !== "sub" && node.op !== "neg") return false;
  if (node.dtype !== "float32") return false;
  const parts = addends(node);
  return parts.length <= MAX_TERMS &&
    parts.every(({ node }) => isLinear(node.op));
}

/**
 * The sums that may be multiplied out: those whose terms are linear, nested no
 * deeper than MAX_NESTING, so that no plan looks arbitrarily far.
 */
function findSums(order: readonly Node[]): Set<Node> {
  const nesting = new Map<Node, number>();
  const sums = new Set<Node>();
  for (const node of order) {
    const { op } = node;
    const sum = isSum(node);
    if (!sum && !isLinear(op) && op !== "transpose" && op !== "reshape") {
      continue;
    }
    let depth = 0;
    for (const input of node.inputs) {
      depth = Math.max(depth, nesting.get(input) ?? 0);
    }
    if (sum && depth < MAX_NESTING) sums.add(node);
    if (sum) depth = depth < MAX_NESTING ? depth + 1 : 0;
    nesting.set(node, depth);
  }
  return sums;
}

/** The unfolding of one value. */
class Unfolding {
  readonly #networks: Networks;
  readonly #extents: number[] = [];
  readonly #sequence: number[] = [];
  readonly #factors: Factor[] = [];
  readonly #groups: number[] = [];
  #queue: Piece[] = [];

  constructor(networks: Networks) {
    this.#networks = networks;
  }

  run(root: Node): Network {
    const out = root.shape.map((extent) => this.#label(extent));
    this.#queue.push({ node: root, labels: out, above: [] });
    while (this.#queue.length > 0) {
      const piece = this.#queue.shift()!;
      if (this.#open(piece)) continue;
      for (const group of piece.above) {
        this.#groups[group]! |= 1 << this.#factors.length;
      }
      const { node, labels } = piece;
      const kind = this.#networks.isSum(node) ? "sum" : "value";
      this.#factors.push({ kind, node, labels });
    }
    const used = new Set(this.#factors.flatMap(({ labels }) => labels));
    const scale = this.#extents.reduce(
      (count, extent, label) =>
        used.has(label) || out.includes(label) ? count : count * extent,
      1,
    );
    return {
      factors: this.#factors,
      extents: this.#extents,
      out,
      sequence: this.#sequence,
      scale,
      groups: new Set(this.#groups),
    };
  }

  /** Replaces a piece by what it is made of; false if it is a factor itself. */
  #open(piece: Piece): boolean {
    const { node, labels, above } = piece;
    const pass = (labels: readonly number[]): true => {
      this.#queue.push({ node: node.inputs[0]!, labels, above });
      return true;
    };
    switch (node.op) {
      case "einsum":
        return this.#hasRoom() && this.#openProduct(node, piece);
      case "gather":
        return this.#hasRoom() && this.#openGather(node, piece);
      case "scatterAdd":
        return this.#hasRoom() && this.#openScatter(node, piece);
      case "transpose": {
        const { order } = node.attrs;
        return pass(order.map((_, axis) => labels[order.indexOf(axis)]!));
      }
      case "reshape": {
        const inner = unitAxesMoved(node, labels);
        return inner !== null && pass(inner);
      }
      case "broadcast": {
        const from = node.inputs[0]!.shape;
        const offset = node.shape.length - from.length;
        return pass(
          from.map((extent, axis) =>
            extent === 1 && node.shape[axis + offset] !== 1
              ? UNIT
              : labels[axis + offset]!
          ),
        );
      }
      case "sum": {
        const from = node.inputs[0]!.shape;
        const inner = [...labels];
        for (const axis of node.attrs.axes.toReversed()) {
          inner[axis] = this.#label(from[axis]!, inner.slice(axis + 1));
        }
        return pass(inner);
      }
      default:
        return false;
    }
  }

  #openProduct(node: NodeOf<"einsum">, { labels, above }: Piece): true {
    const names = node.attrs.labels;
    const known = new Map(
      [...names.out].map((name, axis) => [name, labels[axis]!]),
    );
    const sides = [names.a, names.b];
    for (const [at, own] of sides.entries()) {
      for (let axis = own.length - 1; axis >= 0; axis--) {
        const name = own[axis]!;
        if (known.has(name)) continue;
        const later = sides.flatMap((side) =>
          side.includes(name)
            ? Array.from(
              side.slice(side.indexOf(name) + 1),
              (later) => known.get(later) ?? UNIT,
            )
            : []
        );
        const extent = node.inputs[at]!.shape[axis]!;
        known.set(name, this.#label(extent, later));
      }
    }
    const group = this.#groups.push(0) - 1;
    for (const [at, own] of sides.entries()) {
      this.#queue.push({
        node: node.inputs[at]!,
        labels: Array.from(own, (name) => known.get(name)!),
        above: [...above, group],
      });
    }
    return true;
  }

  #openGather(node: NodeOf<"gather">, { labels, above }: Piece): boolean {
    const [table, indices] = node.inputs as [Node, Node];
    const lead = indices.shape.length;
    if (table.dtype !== "float32") return false;
    const row = this.#label(table.shape[0]!, labels.slice(lead));
    const index = this.#fill(indices, labels.slice(0, lead));
    const group = this.#groups.push(0) - 1;
    this.#lookup(indices, [...index, row], [...above, group]);
    this.#queue.push({
      node: table,
      labels: [row, ...labels.slice(lead)],
      above: [...above, group],
    });
    return true;
  }

  #openScatter(node: NodeOf<"scatterAdd">, { labels, above }: Piece): boolean {
    const [indices, updates] = node.inputs as [Node, Node];
    const [row, ...rest] = labels as [number, ...number[]];
    if (row === UNIT) return false;
    const index = [...indices.shape];
    for (let axis = index.length - 1; axis >= 0; axis--) {
      index[axis] = this.#label(indices.shape[axis]!, rest);
    }
    const group = this.#groups.push(0) - 1;
    this.#lookup(indices, [...index, row], [...above, group]);
    this.#queue.push({
      node: updates,
      labels: [...index, ...rest],
      above: [...above, group],
    });
    return true;
  }

  #lookup(node: Node, labels: number[], above: readonly number[]): void {
    for (const group of above) {
      this.#groups[group]! |= 1 << this.#factors.length;
    }
    this.#factors.push({ kind: "lookup", node, labels });
  }

  /** Lookups have a label for every axis, even those of size 1. */
  #fill(indices: Node, labels: readonly number[]): number[] {
    return labels.map((label, axis) =>
      label === UNIT ? this.#label(indices.shape[axis]!) : label
    );
  }

  #hasRoom(): boolean {
    return this.#factors.length + this.#queue.length < MAX_FACTORS - 1;
  }

  /** A new label, put in the sequence before those that follow it somewhere. */
  #label(extent: number, later: readonly number[] = []): number {
    const label = this.#extents.push(extent) - 1;
    const at = this.#sequence.findIndex((other) => later.includes(other));
    if (at < 0) this.#sequence.push(label);
    else this.#sequence.splice(at, 0, label);
    return label;
  }
}

/** The labels before a reshape that only drops or adds axes of size 1. */
function unitAxesMoved(
  node: Node,
  labels: readonly number[],
): number[] | null {
  const from = node.inputs[0]!.shape;
  const rest = [...node.shape.keys()].filter((axis) => node.shape[axis] !== 1);
  const inner: number[] = [];
  for (const extent of from) {
    if (extent === 1) {
      inner.push(UNIT);
      continue;
    }
    const axis = rest.shift();
    if (axis === undefined || node.shape[axis] !== extent) return null;
    inner.push(labels[axis]!);
  }
  return rest.length === 0 ? inner : null;
}
