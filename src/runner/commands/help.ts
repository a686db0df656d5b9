/**
 * The text of `--help`, made from the record of a command, so that no option
 * can be missing from it.
 */
import type { Command, Flag } from "./command.ts";
import { HELP_FLAG } from "./flags.ts";

/** What a terminal holds at least. */
const WIDTH = 80;

/**
 * Writes the help of a command.
 *
 * @param command The command.
 * @returns The text, no line longer than 80 characters.
 */
export function formatHelp(command: Command): string {
  return joinSections([
    command.description,
    `Usage: ${formatUsage(command, ` ${command.name}`)}`,
    formatOptions(command),
    formatExamples(command),
    command.notes,
  ]);
}

/**
 * Writes the main help: that of the plain form, with the commands.
 *
 * @param plain What is done without a command.
 * @param commands The commands, in the order of the list.
 * @returns The text, no line longer than 80 characters.
 */
export function formatMainHelp(
  plain: Command,
  commands: readonly Command[],
): string {
  const list = commands.map(({ name, summary }) => [name, summary] as const);
  return joinSections([
    plain.description,
    `Usage: ${formatUsage(plain, "")}\n` +
    "       deno run -R -W mod.ts COMMAND ...",
    `Commands (COMMAND --help tells more):\n${formatTable(list)}`,
    formatOptions(plain),
    formatExamples(plain),
    plain.notes,
  ]);
}

function joinSections(sections: readonly (string | undefined)[]): string {
  const present = sections.filter((section) => section !== undefined);
  return `${present.map((section) => section.trim()).join("\n\n")}\n`;
}

/** What is called, with its options, folded under one another. */
function formatUsage(
  { permissions, flags, operands = [] }: Command,
  name: string,
): string {
  const options = Object.entries(flags).map(([name, flag]) => {
    const option = flag.value === undefined ? name : `${name} ${flag.value}`;
    const text = flag.required ? `--${option}` : `[--${option}]`;
    return flag.many ? `${text}...` : text;
  });
  const others = operands.map(({ name, required }) =>
    required ? name : `[${name}]`
  );
  const program = ["deno run", permissions, `mod.ts${name}`]
    .filter((part) => part !== "").join(" ");
  const indent = "Usage: ".length + program.length + 1;
  return `${program} ${fold([...options, ...others], indent)}`.trimEnd();
}

function formatOptions({ flags }: Command): string {
  const rows = Object.entries<Flag>({ ...flags, help: HELP_FLAG }).map(
    ([name, { short, value, help }]) => {
      const start = short === undefined ? "    " : `-${short}, `;
      const end = value === undefined ? "" : ` ${value}`;
      return [`${start}--${name}${end}`, help] as const;
    },
  );
  return `Options:\n${formatTable(rows)}`;
}

function formatExamples({ examples }: Command): string {
  const lines = examples.map((line) => `  ${line}`);
  return ["Examples:", ...lines].join("\n");
}

/** Two columns, the second folded. */
function formatTable(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  const indent = width + 4;
  return rows.map(([name, text]) =>
    `  ${name.padEnd(width)}  ${fold(text.split(" "), indent)}`
  ).join("\n");
}

/** Words in lines that end before the last column of a terminal. */
function fold(words: readonly string[], indent: number): string {
  const lines: string[] = [];
  for (const word of words) {
    const line = lines.at(-1);
    if (line !== undefined && indent + line.length + 1 + word.length < WIDTH) {
      lines[lines.length - 1] = `${line} ${word}`;
    } else {
      lines.push(word);
    }
  }
  return lines.join(`\n${" ".repeat(indent)}`);
}
