// Assertions on a single value.

import { inspect } from "node:util";
import { AssertionError, refuse } from "./assertion_error.ts";

/**
 * Asserts that a value is truthy.
 *
 * @param expr The value.
 * @param msg Said when it is not.
 * @throws {AssertionError} If it is not.
 */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/**
 * Fails.
 *
 * @param msg The reason.
 * @throws {AssertionError} Always.
 */
export function fail(msg?: string): never {
  refuse("Failed assertion", msg);
}

/**
 * Asserts that a value is neither null nor undefined.
 *
 * @param actual The value.
 * @param msg Said when it is.
 * @throws {AssertionError} If it is.
 */
export function assertExists<T>(
  actual: T,
  msg?: string,
): asserts actual is NonNullable<T> {
  if (actual === null || actual === undefined) {
    refuse(`Expected actual: "${actual}" to not be null or undefined`, msg);
  }
}

/**
 * Asserts that a value is an instance of a class.
 *
 * @param actual The value.
 * @param expectedType The class.
 * @param msg Said when it is not.
 * @throws {AssertionError} If it is not.
 */
export function assertInstanceOf<T extends new (...args: never[]) => unknown>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceType<T> {
  if (!(actual instanceof expectedType)) {
    const name = expectedType.name;
    const found = inspect(actual, { depth: 0 });
    refuse(
      `Expected object to be an instance of "${name}" but was ${found}`,
      msg,
    );
  }
}

/**
 * Asserts that a text contains another.
 *
 * @param actual The text.
 * @param expected The part wanted.
 * @param msg Said when it is missing.
 * @throws {AssertionError} If it is missing.
 */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  if (!actual.includes(expected)) {
    refuse(`Expected actual: "${actual}" to contain: "${expected}"`, msg);
  }
}

/**
 * Asserts that a text matches a pattern.
 *
 * @param actual The text.
 * @param expected The pattern.
 * @param msg Said when it does not.
 * @throws {AssertionError} If it does not.
 */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (!expected.test(actual)) {
    refuse(`Expected actual: "${actual}" to match: "${expected}"`, msg);
  }
}
