/**
 * Labels and factors as small numbers: what planning networks computes with,
 * and names that equal products share.
 */
import { type Factor, type Network, type Networks, UNIT } from "./network.ts";

/** Labels are bits of a small integer, sets of factors too. */
const MAX_LABELS = 30;
const MAX_SET = 8;

/** A table of several axes that is looked up in has no more places than this. */
export const MAX_PLACES = 2 ** 27;

/**
 * Added to a place inside of a table, this is outside of all tables; so is what
 * comes of adding it once for each of MAX_SET factors.
 */
export const OUTSIDE = -(2 ** 28);

/** What a product is called. */
export interface ProductName {
  /** Equal for equal products, wherever they are found. */
  readonly key: string;
  /** The product's labels, in an order that belongs to the name. */
  readonly labels: readonly number[];
}

/** The name of the product of some factors. */
export function nameProduct(factors: readonly Factor[]): ProductName {
  const labels: number[] = [];
  let key = "";
  for (const factor of factors.toSorted((a, b) => identity(a) - identity(b))) {
    key += identity(factor);
    for (const label of factor.labels) {
      let at = label === UNIT ? UNIT : labels.indexOf(label);
      if (at < 0 && label !== UNIT) at = labels.push(label) - 1;
      key += `,${at}`;
    }
    key += ";";
  }
  return { key, labels };
}

/** Beyond this, bits and time run out. */
export function tooLarge(
  { factors, extents }: Pick<Network, "factors" | "extents">,
): boolean {
  return extents.length > MAX_LABELS || factors.length > MAX_SET;
}

/** Labels as bits. */
export function bitsOf(labels: readonly number[]): number {
  let bits = 0;
  for (const label of labels) if (label !== UNIT) bits |= 1 << label;
  return bits;
}

/** A number for the node and the part it plays. */
export function identity({ kind, node }: Factor): number {
  return 2 * node.id + (kind === "lookup" ? 1 : 0);
}

/**
 * The groups of a sum's labels along which a term only repeats what it is: the
 * indices of each lookup, and every axis that the term lacks.
 */
export function movedBy(term: Network, labels: readonly number[]): number[] {
  const present = new Set(term.factors.flatMap(({ labels }) => labels));
  const moved: number[] = [];
  for (const [axis, label] of term.out.entries()) {
    if (!present.has(label) && labels[axis] !== UNIT) {
      moved.push(1 << labels[axis]!);
    }
  }
  for (const factor of term.factors) {
    if (factor.kind !== "lookup") continue;
    const bits = bitsOf(
      factor.labels.slice(0, -1).map((label) => {
        const axis = term.out.indexOf(label);
        return axis < 0 ? UNIT : labels[axis]!;
      }),
    );
    if (bits !== 0) moved.push(bits);
  }
  return moved;
}

/**
 * The labels that factors walk whatever is done with them: all but those of
 * indices, and those along which every term of a sum is repeated.
 */
export function walkedBy(
  factors: readonly Factor[],
  networks: Networks,
): number {
  let walked = 0;
  for (const { kind, node, labels } of factors) {
    if (kind === "value") walked |= bitsOf(labels);
    if (kind !== "sum") continue;
    for (const { network } of networks.termsOf(node)) {
      const moved = movedBy(network, labels).reduce((a, b) => a | b, 0);
      walked |= bitsOf(labels) & ~moved;
    }
  }
  return walked;
}

/** The rows and the indices of lookups, and whether no row is picked twice. */
export function jointly(
  lookups: readonly Factor[],
): { rows: number; index: number; apart: boolean } {
  let rows = 0;
  let index = 0;
  let apart = true;
  for (const { labels } of lookups) {
    const row = 1 << labels.at(-1)!;
    apart &&= (rows & row) === 0;
    rows |= row;
    index |= bitsOf(labels) & ~row;
  }
  return { rows, index, apart: apart && (rows & index) === 0 };
}
