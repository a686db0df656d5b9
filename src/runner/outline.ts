/**
 * What a run would do, before anything of it is done.
 */
import { sizeOf } from "../array.ts";
import { parameterShapes } from "../nn/seq2seq.ts";
import type { Config } from "./config_types.ts";
import type { DataResults, Dataset } from "./dataset.ts";
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
  /** What is in the data. */
  readonly data: DataResults;
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
    /** Training and test data that are in memory at a time. */
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
 * @param dataset Its data.
 * @returns Sizes, steps and memory.
 */
export function outlineRun(config: Config, dataset: Dataset): Outline {
  const { epochs, batch_size } = config.training;
  const { d_model: dModel, d_k: dK, d_v: dV } = config.model;
  const shapes = parameterShapes({ ...dataset.sizes, dModel, dK, dV });
  const found = dataset.results;
  const steps_per_epoch = Math.ceil(found.train_sequences / batch_size);
  const { parameters, activations, data } = estimateMemory(dataset.memory);
  return {
    model: {
      vocab_size: found.vocab_size,
      src_length: found.src_length,
      tgt_length: found.tgt_length,
      parameters: Object.values(shapes).reduce(
        (sum, shape) => sum + sizeOf(shape),
        0,
      ),
    },
    data: found,
    training: {
      sequences: found.train_sequences,
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
