/**
 * Reads pairs of a file again, those of some chunks, as numbers. What is wrong
 * with other lines has been told at the first look.
 */
import { FileError } from "../files/errors.ts";
import { LineSet } from "./line_set.ts";
import { openLines } from "./line_stream.ts";
import { type PackedPairs, Packer } from "./packed_pairs.ts";
import { checkStamp, type Chunk, type PairPart } from "./pair_part.ts";
import { readPairTokens } from "./pair_tokens.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** What is to be read. */
export interface ChunkRequest {
  /** The numbers of chunks, in the order that is wanted. */
  readonly chunks: Int32Array;
  /**
   * For each of their rows, in that order, whether it is wanted; those that are
   * not are empty. All are by default.
   */
  readonly wanted?: Uint8Array;
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** Reads the pairs of one part. */
export class PairReader {
  readonly #part: PairPart;
  readonly #vocabulary: Vocabulary;
  readonly #lines: LineSet;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /**
   * @param part Where the pairs are.
   * @param vocabulary The numbers of tokens.
   */
  constructor(part: PairPart, vocabulary: Vocabulary) {
    this.#part = part;
    this.#vocabulary = vocabulary;
    this.#lines = new LineSet(part.lines);
  }

  /**
   * Reads chunks.
   *
   * @param request Which ones, and which rows of them.
   * @returns Their pairs, one chunk after another.
   * @throws {FileError} If the file can no longer be read, or has changed.
   */
  read({ chunks, wanted }: ChunkRequest): PackedPairs {
    const { path, stamp } = this.#part;
    const places = Array.from(chunks, (at) => this.#part.chunks[at]!);
    const rows = places.reduce((sum, chunk) => sum + chunk.rows, 0);
    const packers = { source: new Packer(rows), target: new Packer(rows) };
    using file = openLines(path);
    checkStamp(file, path, stamp);
    let row = 0;
    for (const place of places) {
      for (const { line, bytes } of this.#rowsOf(file, place)) {
        if (wanted === undefined || wanted[row]) {
          this.#pack(bytes, line, packers);
        } else {
          packers.source.end();
          packers.target.end();
        }
        row++;
      }
    }
    return {
      source: packers.source.packed(),
      target: packers.target.packed(),
    };
  }

  /** The lines of a chunk that belong to the part, not decoded. */
  *#rowsOf(
    file: Deno.FsFile,
    { start, end, line: first }: Chunk,
  ): Iterable<{ readonly line: number; readonly bytes: Uint8Array }> {
    const bytes = readRange(file, this.#part.path, start, end);
    for (let from = 0, line = first; from < bytes.length; line++) {
      const feed = bytes.indexOf(LINE_FEED, from);
      const to = feed < 0 ? bytes.length : feed;
      if (this.#lines.has(line)) {
        const isCut = bytes[to - 1] === CARRIAGE_RETURN;
        yield { line, bytes: bytes.subarray(from, isCut ? to - 1 : to) };
      }
      from = to + 1;
    }
  }

  #pack(
    bytes: Uint8Array,
    line: number,
    packers: Readonly<Record<"source" | "target", Packer>>,
  ): void {
    const { path, most } = this.#part;
    const decoded = this.#decoder.decode(bytes);
    const text = line === 1 ? decoded.replace(/^\uFEFF/, "") : decoded;
    const pair = readPairTokens({ text }, this.#part);
    if ("problem" in pair) {
      throw new FileError(path, `line ${line} has changed: ${pair.problem}`);
    }
    const { eos, unk } = this.#vocabulary;
    for (const side of ["source", "target"] as const) {
      const packer = packers[side];
      const tokens = pair[side];
      const length = Math.min(tokens.length, most[side]);
      for (let at = 0; at < length; at++) {
        packer.push(this.#vocabulary.numberOf(tokens[at]!) ?? unk);
      }
      if (side === "target") packer.push(eos);
      packer.end();
    }
  }
}

function readRange(
  file: Deno.FsFile,
  path: string,
  start: number,
  end: number,
): Uint8Array {
  const bytes = new Uint8Array(end - start);
  file.seekSync(start, Deno.SeekMode.Start);
  for (let at = 0; at < bytes.length;) {
    const count = file.readSync(bytes.subarray(at));
    if (count === null) throw new FileError(path, "it has become shorter");
    at += count;
  }
  return bytes;
}
