/**
 * The first look at files of pairs, line by line: which lines can be used and
 * for what, how often tokens occur, how long sequences are, and what is wrong.
 * The memory that it takes is a bit a line and the counts of tokens.
 */
import { createHash, type Hash } from "node:crypto";
import { FileError } from "../files/errors.ts";
import { describeFileError } from "../files/paths.ts";
import { LineSet } from "./line_set.ts";
import {
  type ByteReader,
  type Line,
  openLines,
  readLines,
} from "./line_stream.ts";
import { formatOf } from "./pair_lines.ts";
import {
  checkStamp,
  ChunkCutter,
  type PairPart,
  type SideLengths,
  stampOf,
} from "./pair_part.ts";
import { type PairTokens, readPairTokens } from "./pair_tokens.ts";
import { hashText } from "./text_hash.ts";
import { TokenCounter } from "./token_counter.ts";
import { joinTokens, type TokenKind } from "./tokenizer.ts";

/** What becomes of a pair with more tokens than there is room for. */
export type TooLongPolicy = "error" | "skip" | "truncate";

/** How files are looked at. */
export interface ScanOptions {
  /** The file of pairs to train on. */
  readonly path: string;
  /** The file of pairs to test on; null to test on some of the first one's. */
  readonly testPath: string | null;
  /** The share of sources in a single file that are kept for the test. */
  readonly testFraction: number;
  /** Decides which ones. */
  readonly seed: number;
  /** The share of the other sources that are held out; 0 by default. */
  readonly validationFraction?: number;
  /** Decides which ones, on its own; 0 by default. */
  readonly validationSeed?: number;
  /** What a token is. */
  readonly kind: TokenKind;
  /** The most tokens of a source, and of a target without its end. */
  readonly most: SideLengths;
  /** What becomes of longer ones. An error is found, and not used, as well. */
  readonly onTooLong: TooLongPolicy;
  /** The most lines that are read again at once. */
  readonly chunkLines: number;
  /** Told now and then how many bytes of a file have been read. */
  readonly onProgress?: (path: string, done: number, size: number) => void;
}

/** Lines with something wrong. */
export class FoundLines {
  /** What is wrong with the first ones, for people. */
  readonly first: string[] = [];
  /** The file of the first one. */
  path = "";
  /** How many there are. */
  count = 0;

  /**
   * Adds a line.
   *
   * @param path Its file.
   * @param line Its number.
   * @param problem What is wrong with it.
   */
  add(path: string, line: number, problem: string): void {
    if (this.count++ === 0) this.path = path;
    if (this.first.length < SHOWN) {
      this.first.push(`${path}:${line}: ${problem}`);
    }
  }
}

/** How many lines are told of. */
const SHOWN = 10;

/** What is known of one part after the look. */
export interface ScannedPart {
  /** Which lines it has. */
  readonly pairs: PairPart;
  /** Its tokens, cut to what there is room for. */
  readonly counter: TokenCounter;
}

/** What has been found. */
export interface PairScan {
  /** What to train on. */
  readonly train: ScannedPart;
  /** What is held out to measure the training; it may have no row. */
  readonly validation: ScannedPart;
  /** What to test on. */
  readonly test: ScannedPart;
  /** The most tokens that a pair has, when cut, an end not counted. */
  readonly longest: SideLengths;
  /** Lines that are no pair. */
  readonly broken: FoundLines;
  /** Pairs with more tokens than there is room for. */
  readonly tooLong: FoundLines;
  /** The same for the same bytes only: a SHA-256 hash of the files. */
  readonly fingerprint: string;
}

/**
 * Looks at files.
 *
 * @param options Which ones, and how.
 * @returns What there is.
 * @throws {FileError} If a file cannot be read, or is no regular file.
 */
export async function scanPairs(options: ScanOptions): Promise<PairScan> {
  const { path, testPath } = options;
  const scan = new Scan(options);
  const make = () => new Part(options);
  const [train, validation, test] = [make(), make(), make()];
  const parts = testPath === null
    ? [train, validation, test]
    : [train, validation];
  await scan.read(path, parts, splitter(options));
  if (testPath !== null) await scan.read(testPath, [test], () => 0);
  const { longest, broken, tooLong } = scan;
  return {
    train: train.scanned(),
    validation: validation.scanned(),
    test: test.scanned(),
    longest,
    broken,
    tooLong,
    fingerprint: scan.fingerprint(),
  };
}

/**
 * Sends pairs to training (0), validation (1) or test (2): by their source, so
 * that equal sources stay together.
 */
function splitter(options: ScanOptions): (pair: PairTokens) => number {
  const { testPath, testFraction, seed, kind } = options;
  const { validationFraction = 0, validationSeed = 0 } = options;
  const isBelow = (text: string, seed: number, fraction: number) =>
    fraction > 0 && hashText(text, seed) < fraction;
  const forTest = testPath === null ? testFraction : 0;
  if (forTest === 0 && validationFraction === 0) return () => 0;
  return ({ source }) => {
    const text = joinTokens(kind, source);
    if (isBelow(text, seed, forTest)) return 2;
    return isBelow(text, validationSeed, validationFraction) ? 1 : 0;
  };
}

