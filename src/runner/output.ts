/**
 * The place of the results: checked before the work, written after it. How a
 * file is written as a whole is known elsewhere.
 */
import { openPlace } from "../files/place.ts";
import { writeToStderr, writeToStdout } from "./streams.ts";

export { OutputError } from "../files/errors.ts";

/** A place that has been checked. */
export interface Output {
  /**
   * Writes the place's new content as a whole.
   *
   * @param text The content.
   * @throws {OutputError} If that fails. A file is then as it was before.
   */
  write(text: string): Promise<void>;
}

/**
 * Checks an output place and leaves it as it is. A path that means one of this
 * process's standard streams is that stream.
 *
 * @param path The place, relative to the working directory.
 * @returns The place, ready to be written to.
 * @throws {OutputError} If the place cannot be written to.
 */
export function openOutput(path: string): Output {
  const stream = STANDARD_STREAMS.get(path);
  if (stream !== undefined) return { write: stream };
  const place = openPlace(path);
  return { write: (text) => place.write(new TextEncoder().encode(text)) };
}

/** Deno opens these paths only with all permissions, and we have them open. */
const STANDARD_STREAMS: ReadonlyMap<string, Output["write"]> = new Map([
  ["/dev/stdout", writeToStdout],
  ["/dev/fd/1", writeToStdout],
  ["/proc/self/fd/1", writeToStdout],
  ["/dev/stderr", (text) => Promise.resolve(writeToStderr(text))],
  ["/dev/fd/2", (text) => Promise.resolve(writeToStderr(text))],
  ["/proc/self/fd/2", (text) => Promise.resolve(writeToStderr(text))],
]);
