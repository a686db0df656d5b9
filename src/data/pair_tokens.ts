/**
 * From a line to the tokens of a pair, as texts. Numbers are the vocabulary's
 * business.
 */
import type { Line } from "./line_stream.ts";
import { type PairFormat, parsePair } from "./pair_lines.ts";
import { tokenize, type TokenKind } from "./tokenizer.ts";

/** The tokens of both sides, at least one each. */
export interface PairTokens {
  /** Of the source. */
  readonly source: readonly string[];
  /** Of the target, without an end. */
  readonly target: readonly string[];
}

/** How lines are read. */
export interface PairReading {
  /** How a line holds a pair. */
  readonly format: PairFormat;
  /** What a token is. */
  readonly kind: TokenKind;
}

/**
 * Reads a line.
 *
 * @param line The line.
 * @param reading How it holds a pair, and what a token is.
 * @returns Its tokens, or what is wrong with it.
 */
export function readPairTokens(
  { text, problem }: Pick<Line, "text" | "problem">,
  { format, kind }: PairReading,
): PairTokens | { readonly problem: string } {
  if (problem !== undefined) return { problem };
  const pair = parsePair(text, format);
  if ("problem" in pair) return pair;
  const tokens: Record<"source" | "target", string[]> = {
    source: [],
    target: [],
  };
  for (const side of ["source", "target"] as const) {
    try {
      tokens[side] = tokenize(kind, pair[side]);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return { problem: `${side}: ${error.message}` };
    }
    if (tokens[side].length === 0) return { problem: `its ${side} is empty` };
  }
  return tokens;
}
