// parse() on js-yaml: one document in, plain values out, a SyntaxError with a
// place on bad text. Streams of several documents are not its job.

import {
  boolCoreTag,
  defineScalarTag,
  floatCoreTag,
  intYaml11Tag,
  loadAll,
  NOT_RESOLVED,
  nullCoreTag,
  YAML11_SCHEMA,
  YAMLException,
} from "js-yaml";

// @std/yaml reads YAML 1.2's booleans, nulls and floats, but keeps YAML 1.1's
// integers (010, 0b11 and 1_000), save those to base sixty, and its timestamps
// and merge keys. js-yaml 5 has the one set or the other.
const SCHEMA = YAML11_SCHEMA.withTags(
  nullCoreTag,
  boolCoreTag,
  defineScalarTag(intYaml11Tag.tagName, {
    ...intYaml11Tag,
    resolve: (source, isExplicit, tagName) =>
      source.includes(":")
        ? NOT_RESOLVED
        : intYaml11Tag.resolve(source, isExplicit, tagName),
  }),
  floatCoreTag,
);

/**
 * Reads one YAML document. Text without a document gives `null`.
 *
 * @param content The YAML text.
 * @returns The document as plain JavaScript values.
 * @throws {SyntaxError} If the text is not YAML, repeats a key or holds more
 * than one document. The message gives line and column, both from 1.
 *
 * @example
 * ```ts
 * import { parse } from "@std/yaml";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parse("rate: 1e-3"), { rate: 0.001 });
 * ```
 */
export function parse(content: string): unknown {
  let documents: unknown[];
  try {
    documents = loadAll(content, { schema: SCHEMA });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    throw syntaxError(error.reason, content, error.mark?.position ?? 0);
  }
  if (documents.length > 1) {
    throw syntaxError(
      "found more than 1 document in the stream: expected a single document",
      content,
      secondDocument(content),
    );
  }
  return documents[0] ?? null;
}

/** Offset of the marker that ends the first document of `content`. */
function secondDocument(content: string): number {
  for (const marker of content.matchAll(/^(?:---|\.\.\.)(?=\s|$)/gm)) {
    const before = content.slice(0, marker.index);
    // Comments and directives may stand before the first document.
    if (/^[^\S\n]*[^\s%#]/m.test(before)) return marker.index;
  }
  return 0;
}

function syntaxError(
  reason: string,
  content: string,
  offset: number,
): SyntaxError {
  const before = content.slice(0, offset).split(/\r\n|\r|\n/);
  const start = before.at(-1) ?? "";
  const rest = content.slice(offset).split(/\r\n|\r|\n/)[0] ?? "";
  const place = `at line ${before.length}, column ${start.length + 1}`;
  const snippet = `    ${start}${rest}\n    ${" ".repeat(start.length)}^`;
  const sentence = reason.charAt(0).toUpperCase() + reason.slice(1);
  return new SyntaxError(`${sentence} ${place}:\n${snippet}`);
}
