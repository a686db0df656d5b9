/**
 * What a failure makes of the exit code.
 */
import { FileError, OutputError } from "../files/errors.ts";
import { UsageError } from "./commands/flags.ts";
import { ConfigError } from "./config_types.ts";

/** What the user has to mend, by their class. */
const MISUSES = [UsageError, ConfigError, OutputError, FileError];

/**
 * The exit code of a command that has thrown.
 *
 * @param error What it has thrown.
 * @returns 2 for wrong usage, configuration or files, 1 for anything else.
 */
export function failureCode(error: unknown): 1 | 2 {
  return MISUSES.some((misuse) => error instanceof misuse) ? 2 : 1;
}
