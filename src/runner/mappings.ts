/**
 * Nested mappings as YAML gives them, and values in words. What they mean is
 * decided elsewhere.
 */
import { describe } from "../array.ts";

/**
 * Tells mappings from all else, dates and sets included.
 *
 * @param value Anything.
 * @returns Whether it is one.
 */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === "[object Object]";
}

/**
 * Looks a value up.
 *
 * @param root Where to begin.
 * @param path The keys, one level each.
 * @returns The value; undefined where the path leads nowhere.
 */
export function valueAt(root: unknown, path: readonly string[]): unknown {
  let value = root;
  for (const key of path) {
    value = isMapping(value) && Object.hasOwn(value, key)
      ? value[key]
      : undefined;
  }
  return value;
}

/**
 * Makes a mapping of the same keys.
 *
 * @param mapping Any mapping.
 * @param map What becomes of each value.
 * @returns The new mapping.
 */
export function mapValues<T extends object, R>(
  mapping: T,
  map: (value: T[keyof T], key: keyof T) => R,
): { [Key in keyof T]: R } {
  const entries = Object.keys(mapping).map((key) => [
    key,
    map(mapping[key as keyof T], key as keyof T),
  ]);
  return Object.fromEntries(entries);
}

/**
 * Says what a configuration has, for people.
 *
 * @param value Any value of YAML.
 * @returns Some words.
 */
export function describeFound(value: unknown): string {
  if (value === null || value === undefined) return "no value";
  if (isMapping(value)) return "a mapping";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Date) return "a date";
  if (typeof value !== "string") return describe(value);
  const text = value.length > 40 ? `${value.slice(0, 40)}...` : value;
  return `${JSON.stringify(text)} (text)`;
}

/**
 * Names the keys of a mapping, for people.
 *
 * @param mapping Any mapping.
 * @returns The keys, with commas between them.
 */
export function listKeys(mapping: object): string {
  return Object.keys(mapping).join(", ");
}
