/**
 * What a command of the command line is: one record, from which its help, the
 * check of its arguments and the list in the main help are made. Parsing is in
 * `flags.ts`, the text of `--help` in `help.ts`.
 */

/** An option of a command. Without `value` it is a switch. */
export interface Flag {
  /** Its one-letter name. */
  readonly short?: string;
  /** What stands for its value in the help, such as `FILE`. */
  readonly value?: string;
  /** Whether it may be given several times. */
  readonly many?: true;
  /** Whether it must be given. */
  readonly required?: true;
  /** What it does, in words that go on after its name. */
  readonly help: string;
}

/** The options of a command by name. */
export type Flags = Readonly<Record<string, Flag>>;

/** What the options of a command were given as. */
export type Given<F extends Flags> = {
  readonly [Name in keyof F]: GivenFlag<F[Name]>;
};

type GivenFlag<F extends Flag> = F extends { value: string }
  ? F extends { many: true } ? readonly string[]
  : F extends { required: true } ? string
  : string | undefined
  : boolean;

/** An argument without a name. */
export interface Operand {
  /** What stands for it in the help, such as `FILE`. */
  readonly name: string;
  /** Whether it must be given. */
  readonly required?: true;
}

/** A command. */
export interface Command<F extends Flags = Flags> {
  /** What it is called by. */
  readonly name: string;
  /** What it does, in a line of the main help. */
  readonly summary: string;
  /** What it does, in a few lines. */
  readonly description: string;
  /** The permission flags it is to be run with. */
  readonly permissions: string;
  /** Its options; `--help` is every command's. */
  readonly flags: F;
  /** Its arguments without a name, the required ones first. */
  readonly operands?: readonly Operand[];
  /** Whole lines of shell, at least one. */
  readonly examples: readonly string[];
  /** What is to be known beyond that: files, formats, exit codes. */
  readonly notes?: string;
  /**
   * Carries it out.
   *
   * @param given Its options.
   * @param operands Its arguments without a name, as many as there are.
   * @returns The exit code.
   */
  run(
    given: Given<F>,
    operands: readonly string[],
  ): number | Promise<number>;
}

/**
 * Makes a command, so that `run` is given what `flags` says.
 *
 * @param command The record.
 * @returns The same record.
 */
export function defineCommand<const F extends Flags>(
  command: Command<F>,
): Command {
  return command;
}
