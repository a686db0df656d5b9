// The model at odd sizes on compiled plans: lengths and widths that differ,
// every size from 1 to 9, a single sequence, two tokens, 50,000 tokens.
import { assert, assertEquals } from "@std/assert";
import { type NDArray, sizeOf } from "../../src/array.ts";
import { rewrite } from "../../src/compile/pipeline.ts";
import { Graph, type Node, reachable } from "../../src/graph/node.ts";
import { argmax, mean } from "../../src/graph/reduce.ts";
import { grad } from "../../src/graph/grad.ts";
import { adam } from "../../src/nn/adam.ts";
import { Seq2SeqAttentionModel } from "../../src/nn/model.ts";
import {
  declareParameters,
  initialParameters,
  mapParameters,
  PARAMETER_NAMES,
  type Parameters,
  score,
  type Seq2SeqSizes,
  teacherForced,
} from "../../src/nn/seq2seq.ts";
import { Random } from "../../src/random.ts";
import { compile } from "../../src/run/plan.ts";
import { assertNear, assertSameSteps, integers } from "../models/support.ts";
import { SHAPES, trainingStep } from "./support.ts";

interface Sizes extends Seq2SeqSizes {
  readonly batch: number;
}

/** All different, and no whole vectors. */
const BASE: Sizes = {
  batch: 5,
  srcLength: 4,
  tgtLength: 3,
  vocabSize: 7,
  dModel: 6,
  dK: 9,
  dV: 2,
};

const AXES = Object.keys(BASE) as (keyof Sizes)[];

/** First values off 0, so that every gradient can be seen. */
function initial(sizes: Sizes): Parameters<NDArray> {
  const random = new Random(3);
  const values = initialParameters(sizes, random);
  return mapParameters((name) => {
    const { data, shape } = values[name];
    return { data: data.map((x) => x + 0.05 * random.normal()), shape };
  });
}

interface Step {
  readonly outputs: Record<string, Node>;
  readonly updates: readonly (readonly [Node, Node])[];
}

function stepOf(sizes: Sizes, gradients: boolean): Step {
  const graph = new Graph();
  const values = initial(sizes);
  const parameters = declareParameters(graph, (name) => values[name]);
  const { batch, srcLength, tgtLength } = sizes;
  const source = graph.input("source", [batch, srcLength], "int32");
  const target = graph.input("target", [batch, tgtLength], "int32");
  const { logits, weights } = teacherForced(parameters, source, target);
  const { loss: each, correct } = score(logits, target);
  const loss = mean(each);
  const wrt = Object.values(parameters);
  const named = gradients
    ? grad(loss, wrt).map((node, at) => [`d_${PARAMETER_NAMES[at]}`, node])
    : [];
  return {
    outputs: {
      loss,
      accuracy: mean(correct),
      ...Object.fromEntries(named),
      ...(gradients ? { weights } : {}),
    },
    // What has no gradient but rounding must not take whole steps of its sign.
    updates: adam(loss, wrt, { learningRate: 0.01, epsilon: 1e-6 }),
  };
}

function feedsOf({ batch, srcLength, tgtLength, vocabSize }: Sizes) {
  return {
    source: integers(1, vocabSize, batch, srcLength),
    target: integers(2, vocabSize, batch, tgtLength),
  };
}

function check(changes: Partial<Sizes>): void {
  const sizes = { ...BASE, ...changes };
  const name = JSON.stringify(changes);
  assertSameSteps(stepOf(sizes, true), feedsOf(sizes), name);
}

for (const axis of AXES) {
  Deno.test(`the model trains alike for ${axis} from 1 to 9`, () => {
    for (let size = 1; size <= 9; size++) check({ [axis]: size });
  });
}

Deno.test("the model trains alike for sizes drawn at random", () => {
  const random = new Random(11);
  for (let run = 0; run < 60; run++) {
    const entries = AXES.map((axis) => [axis, 1 + random.below(9)] as const);
    check(Object.fromEntries(entries));
  }
});

Deno.test("the model trains alike at the edges", () => {
  check(Object.fromEntries(AXES.map((axis) => [axis, 1])));
  // The batch is as large as everything else.
  for (const size of [2, 4, 7, 8]) {
    check(Object.fromEntries(AXES.map((axis) => [axis, size])));
  }
  check({ vocabSize: 2, batch: 1 });
  check({ dModel: 33, dK: 33, dV: 33 });
  check({ dModel: 33, dK: 34, dV: 31, batch: 37 });
  check({ srcLength: 37, tgtLength: 35, batch: 3 });
  check({ vocabSize: 133, batch: 9 });
});

