/**
 * Whether all ranks set out with the same: a rank with other data or another
 * configuration would train everyone's model on something nobody asked for.
 * Compares by 64-bit hashes, against mistakes and not against malice.
 */
import type { TypedArray } from "../array.ts";
import type { Communicator } from "./communicator.ts";

/** What ranks must agree on, by what it is called in a message. */
export type Facts = Readonly<Record<string, string | TypedArray>>;

/** Thrown on every rank where one differs from the first. */
export class DisagreementError extends Error {
  /** The error's name, `"DisagreementError"`. */
  override name = "DisagreementError";
}

/**
 * Compares facts between all ranks.
 *
 * @param communicator The ranks; all call it.
 * @param facts What must be the same everywhere.
 * @throws {DisagreementError} If a rank has other facts than rank 0. All ranks
 * throw the same then.
 */
export function agree(communicator: Communicator, facts: Facts): void {
  const { size } = communicator;
  if (size === 1) return;
  // Names first: only then do all ranks exchange as many hashes.
  const names = Object.keys(facts);
  const differing = findDifferent(communicator, [hash(names.join("\n"))]);
  if (differing !== undefined) {
    throw new DisagreementError(
      `Cannot train on ${size} ranks: rank ${differing.rank} runs another ` +
        `version of the program than rank 0`,
    );
  }
  const hashes = Object.values(facts).map(hash);
  const found = findDifferent(communicator, hashes);
  if (found === undefined) return;
  throw new DisagreementError(
    `Cannot train on ${size} ranks: rank ${found.rank} has another ` +
      `${names[found.at]} than rank 0, wanted the same everywhere`,
  );
}

/** The two halves of a hash. */
type Hash = readonly [number, number];

/** The first difference from rank 0, the same on every rank. */
function findDifferent(
  communicator: Communicator,
  hashes: readonly Hash[],
): { rank: number; at: number } | undefined {
  const { rank, size } = communicator;
  const own = hashes.flat();
  const all = new Int32Array(size * own.length);
  all.set(own, rank * own.length);
  communicator.allReduce(all);
  for (let index = own.length; index < all.length; index++) {
    const at = index % own.length;
    if (all[index] === all[at]) continue;
    return { rank: Math.floor(index / own.length), at: Math.floor(at / 2) };
  }
  return undefined;
}

/** FNV-1a over 32-bit words, twice, from different beginnings. */
function hash(fact: string | TypedArray): Hash {
  const words = wordsOf(fact);
  let one = 0x811c9dc5 ^ words.length;
  let two = 0x9747b28c;
  for (let at = 0; at < words.length; at++) {
    one = mix(one ^ words[at]!, 0x01000193);
    two = mix(two ^ words[at]!, 0x5bd1e995);
  }
  return [one, two];
}

/** High bits find their way down too, which a product alone does not do. */
function mix(value: number, factor: number): number {
  const product = Math.imul(value, factor);
  return product ^ (product >>> 15);
}

function wordsOf(fact: string | TypedArray): Int32Array {
  if (typeof fact !== "string") {
    return new Int32Array(fact.buffer, fact.byteOffset, fact.byteLength / 4);
  }
  const bytes = new TextEncoder().encode(fact);
  const words = new Int32Array(Math.ceil(bytes.length / 4) + 1);
  new Uint8Array(words.buffer).set(bytes);
  // "a" and "a\0" fill the same words.
  words[words.length - 1] = bytes.length;
  return words;
}
