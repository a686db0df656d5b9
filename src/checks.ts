/**
 * Checks of arguments that several rooms share. What only one part refuses, it
 * checks by itself.
 */
import { describe } from "./array.ts";

/**
 * Checks an integer argument.
 *
 * @param value What was given.
 * @param name What messages call it.
 * @param least The least allowed.
 * @param most The most allowed; by default the largest safe integer.
 * @returns The value.
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is not an integer in that range.
 */
export function checkInteger(
  value: unknown,
  name: string,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  // First of all the usual case: generators check every draw.
  if (Number.isSafeInteger(value)) {
    const integer = value as number;
    if (integer >= least && integer <= most) return integer;
  }
  const wanted = least === most
    ? String(least)
    : `an integer from ${least} to ${most}`;
  const message = `Cannot use ${name} = ${describe(value)}: wanted ${wanted}`;
  if (typeof value !== "number") throw new TypeError(message);
  throw new RangeError(message);
}

/** Checks how many threads are wanted. */
export function checkThreads(value: unknown): void {
  if (value === undefined || value === "auto") return;
  if (typeof value !== "number") {
    throw new TypeError(
      `Cannot use threads = ${describe(value)}: wanted a number or "auto"`,
    );
  }
  checkInteger(value, "threads", 1, MOST_THREADS);
}

/** More would wait for one another longer than they work. */
const MOST_THREADS = 256;
