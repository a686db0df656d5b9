/**
 * A training step as graph, whole or in two halves between which several
 * processes add up what they have. Compiling is not done here.
 *
 * B batch, S source length, T target length.
 */
import { sizeOf } from "../array.ts";
import { sum } from "../graph/broadcast.ts";
import { div } from "../graph/elementwise.ts";
import { grad } from "../graph/grad.ts";
import type { Graph, Node } from "../graph/node.ts";
import type { Update } from "../run/program.ts";
import { applyAdam } from "./adam.ts";
import { clipByGlobalNorm } from "./clip.ts";
import { zeros } from "./init.ts";
import {
  mapParameters,
  PARAMETER_NAMES,
  type ParameterName,
  type Parameters,
  parameterShapes,
  type Score,
  score,
  type Seq2SeqSizes,
  type SpecialTokens,
  teacherForced,
  tokenMean,
} from "./seq2seq.ts";

/** The beginning of a graph for one batch size. */
export interface BatchGraph {
  /** The parameters, as variables. */
  readonly parameters: Parameters<Node>;
  /** int32 (B, S). */
  readonly source: Node;
  /** int32 (B, T). */
  readonly target: Node;
}

/** What a plan is compiled of. */
export interface Step<K extends string> {
  /** What it tells, computed before the updates. */
  readonly outputs: Readonly<Record<K, Node>>;
  /** What it changes. */
  readonly updates: readonly Update[];
}

/** Means over a batch's tokens. */
type Metric = "loss" | "accuracy";

/** What a step does beyond Adam's; it costs nothing where it is left out. */
export interface StepOptions {
  /** See {@linkcode BatchTrainOptions}. */
  readonly weightDecay?: number;
  /** See {@linkcode BatchTrainOptions}. */
  readonly clipNorm?: number;
  /** See {@linkcode BatchTrainOptions}. */
  readonly labelSmoothing?: number;
}

/** A whole step, with an input learning_rate. */
export function trainingStep(
  batch: BatchGraph,
  sizes: SpecialTokens,
  options: StepOptions = {},
): Step<Metric> {
  const { parameters, source: { graph } } = batch;
  const { loss: each, correct, real } = scoreOf(batch, sizes, options);
  const loss = tokenMean(each, real);
  const gradients = grad(loss, Object.values(parameters));
  const updates = updatesOf(graph, parameters, gradients, options);
  return { outputs: { loss, accuracy: tokenMean(correct, real) }, updates };
}

/** What the halves hand over beside gradients, each a sum over tokens. */
const SUMS = ["loss", "correct", "tokens"] as const;

/** What the halves hand over, in the order in which it lies in memory. */
export function gradientVariables(): string[] {
  return [...PARAMETER_NAMES, ...SUMS].map((name) => `gradient.${name}`);
}

/**
 * Lies behind {@linkcode gradientVariables} and is read by no plan: how many of
 * the processes want to stop.
 */
export const STOPS = "gradient.stops";

/** The shape of one of {@linkcode gradientVariables}. */
export function gradientShape(
  variable: string,
  sizes: Seq2SeqSizes,
): readonly number[] {
  const shapes: Record<string, readonly number[]> = parameterShapes(sizes);
  return shapes[variable.slice("gradient.".length)] ?? [];
}

/**
 * The first half: the gradients of the loss summed over the tokens, and the
 * sums themselves, put into variables. What several processes have of them for
 * parts of a batch adds up to what one has for the whole.
 */
export function gradientStep(
  batch: BatchGraph,
  sizes: SpecialTokens,
  options: StepOptions = {},
): Step<never> {
  const { parameters, source, target } = batch;
  const { graph } = source;
  const { loss, correct, real } = scoreOf(batch, sizes, options);
  const total = sum(loss);
  const sums: Record<typeof SUMS[number], Node> = {
    loss: total,
    correct: sum(correct),
    tokens: real ? sum(real) : graph.constant(sizeOf(target.shape)),
  };
  const gradients = grad(total, Object.values(parameters));
  const values = [...gradients, ...SUMS.map((name) => sums[name])];
  const updates = gradientVariables().map((name, at): Update => {
    const value = values[at]!;
    return [graph.variable(name, zeros(value.shape)), value];
  });
  return { outputs: {} as Record<never, Node>, updates };
}

/** The second half: a step from what the first one has left. */
export function updateStep(
  graph: Graph,
  parameters: Parameters<Node>,
  options: StepOptions = {},
): Step<Metric> {
  const taken = (name: ParameterName | typeof SUMS[number], shape: number[]) =>
    graph.variable(`gradient.${name}`, zeros(shape));
  const tokens = taken("tokens", []);
  const gradients = mapParameters((name) =>
    div(taken(name, [...parameters[name].shape]), tokens)
  );
  return {
    outputs: {
      loss: div(taken("loss", []), tokens),
      accuracy: div(taken("correct", []), tokens),
    },
    updates: updatesOf(graph, parameters, Object.values(gradients), options),
  };
}

/** All variables of a training: parameters and the optimiser's state. */
export function trainingVariables(): string[] {
  return [
    ...PARAMETER_NAMES,
    "adam.correction1",
    "adam.correction2",
    ...PARAMETER_NAMES.map((name) => `adam.m.${name}`),
    ...PARAMETER_NAMES.map((name) => `adam.v.${name}`),
  ];
}

/** From the gradients of the mean loss of the whole batch. */
function updatesOf(
  graph: Graph,
  parameters: Parameters<Node>,
  gradients: readonly Node[],
  { clipNorm, weightDecay = 0 }: StepOptions,
): Update[] {
  const learningRate = graph.input("learning_rate", []);
  const kept = clipNorm === undefined
    ? gradients
    : clipByGlobalNorm(gradients, clipNorm);
  return applyAdam(Object.values(parameters), kept, {
    learningRate,
    weightDecay,
  });
}

function scoreOf(
  { parameters, source, target }: BatchGraph,
  { padToken }: SpecialTokens,
  { labelSmoothing }: StepOptions,
): Score {
  const { logits } = teacherForced(parameters, source, target, padToken);
  return score(logits, target, padToken, labelSmoothing);
}