/** What is found in all files. */
class Scan {
  readonly broken = new FoundLines();
  readonly tooLong = new FoundLines();
  readonly longest = { source: 0, target: 0 };
  readonly #options: ScanOptions;
  readonly #hashes: Hash[] = [];

  constructor(options: ScanOptions) {
    this.#options = options;
  }

  /** Reads a file; each pair goes to the part that is chosen for it. */
  async read(
    path: string,
    parts: readonly Part[],
    choose: (pair: PairTokens) => number,
  ): Promise<void> {
    using file = openRegular(path);
    const info = file.statSync();
    const stamp = stampOf(info);
    const hash = createHash("sha256");
    this.#hashes.push(hash);
    parts.forEach((part) => part.begin(path, stamp));
    const reader = hashed(
      file,
      hash,
      (done) => this.#options.onProgress?.(path, done, info.size),
    );
    for await (const lines of readLines(reader)) {
      for (const line of lines) {
        const pair = this.#use(line, path);
        const chosen = pair === undefined ? -1 : choose(pair);
        parts.forEach((part, at) => {
          part.add(line, at === chosen ? pair : undefined);
        });
      }
    }
    checkStamp(file, path, stamp);
    parts.forEach((part) => part.end(info.size));
  }

  fingerprint(): string {
    return this.#hashes.map((hash) => `sha256:${hash.copy().digest("hex")}`)
      .join(" ");
  }

  /** The pair of a line, cut if need be; undefined if it is not used. */
  #use(line: Line, path: string): PairTokens | undefined {
    const { kind, most, onTooLong } = this.#options;
    const pair = readPairTokens(line, { format: formatOf(path), kind });
    if ("problem" in pair) {
      this.broken.add(path, line.number, pair.problem);
      return undefined;
    }
    const excess = describeExcess(pair, most);
    if (excess !== undefined) {
      this.tooLong.add(path, line.number, excess);
      if (onTooLong !== "truncate") return undefined;
    }
    const cut = cutPair(pair, most);
    for (const side of ["source", "target"] as const) {
      this.longest[side] = Math.max(this.longest[side], cut[side].length);
    }
    return cut;
  }
}

/** What is found of one part. */
class Part {
  readonly #options: ScanOptions;
  readonly #counter = new TokenCounter();
  readonly #lines = new LineSet();
  readonly #cutter: ChunkCutter;
  #path = "";
  #stamp = "";
  #rows = 0;

  constructor(options: ScanOptions) {
    this.#options = options;
    this.#cutter = new ChunkCutter(options.chunkLines);
  }

  begin(path: string, stamp: string): void {
    this.#path = path;
    this.#stamp = stamp;
  }

  /** Takes the next line of the file, with a pair if it belongs to the part. */
  add({ number, start }: Line, pair: PairTokens | undefined): void {
    this.#cutter.add(start, pair !== undefined);
    if (pair === undefined) return;
    this.#rows++;
    this.#lines.add(number);
    this.#counter.add(pair.source);
    this.#counter.add(pair.target);
  }

  end(size: number): void {
    this.#cutter.end(size);
  }

  scanned(): ScannedPart {
    const { kind, most } = this.#options;
    return {
      counter: this.#counter,
      pairs: {
        path: this.#path,
        stamp: this.#stamp,
        format: formatOf(this.#path),
        kind,
        most,
        chunks: this.#cutter.chunks,
        lines: this.#lines.bits,
        rows: this.#rows,
      },
    };
  }
}

/** Refused before it is opened: a pipe would wait for somebody to write. */
function openRegular(path: string): Deno.FsFile {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (error) {
    throw new FileError(path, describeFileError(error));
  }
  if (info.isFile || info.isDirectory) return openLines(path);
  throw new FileError(
    path,
    "it is no regular file, wanted one that can be read again",
  );
}

/** Leaves out the tokens for which there is no room. */
export function cutPair(
  { source, target }: PairTokens,
  most: SideLengths,
): PairTokens {
  return {
    source: source.slice(0, most.source),
    target: target.slice(0, most.target),
  };
}

function describeExcess(
  pair: PairTokens,
  most: SideLengths,
): string | undefined {
  const found = (["source", "target"] as const)
    .filter((side) => pair[side].length > most[side])
    .map((side) =>
      `its ${side} has ${pair[side].length} tokens, wanted at most ${
        most[side]
      }`
    );
  return found.length === 0 ? undefined : found.join("; ");
}

/** Hands on what a reader reads, having hashed it, and tells how much. */
function hashed(
  reader: ByteReader,
  hash: Hash,
  onRead: (bytes: number) => void,
): ByteReader {
  let bytes = 0;
  return {
    async read(buffer) {
      const count = await reader.read(buffer);
      if (count === null) return null;
      hash.update(buffer.subarray(0, count));
      onRead(bytes += count);
      return count;
    },
  };
}
