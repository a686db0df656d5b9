/**
 * Who reads the pairs of a file during a training: a worker, so that the next
 * window is read while the current one is trained on, or this thread, where
 * there is nothing to read meanwhile or no worker may be started.
 */
import { fileURLToPath } from "node:url";
import { FileError } from "../files/errors.ts";
import type { PackedPairs } from "./packed_pairs.ts";
import type { PairPart } from "./pair_part.ts";
import { type ChunkRequest, PairReader } from "./pair_reader.ts";
import type { PairWorkerAnswer, PairWorkerTask } from "./pair_worker.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Reads pairs. */
export interface PairLoader {
  /**
   * Reads chunks.
   *
   * @param request Which ones, and which rows of them.
   * @returns Their pairs, one chunk after another.
   * @throws {FileError} If the file can no longer be read, or has changed.
   */
  load(request: ChunkRequest): PackedPairs | Promise<PackedPairs>;
  /** Ends what has been started, if anything. */
  close(): void;
}

/** The loader of this thread. */
export class OwnLoader implements PairLoader {
  readonly #reader: PairReader;

  /**
   * @param part Where the pairs are.
   * @param vocabulary The numbers of tokens.
   */
  constructor(part: PairPart, vocabulary: Vocabulary) {
    this.#reader = new PairReader(part, vocabulary);
  }

  load(request: ChunkRequest): PackedPairs {
    return this.#reader.read(request);
  }

  close(): void {}
}

/** The worker's program. */
const PROGRAM = new URL("./pair_worker.ts", import.meta.url);

/**
 * Whether a worker may be started: its program is read from files. It is never
 * asked for.
 *
 * @returns Whether it may.
 */
export function mayStartWorker(): boolean {
  if (PROGRAM.protocol !== "file:") return true;
  const folder = fileURLToPath(new URL("../", PROGRAM));
  return Deno.permissions.querySync({ name: "read", path: folder }).state ===
    "granted";
}

/** A loader in another thread, which begins with the first request. */
export class WorkerLoader implements PairLoader {
  readonly #task: PairWorkerTask;
  readonly #waiting: PromiseWithResolvers<PackedPairs>[] = [];
  #worker: Worker | undefined;

  /**
   * @param part Where the pairs are.
   * @param vocabulary The numbers of tokens.
   */
  constructor(part: PairPart, vocabulary: Vocabulary) {
    this.#task = { part, vocabulary: vocabulary.toJSON() };
  }

  load(request: ChunkRequest): Promise<PackedPairs> {
    this.#worker ??= this.#start();
    const waiting = Promise.withResolvers<PackedPairs>();
    this.#waiting.push(waiting);
    this.#worker.postMessage(request);
    return waiting.promise;
  }

  close(): void {
    this.#end(new Error("Cannot read any more: the data are closed"));
  }

  #start(): Worker {
    const worker = new Worker(PROGRAM, { type: "module" });
    worker.postMessage(this.#task);
    worker.onmessage = ({ data }: MessageEvent<PairWorkerAnswer>) => {
      const waiting = this.#waiting.shift()!;
      if ("pairs" in data) waiting.resolve(data.pairs);
      else if (data.file === null) waiting.reject(new Error(data.reason));
      else waiting.reject(new FileError(data.file, data.reason));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#end(new Error(`Cannot read in a worker: ${event.message}`));
    };
    return worker;
  }

  #end(error: Error): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
