/**
 * The file `metrics.jsonl`: a line of JSON for each step and each epoch, added
 * while training goes on, for other programs to follow.
 */
import { OutputError } from "./output.ts";
import { describeFileError } from "./files.ts";

/** A line of the file. Numbers that are not finite are null. */
export type MetricsLine = {
  /** What the line is of. */
  readonly kind: "step" | "epoch";
  /** Steps so far, from 1. */
  readonly step: number;
  /** The epoch, from 1. */
  readonly epoch: number;
} & Readonly<Record<string, number | string | null>>;

/**
 * How long lines may wait for one another, in milliseconds: a call for each
 * would slow the smallest models.
 */
const WAIT = 50;

/** How far a run has come. */
export interface Done {
  /** Steps taken. */
  readonly step: number;
  /** Epochs ended. */
  readonly epoch: number;
}

/** Adds lines to the file. */
export class MetricsFile {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #waiting = "";
  #since = 0;

  /**
   * Opens the file.
   *
   * @param path Where it is.
   * @param done The steps and epochs that are done already: lines about later
   * ones, which a run that is continued will write again, are cut off.
   * @throws {OutputError} If the file cannot be opened.
   */
  constructor(path: string, done: Done) {
    this.#path = path;
    this.#file = this.#attempt(() => {
      const file = Deno.openSync(path, {
        read: true,
        write: true,
        create: true,
      });
      const kept = done.step === 0
        ? 0
        : lengthUpTo(Deno.readFileSync(path), done);
      file.truncateSync(kept);
      file.seekSync(kept, Deno.SeekMode.Start);
      return file;
    });
  }

  /**
   * Adds a line; it is in the file within a moment if training goes on.
   *
   * @param line What it says.
   * @throws {OutputError} If the file cannot be written.
   */
  add(line: MetricsLine): void {
    const now = performance.now();
    if (this.#waiting === "") this.#since = now;
    this.#waiting += `${JSON.stringify(line)}\n`;
    if (now - this.#since >= WAIT || line.kind === "epoch") this.flush();
  }

  /** Writes what waits, and closes the file. */
  close(): void {
    try {
      this.flush();
    } finally {
      this.#file.close();
    }
  }

  /**
   * Writes what waits.
   *
   * @throws {OutputError} If the file cannot be written.
   */
  flush(): void {
    let bytes = new TextEncoder().encode(this.#waiting);
    this.#waiting = "";
    this.#attempt(() => {
      while (bytes.length > 0) {
        bytes = bytes.subarray(this.#file.writeSync(bytes));
      }
    });
  }

  #attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw new OutputError(this.#path, describeFileError(error));
    }
  }
}

/** The bytes up to the first line that is broken or about what is not done. */
function lengthUpTo(bytes: Uint8Array, { step, epoch }: Done): number {
  const decoder = new TextDecoder();
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(LINE_FEED, start);
    if (end < 0) return start;
    try {
      const line = JSON.parse(decoder.decode(bytes.subarray(start, end)));
      const isDone = line.step <= step &&
        (line.kind !== "epoch" || line.epoch <= epoch);
      if (!isDone) return start;
    } catch {
      return start;
    }
    start = end + 1;
  }
}

const LINE_FEED = 10;
