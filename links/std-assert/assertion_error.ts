// The error of every assertion here, and the common form of its messages.

/** Thrown by an assertion that does not hold. */
export class AssertionError extends Error {
  /** The name of the class, as reports show it. */
  override name = "AssertionError";
}

/**
 * Throws with a sentence and, after a colon, the caller's own message.
 *
 * @param sentence What was expected, without a full stop.
 * @param msg The caller's message, if any.
 * @param detail Lines to put below.
 * @throws {AssertionError} Always.
 */
export function refuse(
  sentence: string,
  msg: string | undefined,
  detail?: string,
): never {
  const head = msg === undefined ? `${sentence}.` : `${sentence}: ${msg}`;
  throw new AssertionError(detail === undefined ? head : `${head}\n${detail}`);
}
