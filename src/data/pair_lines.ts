/**
 * Pairs of texts from lines: source and target with a tab between them (TSV),
 * or JSON objects with both (JSONL). What the texts mean is decided elsewhere.
 */

/** How a line holds a pair. */
export type PairFormat = "tsv" | "jsonl";

/** All formats. */
export const PAIR_FORMATS: readonly PairFormat[] = ["tsv", "jsonl"];

/** A pair of texts, or what is wrong with a line. */
export type TextPair =
  | { readonly source: string; readonly target: string }
  | { readonly problem: string };

/**
 * Guesses the format of a file.
 *
 * @param path The file.
 * @returns JSONL if the name ends in .jsonl or .ndjson, otherwise TSV.
 */
export function formatOf(path: string): PairFormat {
  return /\.(jsonl|ndjson)$/i.test(path) ? "jsonl" : "tsv";
}

/**
 * Reads a line.
 *
 * @param text The line.
 * @param format How it holds a pair.
 * @returns The pair, or what is wrong.
 */
export function parsePair(text: string, format: PairFormat): TextPair {
  return format === "tsv" ? parseTsv(text) : parseJson(text);
}

function parseTsv(text: string): TextPair {
  const [source = "", target, ...more] = text.split("\t");
  if (target === undefined) {
    return { problem: "it has no tab, wanted source<TAB>target" };
  }
  return more.length === 0
    ? { source, target }
    : { problem: `it has ${more.length + 1} tabs, wanted 1` };
}

function parseJson(text: string): TextPair {
  const wanted = 'wanted {"source": "...", "target": "..."}';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { problem: `it is not JSON, ${wanted}` };
  }
  const { source, target } = Object(value) as Record<string, unknown>;
  return typeof source === "string" && typeof target === "string"
    ? { source, target }
    : { problem: `it has no source and target in text, ${wanted}` };
}
