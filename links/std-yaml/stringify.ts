// stringify() on js-yaml: plain values to YAML text. Styles, schemas and
// comments are not its job.

import {
  defineScalarTag,
  dump,
  DUMP_SCHEMA,
  NOT_RESOLVED,
  YAMLException,
} from "js-yaml";

// js-yaml leaves undefined out of mappings in silence. @std/yaml refuses it.
const SCHEMA = DUMP_SCHEMA.withTags(defineScalarTag("!undefined", {
  resolve: () => NOT_RESOLVED,
  identify: (data) => data === undefined,
  represent: () => {
    throw new TypeError("Cannot stringify undefined");
  },
}));

/** How {@linkcode stringify} lays out its text. */
export interface StringifyOptions {
  /** Spaces a level. 2 by default. */
  indent?: number;
  /** Longest line before a string is folded; -1 never folds. 80 by default. */
  lineWidth?: number;
}

/**
 * Writes a value as YAML.
 *
 * @param data Numbers, strings, booleans, nulls, arrays and plain objects.
 * @param options How the text is laid out.
 * @returns The text, ending in a line feed.
 * @throws {TypeError} If a value has no form in YAML, such as undefined or a
 * function.
 *
 * @example
 * ```ts
 * import { stringify } from "@std/yaml";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(stringify({ model: { d_k: 64 } }), "model:\n  d_k: 64\n");
 * ```
 */
export function stringify(
  data: unknown,
  options: StringifyOptions = {},
): string {
  try {
    return dump(data, { ...options, schema: SCHEMA });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    throw new TypeError(`Cannot stringify value: ${error.reason}`);
  }
}
