// Small models and data for the tests of Seq2SeqAttentionModel, and an
// independent way to ask one for its logits.
import type { NDArray } from "../../src/array.ts";
import { generateCopyTaskData } from "../../src/data/copy_task.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import {
  Seq2SeqAttentionModel,
  type Seq2SeqOptions,
} from "../../src/nn/model.ts";
import {
  declareParameters,
  type Parameters,
  type Seq2SeqSizes,
  teacherForced,
} from "../../src/nn/seq2seq.ts";
import { compile, type Plan } from "../../src/run/plan.ts";

/** Sizes that all differ, so that none can stand in for another. */
export const ODD: Seq2SeqSizes = {
  vocabSize: 5,
  srcLength: 4,
  tgtLength: 3,
  dModel: 6,
  dK: 7,
  dV: 2,
};

/** Sizes at the edges. */
export const EDGES: Record<string, Seq2SeqSizes> = {
  "T < S": ODD,
  "T > S": { ...ODD, srcLength: 2, tgtLength: 5 },
  "V = 2": { ...ODD, vocabSize: 2 },
  "all sizes 1": {
    vocabSize: 1,
    srcLength: 1,
    tgtLength: 1,
    dModel: 1,
    dK: 1,
    dV: 1,
  },
};

/** A model of odd sizes. */
export function makeModel(
  options: Partial<Seq2SeqOptions> = {},
): Seq2SeqAttentionModel {
  return new Seq2SeqAttentionModel({ ...ODD, ...options });
}

/** Random pairs: targets are copies, cut or repeated to their length. */
export function makeData(
  count: number,
  sizes: Seq2SeqSizes = ODD,
  randomSeed = 1,
): { xSrc: NDArray<Int32Array>; xTgt: NDArray<Int32Array> } {
  const { srcLength, tgtLength, vocabSize } = sizes;
  const { xSrc } = generateCopyTaskData({
    nSamples: count,
    srcLength,
    tgtLength: 1,
    vocabSize,
    randomSeed,
  });
  const data = Int32Array.from({ length: count * tgtLength }, (_, at) => {
    const row = Math.floor(at / tgtLength);
    return xSrc.data[row * srcLength + at % tgtLength % srcLength]!;
  });
  return { xSrc, xTgt: { data, shape: [count, tgtLength] } };
}

/** Sequences `from` up to `to`. */
export function takeRows(
  { data, shape }: NDArray<Int32Array>,
  from: number,
  to: number,
): NDArray<Int32Array> {
  const width = shape[1]!;
  return {
    data: data.slice(from * width, to * width),
    shape: [to - from, width],
  };
}

/** The parameters as one array, for comparing models byte by byte. */
export function bytesOf(model: Seq2SeqAttentionModel): number[] {
  return Object.values(model.parameters()).flatMap(({ data }) => [
    ...new Int32Array(data.buffer, data.byteOffset, data.length),
  ]);
}

/** A graph of the model's present parameters, with inputs for a batch. */
export function defineBatch(
  model: Seq2SeqAttentionModel,
  count: number,
  sizes: Seq2SeqSizes = ODD,
): { parameters: Parameters<Node>; source: Node; target: Node } {
  const graph = new Graph();
  const values = model.parameters();
  return {
    parameters: declareParameters(graph, (name) => values[name]),
    source: graph.input("source", [count, sizes.srcLength], "int32"),
    target: graph.input("target", [count, sizes.tgtLength], "int32"),
  };
}

/** The teacher-forced logits (n, T, V) of a model's present parameters. */
export function logitsPlan(
  model: Seq2SeqAttentionModel,
  count: number,
  sizes: Seq2SeqSizes = ODD,
): Plan<"logits"> {
  const { parameters, source, target } = defineBatch(model, count, sizes);
  const { logits } = teacherForced(parameters, source, target);
  return compile({ outputs: { logits } });
}
