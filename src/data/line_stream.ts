/**
 * Lines of text as they arrive: what has come is handed on at once, so that a
 * person at a terminal is answered line by line and a file is read in blocks.
 * What the lines mean is decided elsewhere.
 */
import { FileError } from "../files/errors.ts";
import { describeFileError } from "../files/paths.ts";

/** A line, or why there is none. */
export interface Line {
  /** Counted from 1. */
  readonly number: number;
  /** The byte at which it begins, counted from 0. */
  readonly start: number;
  /** Without its line end; empty where there is a problem. */
  readonly text: string;
  /** What is wrong with the line, in words. */
  readonly problem?: string;
}

/** The longest line that is kept, in bytes; what is longer is a mistake. */
export const LONGEST_LINE = 2 ** 22;

/** Bytes that are asked for at once. */
const BLOCK = 2 ** 16;

/** Where bytes come from, such as `Deno.stdin` or an open file. */
export interface ByteReader {
  /**
   * Waits until there is something, and copies it.
   *
   * @param buffer Where it goes.
   * @returns How many bytes, null at the end.
   */
  read(buffer: Uint8Array<ArrayBuffer>): Promise<number | null>;
}

/**
 * Opens a file of lines.
 *
 * @param path The file.
 * @returns What {@linkcode readLines} reads; to be closed.
 * @throws {FileError} If it cannot be opened, or is a folder.
 */
export function openLines(path: string): Deno.FsFile {
  try {
    const file = Deno.openSync(path);
    if (!file.statSync().isDirectory) return file;
    file.close();
  } catch (error) {
    throw new FileError(path, describeFileError(error));
  }
  throw new FileError(path, "it is a folder");
}

/**
 * Reads lines, never more of them than have arrived. A line ends with a line
 * feed, or a carriage return and a line feed; the last one needs no end. A byte
 * order mark before the first is dropped.
 *
 * @param reader Where the bytes come from. Between two groups nothing is read.
 * @param longest The longest line that is kept, in bytes.
 * @returns Groups of lines in order, none of them empty.
 */
export async function* readLines(
  reader: ByteReader,
  longest: number = LONGEST_LINE,
): AsyncGenerator<Line[], void> {
  const buffer = new Uint8Array(BLOCK);
  const splitter = new Splitter(longest);
  let count: number | null;
  while ((count = await reader.read(buffer)) !== null) {
    const lines = splitter.push(buffer.subarray(0, count));
    if (lines.length > 0) yield lines;
  }
  const last = splitter.end();
  if (last !== undefined) yield [last];
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** Cuts bytes into lines, whatever the pieces they come in. */
class Splitter {
  readonly #longest: number;
  readonly #decoder = new TextDecoder("utf-8", {
    fatal: true,
    ignoreBOM: true,
  });
  /** The beginning of a line whose end has not come. */
  #pieces: Uint8Array[] = [];
  #length = 0;
  #number = 0;
  #start = 0;

  constructor(longest: number) {
    this.#longest = longest;
  }

  push(bytes: Uint8Array): Line[] {
    const lines: Line[] = [];
    let start = 0;
    let end: number;
    while ((end = bytes.indexOf(LINE_FEED, start)) >= 0) {
      this.#keep(bytes.subarray(start, end));
      lines.push(this.#take());
      start = end + 1;
    }
    if (start < bytes.length) this.#keep(bytes.slice(start));
    return lines;
  }

  end(): Line | undefined {
    return this.#length === 0 ? undefined : this.#take();
  }

  /** What makes a line too long is counted and dropped. */
  #keep(bytes: Uint8Array): void {
    this.#length += bytes.length;
    // One byte more than a line may have, for the carriage return.
    if (this.#length <= this.#longest + 1) this.#pieces.push(bytes);
    else this.#pieces = [];
  }

  #take(): Line {
    const bytes = concatenate(this.#pieces);
    const length = this.#length;
    const place = { number: ++this.#number, start: this.#start };
    this.#pieces = [];
    this.#length = 0;
    this.#start += length + 1;
    if (length > bytes.length) return tooLong(place, length, this.#longest);
    const line = bytes.at(-1) === CARRIAGE_RETURN
      ? bytes.subarray(0, -1)
      : bytes;
    if (line.length > this.#longest) {
      return tooLong(place, line.length, this.#longest);
    }
    try {
      const text = this.#decoder.decode(line);
      const isFirst = place.number === 1;
      return { ...place, text: isFirst ? text.replace(/^\uFEFF/, "") : text };
    } catch {
      return { ...place, text: "", problem: "it is not UTF-8" };
    }
  }
}

function tooLong(
  place: Pick<Line, "number" | "start">,
  found: number,
  wanted: number,
): Line {
  const problem = `it has ${found} bytes, wanted at most ${wanted}`;
  return { ...place, text: "", problem };
}

function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const [first = new Uint8Array(), ...others] = pieces;
  if (others.length === 0) return first;
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
