/**
 * Writing text to the standard streams of the process, where the reader may
 * have gone away: `weft | head -1` is no error. What is written is decided
 * elsewhere.
 */

/**
 * Writes all of a text to standard output. If its reader has closed the pipe,
 * the rest is dropped.
 *
 * @param text What to write.
 * @throws {Error} If writing fails for another reason, such as a full disk.
 */
export async function writeToStdout(text: string): Promise<void> {
  await offerToStdout(text);
}

/**
 * Writes all of a text to standard output, as long as somebody reads it.
 *
 * @param text What to write.
 * @returns Whether there may be more: false once the reader has closed the
 * pipe.
 * @throws {Error} If writing fails for another reason, such as a full disk.
 */
export async function offerToStdout(text: string): Promise<boolean> {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) {
      bytes = bytes.subarray(await Deno.stdout.write(bytes));
    }
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  }
  return true;
}

/**
 * Writes all of a text to standard error, before anything else happens. A
 * failure is ignored: there is no other place to report it, and a run is worth
 * more than its messages.
 *
 * @param text What to write.
 */
export function writeToStderr(text: string): void {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) {
      bytes = bytes.subarray(Deno.stderr.writeSync(bytes));
    }
  } catch {
    // See above.
  }
}
