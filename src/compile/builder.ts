/**
 * Builds what was planned: new nodes for networks, in the cheapest grouping.
 * Every product is remembered, so that it is computed once.
 */
import { broadcast, sum } from "../graph/broadcast.ts";
import { product } from "../graph/einsum.ts";
import { add, less, mul, neg, select, sub } from "../graph/elementwise.ts";
import { gather, scatterAdd } from "../graph/indexing.ts";
import { reshape, transpose } from "../graph/movement.ts";
import type { Node } from "../graph/node.ts";
import {
  BUILT,
  type Built,
  DISTRIBUTE,
  LEAF,
  Problem,
  type SumCost,
} from "./contraction.ts";
import { bitsOf, OUTSIDE } from "./labels.ts";
import { type Factor, type Network, type Networks, UNIT } from "./network.ts";
import { withInputs } from "./rewrite.ts";

/** A value with the label of each axis. */
interface Labelled {
  readonly node: Node;
  readonly labels: readonly number[];
}

/** Builds new values in topological order, and remembers every product. */
export class Builder implements Built {
  readonly costs = new Map<string, SumCost>();
  readonly #networks: Networks;
  readonly #values = new Map<Node, Node>();
  readonly #products = new Map<string, Labelled[]>();
  readonly #fingerprints = new Set<number>();

  constructor(networks: Networks) {
    this.#networks = networks;
  }

  mayHave(fingerprint: number): boolean {
    return this.#fingerprints.has(fingerprint);
  }

  find(key: string): readonly Labelled[] {
    return this.#products.get(key) ?? [];
  }

  /** The new form of an old node. */
  valueOf(node: Node): Node {
    return this.#values.get(node)!;
  }

  /**
   * Builds the new form of a node; the values it needs are there already.
   * False if its network is too large to plan.
   */
  rebuild(node: Node, network: Network | null): boolean {
    const value = network
      ? node.graph.withScope(node.scope, () => this.#regroup(node, network))
      : withInputs(node, node.inputs.map((input) => this.valueOf(input)));
    if (value !== null) this.#values.set(node, value);
    return value !== null;
  }

  #regroup(node: Node, network: Network): Node | null {
    const problem = Problem.of(network);
    if (problem === null) return null;
    if (problem.solve(this.#networks, this) === Infinity) return null;
    const want = network.out.filter((label) =>
      (problem.outOf(problem.full) >> label) & 1
    );
    const built = this.#build(problem, problem.full, want);
    const value = scaled(arranged(built, want).node, problem.scale);
    return spread({ node: value, labels: want }, network.out, node.shape);
  }

  #build(problem: Problem, set: number, want?: readonly number[]): Labelled {
    const choice = problem.choice[set]!;
    if (choice === BUILT) return this.#reuse(problem, set);
    const result = choice === LEAF
      ? this.#leaf(problem, set)
      : choice <= DISTRIBUTE
      ? this.#sum(problem, set, want)
      : this.#combine(problem, choice, set ^ choice, want);
    this.#remember(problem, set, result);
    return result;
  }

  /** The smallest of what is there of a product, summed where need be. */
  #reuse(problem: Problem, set: number): Labelled {
    const { key, labels: names } = problem.nameOf(set);
    const out = problem.outOf(set);
    const values = this.find(key).map(({ node, labels }) => ({
      node,
      labels: labels.map((at) => names[at]!),
    })).filter(({ labels }) => (bitsOf(labels) & out) === out);
    const smallest = values.reduce((best, value) =>
      value.labels.length < best.labels.length ? value : best
    );
    return this.#reduced(smallest, out);
  }

