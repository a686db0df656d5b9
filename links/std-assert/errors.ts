// Assertions on what a function throws or a promise rejects with.

import { refuse } from "./assertion_error.ts";

/** Any class of errors, whatever its constructor takes. */
export type ErrorClass<E extends Error> = new (...args: never[]) => E;

/**
 * Asserts that a function throws anything at all.
 *
 * @param fn The function.
 * @param msg Said when it does not.
 * @returns What was thrown.
 * @throws {AssertionError} If the function returns.
 */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/**
 * Asserts that a function throws an error of a class.
 *
 * @param fn The function.
 * @param errorClass The class, or one it derives from.
 * @param msgIncludes A part of the error's message.
 * @param msg Said when it does not.
 * @returns The error.
 * @throws {AssertionError} If the function returns or throws anything else.
 */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  const wanted = wantedFrom(classOrMsg, msgIncludes, msg);
  try {
    fn();
  } catch (error) {
    return checked(error, "thrown", wanted);
  }
  refuse("Expected function to throw", wanted.msg);
}

/**
 * Asserts that the promise a function returns rejects at all.
 *
 * @param fn The function.
 * @param msg Said when it does not.
 * @returns What it rejected with.
 * @throws {AssertionError} If the promise resolves, or the function throws or
 * returns no promise.
 */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;
/**
 * Asserts that the promise a function returns rejects with an error of a class.
 *
 * @param fn The function.
 * @param errorClass The class, or one it derives from.
 * @param msgIncludes A part of the error's message.
 * @param msg Said when it does not.
 * @returns The error.
 * @throws {AssertionError} If the promise resolves or rejects with anything
 * else, or the function throws or returns no promise.
 */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const wanted = wantedFrom(classOrMsg, msgIncludes, msg);
  let promise: PromiseLike<unknown> | undefined;
  try {
    promise = fn();
  } catch {
    promise = undefined;
  }
  if (typeof promise?.then !== "function") {
    refuse("Function throws when expected to reject", wanted.msg);
  }
  try {
    await promise;
  } catch (error) {
    return checked(error, "rejected", wanted);
  }
  refuse("Expected function to reject", wanted.msg);
}

interface Wanted {
  errorClass: ErrorClass<Error> | undefined;
  msgIncludes: string;
  msg: string | undefined;
}

function wantedFrom(
  classOrMsg: ErrorClass<Error> | string | undefined,
  msgIncludes = "",
  msg: string | undefined,
): Wanted {
  return typeof classOrMsg === "function"
    ? { errorClass: classOrMsg, msgIncludes, msg }
    : { errorClass: undefined, msgIncludes: "", msg: classOrMsg };
}

function checked(
  error: unknown,
  how: "thrown" | "rejected",
  { errorClass, msgIncludes, msg }: Wanted,
): unknown {
  if (errorClass === undefined) return error;
  if (!(error instanceof Error)) {
    refuse(`A non-Error object was ${how}`, msg);
  }
  const { name } = error.constructor;
  if (!(error instanceof errorClass)) {
    refuse(
      `Expected error to be instance of "${errorClass.name}", ` +
        `but was "${name}"`,
      msg,
    );
  }
  if (!error.message.includes(msgIncludes)) {
    refuse(
      `Expected error message to include "${msgIncludes}", ` +
        `but got "${error.message}"`,
      msg,
    );
  }
  return error;
}
