/**
 * The numbers of tokens: one vocabulary serves sources and targets. It does
 * not count how often tokens occur, and knows no files.
 */
import { describe } from "../array.ts";
import {
  joinTokens,
  TOKEN_KINDS,
  tokenize,
  type TokenKind,
} from "./tokenizer.ts";

export type { TokenKind } from "./tokenizer.ts";

/** A vocabulary as plain data, ready to be JSON. */
export interface VocabularyJson {
  /** What a token is. */
  readonly kind: TokenKind;
  /** The token of every number, the three special ones first. */
  readonly tokens: readonly string[];
}

/** What stands for the special tokens, by their numbers. */
const SPECIAL: readonly string[] = ["<pad>", "<eos>", "<unk>"];

/**
 * The tokens that a model knows. The first three are special: `<pad>` fills
 * sequences up, `<eos>` ends a target, `<unk>` stands for every token that is
 * not in the vocabulary. A text that contains `<pad>` does not mean padding:
 * no text is ever encoded as `<pad>` or `<eos>`.
 *
 * @example From a text to numbers and back
 * ```ts
 * import { Vocabulary } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const vocabulary = new Vocabulary("words", ["one", "two"]);
 * assertEquals([...vocabulary.encode("two one three")], [4, 3, 2]);
 * assertEquals(vocabulary.decode([4, 3, 2, 1, 0]), "two one <unk>");
 * ```
 */
export class Vocabulary {
  /** What a token is. */
  readonly kind: TokenKind;
  /** The token of every number, the three special ones first. */
  readonly tokens: readonly string[];
  /** How many tokens there are, the three special ones included. */
  readonly size: number;
  /** The number of `<pad>`. */
  readonly pad = 0;
  /** The number of `<eos>`. */
  readonly eos = 1;
  /** The number of `<unk>`. */
  readonly unk = 2;
  readonly #numbers = new Map<string, number>();

  /**
   * Makes a vocabulary.
   *
   * @param kind What a token is: `"characters"`, `"words"` or `"integers"`.
   * @param tokens The tokens without the special ones, in the order of their
   * numbers, the first of which is 3.
   * @throws {TypeError} If the kind is none or a token is no text.
   * @throws {RangeError} If a token is empty, is not one of its kind or occurs
   * twice.
   */
  constructor(kind: TokenKind, tokens: readonly string[]) {
    checkKind(kind);
    for (const [index, token] of tokens.entries()) {
      checkToken(kind, token, `tokens[${index}]`);
      if (this.#numbers.has(token)) {
        throw new RangeError(
          `Cannot use tokens[${index}] = ${describe(token)}: it is also ` +
            `tokens[${this.#numbers.get(token)! - SPECIAL.length}]`,
        );
      }
      this.#numbers.set(token, SPECIAL.length + index);
    }
    this.kind = kind;
    this.tokens = Object.freeze([...SPECIAL, ...tokens]);
    this.size = this.tokens.length;
  }

  /**
   * Tells the number of a token.
   *
   * @param token The token as a text.
   * @returns Its number; undefined if it is not in the vocabulary, as it is
   * for the special ones, which no text means.
   */
  numberOf(token: string): number | undefined {
    return this.#numbers.get(token);
  }

  /**
   * Cuts a text into tokens, known or not.
   *
   * @param text Any text.
   * @returns The tokens as texts.
   * @throws {RangeError} If tokens are integers and a word is none.
   */
  tokenize(text: string): string[] {
    return tokenize(this.kind, text);
  }

  /**
   * Encodes a text, as a source is encoded for training: nothing is added.
   *
   * @param text Any text.
   * @returns The numbers of its tokens, `unk` where there is none.
   * @throws {RangeError} If tokens are integers and a word is none.
   */
  encode(text: string): Int32Array {
    const tokens = this.tokenize(text);
    return Int32Array.from(tokens, (token) => this.numberOf(token) ?? this.unk);
  }

  /**
   * Makes a text of numbers. It ends before the first `eos`, and leaves `pad`
   * out.
   *
   * @param numbers Numbers below `size`, such as a row of a prediction.
   * @returns The text.
   * @throws {RangeError} If a number is no token's.
   */
  decode(numbers: Iterable<number>): string {
    const tokens: string[] = [];
    for (const number of numbers) {
      const token = this.tokens[number];
      if (token === undefined) {
        throw new RangeError(
          `Cannot decode token ${describe(number)}: wanted an integer from 0 ` +
            `to ${this.size - 1}`,
        );
      }
      if (number === this.eos) break;
      if (number !== this.pad) tokens.push(token);
    }
    return joinTokens(this.kind, tokens);
  }

  /**
   * Gives the vocabulary as plain data.
   *
   * @returns What {@linkcode Vocabulary.fromJSON} takes.
   */
  toJSON(): VocabularyJson {
    return { kind: this.kind, tokens: this.tokens };
  }

  /**
   * Makes a vocabulary of plain data.
   *
   * @param value What {@linkcode Vocabulary.toJSON} has given, or anything.
   * @returns An equal vocabulary.
   * @throws {TypeError | RangeError} If the value is no vocabulary.
   */
  static fromJSON(value: unknown): Vocabulary {
    const { kind, tokens } = (value ?? {}) as Partial<VocabularyJson>;
    checkKind(kind);
    if (!Array.isArray(tokens)) {
      throw new TypeError(
        `Cannot use tokens = ${describe(tokens)}: wanted an array`,
      );
    }
    for (const [index, token] of SPECIAL.entries()) {
      if (tokens[index] !== token) {
        throw new RangeError(
          `Cannot use tokens[${index}] = ${describe(tokens[index])}: wanted ` +
            describe(token),
        );
      }
    }
    return new Vocabulary(kind, tokens.slice(SPECIAL.length));
  }
}

/** How many tokens every vocabulary has. */
export const SPECIAL_TOKENS: number = SPECIAL.length;

function checkKind(kind: unknown): asserts kind is TokenKind {
  if (TOKEN_KINDS.includes(kind as TokenKind)) return;
  throw new TypeError(
    `Cannot use kind = ${describe(kind)}: wanted one of ` +
      TOKEN_KINDS.map(describe).join(", "),
  );
}

/**
 * What a grapheme is changes with Unicode, and a vocabulary must outlive that;
 * so any character will do.
 */
function checkToken(kind: TokenKind, token: unknown, name: string): void {
  const wanted = `wanted one of kind ${describe(kind)}`;
  if (typeof token !== "string") {
    throw new TypeError(`Cannot use ${name} = ${describe(token)}: ${wanted}`);
  }
  const pattern = { characters: /./s, words: /^\S+$/, integers: /^-?\d+$/ };
  const isNormal = kind !== "integers" ||
    !/^-?0./.test(token) && token !== "-0";
  if (pattern[kind].test(token) && isNormal) return;
  throw new RangeError(`Cannot use ${name} = ${describe(token)}: ${wanted}`);
}
