/**
 * Tells of what is wrong with lines, on standard error: the first ones as they
 * come, and how many there were in the end.
 */
import type { Remark } from "./answers.ts";
import { writeToStderr } from "./streams.ts";

/** How many remarks of a level are shown. */
const SHOWN = 10;

/** Collects remarks. */
export class LineRemarks {
  readonly #source: string;
  readonly #counts = { error: 0, warning: 0 };

  /**
   * Begins without any.
   *
   * @param source What the lines come from, such as a path.
   */
  constructor(source: string) {
    this.#source = source;
  }

  /** How many lines there was something wrong with. */
  get errors(): number {
    return this.#counts.error;
  }

  /**
   * Tells of a line.
   *
   * @param remark What is to be said.
   */
  add({ line, level, text }: Remark): void {
    if (++this.#counts[level] > SHOWN) return;
    writeToStderr(`${level}: ${this.#source}:${line}: ${text}\n`);
  }

  /** Tells how many remarks have not been shown. */
  finish(): void {
    for (const level of ["warning", "error"] as const) {
      const more = this.#counts[level] - SHOWN;
      if (more <= 0) continue;
      const lines = more === 1 ? "line" : "lines";
      writeToStderr(`${level}: the same of ${more} more ${lines}\n`);
    }
  }
}
