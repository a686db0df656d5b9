/**
 * Cuts texts into tokens, and joins tokens to texts. Which number a token has
 * is the vocabulary's business.
 */

/** What a token of a text is. */
export type TokenKind = "characters" | "words" | "integers";

/** All kinds of tokens. */
export const TOKEN_KINDS: readonly TokenKind[] = [
  "characters",
  "words",
  "integers",
];

/** Graphemes do not depend on a language; "und" is none. */
const GRAPHEMES = new Intl.Segmenter("und", { granularity: "grapheme" });

/**
 * Cuts a text into tokens. Characters are what people take for one
 * (graphemes), white space included. Words and integers stand between white
 * space; an integer is written in decimal and loses leading zeros and a plus.
 *
 * @param kind What a token is.
 * @param text Any text.
 * @returns The tokens, none of them empty; none for a text without any.
 * @throws {RangeError} If the kind is integers and a word is none.
 */
export function tokenize(kind: TokenKind, text: string): string[] {
  switch (kind) {
    case "characters":
      // Of plain ASCII every character is a grapheme, and found 50 times
      // sooner.
      return /^[\x20-\x7e]*$/.test(text)
        ? text.split("")
        : Array.from(GRAPHEMES.segment(text), ({ segment }) => segment);
    case "words":
      return splitWords(text);
    case "integers":
      return splitWords(text).map(normalizeInteger);
  }
}

/**
 * Joins tokens to a text: characters closely, others by single spaces.
 *
 * @param kind What the tokens are.
 * @param tokens The tokens.
 * @returns The text.
 */
export function joinTokens(kind: TokenKind, tokens: readonly string[]): string {
  return tokens.join(kind === "characters" ? "" : " ");
}

function splitWords(text: string): string[] {
  return text.match(/\S+/g) ?? [];
}

function normalizeInteger(word: string): string {
  const [, sign, digits] = /^([+-]?)0*(\d+)$/.exec(word) ?? [];
  if (digits === undefined) {
    throw new RangeError(
      `Cannot read token ${JSON.stringify(word)}: wanted an integer`,
    );
  }
  return sign === "-" && digits !== "0" ? `-${digits}` : digits;
}
