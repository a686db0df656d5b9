// Numbers of plans that do not wobble: what rewriting saves, how many kernels
// there are, how large arena and module are. It asserts nothing.
import { multiplyAdds } from "../../src/graph/einsum.ts";
import { fixedBelow, FROZEN_STEPS } from "../../src/compile/frozen.ts";
import { rewrite } from "../../src/compile/pipeline.ts";
import { sum } from "../../src/graph/broadcast.ts";
import { Graph, type Node, reachable } from "../../src/graph/node.ts";
import { zeros } from "../../src/nn/init.ts";
import {
  declareParameters,
  parameterCount,
  parameterShapes,
  score,
  teacherForced,
} from "../../src/nn/seq2seq.ts";
import { type StepOptions, trainingStep } from "../../src/nn/steps.ts";
import { PredictJob } from "../../src/nn/predict_job.ts";
import { CompiledProgram } from "../../src/run/compiled.ts";
import { compile } from "../../src/run/plan.ts";
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
    Object.entries(SHAPES).map(([name, shape]) => {
      const [encode, decode] = prediction(shape).map(count);
      const [training, evaluation] = [train(shape), evaluate(shape)].map(count);
      return [name, {
        train: training!,
        evaluate: evaluation!,
        encode: encode!,
        decode: decode!,
      }];
    }),
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
  const parameters = declareParameters(graph, (name) => zeros(shapes[name]));
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

/** Greedy prediction: sources are encoded, then positions decoded. */
export function prediction(shape: Shape): [Definition, Definition] {
  const shapes = parameterShapes(shape);
  const variables = new Variables();
  const found: Definition[] = [];
  new PredictJob(shape.batch, {
    sizes: shape,
    variables,
    initial: (name) => zeros(shapes[name]),
    compile: (options) => {
      found.push({ updates: [], ...options });
      return compile({ ...options, variables });
    },
  });
  const [encoding, decoding] = found;
  return [encoding!, decoding!];
}
