/**
 * The four shapes of the model under measurement, and the weights and the batch
 * of each. All competitors begin with these numbers.
 */
import { type NDArray, sizeOf } from "../src/array.ts";
import {
  mapParameters,
  type ParameterName,
  parameterShapes,
  type Seq2SeqSizes,
} from "../src/nn/seq2seq.ts";
import { Random } from "../src/random.ts";
import type { Bundle } from "./bundle.ts";

/** A shape of the model; source and target are of the same length. */
export interface Shape {
  /** Sequences in a step. */
  readonly batch: number;
  /** Tokens in a sequence. */
  readonly length: number;
  /** Different tokens. */
  readonly vocabSize: number;
  /** The width of embeddings, queries, keys and values. */
  readonly width: number;
}

/** The shapes by name. */
export const SHAPES: Readonly<Record<string, Shape>> = {
  TINY: { batch: 32, length: 8, vocabSize: 12, width: 32 },
  SMALL: { batch: 64, length: 10, vocabSize: 20, width: 64 },
  MEDIUM: { batch: 64, length: 20, vocabSize: 64, width: 128 },
  LARGE: { batch: 64, length: 32, vocabSize: 128, width: 256 },
};

/** The sizes as the model names them. */
export function sizesOf({ length, vocabSize, width }: Shape): Seq2SeqSizes {
  return {
    vocabSize,
    srcLength: length,
    tgtLength: length,
    dModel: width,
    dK: width,
    dV: width,
  };
}

/** How many sequences are predicted at once. */
const QUESTIONS = 64;

/**
 * Weights; a batch of the copy task with what the decoder sees of it; sequences
 * to predict from.
 */
export function makeBundle(shape: Shape): Bundle {
  const { batch, length, vocabSize } = shape;
  const shapes = parameterShapes(sizesOf(shape));
  const random = new Random(1, "batch");
  const draw = (count: number): Int32Array =>
    Int32Array.from({ length: count * length }, () => random.below(vocabSize));
  const source = draw(batch);
  const questions = draw(QUESTIONS);
  // One token later, behind the one that begins every target.
  const before = source.map((_, at) =>
    at % length === 0 ? vocabSize : source[at - 1]!
  );
  return {
    sizes: { ...shape },
    arrays: {
      ...mapParameters((name) => makeParameter(name, shapes[name])),
      source: { data: source, shape: [batch, length] },
      before: { data: before, shape: [batch, length] },
      questions: { data: questions, shape: [QUESTIONS, length] },
    },
  };
}

function makeParameter(
  name: ParameterName,
  shape: readonly number[],
): NDArray {
  const random = new Random(1, name);
  if (/embedding|position/.test(name)) {
    return fill(shape, () => 0.5 * random.normal());
  }
  const bound = name.endsWith("bias") ? 0.1 : 1 / Math.sqrt(shape[0]!);
  return uniform(shape, bound, random);
}

/** Values in ±bound. */
export function uniform(
  shape: readonly number[],
  bound: number,
  random: Random,
): NDArray<Float32Array> {
  return fill(shape, () => bound * (2 * random.uniform() - 1));
}

/** Values drawn one after another. */
export function fill(
  shape: readonly number[],
  draw: () => number,
): NDArray<Float32Array> {
  return { data: Float32Array.from({ length: sizeOf(shape) }, draw), shape };
}
