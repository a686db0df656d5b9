/**
 * Reads pairs in a thread of its own: a worker's program. The first message
 * says where the pairs are, each other one asks for some, and is answered.
 */
import { FileError } from "../files/errors.ts";
import type { PackedPairs } from "./packed_pairs.ts";
import type { PairPart } from "./pair_part.ts";
import { type ChunkRequest, PairReader } from "./pair_reader.ts";
import { Vocabulary, type VocabularyJson } from "./vocabulary.ts";

/** The first message to the worker. */
export interface PairWorkerTask {
  /** Where the pairs are. */
  readonly part: PairPart;
  /** The numbers of tokens. */
  readonly vocabulary: VocabularyJson;
}

/** What the worker answers a request with, in the order of the requests. */
export type PairWorkerAnswer =
  | { readonly pairs: PackedPairs }
  | { readonly file: string | null; readonly reason: string };

/** What a worker has of its thread. */
interface Thread {
  onmessage: (event: MessageEvent<PairWorkerTask>) => void;
  postMessage(answer: PairWorkerAnswer, transfer?: Transferable[]): void;
}

const thread = globalThis as unknown as Thread;

thread.onmessage = ({ data: { part, vocabulary } }) => {
  const reader = new PairReader(part, Vocabulary.fromJSON(vocabulary));
  thread.onmessage = ({ data }: MessageEvent) => {
    answer(reader, data as ChunkRequest);
  };
};

function answer(reader: PairReader, request: ChunkRequest): void {
  try {
    const pairs = reader.read(request);
    const arrays = [pairs.source, pairs.target]
      .flatMap(({ tokens, ends }) => [tokens.buffer, ends.buffer]);
    thread.postMessage({ pairs }, arrays);
  } catch (error) {
    if (error instanceof FileError) {
      thread.postMessage({ file: error.file, reason: error.reason });
    } else thread.postMessage({ file: null, reason: String(error) });
  }
}
