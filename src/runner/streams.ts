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
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) {
      bytes = bytes.subarray(await Deno.stdout.write(bytes));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
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
