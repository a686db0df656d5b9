/**
 * The command line: arguments in, exit code out. What it does is done by the
 * runner. The names that a program needs to do the same are exported beside it.
 */
import { parseCommandLine } from "./runner/command_line.ts";
import { failureCode } from "./runner/failure.ts";
import { writeToStderr, writeToStdout } from "./runner/streams.ts";
import { VERSION } from "./version.ts";

export { generateCopyTaskData } from "./data/copy_task.ts";
export { scaledDotProductAttention } from "./nn/attention.ts";
export { Seq2SeqAttentionModel } from "./nn/model.ts";
export { AttentionRunner } from "./runner/runner.ts";

/**
 * Runs the command line. What a command yields goes to standard output or to
 * the file it is told, everything else to standard error; SIGINT and SIGTERM
 * are handled while a run is under way.
 *
 * @param args The arguments, by default those of the process.
 * @returns The exit code: 0 done, 1 the run failed or diverged, 2 wrong usage,
 * configuration or output place, 130 and 143 interrupted by SIGINT and SIGTERM.
 * It never rejects, and leaves exiting to the caller.
 *
 * @example A mistake in the arguments
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main } from "jsr:@weft/seq2seq";
 *
 * assertEquals(await main(["--confg", "a.yaml"]), 2);
 * ```
 */
export async function main(
  args: readonly string[] = Deno.args,
): Promise<number> {
  try {
    const invocation = parseCommandLine(args);
    switch (invocation.kind) {
      case "help":
        await writeToStdout(invocation.text);
        return 0;
      case "version":
        await writeToStdout(`weft ${VERSION}\n`);
        return 0;
      case "command":
        return await invocation.command.run(
          invocation.given,
          invocation.operands,
        );
    }
  } catch (error) {
    writeToStderr(`error: ${error instanceof Error ? error.message : error}\n`);
    return failureCode(error);
  }
}
