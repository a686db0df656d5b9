/**
 * The cheapest way to multiply out a network: dynamic programming over sets of
 * factors. A set may be split in two, looked up, scattered, or have one of its
 * sums multiplied out term by term. Values that exist already cost nothing.
 */
import { ELEMENT, MOVED, MULTIPLY_ADD, ROW, STORED, SUMMED } from "./cost.ts";
import {
  bitsOf,
  identity,
  jointly,
  MAX_PLACES,
  movedBy,
  nameProduct,
  type ProductName,
  tooLarge,
  walkedBy,
} from "./labels.ts";
import {
  type Factor,
  type Network,
  type Networks,
  type Term,
  UNIT,
} from "./network.ts";

/** Choices other than a split: the set is one factor; */
export const LEAF = 0;
/** its value is there already; */
export const BUILT = -1;
/** minus this, minus a factor: that sum is multiplied out. */
export const DISTRIBUTE = -2;

/** A split that the original graph does not have must gain this much. */
const RELUCTANCE = 1.03;

/** New intermediate values are at most so much larger than what is given. */
const ROOM = 2;

/** What multiplying a sum out costs, or that it costs no less. */
export interface SumCost {
  readonly cost: number;
  readonly atLeast: boolean;
}

/** What is known beyond one network. */
export interface Built {
  /** By key; what is built later can only make it less. */
  readonly costs: Map<string, SumCost>;
  /** Whether any product with that fingerprint is there; quick. */
  mayHave(fingerprint: number): boolean;
  /** What is there of a product: which of its labels each value has kept. */
  find(key: string): readonly { readonly labels: readonly number[] }[];
}

/** A network being planned: for every set of factors the cheapest way. */
export class Problem {
  readonly factors: readonly Factor[];
  readonly extents: readonly number[];
  readonly sequence: readonly number[];
  /** The labels of the result, as bits. */
  readonly out: number;
  /** What the product is multiplied by. */
  readonly scale: number;
  /** For every set the cost of the cheapest way. */
  readonly cost: Float64Array;
  /** For every set the left part of its split, LEAF, BUILT or DISTRIBUTE. */
  readonly choice: Int32Array;
  readonly #names: ProductName[] = [];
  readonly #labels: Int32Array;
  /** For every set a number that equal products share. */
  readonly prints: Int32Array;
  /** The factors that are lookups, as bits. */
  readonly #lookups: number;
  /** The factors that stay from step to step, as bits. */
  #fixed = 0;
  /** For how many steps. */
  #fixedSteps = 1;
  /** New intermediate values may not be larger. */
  readonly #roomy: number;
  readonly #groups: ReadonlySet<number> | null;

