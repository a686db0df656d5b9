/**
 * The built-in configuration as a text with a comment on each key, and what
 * those comments say. It is the one place where keys are explained to people.
 */
import text from "../../configs/default.yaml" with { type: "text" };
import { locateKeys } from "./yaml_positions.ts";

/** The text of `configs/default.yaml`, without the lines that introduce it. */
export const DEFAULT_TEXT: string = text.slice(text.indexOf("\n\n") + 2);

/**
 * Reads the comments above the keys of a YAML text.
 *
 * @param text The text.
 * @returns By key path, what stands above the key, in one line.
 */
export function readComments(text: string): Map<string, string> {
  const lines = text.split(/\r?\n/);
  const comments = new Map<string, string>();
  for (const [path, { line }] of locateKeys(text)) {
    const above: string[] = [];
    for (let at = line - 2; /^\s*#/.test(lines[at] ?? ""); at--) {
      above.unshift(lines[at]!.replace(/^\s*#\s*/, ""));
    }
    if (above.length > 0) comments.set(path, above.join(" "));
  }
  return comments;
}
