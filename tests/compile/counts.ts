// Numbers of plans that do not wobble: what rewriting saves, how many kernels
// there are, how large arena and module are. It asserts nothing.
import { sizeOf } from "../../src/array.ts";
import { multiplyAdds } from "../../src/graph/einsum.ts";
import { fixedBelow, FROZEN_STEPS } from "../../src/compile/frozen.ts";
import { rewrite } from "../../src/compile/pipeline.ts";
import { sum } from "../../src/graph/broadcast.ts";
import { gather } from "../../src/graph/indexing.ts";
import { reshape } from "../../src/graph/movement.ts";
import { Graph, type Node, reachable } from "../../src/graph/node.ts";
import { argmax } from "../../src/graph/reduce.ts";
import { zeros } from "../../src/nn/init.ts";
import {
  type Attended,
  combineValues,
  declareParameters,
  decode,
  encode,
  parameterCount,
  parameterShapes,
  score,
  teacherForced,
} from "../../src/nn/seq2seq.ts";
import { type StepOptions, trainingStep } from "../../src/nn/steps.ts";
import { CompiledProgram } from "../../src/run/compiled.ts";
import type { Update } from "../../src/run/program.ts";
import { Variables } from "../../src/run/variables.ts";
import { type Shape, SHAPES } from "./support.ts";

/** What is counted of one plan. */
export interface Counts {
  /** Nodes of the graph as written and as rewritten. */
  readonly nodes: readonly [number, number];
  /** Multiplications with their additions, as written, and a step as rewritten. */
  readonly multiplyAdds: readonly [number, number];
  /** Kernels run once for many steps, for frozen parameters. */
  readonly prepared: number;
  readonly kernels: number;
  /** Batch entries in a tile. */
  readonly tile: number;
  /** Bytes of what is local to one tile. */
  readonly tileBytes: number;
  readonly arenaBytes: number;
  readonly moduleBytes: number;
}

/** The plans of one model; those of `src/nn/plans.ts`. */
export type PlanName = "train" | "evaluate" | "encode" | "decode";

interface Definition {
  readonly outputs: Readonly<Record<string, Node>>;
  readonly updates: readonly Update[];
  readonly frozen?: readonly Node[];
  readonly frozenSteps?: number;
  readonly atomic?: boolean;
}

/** Where the counts are recorded. */
export const RECORD = new URL("../fixtures/counts.json", import.meta.url);

/** Parameters, gradients, and both moments. */
export function parameterBytes(shape: Shape): number {
  return 4 * 4 * parameterCount(shape);
}

/** Counts every plan of every shape that is measured. */
export function countAll(): Record<string, Record<PlanName, Counts>> {
  return Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape]) => [
      name,
      {
        train: count(train(shape)),
        evaluate: count(evaluate(shape)),
        encode: count(encoding(shape)),
        decode: count(decoding(shape)),
      },
    ]),
  );
}

/** Those of a step: not of what frozen variables alone decide. */
function multiplyAddsOf(
  outputs: readonly Node[],
  frozen: readonly Node[],
): number {
  const fixed = fixedBelow(outputs, { variables: frozen });
  return reachable(outputs).reduce(
    (sum, node) => fixed.has(node) ? sum : sum + multiplyAdds(node),
    0,
  );
}

/** Counts one plan. */
export function count(
  { outputs, updates, frozen = [], atomic = true, ...more }: Definition,
): Counts {
  const { frozenSteps = FROZEN_STEPS } = more;
  const written = [
    ...Object.values(outputs),
    ...updates.map(([, value]) => value),
  ];
  const rewritten = rewrite(written, { frozen, frozenSteps });
  const program = new CompiledProgram(outputs, updates, new Variables(), {
    frozen,
    frozenSteps,
    atomic,
  });
  const { prepare, stages, buffers, tile } = program.lowered;
  const local = buffers.filter((buffer) => buffer.local && !buffer.scratch);
  return {
    nodes: [reachable(written).length, reachable(rewritten).length],
    multiplyAdds: [
      multiplyAddsOf(written, []),
      multiplyAddsOf(rewritten, frozen),
    ],
    prepared: prepare.kernels.length,
    kernels: stages.reduce((total, { kernels }) => total + kernels.length, 0),
    tile,
    tileBytes: local.reduce((total, { size }) => total + 4 * size, 0),
    arenaBytes: program.arenaBytes,
    moduleBytes: program.moduleBytes,
  };
}

function define(shape: Shape) {
  const shapes = parameterShapes(shape);
  const graph = new Graph();
  const parameters = declareParameters(graph, (name) => ({
    data: new Float32Array(sizeOf(shapes[name])),
    shape: shapes[name],
  }));
  const { batch, srcLength, tgtLength } = shape;
  return {
    graph,
    parameters,
    source: () => graph.input("source", [batch, srcLength], "int32"),
    target: () => graph.input("target", [batch, tgtLength], "int32"),
  };
}

/** A training step; by default with everything off that can be. */
export function train(shape: Shape, options: StepOptions = {}): Definition {
  const { parameters, source, target } = define(shape);
  const batch = { parameters, source: source(), target: target() };
  return trainingStep(batch, {}, options);
}

/** Loss and correctness of a batch. */
export function evaluate(shape: Shape): Definition {
  const { parameters, source, target } = define(shape);
  const [from, to] = [source(), target()];
  const { logits } = teacherForced(parameters, from, to);
  const { loss, correct } = score(logits, to);
  const outputs = { loss: sum(loss, [1]), correct: sum(correct, [1]) };
  return { outputs, updates: [], frozen: Object.values(parameters) };
}

/** As many targets as sources: values are multiplied for the decoder. */
function state(
  graph: Graph,
  { batch, srcLength, dModel, dK }: Shape,
): Attended {
  return {
    keys: graph.variable("keys", zeros([batch, srcLength, dK])),
    values: graph.variable("values", zeros([batch, srcLength, dModel])),
    combined: true,
  };
}

/** The first half of prediction: keys and values of the sources. */
export function encoding(shape: Shape): Definition {
  const { graph, parameters, source } = define(shape);
  const encoded = combineValues(parameters, encode(parameters, source()));
  const { keys, values } = state(graph, shape);
  const updates = [[keys, encoded.keys], [values, encoded.values]] as const;
  const frozen = Object.values(parameters);
  return { outputs: {}, updates, frozen, atomic: false };
}

/** The second half of prediction: one position. */
export function decoding(shape: Shape): Definition {
  const { graph, parameters } = define(shape);
  const { batch } = shape;
  const tokens = graph.variable("tokens", new Int32Array(batch), "int32");
  const position = graph.input("position", [1], "int32");
  const { logits } = decode(
    parameters,
    reshape(tokens, [batch, 1]),
    gather(parameters.target_position, position),
    state(graph, shape),
  );
  const next = reshape(argmax(logits, [-1]), [batch]);
  return {
    outputs: { tokens: next },
    updates: [[tokens, next]],
    frozen: Object.values(parameters),
    frozenSteps: FROZEN_STEPS * shape.tgtLength,
    atomic: false,
  };
}
