/**
 * The file `metrics.jsonl`: a line of JSON for each step and each epoch, added
 * while training goes on, for other programs to follow. Where it cannot be
 * written to any more, the training is still worth its time: that is told, and
 * the file ends.
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
  readonly #onFailure: (error: OutputError) => void;
  #hasFailed = false;
  #waiting = "";
  #since = 0;

  /**
   * Opens the file.
   *
   * @param path Where it is.
   * @param done The steps and epochs that are done already: lines about later
   * ones, which a run that is continued will write again, are cut off.
   * @param onFailure Told once if the file cannot be written to; nothing is
   * added to it then.
   * @throws {OutputError} If the file cannot be opened.
   */
  constructor(
    path: string,
    done: Done,
    onFailure: (error: OutputError) => void,
  ) {
    this.#path = path;
    this.#onFailure = onFailure;
    try {
      this.#file = openUpTo(path, done);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /**
   * Adds a line; it is in the file within a moment if training goes on.
   *
   * @param line What it says.
   */
  add(line: MetricsLine): void {
    if (this.#hasFailed) return;
    const now = performance.now();
    if (this.#waiting === "") this.#since = now;
    this.#waiting += `${JSON.stringify(line)}\n`;
    if (now - this.#since >= WAIT || line.kind === "epoch") this.flush();
  }

  /** Writes what waits, and closes the file. */
  close(): void {
    this.flush();
    this.#file.close();
  }

  /** Writes what waits. */
  flush(): void {
    let bytes = new TextEncoder().encode(this.#waiting);
    this.#waiting = "";
    try {
      while (bytes.length > 0) {
        bytes = bytes.subarray(this.#file.writeSync(bytes));
      }
    } catch (error) {
      this.#hasFailed = true;
      this.#onFailure(this.#failure(error));
    }
  }

  #failure(error: unknown): OutputError {
    return new OutputError(this.#path, describeFileError(error));
  }
}

/** Opens the file, to be written to after the lines about what is done. */
function openUpTo(path: string, done: Done): Deno.FsFile {
  const file = Deno.openSync(path, { read: true, write: true, create: true });
  const kept = done.step === 0 ? 0 : lengthUpTo(file, done);
  file.truncateSync(kept);
  file.seekSync(kept, Deno.SeekMode.Start);
  return file;
}

/**
 * The bytes up to the first line that is broken or about what is not done. The
 * file may be long: it is read block by block, each from where the last whole
 * line has ended.
 */
function lengthUpTo(file: Deno.FsFile, done: Done): number {
  const block = new Uint8Array(BLOCK);
  let kept = 0;
  for (;;) {
    file.seekSync(kept, Deno.SeekMode.Start);
    const count = file.readSync(block) ?? 0;
    const length = lengthOfLines(block.subarray(0, count), done);
    if (length === 0) return kept;
    kept += length;
  }
}

/** The same of some bytes; no line of ours is longer than a block. */
function lengthOfLines(bytes: Uint8Array, { step, epoch }: Done): number {
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

/** Bytes that are read at once. */
const BLOCK = 2 ** 16;

const LINE_FEED = 10;
