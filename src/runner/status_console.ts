/**
 * Lines on standard error, with one status line that stays below them where
 * standard error is a terminal. What the lines say is decided elsewhere.
 */
import { writeToStderr } from "./streams.ts";

/** What a {@linkcode StatusConsole} writes to; by default, standard error. */
export interface StatusConsoleOptions {
  /** Takes the text. */
  readonly write?: (text: string) => void;
  /** Whether it is shown on a terminal, so that a line can be replaced. */
  readonly isTerminal?: boolean;
  /** Whether colours are welcome. */
  readonly hasColor?: boolean;
  /** Columns of the terminal. */
  readonly columns?: () => number;
}

/** The colours in use, as SGR codes. */
export type Color = "red" | "yellow";

const COLOR_CODES: Record<Color, number> = { red: 31, yellow: 33 };

/** Goes to the first column and erases the line. */
const ERASE_LINE = "\r\x1b[K";

/** Lines above, one status line below. */
export class StatusConsole {
  /** Whether {@linkcode StatusConsole.status} shows anything. */
  readonly isTerminal: boolean;
  readonly #write: (text: string) => void;
  readonly #hasColor: boolean;
  readonly #columns: () => number;
  #status = "";

  /**
   * Prepares to write; nothing is written yet.
   *
   * @param options Where to.
   */
  constructor(options: StatusConsoleOptions = {}) {
    this.isTerminal = options.isTerminal ?? Deno.stderr.isTerminal();
    this.#write = options.write ?? writeToStderr;
    this.#hasColor = options.hasColor ?? (this.isTerminal && !Deno.noColor);
    this.#columns = options.columns ?? terminalColumns;
  }

  /**
   * Writes a line for good.
   *
   * @param text The line, without a line feed.
   */
  line(text: string): void {
    if (this.#status === "") this.#write(`${text}\n`);
    else this.#write(`${ERASE_LINE}${text}\n${this.#status}`);
  }

  /**
   * Replaces the status line; the empty text removes it. Only a terminal shows
   * it.
   *
   * @param text The line, cut where the terminal ends.
   */
  status(text: string): void {
    if (!this.isTerminal) return;
    // A full last column would wrap, and only the last row could be erased.
    const line = text.slice(0, Math.max(0, this.#columns() - 1));
    if (line === this.#status) return;
    this.#status = line;
    this.#write(`${ERASE_LINE}${line}`);
  }

  /**
   * Colours a text where colours are welcome.
   *
   * @param text The text.
   * @param color The colour.
   * @returns The text, coloured or as it was.
   */
  paint(text: string, color: Color): string {
    return this.#hasColor ? `\x1b[${COLOR_CODES[color]}m${text}\x1b[0m` : text;
  }
}

/** Some terminals do not know, and say 0. */
function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}
