/**
 * The copy task: random token sequences whose target is the source itself. It
 * makes arrays; it neither batches nor reads files.
 */
import { describe, type NDArray } from "../array.ts";
import { checkInteger } from "../checks.ts";
import { Random } from "../random.ts";

/** What {@linkcode generateCopyTaskData} makes. */
export interface CopyTaskOptions {
  /** How many pairs of sequences, at least 1. */
  readonly nSamples: number;
  /** Tokens in a source sequence, at least 1. */
  readonly srcLength: number;
  /** Tokens in a target sequence, from 1 to `srcLength`. */
  readonly tgtLength: number;
  /** How many different tokens there are, at least 1. */
  readonly vocabSize: number;
  /** A safe non-negative integer, by default 0. The same seed gives the same bytes. */
  readonly randomSeed?: number;
}

/** Pairs of sequences, row by row. */
export interface CopyTaskData {
  /** The source tokens, Int32 (nSamples, srcLength). */
  readonly xSrc: NDArray<Int32Array>;
  /** The target tokens, Int32 (nSamples, tgtLength). */
  readonly xTgt: NDArray<Int32Array>;
}

/**
 * Generates data for the copy task. Source tokens are drawn row by row, each
 * uniform in [0, vocabSize); a target is its source, cut to its first
 * `tgtLength` tokens.
 *
 * @param options Sizes and seed.
 * @returns `xSrc` (nSamples, srcLength) and `xTgt` (nSamples, tgtLength), both
 * Int32.
 * @throws {TypeError} If an option is not a number.
 * @throws {RangeError} If a size is not a positive integer, if `tgtLength` is
 * more than `srcLength`, if an array would exceed 2 GiB, or if the seed is not
 * a safe non-negative integer.
 *
 * @example A target is the beginning of its source
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { generateCopyTaskData } from "jsr:@weft/seq2seq";
 *
 * const { xSrc, xTgt } = generateCopyTaskData({
 *   nSamples: 2,
 *   srcLength: 5,
 *   tgtLength: 3,
 *   vocabSize: 20,
 *   randomSeed: 1,
 * });
 * assertEquals(xSrc.shape, [2, 5]);
 * assertEquals(xTgt.data.slice(3, 6), xSrc.data.slice(5, 8));
 * ```
 */
export function generateCopyTaskData(options: CopyTaskOptions): CopyTaskData {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot generate data from ${describe(options)}: wanted an object with ` +
        `nSamples, srcLength, tgtLength and vocabSize`,
    );
  }
  const { nSamples, srcLength, tgtLength, vocabSize, randomSeed = 0 } = options;
  const sizes = { nSamples, srcLength, tgtLength, vocabSize };
  for (const [name, size] of Object.entries(sizes)) {
    checkInteger(size, name, 1, MAX_INT32);
  }
  checkInteger(randomSeed, "randomSeed", 0);
  if (tgtLength > srcLength) {
    throw new RangeError(
      `Cannot use tgtLength = ${tgtLength}: wanted at most srcLength, which ` +
        `is ${srcLength}`,
    );
  }
  if (nSamples * srcLength > MAX_TOKENS) {
    throw new RangeError(
      `Cannot use nSamples = ${nSamples} with srcLength = ${srcLength}: ` +
        `wanted at most ${MAX_TOKENS} tokens in all`,
    );
  }
  const random = new Random(randomSeed, "copy task");
  const source = new Int32Array(nSamples * srcLength);
  for (let i = 0; i < source.length; i++) source[i] = random.below(vocabSize);
  const target = new Int32Array(nSamples * tgtLength);
  for (let row = 0; row < nSamples; row++) {
    const start = row * srcLength;
    target.set(source.subarray(start, start + tgtLength), row * tgtLength);
  }
  return {
    xSrc: { data: source, shape: [nSamples, srcLength] },
    xTgt: { data: target, shape: [nSamples, tgtLength] },
  };
}

/** 2 GiB of Int32. */
const MAX_TOKENS = 2 ** 29;

const MAX_INT32 = 2 ** 31 - 1;
