/**
 * The seeded random number generator behind data, initialisation and
 * shuffling. It is neither cryptographic nor fed by the operating system: a
 * seed and a stream name fix every number it will ever return.
 */
import { checkInteger } from "./checks.ts";

/** The four 32-bit words an xoshiro128** generator consists of. */
export type RandomState = readonly [number, number, number, number];

/**
 * A deterministic generator: xoshiro128** (Blackman and Vigna, 2018).
 *
 * The stream is fixed, so that data made from a seed never change:
 *
 * 1. The stream name is hashed as UTF-16 code units, low byte then high byte,
 *    by 32-bit FNV-1a (the empty name gives the offset basis 0x811c9dc5).
 * 2. The low and the high 32 bits of the seed and that hash are absorbed in
 *    turn: `x = splitmix32(x ^ word)`, from `x = 0`, where `splitmix32(x)` is
 *    the output that follows the state `x`: MurmurHash3's 32-bit finaliser of
 *    `x + 0x9e3779b9`.
 * 3. The four words of the state are the next four splitmix32 outputs from the
 *    state `x`.
 *
 * Generators of one seed with different stream names are independent for every
 * practical purpose, so that drawing more from one never moves another.
 *
 * @example Two streams of one seed
 * ```ts
 * import { assertEquals, assertNotEquals } from "@std/assert";
 * import { Random } from "jsr:@weft/seq2seq";
 *
 * const first = new Random(7, "train");
 * const again = new Random(7, "train");
 * const other = new Random(7, "test");
 * const value = first.uint32();
 * assertEquals(again.uint32(), value);
 * assertNotEquals(other.uint32(), value);
 * ```
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  #spareNormal: number | undefined;

  /**
   * Seeds a generator.
   *
   * @param seed A safe non-negative integer.
   * @param stream The name of the stream; the unnamed one by default.
   * @throws {TypeError} If the seed is not a number.
   * @throws {RangeError} If the seed is not a safe non-negative integer.
   */
  constructor(seed: number, stream = "") {
    checkInteger(seed, "seed", 0);
    let x = 0;
    x = splitmix32(x ^ (seed >>> 0));
    x = splitmix32(x ^ Math.floor(seed / 0x1_0000_0000));
    x = splitmix32(x ^ hashName(stream));
    const words: number[] = [];
    for (let i = 0; i < 4; i++) {
      words.push(splitmix32(x));
      x = (x + SPLITMIX_STEP) | 0;
    }
    // An all-zero state would stay zero; splitmix32 is a bijection of distinct
    // states, so at most one of the four words can be zero.
    [this.#a, this.#b, this.#c, this.#d] = words as [
      number,
      number,
      number,
      number,
    ];
  }

  /**
   * Continues from a raw state, for comparison with other implementations.
   *
   * @param state Four unsigned 32-bit words, not all zero.
   * @returns A generator in that state.
   * @throws {TypeError} If a word is not a number.
   * @throws {RangeError} If a word is not an unsigned 32-bit integer, or if
   * all are zero.
   */
  static fromState(state: RandomState): Random {
    for (const [index, word] of state.entries()) {
      checkInteger(word, `state[${index}]`, 0, 0xffff_ffff);
    }
    if (state.every((word) => word === 0)) {
      throw new RangeError(
        "Cannot use state: all words are 0, wanted at least one other",
      );
    }
    const random = new Random(0);
    [random.#a, random.#b, random.#c, random.#d] = state;
    return random;
  }

  /**
   * Draws 32 bits.
   *
   * @returns An integer, uniform in [0, 2^32).
   */
  uint32(): number {
    const scrambled = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotateLeft(this.#d, 11);
    return scrambled;
  }

  /**
   * Draws an integer below a bound without bias, by Lemire's multiplication
   * with rejection. It takes one 32-bit draw, rarely more.
   *
   * @param bound An integer from 1 to 2^32.
   * @returns An integer, uniform in [0, bound).
   * @throws {TypeError} If the bound is not a number.
   * @throws {RangeError} If the bound is not such an integer.
   */
  below(bound: number): number {
    checkInteger(bound, "bound", 1, 0x1_0000_0000);
    if (bound === 0x1_0000_0000) return this.uint32();
    const rejected = 0x1_0000_0000 % bound;
    while (true) {
      // The 64-bit product in two halves: each partial product fits 2^53.
      const word = this.uint32();
      const upper = (word >>> 16) * bound;
      const rest = (upper % 0x1_0000) * 0x1_0000 + (word & 0xffff) * bound;
      if ((rest >>> 0) >= rejected) {
        return Math.floor(upper / 0x1_0000) + Math.floor(rest / 0x1_0000_0000);
      }
    }
  }

  /**
   * Draws a real number with 53 random bits (two 32-bit draws: 27 bits of the
   * first above 26 bits of the second).
   *
   * @returns A multiple of 2^-53, uniform in [0, 1).
   */
  uniform(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 0x400_0000 + low) / 0x20_0000_0000_0000;
  }

  /**
   * Draws from the standard normal distribution by Marsaglia's polar method.
   * Draws come in pairs, the second is kept for the next call.
   *
   * @returns A normal number with mean 0 and standard deviation 1.
   */
  normal(): number {
    const spare = this.#spareNormal;
    if (spare !== undefined) {
      this.#spareNormal = undefined;
      return spare;
    }
    while (true) {
      const x = 2 * this.uniform() - 1;
      const y = 2 * this.uniform() - 1;
      const squared = x * x + y * y;
      if (squared > 0 && squared < 1) {
        const scale = Math.sqrt(-2 * Math.log(squared) / squared);
        this.#spareNormal = y * scale;
        return x * scale;
      }
    }
  }

  /**
   * Draws an order by the Fisher-Yates shuffle, from the last place down.
   *
   * @param length How many integers, 0 or more.
   * @returns The integers below `length`, every order equally likely.
   * @throws {TypeError} If the length is not a number.
   * @throws {RangeError} If the length is not an integer from 0 to 2^31 - 1.
   */
  permutation(length: number): Int32Array {
    checkInteger(length, "length", 0, 0x7fff_ffff);
    const order = new Int32Array(length);
    for (let i = 0; i < length; i++) order[i] = i;
    for (let i = length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const kept = order[i]!;
      order[i] = order[j]!;
      order[j] = kept;
    }
    return order;
  }
}

/**
 * Derives the seed of a part from the seed of the whole, for functions that
 * take a seed and no stream: the first 53 random bits of that stream.
 *
 * @param seed A safe non-negative integer.
 * @param stream The name of the part.
 * @returns A safe non-negative integer.
 * @throws {TypeError} If the seed is not a number.
 * @throws {RangeError} If the seed is not a safe non-negative integer.
 */
export function deriveSeed(seed: number, stream: string): number {
  return new Random(seed, stream).uniform() * 0x20_0000_0000_0000;
}

const SPLITMIX_STEP = 0x9e3779b9;

/** The output of splitmix32 that follows the state `x`, as an int32. */
function splitmix32(x: number): number {
  let z = (x + SPLITMIX_STEP) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return z ^ (z >>> 16);
}

function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  return hash;
}

function rotateLeft(word: number, count: number): number {
  return (word << count) | (word >>> (32 - count));
}
