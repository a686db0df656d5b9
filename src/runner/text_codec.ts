/**
 * Between the text of a line and the tokens of a model. For a model without a
 * vocabulary the text is the tokens themselves: integers between white space.
 */
import type { Vocabulary } from "../data/vocabulary.ts";
import type { ModelSizes } from "../nn/model.ts";

/** The tokens of a text, or what is wrong with it. */
export type EncodedText =
  | {
    /** Its tokens, not padded. */
    readonly tokens: Int32Array;
    /** What the vocabulary does not have, as it stands in the text. */
    readonly unknown: readonly string[];
  }
  | { readonly problem: string };

/** How texts become tokens and tokens become texts. */
export interface TextCodec {
  /**
   * Reads a text.
   *
   * @param text A line.
   * @returns Its tokens, none for an empty line, or what is wrong.
   */
  encode(text: string): EncodedText;
  /**
   * Writes tokens.
   *
   * @param tokens Tokens, without an end or padding.
   * @returns The text.
   */
  decode(tokens: Int32Array): string;
  /**
   * Names a token.
   *
   * @param token Any token of the model.
   * @returns What it stands for.
   */
  nameOf(token: number): string | number;
}

/**
 * Makes the codec of a model without a vocabulary.
 *
 * @param sizes The model's sizes.
 * @returns Integers between white space.
 */
export function integerCodec({ vocabSize }: ModelSizes): TextCodec {
  return {
    encode(text) {
      const words = text.split(/\s+/).filter((word) => word !== "");
      const wrong = words.find((word) =>
        !/^\d+$/.test(word) || Number(word) >= vocabSize
      );
      if (wrong !== undefined) {
        const found = JSON.stringify(shorten(wrong));
        return {
          problem: `it has ${found}, wanted integers from 0 to ` +
            `${vocabSize - 1} between white space`,
        };
      }
      return { tokens: Int32Array.from(words, Number), unknown: [] };
    },
    decode: (tokens) => tokens.join(" "),
    nameOf: (token) => token,
  };
}

/**
 * Makes the codec of a model with a vocabulary.
 *
 * @param vocabulary The model's vocabulary.
 * @returns Texts cut into the vocabulary's kind of tokens.
 */
export function vocabularyCodec(vocabulary: Vocabulary): TextCodec {
  return {
    encode(text) {
      let words: string[];
      try {
        words = vocabulary.tokenize(text);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return { problem: error.message };
      }
      const numbers = words.map((word) => vocabulary.numberOf(word));
      return {
        tokens: Int32Array.from(numbers, (number) => number ?? vocabulary.unk),
        unknown: words.filter((_, at) => numbers[at] === undefined),
      };
    },
    decode: (tokens) => vocabulary.decode(tokens),
    nameOf: (token) => vocabulary.tokens[token]!,
  };
}

/**
 * Reads a text as one side of a pair, as the model's training did: a target
 * ends with the end, if the model has one.
 *
 * @param text The text.
 * @param side Whether it is a source or a target.
 * @param codec How the model reads texts.
 * @param sizes The model's sizes.
 * @returns Its tokens, not padded, at least one and no more than the model
 * takes, or what is wrong. An empty text has none, and nothing is wrong.
 */
export function encodeSide(
  text: string,
  side: "source" | "target",
  codec: TextCodec,
  sizes: ModelSizes,
): EncodedText {
  const encoded = codec.encode(text);
  if ("problem" in encoded || encoded.tokens.length === 0) return encoded;
  const { tokens, unknown } = encoded;
  const { srcLength, tgtLength, padToken, eosToken } = sizes;
  const end = side === "target" && eosToken !== undefined ? [eosToken] : [];
  const length = side === "source" ? srcLength : tgtLength;
  const most = length - end.length;
  const isPadded = padToken !== undefined;
  if (isPadded ? tokens.length > most : tokens.length !== most) {
    const found = `${tokens.length} token${tokens.length === 1 ? "" : "s"}`;
    const wanted = `${isPadded ? "at most " : ""}${most}`;
    const room = end.length === 0 ? "" : " less its end";
    return {
      problem: `it has ${found}, wanted ${wanted}, the model's ${side} ` +
        `length${room}`,
    };
  }
  return { tokens: Int32Array.of(...tokens, ...end), unknown };
}

/**
 * Says which tokens a model does not know.
 *
 * @param unknown At least one token, in any order, as often as they occur.
 * @returns A phrase with the first few.
 */
export function describeUnknown(unknown: readonly string[]): string {
  const names = [...new Set(unknown)].slice(0, 5).map((name) =>
    JSON.stringify(name)
  );
  return `not in the model's vocabulary: ${names.join(", ")}`;
}

function shorten(word: string): string {
  return word.length > 40 ? `${word.slice(0, 40)}...` : word;
}
