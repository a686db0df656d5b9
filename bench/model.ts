/**
 * The graphs of the sequence-to-sequence model that are measured: the training
 * step, and greedy prediction unrolled for the interpreter.
 */
import { concatenate, reshape, slice } from "../src/graph/movement.ts";
import { Graph, type Node } from "../src/graph/node.ts";
import { argmax, mean } from "../src/graph/reduce.ts";
import { adam } from "../src/nn/adam.ts";
import {
  declareParameters,
  decode,
  encode,
  score,
  teacherForced,
} from "../src/nn/seq2seq.ts";
import type { Update } from "../src/run/program.ts";
import type { Bundle } from "./bundle.ts";
import type { Shape } from "./shapes.ts";

/** A training step: inputs source, target, learning_rate. */
export interface TrainingStep {
  /** What the model also computes when it trains. */
  readonly outputs: { readonly loss: Node; readonly accuracy: Node };
  /** By Adam. */
  readonly updates: Update[];
}

/** The step that {@linkcode Seq2SeqAttentionModel.train} repeats. */
export function defineTraining({ arrays }: Bundle): TrainingStep {
  const graph = new Graph();
  const parameters = declareParameters(graph, (name) => arrays[name]!);
  const source = graph.input("source", arrays.source!.shape, "int32");
  const target = graph.input("target", arrays.source!.shape, "int32");
  const { logits } = teacherForced(parameters, source, target);
  const perToken = score(logits, target);
  const loss = mean(perToken.loss);
  const learningRate = graph.input("learning_rate", []);
  return {
    outputs: { loss, accuracy: mean(perToken.correct) },
    updates: adam(loss, Object.values(parameters), { learningRate }),
  };
}

/** Greedy prediction as one graph: tokens (B, T) of the input source (B, T). */
export function definePrediction({ sizes, arrays }: Bundle): Node {
  const [batch, length] = arrays.questions!.shape as [number, number];
  const { vocabSize, width } = sizes as unknown as Shape;
  const graph = new Graph();
  const parameters = declareParameters(graph, (name) => arrays[name]!);
  const source = graph.input("source", [batch, length], "int32");
  const encoded = encode(parameters, source);
  const first = new Int32Array(batch).fill(vocabSize);
  let tokens: Node = reshape(graph.constant(first, "int32"), [batch, 1]);
  const predicted: Node[] = [];
  for (let t = 0; t < length; t++) {
    const position = slice(parameters.target_position, [t, 0], [t + 1, width]);
    const { logits } = decode(parameters, tokens, position, encoded);
    tokens = argmax(logits, [-1]);
    predicted.push(tokens);
  }
  return concatenate(predicted, 1);
}
