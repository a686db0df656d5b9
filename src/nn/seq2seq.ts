/**
 * The attention sequence-to-sequence model as graph: its parameters, encoder,
 * decoder, loss. Training it and asking it is the model's business.
 *
 * B batch, S source length, T target length, V vocabulary, D model width.
 */
import { type NDArray, sizeOf } from "../array.ts";
import { attention, crossEntropy } from "../graph/composite.ts";
import {
  add,
  div,
  equal,
  select,
  tanh,
  toFloat,
} from "../graph/elementwise.ts";
import { gather } from "../graph/indexing.ts";
import { matmul } from "../graph/einsum.ts";
import { concatenate, reshape, slice } from "../graph/movement.ts";
import type { Graph, Node } from "../graph/node.ts";
import { broadcast, sum } from "../graph/broadcast.ts";
import { argmax, mean } from "../graph/reduce.ts";
import type { Random } from "../random.ts";
import { lecunUniform, normal, zeros } from "./init.ts";

/** The sizes that make a model. */
export interface Seq2SeqSizes {
  /** V: tokens are 0 to V - 1. */
  readonly vocabSize: number;
  /** S: tokens in a source sequence. */
  readonly srcLength: number;
  /** T: tokens in a target sequence. */
  readonly tgtLength: number;
  /** D: the width of embeddings and states. */
  readonly dModel: number;
  /** The width of queries and keys. */
  readonly dK: number;
  /** The width of values. */
  readonly dV: number;
}

/** Tokens with a meaning of their own, of which a model may have any. */
export interface SpecialTokens {
  /**
   * Fills sequences up to their length. Nothing attends to it, and it counts
   * neither in a loss nor in an accuracy. None by default.
   */
  readonly padToken?: number;
  /**
   * Ends a target. What a prediction has after it is `padToken`, or this token
   * again where there is no padding. None by default.
   */
  readonly eosToken?: number;
}

/** What decides a model before it learns anything. */
export interface ModelSizes extends Seq2SeqSizes, SpecialTokens {
  /** Seeds initialisation and shuffling. */
  readonly randomSeed: number;
}

/** The parameters by name. */
export type Parameters<T> = Readonly<Record<ParameterName, T>>;

/** The names of the parameters. */
export type ParameterName =
  | "source_embedding"
  | "source_position"
  | "target_embedding"
  | "target_position"
  | "query_projection"
  | "key_projection"
  | "value_projection"
  | "attention_combine"
  | "attention_combine_bias"
  | "output_projection"
  | "output_bias";

/** The parameters, in the order in which they are initialised. */
export const PARAMETER_NAMES: readonly ParameterName[] = [
  "source_embedding",
  "source_position",
  "target_embedding",
  "target_position",
  "query_projection",
  "key_projection",
  "value_projection",
  "attention_combine",
  "attention_combine_bias",
  "output_projection",
  "output_bias",
];

/** The shape of every parameter. */
export function parameterShapes(
  sizes: Seq2SeqSizes,
): Parameters<readonly number[]> {
  const { vocabSize, srcLength, tgtLength, dModel, dK, dV } = sizes;
  return {
    source_embedding: [vocabSize, dModel],
    source_position: [srcLength, dModel],
    // One row more: token V begins every target.
    target_embedding: [vocabSize + 1, dModel],
    target_position: [tgtLength, dModel],
    query_projection: [dModel, dK],
    key_projection: [dModel, dK],
    value_projection: [dModel, dV],
    attention_combine: [dV + dModel, dModel],
    attention_combine_bias: [dModel],
    output_projection: [dModel, vocabSize],
    output_bias: [vocabSize],
  };
}

/** Something for every parameter. */
export function mapParameters<T>(
  make: (name: ParameterName) => T,
): Parameters<T> {
  const entries = PARAMETER_NAMES.map((name) => [name, make(name)] as const);
  return Object.fromEntries(entries) as unknown as Parameters<T>;
}

/** First values: embeddings and positions normal, biases zero. */
export function initialParameters(
  sizes: Seq2SeqSizes,
  random: Random,
): Parameters<NDArray<Float32Array>> {
  const shapes = parameterShapes(sizes);
  return mapParameters((name) => {
    const shape = shapes[name];
    if (name.endsWith("bias")) return zeros(shape);
    if (/embedding|position/.test(name)) return normal(shape, 0.5, random);
    return lecunUniform(shape, random);
  });
}

/** The encoded source. */
export interface Encoded {
  /** (B, S, d_k): what queries are compared with. */
  readonly keys: Node;
  /** (B, S, d_v): what is averaged. */
  readonly values: Node;
  /** int32 (B, 1, S): 0 where the source is padding; where it may be, only. */
  readonly allowed?: Node;
}

/**
 * Encodes source tokens.
 *
 * @param p The parameters.
 * @param source int32 (B, S).
 * @param padToken The token of the source that nothing attends to, if any.
 * @returns Keys, values, and which of them count.
 */
export function encode(
  p: Parameters<Node>,
  source: Node,
  padToken?: number,
): Encoded {
  return source.graph.scope("encoder", () => {
    const states = add(gather(p.source_embedding, source), p.source_position);
    const encoded = {
      keys: matmul(states, p.key_projection),
      values: matmul(states, p.value_projection),
    };
    if (padToken === undefined) return encoded;
    const [batch, length] = source.shape as [number, number];
    const isReal = equal(equal(source, padToken), 0);
    return { ...encoded, allowed: reshape(isReal, [batch, 1, length]) };
  });
}

