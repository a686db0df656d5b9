/**
 * Shows how far a large file has been read: a line that changes where standard
 * error is a terminal, otherwise a line now and then. A file that is read at
 * once is not worth a word.
 */
import { StatusConsole } from "./status_console.ts";

/** Milliseconds between two lines, and before the first one. */
const LINE_INTERVAL = 5000;

/** Milliseconds between two redraws on a terminal, and before the first one. */
const REDRAW_INTERVAL = 300;

/** The progress of reading. */
export class ReadingProgress {
  readonly #console: StatusConsole;
  readonly #now: () => number;
  #last: number;

  /**
   * Starts the clock and shows nothing yet.
   *
   * @param console Where it is shown.
   * @param now Milliseconds since any moment.
   */
  constructor(
    console: StatusConsole = new StatusConsole(),
    now: () => number = () => performance.now(),
  ) {
    this.#console = console;
    this.#now = now;
    this.#last = now();
  }

  /**
   * Shows where reading is, if the last sign of life is old enough.
   *
   * @param path The file.
   * @param done Bytes that have been read.
   * @param size Bytes of the file.
   */
  show(path: string, done: number, size: number): void {
    const { isTerminal } = this.#console;
    const now = this.#now();
    const interval = isTerminal ? REDRAW_INTERVAL : LINE_INTERVAL;
    if (now - this.#last < interval) return;
    this.#last = now;
    const text = `Reading ${JSON.stringify(path)}: ` +
      `${Math.floor(100 * done / size)} % of ${(size / 1e6).toFixed(0)} MB`;
    if (isTerminal) this.#console.status(text);
    else this.#console.line(text);
  }

  /** Removes what changes. */
  end(): void {
    this.#console.status("");
  }
}
