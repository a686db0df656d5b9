/**
 * From the arguments of one command to its options and operands, all mistakes
 * at once. It carries nothing out.
 */
import { parseArgs } from "@std/cli/parse-args";
import { suggest } from "../suggest.ts";
import type { Command, Flags, Given, Operand } from "./command.ts";

/** A command line that cannot be understood. */
export class UsageError extends Error {
  /** The error's name, `"UsageError"`. */
  override name = "UsageError";

  /**
   * Describes what is wrong.
   *
   * @param problems At least one sentence.
   * @param command The command whose help would help; without it the main one.
   */
  constructor(problems: readonly string[], command?: string) {
    const help = command === undefined ? "--help" : `"${command} --help"`;
    super(`${problems.join("\n")}\nRun with ${help} to see the usage`);
  }
}

/** What every command understands besides its own options. */
export const HELP_FLAG = { short: "h", help: "show this text" } as const;

/** What the arguments of a command come to. */
export type Parsed =
  | { readonly kind: "help" }
  | {
    readonly kind: "run";
    readonly given: Given<Flags>;
    readonly operands: readonly string[];
  };

/**
 * Understands the arguments of a command.
 *
 * @param args The arguments after the command's name.
 * @param command The command.
 * @param helper The command that messages refer to for help; none for the main
 * help.
 * @returns Its options and operands, or the wish for help.
 * @throws {UsageError} If there is anything in it that is not understood, all
 * of it at once.
 */
export function parseFlags(
  args: readonly string[],
  { flags, operands: wanted = [] }: Pick<Command, "flags" | "operands">,
  helper?: string,
): Parsed {
  const all: Flags = { ...flags, help: HELP_FLAG };
  const names = Object.keys(all);
  const withValue = names.filter((name) => all[name]!.value !== undefined);
  const unknown = new Set<string>();
  const operands: string[] = [];
  const parsed = parseArgs([...args], {
    string: withValue,
    collect: withValue,
    boolean: names.filter((name) => !withValue.includes(name)),
    alias: Object.fromEntries(
      names.flatMap((name) => {
        const { short } = all[name]!;
        return short === undefined ? [] : [[name, short]];
      }),
    ),
    unknown(arg, key) {
      if (key === undefined) operands.push(arg);
      else unknown.add(arg);
      return false;
    },
  });
  // What follows a "--" is never reported as unknown.
  operands.push(...parsed._.map(String));
  const problems = [
    ...Array.from(unknown, (arg) => describeUnknown(arg, names)),
    ...findExcess(operands, wanted),
  ];
  if (problems.length > 0) throw new UsageError(problems, helper);
  if (parsed.help) return { kind: "help" };
  problems.push(
    ...withValue.flatMap((name) =>
      findValueProblems(name, all[name]!, parsed[name] as string[])
    ),
    ...wanted.slice(operands.length).filter((operand) => operand.required)
      .map(({ name }) => `Argument ${name} is missing`),
  );
  if (problems.length > 0) throw new UsageError(problems, helper);
  const given = names.map((name) => {
    const value = parsed[name];
    const isSingle = Array.isArray(value) && all[name]!.many !== true;
    return [name, isSingle ? value[0] : value];
  });
  return { kind: "run", given: Object.fromEntries(given), operands };
}

function describeUnknown(arg: string, names: readonly string[]): string {
  const name = arg.replace(/^-+/, "").replace(/=.*$/s, "");
  const near = suggest(name, names);
  const hint = near === undefined ? "" : `, did you mean "--${near}"?`;
  return `Unknown option ${JSON.stringify(arg)}${hint}`;
}

function findExcess(
  operands: readonly string[],
  wanted: readonly Operand[],
): string[] {
  const names = wanted.map(({ name }) => name).join(" ");
  const allowed = wanted.length === 0 ? "only options" : `only ${names}`;
  return operands.slice(wanted.length).map((operand) =>
    `Unexpected argument ${JSON.stringify(operand)}, wanted ${allowed}`
  );
}

function findValueProblems(
  name: string,
  { many, required, value }: Flags[string],
  values: readonly string[],
): string[] {
  if (values.includes("")) return [`Option "--${name}" needs a value`];
  if (required && values.length === 0) {
    return [`Option "--${name} ${value}" is missing`];
  }
  return values.length > 1 && !many
    ? [`Option "--${name}" was given ${values.length} times, wanted once`]
    : [];
}
