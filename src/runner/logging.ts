/**
 * Messages by level, to standard error and to the file of `logging.file`. It
 * rotates nothing and knows nothing of progress bars.
 */
import {
  ConfigError,
  type LoggingConfig,
  type LogLevel,
} from "./config_types.ts";
import { describeFileError } from "./files.ts";
import { StatusConsole } from "./status_console.ts";

/** The level of a message; `silent` is only a threshold. */
export type MessageLevel = Exclude<LogLevel, "silent">;

const RANKS: Record<LogLevel, number> = {
  debug: 0,
  info: 1,
  warn: 2,
  error: 3,
  silent: 4,
};

/** Sends messages on if they are important enough. */
export class Logger {
  /** Where messages for people go. */
  readonly console: StatusConsole;
  readonly #rank: number;
  #file: string | null;

  /**
   * Opens the log. The file is created if need be, so that a place that cannot
   * be written is found out now and not after the training.
   *
   * @param config Level and file.
   * @param console Where messages go besides the file.
   * @throws {ConfigError} If the file cannot be written.
   */
  constructor(config: LoggingConfig, console = new StatusConsole()) {
    this.console = console;
    this.#rank = RANKS[config.level];
    this.#file = config.file;
    if (config.file !== null) openLogFile(config.file);
  }

  /**
   * Whether messages of a level are sent on.
   *
   * @param level The level.
   * @returns True if they are.
   */
  includes(level: MessageLevel): boolean {
    return RANKS[level] >= this.#rank;
  }

  /** Logs what only helps to find a mistake. */
  debug(message: string): void {
    this.#log("debug", message);
  }

  /** Logs what happens. */
  info(message: string): void {
    this.#log("info", message);
  }

  /** Logs what is probably not meant, but can be done. */
  warn(message: string): void {
    this.#log("warn", message);
  }

  /** Logs a failure. */
  error(message: string): void {
    this.#log("error", message);
  }

  /**
   * Logs to the file only, for what the terminal shows in another form.
   *
   * @param level The level of the message.
   * @param message The message.
   */
  record(level: MessageLevel, message: string): void {
    if (this.#file === null || !this.includes(level)) return;
    const time = new Date().toISOString();
    try {
      append(this.#file, `${time} ${level.padEnd(5)} ${message}\n`);
    } catch (error) {
      const reason = describeFileError(error);
      this.#file = null;
      this.warn(`Cannot write the log file any more: ${reason}`);
    }
  }

  #log(level: MessageLevel, message: string): void {
    if (!this.includes(level)) return;
    this.console.line(`${prefix(level, this.console)}${message}`);
    this.record(level, message);
  }
}

function prefix(level: MessageLevel, console: StatusConsole): string {
  switch (level) {
    case "debug":
      return "debug: ";
    case "info":
      return "";
    case "warn":
      return console.paint("warning: ", "yellow");
    case "error":
      return console.paint("error: ", "red");
  }
}

function openLogFile(path: string): void {
  try {
    append(path, "");
  } catch (error) {
    throw new ConfigError([{
      path: "logging.file",
      found: `${JSON.stringify(path)} (${describeFileError(error)})`,
      wanted: "the path of a file that can be written, or null for none",
    }]);
  }
}

/** The file is not kept open: messages are few, and nobody closes a log. */
function append(path: string, text: string): void {
  Deno.writeTextFileSync(path, text, { append: true });
}
