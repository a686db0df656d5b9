/**
 * Counts tokens, and makes the vocabulary of the frequent ones. The memory of
 * a count is bounded, however many different tokens there are.
 */
import type { TokenKind } from "./tokenizer.ts";
import { SPECIAL_TOKENS, Vocabulary } from "./vocabulary.ts";

/** Different tokens that are counted at a time. */
const MOST_COUNTED = 2 ** 21;

/** Which tokens a vocabulary takes. */
export interface VocabularyLimits {
  /** How often a token must occur. */
  readonly minCount: number;
  /** The most tokens, the special ones included; null for any number. */
  readonly maxSize: number | null;
}

/**
 * Counts tokens. Beyond a certain number of different ones the rarest are
 * forgotten, all counts being lowered by one (Misra and Gries, 1982); how much
 * that came to is `missing`. What is frequent is never forgotten.
 */
export class TokenCounter {
  /** Counts in objects: to raise one takes no second look-up. */
  readonly #counts = new Map<string, { count: number }>();
  readonly #most: number;
  #total = 0;
  #missing = 0;

  /**
   * Begins at zero.
   *
   * @param most The most different tokens to remember.
   */
  constructor(most: number = MOST_COUNTED) {
    this.#most = most;
  }

  /** How many tokens have been added. */
  get total(): number {
    return this.#total;
  }

  /** By how much counts may be too low; 0 where they are exact. */
  get missing(): number {
    return this.#missing;
  }

  /** How many different tokens are remembered. */
  get size(): number {
    return this.#counts.size;
  }

  /**
   * Counts tokens.
   *
   * @param tokens The tokens of a text.
   */
  add(tokens: readonly string[]): void {
    this.#total += tokens.length;
    for (const token of tokens) {
      const known = this.#counts.get(token);
      if (known !== undefined) known.count++;
      else {
        this.#counts.set(detach(token), { count: 1 });
        if (this.#counts.size > this.#most) this.#forget();
      }
    }
  }

  /**
   * Makes a vocabulary: the most frequent tokens first, those equally frequent
   * by their UTF-16 code units, so that the order of the texts does not matter.
   *
   * @param kind What the tokens are.
   * @param limits Which ones it takes.
   * @returns The vocabulary; it may have special tokens alone.
   */
  vocabulary(
    kind: TokenKind,
    { minCount, maxSize }: VocabularyLimits,
  ): Vocabulary {
    const tokens = [...this.#counts]
      .filter(([, { count }]) => count >= minCount)
      .sort(([a, m], [b, n]) => n.count - m.count || (a < b ? -1 : 1))
      .slice(0, maxSize === null ? undefined : maxSize - SPECIAL_TOKENS)
      .map(([token]) => token);
    return new Vocabulary(kind, tokens);
  }

  /**
   * Counts what a vocabulary does not have.
   *
   * @param vocabulary Any vocabulary.
   * @returns How many of the tokens added are not in it.
   */
  unknownTo(vocabulary: Vocabulary): number {
    let known = 0;
    for (const [token, { count }] of this.#counts) {
      if (vocabulary.numberOf(token) !== undefined) known += count;
    }
    return this.#total - known;
  }

  #forget(): void {
    this.#missing++;
    for (const [token, known] of this.#counts) {
      if (--known.count === 0) this.#counts.delete(token);
    }
  }
}

/** A part of a text may keep all of it in memory; a copy keeps only itself. */
function detach(token: string): string {
  return token.length < 13 ? token : ` ${token}`.slice(1);
}