  /** Sums over all labels but those in `out`. */
  #reduced({ node, labels }: Labelled, out: number): Labelled {
    const gone = labels.flatMap((label, axis) =>
      (out >> label) & 1 ? [] : [axis]
    );
    return {
      node: sum(node, gone),
      labels: labels.filter((label) => (out >> label) & 1),
    };
  }

  #remember(problem: Problem, set: number, { node, labels }: Labelled): void {
    const { key, labels: names } = problem.nameOf(set);
    const own = labels.map((label) => names.indexOf(label));
    // An axis that no factor has is no part of the product's name.
    if (own.includes(-1)) return;
    const values = this.#products.get(key) ?? [];
    this.#products.set(key, [...values, { node, labels: own }]);
    this.#fingerprints.add(problem.prints[set]!);
  }

  #leaf(problem: Problem, set: number): Labelled {
    const factor = problem.factors[31 - Math.clz32(set)]!;
    return this.#reduced(this.#factor(factor), problem.outOf(set));
  }

  /** A value without the axes of size 1 that stand for nothing. */
  #factor({ node, labels }: Factor): Labelled {
    const kept = labels.filter((label) => label !== UNIT);
    const value = this.valueOf(node);
    const shape = value.shape.filter((_, axis) => labels[axis] !== UNIT);
    return { node: reshape(value, shape), labels: kept };
  }

  #combine(
    problem: Problem,
    left: number,
    right: number,
    want: readonly number[] | undefined,
  ): Labelled {
    for (const [set, other] of [[left, right], [right, left]] as const) {
      if (problem.isLookup(set)) return this.#index(problem, set, other);
    }
    const out = want ?? problem.ordered(problem.outOf(left | right));
    // Rows first: the operand that has the result's first unshared axis.
    const shared = problem.outOf(left) & problem.outOf(right);
    const first = out.find((label) => !((shared >> label) & 1));
    const isLeft = first === undefined || (problem.outOf(left) >> first) & 1;
    const a = this.#build(problem, isLeft ? left : right);
    const b = this.#build(problem, isLeft ? right : left);
    const text = (labels: readonly number[]): string =>
      String.fromCharCode(...labels.map((label) => 97 + label));
    const node = product(
      a.node,
      b.node,
      text(a.labels),
      text(b.labels),
      text(out),
    );
    return { node, labels: out };
  }

  #index(problem: Problem, lookups: number, other: number): Labelled {
    const { index, rows, indices } = this.#places(problem, lookups);
    const to = problem.outOf(lookups | other);
    const rest = problem.ordered(
      problem.outOf(other) & ~bitsOf([...index, ...rows]),
    );
    const sizes = (labels: readonly number[]): number[] =>
      labels.map((label) => problem.extents[label]!);
    const count = sizes(rows).reduce((count, extent) => count * extent, 1);
    if (bitsOf(rows) & to) {
      const want = [...index, ...rest];
      const updates = arranged(this.#build(problem, other, want), want);
      const sums = scatterAdd(indices, updates.node, count);
      const labels = [...rows, ...rest];
      return { node: reshape(sums, sizes(labels)), labels };
    }
    const want = [...rows, ...rest];
    const table = arranged(this.#build(problem, other, want), want);
    const flat = reshape(table.node, [count, ...sizes(rest)]);
    const looked = gather(flat, indices);
    return this.#reduced({ node: looked, labels: [...index, ...rest] }, to);
  }

  /**
   * What lookups pick, as one: the place in a table that has an axis of rows
   * for each of them. Whichever index is outside its axis, the place is
   * outside the table.
   */
  #places(
    problem: Problem,
    lookups: number,
  ): { index: readonly number[]; rows: readonly number[]; indices: Node } {
    const factors = problem.lookupsIn(lookups);
    const rows = factors.map(({ labels }) => labels.at(-1)!);
    const [first] = factors;
    if (factors.length === 1) {
      const index = first!.labels.slice(0, -1);
      return { index, rows, indices: this.valueOf(first!.node) };
    }
    const index = problem.ordered(
      bitsOf(factors.flatMap(({ labels }) => labels.slice(0, -1))),
    );
    let step = 1;
    const parts = factors.toReversed().map(({ node, labels }) => {
      const own = labels.slice(0, -1);
      const order = own.toSorted((a, b) => index.indexOf(a) - index.indexOf(b));
      const extent = problem.extents[labels.at(-1)!]!;
      const place = placeIn(this.valueOf(node), extent, step);
      step *= extent;
      const { node: part } = arranged({ node: place, labels: own }, order);
      const sizes = index.map((label) =>
        own.includes(label) ? problem.extents[label]! : 1
      );
      return reshape(part, sizes);
    });
    return { index, rows, indices: parts.reduce((a, b) => add(a, b)) };
  }

  /** The terms of a sum, the smallest first: they are repeated last. */
  #sum(
    problem: Problem,
    set: number,
    want: readonly number[] | undefined,
  ): Labelled {
    const out = want ?? problem.ordered(problem.outOf(set));
    const children = problem.childrenOf(set, this.#networks);
    const terms = children.map((child) => {
      // Planned only now, so that it can use what other terms have built.
      child.solve(this.#networks, this);
      const has = child.outOf(child.full);
      const own = out.filter((label) => (has >> label) & 1);
      const { node } = arranged(this.#build(child, child.full, own), own);
      const sizes = out.map((label) =>
        (has >> label) & 1 ? child.extents[label]! : 1
      );
      return { node: reshape(node, sizes), scale: child.scale };
    });
    terms.sort((a, b) => sizeOrder(a) - sizeOrder(b));
    const [first, ...others] = terms;
    const total = others.reduce(
      (total, { node, scale }) =>
        scale < 0
          ? sub(total, scaled(node, -scale))
          : add(total, scaled(node, scale)),
      scaled(first!.node, first!.scale),
    );
    const shape = out.map((label) => problem.extents[label]!);
    return { node: broadcast(total, shape), labels: out };
  }
}

/** What an index is worth in a place; one that is outside makes it outside. */
function placeIn(index: Node, extent: number, step: number): Node {
  const place = select(less(index, extent), mul(index, step), OUTSIDE);
  return select(less(index, 0), OUTSIDE, place);
}

/** Positive terms before negative ones, small before large. */
function sizeOrder({ node, scale }: { node: Node; scale: number }): number {
  const size = node.shape.reduce((size, extent) => size * extent, 1);
  return scale < 0 ? size + 0.5 : size;
}

/** The axes in a wanted order. */
function arranged(
  { node, labels }: Labelled,
  want: readonly number[],
): Labelled {
  const order = want.map((label) => labels.indexOf(label));
  return { node: transpose(node, order), labels: want };
}

function scaled(node: Node, scale: number): Node {
  if (scale === 1) return node;
  return scale === -1 ? neg(node) : mul(node, scale);
}

/** Adds the axes that are missing, and repeats along them. */
function spread(
  { node, labels }: Labelled,
  out: readonly number[],
  shape: readonly number[],
): Node {
  const own = out.map((label, axis) =>
    labels.includes(label) ? shape[axis]! : 1
  );
  return broadcast(reshape(node, own), shape);
}
