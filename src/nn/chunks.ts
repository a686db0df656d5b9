/**
 * How many sequences are taken at once by those who predict and evaluate, and
 * by each of their threads.
 */
import type { Seq2SeqSizes } from "./seq2seq.ts";

/** The most sequences that a thread takes at once. */
export const MOST_AT_ONCE = 64;
/** The least: products of fewer rows are slow. */
const LEAST_AT_ONCE = 16;
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
 * How many times a thread takes sequences before all meet, so that it can take
 * more if another one is slower...
 */
const TURNS = 4;
/** ... and how many bytes of keys and values it may fill meanwhile. */
const IN_TURNS = 2 ** 22;
/** Every part is code of its own. */
const MOST_PARTS = 256;

/** How many sequences so many threads take at once: a power of two. */
export function chunkFor(sizes: Seq2SeqSizes, threads: number): number {
  const atOnce = sequencesAtOnce(sizes);
  if (threads === 1) return atOnce;
  const most = Math.floor(IN_TURNS / (atOnce * bytesOf(sizes)));
  const turns = Math.max(1, Math.min(TURNS, most));
  return atOnce * 2 ** Math.floor(Math.log2(turns * threads));
}

/** Into how many parts threads cut so many sequences. */
export function partsOf(sizes: Seq2SeqSizes, batch: number): number {
  return Math.min(MOST_PARTS, Math.ceil(batch / sequencesAtOnce(sizes)));
}
