/**
 * Estimates the memory of a run from its sizes, so that one that
 * cannot fit is refused before anything is allocated. It is an upper bound by
 * design, without the buffer reuse of a real plan.
 *
 * Legend: B batch, S src_length, T tgt_length, V vocab_size, D d_model.
 */
import { CALL_BYTES } from "../run/job_module.ts";
import { bytesOf, chunkSizes, LEAST_AT_ONCE } from "../nn/chunks.ts";

/** What decides how much memory a run takes, by the keys of configurations. */
export interface RunSizes {
  /** Training sequences that are in memory. */
  readonly n_samples: number;
  /** Test sequences that are. */
  readonly n_test: number;
  /** Tokens in a source sequence. */
  readonly src_length: number;
  /** Tokens in a target sequence. */
  readonly tgt_length: number;
  /** Different tokens. */
  readonly vocab_size: number;
  /** Width of embeddings and decoder states. */
  readonly d_model: number;
  /** Width of attention queries and keys. */
  readonly d_k: number;
  /** Width of attention values. */
  readonly d_v: number;
  /** Sequences in a step. */
  readonly batch_size: number;
  /** The most threads that share a step. */
  readonly threads: number;
}

/** Bytes of the parts of a run. */
export interface MemoryEstimate {
  /** Parameters, their gradients, Adam's moments and what updates need. */
  readonly parameters: number;
  /**
   * Intermediate values of one step, forward and backward, as many of a test,
   * and what goes from token to token of sequences that are predicted at once.
   */
  readonly activations: number;
  /** Training and test data. */
  readonly data: number;
}

/**
 * Estimates the memory of a run.
 *
 * @param sizes Its sizes; they need not be sensible, only numbers.
 * @returns Bytes, part by part.
 */
export function estimateMemory(sizes: RunSizes): MemoryEstimate {
  const { n_samples, n_test, batch_size, d_k, d_v, threads } = sizes;
  const { src_length: S, tgt_length: T, vocab_size: V, d_model: D } = sizes;
  const B = Math.min(batch_size, n_samples);
  const embeddings = (V + S + V + 1 + T) * D;
  const projections = D * (d_k + d_k + d_v);
  const combine = (d_v + D) * D + D;
  const output = D * V + V;
  const parameters = embeddings + projections + combine + output;
  const encoder = S * (2 * D + d_k + d_v);
  const decoder = T * (2 * D + d_k);
  const attention = T * (3 * S + d_v);
  const states = T * (d_v + D + 3 * D);
  const logits = T * 3 * V;
  const sequence = FLOAT * 2 *
    (encoder + decoder + attention + states + logits);
  const model = {
    vocabSize: V,
    srcLength: S,
    tgtLength: T,
    dModel: D,
    dK: d_k,
    dV: d_v,
  };
  // A tile of sequences a thread, and the tokens of the whole batch.
  let activations = FLOAT * B * (S + T) +
    Math.min(B * sequence, threads * (TILE_BYTES + sequence));
  const kept = bytesOf(model) + FLOAT * (V + S + T);
  for (const size of chunkSizes(model)) {
    if (size >= 2 * n_test) break;
    // One has the plan, and each thread that does jobs of it.
    const isShared = threads > 1 && size >= LEAST_AT_ONCE;
    activations += (isShared ? threads + 1 : 1) *
      (Math.min(size * sequence, TILE_BYTES + sequence) + size * kept);
    if (!isShared) continue;
    const least = threads * size * FLOAT * (S + T + RESULTS);
    activations += TESTS * Math.max(CALL_BYTES, least);
  }
  return {
    parameters: FLOAT * (PARAMETER_COPIES + threads) * parameters,
    activations,
    data: FLOAT * (n_samples + n_test) * (S + T),
  };
}

/**
 * Value, two moments, and two intermediates of the update; each thread has a
 * gradient of its own.
 */
const PARAMETER_COPIES = 5;

/** A model is tested by evaluation and by prediction... */
const TESTS = 2;
/** ... of which this many numbers a sequence come out, or its target. */
const RESULTS = 2;

/** What the compiler lets the intermediate values of a tile take. */
const TILE_BYTES = 256 * 1024;

/** Bytes of a float32 or an int32. */
const FLOAT = 4;