/** The encoded source as the decoder takes it. */
export interface Attended extends Encoded {
  /** Set where values are (B, S, D), made by {@linkcode combineValues}. */
  readonly combined?: true;
}

/**
 * Multiplies values as the decoder multiplies their averages, contexts, with
 * the first rows of `attention_combine`. The decoder needs not do it then:
 * better where there are more target tokens than values.
 *
 * @param p The parameters.
 * @param encoded What {@linkcode encode} gives.
 * @returns The same for the decoder, with values (B, S, D).
 */
export function combineValues(
  p: Parameters<Node>,
  encoded: Encoded,
): Attended {
  const { values } = encoded;
  return values.graph.scope("encoder", () => ({
    ...encoded,
    values: matmul(values, rowsOf(p.attention_combine, 0, values.shape[2]!)),
    combined: true,
  }));
}

function rowsOf(matrix: Node, start: number, end: number): Node {
  return slice(matrix, [start, 0], [end, matrix.shape[1]!]);
}

/** The rows of `attention_combine` that belong to decoder states. */
function statesRows(
  { attention_combine: matrix, value_projection }: Parameters<Node>,
): Node {
  return rowsOf(matrix, value_projection.shape[1]!, matrix.shape[0]!);
}

/** What the decoder gives. */
export interface Decoded {
  /** (B, T, V), not normalised. */
  readonly logits: Node;
  /** (B, T, S): the attention weights. */
  readonly weights: Node;
}

/**
 * Decodes with the tokens so far given: all at once in training, one at a time
 * in prediction.
 *
 * @param p The parameters.
 * @param tokens int32 (B, T): the token before each predicted one.
 * @param positions (T, D): the rows of `target_position` for these tokens.
 * @param encoded Keys and values, and which of them count.
 * @returns Logits and attention weights.
 */
export function decode(
  p: Parameters<Node>,
  tokens: Node,
  positions: Node,
  encoded: Attended,
): Decoded {
  return tokens.graph.scope("decoder", () => {
    const states = add(gather(p.target_embedding, tokens), positions);
    const query = matmul(states, p.query_projection);
    const { output: context, weights } = tokens.graph.scope(
      "attention",
      () => attention(query, encoded.keys, encoded.values, encoded.allowed),
    );
    // Luong et al. 2015, eq. 5.
    const weighted = encoded.combined
      ? add(context, matmul(states, statesRows(p)))
      : matmul(concatenate([context, states]), p.attention_combine);
    const combined = tanh(add(weighted, p.attention_combine_bias));
    const logits = add(matmul(combined, p.output_projection), p.output_bias);
    return { logits, weights };
  });
}

/**
 * The whole model with teacher forcing: each prediction sees the true tokens
 * before it, the first one the token V alone.
 *
 * @param p The parameters.
 * @param source int32 (B, S).
 * @param target int32 (B, T).
 * @param padToken The token of the source that nothing attends to, if any.
 * @returns Logits and attention weights.
 */
export function teacherForced(
  p: Parameters<Node>,
  source: Node,
  target: Node,
  padToken?: number,
): Decoded {
  const [batch, length] = target.shape as [number, number];
  const vocabSize = p.output_bias.shape[0]!;
  const begin = target.graph.constant(vocabSize, "int32");
  const before = concatenate([
    broadcast(begin, [batch, 1]),
    slice(target, [0, 0], [batch, length - 1]),
  ], 1);
  const encoded = encode(p, source, padToken);
  return decode(p, before, p.target_position, encoded);
}

/** How good predictions are, token by token. */
export interface Score {
  /** (B, T): the cross-entropy in nats; 0 for padding. */
  readonly loss: Node;
  /** (B, T): 1 where the likeliest token is the target, else 0; float32. */
  readonly correct: Node;
  /** (B, T): 0 for padding, else 1; float32. Where there may be some, only. */
  readonly real?: Node;
}

/**
 * Compares logits with targets.
 *
 * @param logits (B, T, V).
 * @param target int32 (B, T).
 * @param padToken The token of the target that does not count, if any.
 * @param labelSmoothing What of a target goes to all tokens; 0 by default.
 * @returns Loss and correctness of every token.
 */
export function score(
  logits: Node,
  target: Node,
  padToken?: number,
  labelSmoothing = 0,
): Score {
  return logits.graph.scope("score", () => {
    const loss = crossEntropy(logits, target, { labelSmoothing });
    const correct = toFloat(equal(argmax(logits, [-1]), target));
    if (padToken === undefined) return { loss, correct };
    const isPad = equal(target, padToken);
    return {
      // Selected, not multiplied: the loss may be infinite where nobody looks.
      loss: select(isPad, 0, loss),
      correct: select(isPad, 0, correct),
      real: toFloat(equal(isPad, 0)),
    };
  });
}

/**
 * The mean over the tokens that count.
 *
 * @param values (B, T), 0 where they do not count.
 * @param real See {@linkcode Score}; by default all count.
 * @returns A scalar.
 */
export function tokenMean(values: Node, real?: Node): Node {
  return real === undefined ? mean(values) : div(sum(values), sum(real));
}

/** How many numbers the parameters of a model are. */
export function parameterCount(sizes: Seq2SeqSizes): number {
  return Object.values(parameterShapes(sizes))
    .reduce((total, shape) => total + sizeOf(shape), 0);
}

/** Declares the parameters as variables of a graph. */
export function declareParameters(
  graph: Graph,
  initial: (name: ParameterName) => NDArray,
): Parameters<Node> {
  return mapParameters((name) => graph.variable(name, initial(name)));
}