  private constructor(
    network: Omit<Network, "out" | "groups">,
    out: number,
    groups: ReadonlySet<number> | null,
    roomy = 0,
  ) {
    this.factors = network.factors;
    this.extents = network.extents;
    this.sequence = network.sequence;
    this.scale = network.scale;
    this.out = out;
    this.#groups = groups;
    const sets = 1 << this.factors.length;
    this.cost = new Float64Array(sets).fill(Infinity);
    this.choice = new Int32Array(sets);
    this.#labels = new Int32Array(sets);
    this.prints = new Int32Array(sets);
    this.#lookups = this.factors.reduce(
      (bits, { kind }, at) => kind === "lookup" ? bits | 1 << at : bits,
      0,
    );
    let largest = this.sizeOf(out);
    for (let set = 1; set < sets; set++) {
      const lowest = set & -set;
      if (set === lowest) {
        const factor = this.factors[31 - Math.clz32(set)]!;
        this.#labels[set] = bitsOf(factor.labels);
        this.prints[set] = Math.imul(identity(factor) + 1, 0x9e3779b1);
        if (factor.kind !== "lookup") {
          largest = Math.max(largest, this.sizeOf(this.#labels[set]!));
        }
      } else {
        const rest = set ^ lowest;
        this.#labels[set] = this.#labels[rest]! | this.#labels[lowest]!;
        this.prints[set] = (this.prints[rest]! + this.prints[lowest]!) | 0;
      }
    }
    this.#roomy = Math.max(roomy, ROOM * largest);
  }

  /** The problem of a whole network; null if it is too large to plan. */
  static of(network: Network): Problem | null {
    if (tooLarge(network)) return null;
    return new Problem(network, bitsOf(network.out), network.groups);
  }

  /** The set of all factors. */
  get full(): number {
    return this.cost.length - 1;
  }

  /** The labels that a set's product has: those that somebody else needs. */
  outOf(set: number): number {
    return this.#labels[set]! &
      (this.#labels[this.full ^ set]! | this.out);
  }

  /** The labels of some bits, in the order that suits layouts. */
  ordered(bits: number): number[] {
    return this.sequence.filter((label) => (bits >> label) & 1);
  }

  /** The number of elements under some labels. */
  sizeOf(bits: number): number {
    let size = 1;
    for (let rest = bits; rest !== 0; rest &= rest - 1) {
      size *= this.extents[31 - Math.clz32(rest & -rest)]!;
    }
    return size;
  }

  /** The name of a set's product; see {@linkcode nameProduct}. */
  nameOf(set: number): ProductName {
    return this.#names[set] ??= nameProduct(
      this.factors.filter((_, at) => (set >> at) & 1),
    );
  }

  /** Plans every set, small ones first; returns the cost of the whole. */
  solve(networks: Networks, built: Built): number {
    const { full } = this;
    this.#fixed = this.factors.reduce(
      (bits, { node }, at) => networks.isFixed(node) ? bits | 1 << at : bits,
      0,
    );
    this.#fixedSteps = networks.fixedSteps;
    const apart = !this.#isConnected(full);
    for (let set = 1; set <= full; set++) {
      if (!apart && !this.#isConnected(set)) continue;
      if (this.isLookup(set)) {
        this.#planLookups(set);
        continue;
      }
      if (
        !this.#isOriginal(set) && this.sizeOf(this.outOf(set)) > this.#roomy
      ) {
        continue;
      }
      if (built.mayHave(this.prints[set]!)) this.#planBuilt(set, built);
      if (this.cost[set] === 0) continue;
      if ((set & (set - 1)) === 0) {
        this.#planFactor(set, networks, built);
      } else {
        this.#planSplits(set);
        this.#planSums(set, networks, built);
      }
    }
    const size = this.sizeOf(this.out & this.#labels[full]!);
    return this.cost[full]! + (Math.abs(this.scale) === 1 ? 0 : ELEMENT * size);
  }

  /** A value that is there, summed over the labels nobody needs. */
  #planBuilt(set: number, built: Built): void {
    const { key, labels } = this.nameOf(set);
    const out = this.outOf(set);
    for (const value of built.find(key)) {
      const has = bitsOf(value.labels.map((at) => labels[at]!));
      if ((has & out) !== out) continue;
      const cost = has === out ? 0 : SUMMED * this.sizeOf(has);
      if (cost >= this.cost[set]!) continue;
      this.cost[set] = cost;
      this.choice[set] = BUILT;
    }
  }

  #planFactor(set: number, networks: Networks, built: Built): void {
    const factor = this.factors[31 - Math.clz32(set)]!;
    if (factor.kind === "sum") {
      this.#distribute(set, 31 - Math.clz32(set), networks, built);
      return;
    }
    const own = this.#labels[set]!;
    const whole = this.outOf(set) === own;
    const cost = whole ? 0 : SUMMED * this.sizeOf(own);
    if (cost >= this.cost[set]!) return;
    this.cost[set] = cost;
    this.choice[set] = LEAF;
  }

