/**
 * The command `init`: a configuration to begin with, every key with a comment.
 */
import { DEFAULT_TEXT } from "../default_text.ts";
import { describeFileError } from "../files.ts";
import { OutputError } from "../output.ts";
import { writeToStderr } from "../streams.ts";
import { defineCommand } from "./command.ts";

/** Where it goes unless told otherwise. */
const DEFAULT_FILE = "weft.yaml";

const INTRODUCTION = `\
# A configuration of weft. Every key has its default here: what you do not
# change you may leave out. To see what it would train, and to train it:
#   deno run -R -W mod.ts check --config FILE
#   deno run -R -W mod.ts --config FILE --output results.json

`;

/** The command `init`. */
export const INIT = defineCommand({
  name: "init",
  summary: "write a configuration to begin with, every key commented",
  description: `\
Writes a configuration to begin with: every key with its default and a comment.
An existing file is never overwritten. Without FILE it is ${DEFAULT_FILE}.`,
  permissions: "-W",
  flags: {},
  operands: [{ name: "FILE" }],
  examples: ["deno run -W mod.ts init my.yaml"],
  notes: "Exit codes: 0 done; 2 the file exists or cannot be written.",
  run(_given, [file = DEFAULT_FILE]) {
    // Anything else would have to be quoted, and could end the comment.
    const shown = /^[\w./-]+$/.test(file) ? file : "FILE";
    writeNew(file, INTRODUCTION.replaceAll("FILE", shown) + DEFAULT_TEXT);
    writeToStderr(`Wrote ${JSON.stringify(file)}\n`);
    return 0;
  },
});

/** Creates a file with a text, or leaves none behind. */
function writeNew(path: string, text: string): void {
  let isOurs = false;
  try {
    Deno.openSync(path, { write: true, createNew: true }).close();
    isOurs = true;
    Deno.writeTextFileSync(path, text);
  } catch (error) {
    if (isOurs) Deno.removeSync(path);
    throw new OutputError(
      path,
      error instanceof Deno.errors.AlreadyExists
        ? "it exists already, and is not overwritten"
        : describeFileError(error),
    );
  }
}
