// Equality by structure and by identity. Closeness of numbers is in numbers.ts.

import { AssertionError as NodeAssertionError } from "node:assert";
import { inspect, isDeepStrictEqual } from "node:util";
import { refuse } from "./assertion_error.ts";

/**
 * Asserts that two values have the same types, structure and contents. NaN
 * equals NaN, and 0 equals -0.
 *
 * @param actual The value found.
 * @param expected The value wanted.
 * @param msg Said when they differ.
 * @throws {AssertionError} If they differ.
 */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) {
    refuse("Values are not equal", msg, diff(actual, expected));
  }
}

/**
 * Asserts that {@linkcode assertEquals} would throw.
 *
 * @param actual The value found.
 * @param expected The value not wanted.
 * @param msg Said when they are equal.
 * @throws {AssertionError} If they are equal.
 */
export function assertNotEquals<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (equal(actual, expected)) {
    const found = inspect(actual);
    refuse(`Expected actual: ${found} not to be: ${inspect(expected)}`, msg);
  }
}

/**
 * Asserts that two values are the same by `Object.is`.
 *
 * @param actual The value found.
 * @param expected The value wanted.
 * @param msg Said when they differ.
 * @throws {AssertionError} If they differ.
 */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (!Object.is(actual, expected)) {
    refuse("Values are not strictly equal", msg, diff(actual, expected));
  }
}

function diff(actual: unknown, expected: unknown): string {
  const operator = "deepStrictEqual";
  return new NodeAssertionError({ actual, expected, operator }).message;
}

function equal(actual: unknown, expected: unknown): boolean {
  return isDeepStrictEqual(actual, expected) ||
    isDeepStrictEqual(
      withoutNegativeZero(actual, new Map()),
      withoutNegativeZero(expected, new Map()),
    );
}

// isDeepStrictEqual tells 0 from -0, and an object without a prototype from a
// plain one. @std/assert does not, so a copy is compared in which they agree.
function withoutNegativeZero(
  value: unknown,
  copies: Map<object, object>,
): unknown {
  if (value === 0) return 0;
  if (typeof value !== "object" || value === null) return value;
  const known = copies.get(value);
  if (known !== undefined) return known;
  if (value instanceof Float32Array || value instanceof Float64Array) {
    return value.map((x) => x === 0 ? 0 : x);
  }
  if (value instanceof Map) {
    const copy = new Map();
    copies.set(value, copy);
    for (const [key, item] of value) {
      copy.set(key, withoutNegativeZero(item, copies));
    }
    return copy;
  }
  if (!Array.isArray(value) && !isRecord(value)) return value;
  const copy: object = Array.isArray(value)
    ? new Array(value.length)
    : Object.create(Object.getPrototypeOf(value) ?? Object.prototype);
  copies.set(value, copy);
  for (const key of Reflect.ownKeys(value)) {
    const item: unknown = Reflect.get(value, key);
    // An array's length is not enumerable, and is set already.
    if (Object.prototype.propertyIsEnumerable.call(value, key)) {
      Object.defineProperty(copy, key, {
        value: withoutNegativeZero(item, copies),
        enumerable: true,
      });
    }
  }
  return copy;
}

/** Whether all of an object's contents are properties. */
function isRecord(value: object): boolean {
  return Object.prototype.toString.call(value) === "[object Object]";
}
