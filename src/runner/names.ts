/**
 * Words: names in files are snake_case, names in TypeScript camelCase, and
 * several things have an s.
 */

/**
 * Renames the keys of a record for a file.
 *
 * @param record Keys in camelCase.
 * @returns The same values under keys in snake_case, in the same order.
 */
export function toSnakeCase<T extends object>(
  record: T,
): Record<string, T[keyof T]> {
  const entries = Object.entries(record) as [string, T[keyof T]][];
  return Object.fromEntries(
    entries.map(([key, value]) => [snakeCase(key), value]),
  );
}

/** One name for a file, such as `learning_rate`. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** One name for TypeScript, such as `learningRate`. */
export function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** A number of things, such as `2 steps`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