Deno.test("the model trains alike in tiles of which the last is smaller", () => {
  check({ batch: 37, srcLength: 33, tgtLength: 17, dModel: 40, dV: 41 });
  check({ batch: 13, srcLength: 5, tgtLength: 19, dModel: 65, vocabSize: 99 });
});

/** Products that run over a whole table of tokens. */
function overTables(outputs: readonly Node[], vocabSize: number): Node[] {
  const isTable = ({ shape }: Node): boolean =>
    shape[0] === vocabSize || shape[0] === vocabSize + 1;
  return reachable(outputs).filter((node) =>
    node.op === "einsum" && [node, ...node.inputs].some(isTable)
  );
}

Deno.test("a vocabulary of 50,000 is not hoisted, and trains alike", () => {
  const sizes = { ...BASE, batch: 8, vocabSize: 50_000, dModel: 5, dK: 4 };
  const step = stepOf(sizes, false);
  const outputs = [
    ...Object.values(step.outputs),
    ...step.updates.map(([, value]) => value),
  ];
  assertEquals(overTables(outputs, sizes.vocabSize), []);
  assertEquals(overTables(rewrite(outputs), sizes.vocabSize), []);
  // With few tokens it is: the sizes decide.
  const { SMALL } = SHAPES;
  const small = rewrite(trainingStep(SMALL!));
  assert(overTables(small, SMALL!.vocabSize).length > 0);
  assertSameSteps(step, feedsOf(sizes), "V = 50,000");
});

/** Logits with teacher forcing, by the interpreter. */
function reference(sizes: Sizes) {
  const graph = new Graph();
  const values = initial(sizes);
  const parameters = declareParameters(graph, (name) => values[name]);
  const { batch, srcLength, tgtLength } = sizes;
  const source = graph.input("source", [batch, srcLength], "int32");
  const target = graph.input("target", [batch, tgtLength], "int32");
  const { logits, weights } = teacherForced(parameters, source, target);
  const { loss, correct } = score(logits, target);
  const likeliest = argmax(logits, [-1]);
  return compile({
    outputs: { loss: mean(loss), correct: mean(correct), likeliest, weights },
    executor: "interpreter",
  });
}

/** Token by token: position t is final once those before it are. */
function greedy(
  plan: ReturnType<typeof reference>,
  source: NDArray,
  { batch, tgtLength }: Sizes,
): NDArray {
  const shape = [batch, tgtLength];
  let target: NDArray = { data: new Int32Array(sizeOf(shape)), shape };
  for (let t = 0; t < tgtLength; t++) {
    target = plan.run({ source, target }).likeliest;
  }
  return target;
}

for (
  const changes of [
    {},
    { batch: 1, vocabSize: 2 },
    { srcLength: 1, tgtLength: 9 },
    { tgtLength: 1, dModel: 1 },
    { dModel: 33, dK: 1, dV: 35, batch: 37 },
    { batch: 8, srcLength: 8, tgtLength: 8, vocabSize: 8, dModel: 8, dV: 8 },
  ]
) {
  const name = JSON.stringify(changes);
  Deno.test(`answers are the interpreter's for ${name}`, async () => {
    const sizes: Sizes = { ...BASE, ...changes };
    const model = new Seq2SeqAttentionModel(sizes);
    model.setParameters(initial(sizes));
    const { source, target } = feedsOf(sizes);
    const truth = reference(sizes);
    const want = truth.run({ source, target });
    const found = await model.evaluate(source, target);
    assert(Math.abs(found.loss - want.loss.data[0]!) < 1e-4 * found.loss);
    assert(Math.abs(found.accuracy - want.correct.data[0]!) < 1e-6);
    const weights = await model.attention(source, target);
    assertNear(weights, want.weights, 1e-4, "attention");
    const predicted = await model.predict(source);
    const wanted = greedy(truth, source, sizes);
    assertEquals([...predicted.data], [...wanted.data]);
    const own = truth.run({ source, target: wanted });
    const seen = await model.attention(source);
    assertNear(seen, own.weights, 1e-4, "attention to the prediction");
  });
}
