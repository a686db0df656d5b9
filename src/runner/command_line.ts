/**
 * From arguments to a command, and the help text. It carries nothing out.
 */
import { parseArgs } from "@std/cli/parse-args";
import { suggest } from "./suggest.ts";

/** What the command line asks for. */
export type Command =
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | RunCommand;

/** Train, test, report. */
export interface RunCommand {
  /** Tells the commands apart. */
  readonly kind: "run";
  /** The configuration file; undefined for the defaults. */
  readonly config: string | undefined;
  /** The results file; undefined for standard output. */
  readonly output: string | undefined;
  /** How much is told of the compiled plans, from 0, nothing, to 5. */
  readonly debug: number;
  /** Whether every kernel of every step is checked. */
  readonly check: boolean;
}

/** A command line that cannot be understood. */
export class UsageError extends Error {
  /** The error's name, `"UsageError"`. */
  override name = "UsageError";

  /**
   * Describes what is wrong.
   *
   * @param problems At least one sentence.
   */
  constructor(problems: readonly string[]) {
    super(`${problems.join("\n")}\nRun with --help to see the usage`);
  }
}

const VALUE_FLAGS = ["config", "output", "debug"] as const;
const SWITCHES = ["check", "help", "version"] as const;

/** The text of `--help`. */
export const HELP = `\
Trains an attention sequence-to-sequence model on the copy task, tests it and
reports the results as JSON.

Usage: deno run -R -W mod.ts [--config FILE] [--output FILE] [--debug N]
                             [--check]

Options:
  -c, --config FILE   YAML configuration; without it, the built-in defaults
                      (configs/default.yaml shows them, every key commented)
  -o, --output FILE   where the results go; without it, standard output
      --debug N       tell of the compiled plans, to standard error: 1 counts
                      and times of compiling; 2 and the time of each kernel;
                      3 and the graph after each pass; 4 and all kernels;
                      5 and the range of every buffer
      --check         compare every kernel of every step with a plain walk of
                      it, and the step with the interpreter: very slow
  -h, --help          show this text
  -V, --version       show the version

Examples:
  deno run -R -W mod.ts --output results.json
  deno run -R -W mod.ts --config configs/tiny.yaml --output results.json
  deno run -R mod.ts --config configs/tiny.yaml > results.json

Permissions:
  --allow-read (-R)   to read the configuration
  --allow-write (-W)  to write the results and the log file, if any
Nothing else is needed. Granting the folder of the results lets them replace
the previous ones in one move; granting the file alone is enough as well.

Standard output carries results only; messages go to standard error.
Exit codes: 0 done; 1 the run failed or diverged; 2 wrong usage, configuration
or output place; 130, 143 interrupted by SIGINT, SIGTERM (what there is by then
is saved; a second signal ends at once).
`;

/**
 * Understands a command line.
 *
 * @param args The arguments, such as `Deno.args`.
 * @returns The command.
 * @throws {UsageError} If there is anything in it that is not understood, all
 * of it at once.
 */
export function parseCommandLine(args: readonly string[]): Command {
  const unknown = new Set<string>();
  const parsed = parseArgs([...args], {
    string: [...VALUE_FLAGS],
    collect: [...VALUE_FLAGS],
    boolean: [...SWITCHES],
    alias: { config: "c", output: "o", help: "h", version: "V" },
    unknown(arg) {
      unknown.add(arg);
      return false;
    },
  });
  // What follows a "--" is never reported as unknown.
  for (const rest of parsed._) unknown.add(String(rest));
  if (unknown.size > 0) throw new UsageError([...unknown].map(describeUnknown));
  if (parsed.help) return { kind: "help" };
  if (parsed.version) return { kind: "version" };
  const problems = VALUE_FLAGS.flatMap((flag) =>
    findValueProblems(flag, parsed[flag])
  );
  const [debug = "0"] = parsed.debug;
  // One that stands there without a value has been reported already.
  if (debug !== "" && !/^[0-5]$/.test(debug)) {
    problems.push(
      `Option "--debug" is ${JSON.stringify(debug)}, wanted a number from ` +
        `0 to 5`,
    );
  }
  if (problems.length > 0) throw new UsageError(problems);
  return {
    kind: "run",
    config: parsed.config[0],
    output: parsed.output[0],
    debug: Number(debug),
    check: parsed.check,
  };
}

function describeUnknown(arg: string): string {
  const quoted = JSON.stringify(arg);
  if (!arg.startsWith("-")) {
    return `Unexpected argument ${quoted}, wanted only options`;
  }
  const name = arg.replace(/^-+/, "").replace(/=.*$/s, "");
  const near = suggest(name, [...VALUE_FLAGS, ...SWITCHES]);
  const hint = near === undefined ? "" : `, did you mean "--${near}"?`;
  return `Unknown option ${quoted}${hint}`;
}

function findValueProblems(flag: string, values: readonly string[]): string[] {
  if (values.includes("")) return [`Option "--${flag}" needs a value`];
  return values.length > 1
    ? [`Option "--${flag}" was given ${values.length} times, wanted once`]
    : [];
}
