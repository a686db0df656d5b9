// Order and closeness of numbers.

import { inspect } from "node:util";
import { AssertionError, refuse } from "./assertion_error.ts";

/**
 * Asserts that two numbers are close. NaN is close to NaN.
 *
 * @param actual The number found.
 * @param expected The number wanted.
 * @param tolerance The largest distance allowed: by default 1e-7 times the
 * magnitude of `expected`, so none at all around 0.
 * @param msg Said when they are further apart.
 * @throws {AssertionError} If they are further apart.
 */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const scale = Number.isFinite(expected) ? Math.abs(expected) : 1;
  const allowed = tolerance ?? 1e-7 * scale;
  const delta = Math.abs(actual - expected);
  if (!(delta <= allowed)) {
    refuse(
      `Expected actual: ${actual} to be close to ${expected}: ` +
        `delta ${delta} is greater than ${allowed}`,
      msg,
    );
  }
}

/**
 * Asserts that `actual > expected`.
 *
 * @param actual The value found.
 * @param expected The value to compare with.
 * @param msg Said when it is not.
 * @throws {AssertionError} If it is not.
 */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  compared(actual > expected, ">", actual, expected, msg);
}

/**
 * Asserts that `actual >= expected`.
 *
 * @param actual The value found.
 * @param expected The value to compare with.
 * @param msg Said when it is not.
 * @throws {AssertionError} If it is not.
 */
export function assertGreaterOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  compared(actual >= expected, ">=", actual, expected, msg);
}

/**
 * Asserts that `actual < expected`.
 *
 * @param actual The value found.
 * @param expected The value to compare with.
 * @param msg Said when it is not.
 * @throws {AssertionError} If it is not.
 */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  compared(actual < expected, "<", actual, expected, msg);
}

/**
 * Asserts that `actual <= expected`.
 *
 * @param actual The value found.
 * @param expected The value to compare with.
 * @param msg Said when it is not.
 * @throws {AssertionError} If it is not.
 */
export function assertLessOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  compared(actual <= expected, "<=", actual, expected, msg);
}

function compared(
  holds: boolean,
  sign: string,
  actual: unknown,
  expected: unknown,
  msg?: string,
): void {
  if (holds) return;
  throw new AssertionError(
    msg ?? `Expect ${inspect(actual)} ${sign} ${inspect(expected)}`,
  );
}
