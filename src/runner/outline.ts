/**
 * What a run would do, before anything of it is done.
 */
import { sizeOf } from "../array.ts";
import { parameterShapes } from "../nn/seq2seq.ts";
import type { Config } from "./config_types.ts";
import { estimateMemory } from "./memory_estimate.ts";

/** What a run would do; keys as they are shown. */
export interface Outline {
  /** What would be trained. */
  readonly model: {
    /** Different tokens. */
    readonly vocab_size: number;
    /** Tokens in a source sequence. */
    readonly src_length: number;
    /** Tokens in a target sequence. */
    readonly tgt_length: number;
    /** Numbers that are learned. */
    readonly parameters: number;
  };
  /** How long. */
  readonly training: {
    /** Sequences to train on. */
    readonly sequences: number;
    /** Passes over them. */
    readonly epochs: number;
    /** Steps of a pass. */
    readonly steps_per_epoch: number;
    /** Steps in all. */
    readonly steps: number;
  };
  /** An upper bound of the memory, part by part. */
  readonly memory_bytes: {
    /** Parameters, their gradients, moments and updates. */
    readonly parameters: number;
    /** Intermediate values of a step. */
    readonly activations: number;
    /** Training and test data. */
    readonly data: number;
    /** All of it. */
    readonly total: number;
  };
  /** The configuration, defaults filled in. */
  readonly config: Config;
}

/**
 * Tells what a run would do.
 *
 * @param config A complete configuration.
 * @returns Sizes, steps and memory.
 */
export function outlineRun(config: Config): Outline {
  const { n_samples, vocab_size, src_length, tgt_length } = config.data;
  const { epochs, batch_size } = config.training;
  const shapes = parameterShapes({
    vocabSize: vocab_size,
    srcLength: src_length,
    tgtLength: tgt_length,
    dModel: config.model.d_model,
    dK: config.model.d_k,
    dV: config.model.d_v,
  });
  const steps_per_epoch = Math.ceil(n_samples / batch_size);
  const { parameters, activations, data } = estimateMemory(config);
  return {
    model: {
      vocab_size,
      src_length,
      tgt_length,
      parameters: Object.values(shapes).reduce(
        (sum, shape) => sum + sizeOf(shape),
        0,
      ),
    },
    training: {
      sequences: n_samples,
      epochs,
      steps_per_epoch,
      steps: epochs * steps_per_epoch,
    },
    memory_bytes: {
      parameters,
      activations,
      data,
      total: parameters + activations + data,
    },
    config,
  };
}
