/**
 * Which lines of a file are the training data, or the test data, and where
 * they are: enough to read any few of them without reading the others, in
 * little more than a bit a line. It is plain data, for a worker to take.
 */
import { FileError } from "../files/errors.ts";
import type { PairFormat } from "./pair_lines.ts";
import type { TokenKind } from "./tokenizer.ts";

/** Tokens of a source and of a target. */
export interface SideLengths {
  /** Of a source. */
  readonly source: number;
  /** Of a target. */
  readonly target: number;
}

/** Consecutive lines of a file that are read at once. */
export interface Chunk {
  /** The byte at which they begin. */
  readonly start: number;
  /** The byte at which they end. */
  readonly end: number;
  /** The number of the first one, counted from 1. */
  readonly line: number;
  /** How many of them belong to the part. */
  readonly rows: number;
}

/** A part of the pairs of a file. */
export interface PairPart {
  /** The file. */
  readonly path: string;
  /** What the file was when it was read: its size and its time of change. */
  readonly stamp: string;
  /** How a line holds a pair. */
  readonly format: PairFormat;
  /** What a token is. */
  readonly kind: TokenKind;
  /** The most tokens that are taken, of a target without its end. */
  readonly most: SideLengths;
  /** The lines of the file, those with a row of the part. */
  readonly chunks: readonly Chunk[];
  /** The lines of the part, as those of a {@linkcode LineSet}. */
  readonly lines: Uint8Array;
  /** How many lines that is. */
  readonly rows: number;
}

/** The most bytes of a chunk, but for a longer line. */
const MOST_BYTES = 2 ** 20;

/** Cuts the lines of a file into chunks as they come. */
export class ChunkCutter {
  /** The whole chunks so far, without those that have no row. */
  readonly chunks: Chunk[] = [];
  readonly #mostLines: number;
  #start = 0;
  #line = 1;
  #lines = 0;
  #rows = 0;

  /** @param mostLines The most lines of a chunk. */
  constructor(mostLines: number) {
    this.#mostLines = mostLines;
  }

  /**
   * Takes the next line.
   *
   * @param start The byte at which it begins.
   * @param isRow Whether it belongs to the part.
   */
  add(start: number, isRow: boolean): void {
    const isFull = this.#lines === this.#mostLines ||
      start - this.#start >= MOST_BYTES;
    if (isFull) this.end(start);
    this.#lines++;
    if (isRow) this.#rows++;
  }

  /**
   * Ends the last chunk.
   *
   * @param end The byte at which it ends.
   */
  end(end: number): void {
    const [start, line, rows] = [this.#start, this.#line, this.#rows];
    if (rows > 0) this.chunks.push({ start, end, line, rows });
    this.#start = end;
    this.#line += this.#lines;
    this.#lines = 0;
    this.#rows = 0;
  }
}

/**
 * Makes sure that a file has not changed.
 *
 * @param file The file, open.
 * @param path What it is called.
 * @param stamp What it was.
 * @throws {FileError} If it is something else now.
 */
export function checkStamp(
  file: Deno.FsFile,
  path: string,
  stamp: string,
): void {
  const now = stampOf(file.statSync());
  if (now === stamp) return;
  throw new FileError(
    path,
    `it has changed during the run: found ${now}, wanted ${stamp}`,
  );
}

/**
 * What a file is by its look, to notice when it changes.
 *
 * @param info What the system says of it.
 * @returns A text to compare.
 */
export function stampOf({ size, mtime }: Deno.FileInfo): string {
  return `${size} bytes, ${mtime?.toISOString() ?? "no time"}`;
}