  /** Lookups taken as one: a place in several axes is a number as well. */
  #planLookups(set: number): void {
    this.choice[set] = LEAF;
    if ((set & (set - 1)) === 0) {
      this.cost[set] = 0;
      return;
    }
    const { rows, index, apart } = jointly(this.lookupsIn(set));
    if (!apart || this.sizeOf(rows) > MAX_PLACES) return;
    this.cost[set] = ELEMENT * this.sizeOf(index);
  }

  #planSplits(set: number): void {
    const lowest = set & -set;
    const reluctance = this.#reluctance(set);
    for (let left = (set - 1) & set; left > 0; left = (left - 1) & set) {
      if ((left & lowest) === 0) continue;
      const parts = this.cost[left]! + this.cost[set ^ left]!;
      if (parts >= this.cost[set]!) continue;
      const work = this.#shareOf(set) * this.#combine(left, set ^ left);
      const cost = parts + reluctance * work;
      if (cost < this.cost[set]!) {
        this.cost[set] = cost;
        this.choice[set] = left;
      }
    }
  }

  #planSums(set: number, networks: Networks, built: Built): void {
    for (const [at, { kind }] of this.factors.entries()) {
      if (kind !== "sum" || !((set >> at) & 1)) continue;
      if (this.#mayDistribute(set, at, networks)) {
        this.#distribute(set, at, networks, built);
      }
    }
  }

  /** The share of its work that a set costs in every step. */
  #shareOf(set: number): number {
    return (set & ~this.#fixed) === 0 ? 1 / this.#fixedSteps : 1;
  }

  /** The work of bringing two parts together. */
  #combine(left: number, right: number): number {
    if (this.isLookup(left)) return this.#lookupCost(left, right);
    if (this.isLookup(right)) return this.#lookupCost(right, left);
    const out = this.outOf(left | right);
    const all = this.outOf(left) | this.outOf(right);
    return MULTIPLY_ADD * this.sizeOf(all) + STORED * this.sizeOf(out);
  }

  /** Whether a set consists of lookups alone. */
  isLookup(set: number): boolean {
    return (set & ~this.#lookups) === 0;
  }

  /** The factors of a set of lookups, in an order that all networks share. */
  lookupsIn(set: number): Factor[] {
    return this.factors.filter((_, at) => (set >> at) & 1)
      .sort((a, b) => a.node.id - b.node.id);
  }

  #lookupCost(lookups: number, other: number): number {
    const { rows, index } = jointly(this.lookupsIn(lookups));
    const from = this.outOf(other);
    const to = this.outOf(lookups | other);
    if ((to & rows) !== 0) {
      // A scatter: all indices are read off, the rows appear.
      const sound = (to & rows) === rows && (from & rows) === 0 &&
        (from & index) === index && (to & index) === 0;
      if (!sound) return Infinity;
      return MOVED * this.sizeOf(from) + STORED * this.sizeOf(to) +
        ROW * this.sizeOf(index);
    }
    // A gather: the rows are read off, the indices appear.
    if ((from & rows) !== rows || (from & index) !== 0) return Infinity;
    const all = (from & ~rows) | index;
    const reduced = (to & index) !== index;
    return (MOVED + (reduced ? SUMMED : 0)) * this.sizeOf(all) +
      ROW * this.sizeOf(index);
  }

  /**
   * Multiplying a sum out repeats the other factors for each term. That can
   * only pay where every term is smaller than the sum, as a lookup or a
   * repetition is, and stays so: the axes along which it is repeated must not
   * be walked by the other factors as well, or must vanish. Under lookups and
   * sums over axes alone it costs next to nothing.
   */
  #mayDistribute(set: number, at: number, networks: Networks): boolean {
    const others = set & ~(1 << at);
    if (this.isLookup(others)) return true;
    const out = this.outOf(set);
    const walked = walkedBy(
      this.factors.filter((_, other) => (others >> other) & 1),
      networks,
    );
    const { node, labels } = this.factors[at]!;
    return networks.termsOf(node).every(({ network }) => {
      const moved = movedBy(network, labels);
      return moved.length > 0 &&
        moved.every((bits) => (bits & walked) === 0 || (bits & out) === 0);
    });
  }

  #distribute(set: number, at: number, networks: Networks, built: Built): void {
    const { key, labels } = this.nameOf(set);
    const out = this.outOf(set);
    const kept = labels.map((label) => (out >> label) & 1).join("");
    const name = `${identity(this.factors[at]!)} of ${key} ${kept}`;
    let known = built.costs.get(name);
    if (!known || (known.atLeast && known.cost < this.cost[set]!)) {
      known = this.#sumCost(set, at, networks, built);
      built.costs.set(name, known);
    }
    const cost = known.cost * this.#reluctance(set);
    if (known.atLeast || cost >= this.cost[set]!) return;
    this.cost[set] = cost;
    this.choice[set] = DISTRIBUTE - at;
  }

  #sumCost(set: number, at: number, networks: Networks, built: Built): SumCost {
    const terms = networks.termsOf(this.factors[at]!.node);
    let cost = this.#shareOf(set) * ELEMENT * this.sizeOf(this.outOf(set)) *
      (terms.length - 1);
    for (const term of terms) {
      if (cost >= this.cost[set]!) return { cost, atLeast: true };
      const child = this.#child(set, at, term);
      cost += child ? child.solve(networks, built) : Infinity;
    }
    return { cost, atLeast: false };
  }

  /** The networks of a sum multiplied out, those with lookups first. */
  childrenOf(set: number, networks: Networks): Problem[] {
    const at = DISTRIBUTE - this.choice[set]!;
    const lookups = ({ network }: Term): number =>
      network.factors.filter(({ kind }) => kind === "lookup").length;
    return networks.termsOf(this.factors[at]!.node)
      .toSorted((a, b) => lookups(b) - lookups(a))
      .map((term) => this.#child(set, at, term)!);
  }

  /** A set with one term in the place of its sum; our labels keep theirs. */
  #child(set: number, at: number, term: Term): Problem | null {
    const extents = [...this.extents];
    const sequence = [...this.sequence];
    const own = term.network;
    const renamed = new Array<number>(own.extents.length).fill(UNIT);
    for (const [axis, label] of own.out.entries()) {
      renamed[label] = this.factors[at]!.labels[axis]!;
    }
    let place = sequence.length;
    for (const label of own.sequence.toReversed()) {
      if (renamed[label] === UNIT) {
        renamed[label] = extents.push(own.extents[label]!) - 1;
        sequence.splice(place, 0, renamed[label]!);
      } else {
        place = sequence.indexOf(renamed[label]!);
      }
    }
    const factors = [
      ...this.factors.filter((_, other) => other !== at && (set >> other) & 1),
      ...own.factors.map((factor) => ({
        ...factor,
        labels: factor.labels.map((label) =>
          label === UNIT ? UNIT : renamed[label]!
        ),
      })),
    ];
    const out = this.outOf(set);
    const present = factors.reduce(
      (all, { labels }) => all | bitsOf(labels),
      0,
    );
    const gone = this.#labels[set]! & ~present & ~out;
    const scale = term.sign * own.scale * this.sizeOf(gone);
    const network = { factors, extents, sequence, scale };
    return tooLarge(network)
      ? null
      : new Problem(network, out, null, this.#roomy);
  }

  /** Whether the set is a product of the original graph, or one factor. */
  #isOriginal(set: number): boolean {
    return (set & (set - 1)) === 0 || (this.#groups?.has(set) ?? false);
  }

  #reluctance(set: number): number {
    return this.#groups === null || this.#isOriginal(set) ? 1 : RELUCTANCE;
  }

  #isConnected(set: number): boolean {
    let reached = set & -set;
    let labels = this.#labels[reached]!;
    for (let rest = set ^ reached; rest !== 0;) {
      let next = 0;
      for (let left = rest; left !== 0; left &= left - 1) {
        const one = left & -left;
        if ((this.#labels[one]! & labels) !== 0) next |= one;
      }
      if (next === 0) return false;
      for (let left = next; left !== 0; left &= left - 1) {
        labels |= this.#labels[left & -left]!;
      }
      reached |= next;
      rest ^= next;
    }
    return true;
  }
}
