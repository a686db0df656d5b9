/**
 * How many sequences are taken at once by those who predict and evaluate, and
 * by each of their threads.
 */
import type { Seq2SeqSizes } from "./seq2seq.ts";

/** The most sequences that a thread takes at once. */
const MOST_AT_ONCE = 64;
/** The least of several threads: products of fewer rows are slow. */
export const LEAST_AT_ONCE = 16;
/** Keys and values are read for every token: so many bytes are in reach. */
const IN_REACH = 2 ** 20;

/**
 * How many sequences a thread takes at once: as many as stay in its cache, and
 * a power of two, as plans are for.
 */
function sequencesAtOnce(sizes: Seq2SeqSizes): number {
  const most = Math.max(1, Math.min(MOST_AT_ONCE, IN_REACH / bytesOf(sizes)));
  return Math.max(LEAST_AT_ONCE, 2 ** Math.floor(Math.log2(most)));
}

/** Bytes of the keys and values of a sequence, from encoding to decoding. */
export function bytesOf({ srcLength, dK, dV, dModel }: Seq2SeqSizes): number {
  return 4 * srcLength * (dK + Math.max(dV, dModel));
}

/**
 * How many of so many sequences are taken at once, so that each thread has some:
 * a power of two.
 */
export function chunkFor(
  sizes: Seq2SeqSizes,
  rows: number,
  threads: number,
): number {
  const least = Math.min(LEAST_AT_ONCE, powerOfTwo(rows));
  const share = Math.max(least, powerOfTwo(rows / threads));
  return Math.min(sequencesAtOnce(sizes), share);
}

/** Of how many sequences there may be plans, in ascending order. */
export function chunkSizes(sizes: Seq2SeqSizes): number[] {
  const count = 1 + Math.log2(sequencesAtOnce(sizes));
  return Array.from({ length: count }, (_, at) => 2 ** at);
}

/** The least power of two that is not less. */
function powerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, value)));
}
