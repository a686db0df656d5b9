/**
 * From arguments to a command, and the main help. It carries nothing out.
 */
import { CHECK } from "./commands/check.ts";
import type { Command, Flags, Given } from "./commands/command.ts";
import { EVALUATE } from "./commands/evaluate.ts";
import { EXPORT } from "./commands/export.ts";
import { parseFlags, UsageError } from "./commands/flags.ts";
import { formatHelp, formatMainHelp } from "./commands/help.ts";
import { INIT } from "./commands/init.ts";
import { PREDICT } from "./commands/predict.ts";
import { REPORT } from "./commands/report.ts";
import { RUN } from "./commands/run.ts";
import { SCHEMA } from "./commands/schema.ts";
import { suggest } from "./suggest.ts";

export { UsageError } from "./commands/flags.ts";

/** The commands, in the order of the main help. A new one is added here. */
export const COMMANDS: readonly Command[] = [
  RUN,
  CHECK,
  INIT,
  SCHEMA,
  PREDICT,
  EVALUATE,
  EXPORT,
  REPORT,
];

/** What the command line asks for. */
export type Invocation =
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" }
  | {
    readonly kind: "command";
    readonly command: Command;
    readonly given: Given<Flags>;
    readonly operands: readonly string[];
  };

/** The plain form: `run`, and what only the program as a whole has. */
const PLAIN: Command = {
  ...RUN,
  flags: {
    ...RUN.flags,
    version: { short: "V", help: "show the version" },
  },
};

/** The text of `--help`. */
export const HELP: string = formatMainHelp(PLAIN, COMMANDS);

/**
 * Understands a command line. The first argument may name a command; without
 * one, the options are those of `run`.
 *
 * @param args The arguments, such as `Deno.args`.
 * @returns What is asked for.
 * @throws {UsageError} If there is anything in it that is not understood, all
 * of it at once.
 */
export function parseCommandLine(args: readonly string[]): Invocation {
  const [first = ""] = args;
  const command = COMMANDS.find(({ name }) => name === first);
  if (command !== undefined) {
    const parsed = parseFlags(args.slice(1), command, command.name);
    return parsed.kind === "help"
      ? { kind: "help", text: formatHelp(command) }
      : { ...parsed, kind: "command", command };
  }
  const names = COMMANDS.map(({ name }) => name);
  const near = suggest(first, names);
  if (near !== undefined && !first.startsWith("-")) {
    throw new UsageError([
      `Unknown command ${JSON.stringify(first)}, did you mean "${near}"?`,
    ]);
  }
  const parsed = parseFlags(args, PLAIN);
  if (parsed.kind === "help") return { kind: "help", text: HELP };
  if (parsed.given.version) return { kind: "version" };
  return { ...parsed, kind: "command", command: RUN };
}
