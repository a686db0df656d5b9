/**
 * JSON as files of others bring it: `JSON.parse`, but a key that is given twice
 * in one object is an error, where `JSON.parse` would keep the last in silence.
 */

/** What JSON can express. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/**
 * Parses JSON.
 *
 * @param text The text, all of it one value.
 * @returns The value.
 * @throws {SyntaxError} If it is no JSON, or an object has a key twice.
 */
export function parseStrictJson(text: string): Json {
  const value: Json = JSON.parse(text);
  // From here on the text is known to be JSON; only its keys are looked at.
  const key = findRepeatedKey(text);
  if (key === undefined) return value;
  throw new SyntaxError(`the key ${JSON.stringify(key)} is there twice`);
}

/**
 * Whether a value is a JSON object.
 *
 * @param value Anything that was parsed.
 * @returns True for an object that is no array.
 */
export function isJsonObject(
  value: Json | undefined,
): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function findRepeatedKey(text: string): string | undefined {
  // The keys of every object that is open, null for an array.
  const open: (Set<string> | null)[] = [];
  let mayBeKey = false;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case "{":
        open.push(new Set());
        mayBeKey = true;
        break;
      case "[":
        open.push(null);
        mayBeKey = false;
        break;
      case "}":
      case "]":
        open.pop();
        break;
      case ",":
        mayBeKey = open.at(-1) !== null;
        break;
      case '"': {
        const end = endOfString(text, at);
        if (mayBeKey) {
          const keys = open.at(-1)!;
          // Two spellings of one key, "a" and "\u0061", are one key.
          const key: string = JSON.parse(text.slice(at, end));
          if (keys.has(key)) return key;
          keys.add(key);
          mayBeKey = false;
        }
        at = end - 1;
      }
    }
  }
  return undefined;
}

/** The index behind the closing quote of the string that starts at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}
