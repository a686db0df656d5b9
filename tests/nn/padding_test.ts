// Padding and the end of a sequence, against models that need neither. That
// the graph is right is shown in fixtures_test.ts.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { type NDArray, toNested } from "../../src/array.ts";
import { Seq2SeqAttentionModel, type StepReport } from "../../src/nn/model.ts";
import { fillEnds } from "../../src/nn/predict_job.ts";
import { Plans } from "../../src/nn/plans.ts";
import { Variables } from "../../src/run/variables.ts";
import { bytesOf, makeModel, ODD } from "./model_cases.ts";

/** 0 pads, 1 ends; sources of 4 tokens, targets of 3. */
const SPECIAL = { padToken: 0, eosToken: 1 };

const SOURCES = [[2, 3, 4, 2], [4, 3, 0, 0], [3, 0, 0, 0]];
const TARGETS = [[2, 3, 1], [4, 1, 0], [1, 0, 0]];

/** The same parameters without the positions behind the given lengths. */
function shortened(
  model: Seq2SeqAttentionModel,
  srcLength: number,
  tgtLength: number,
): Seq2SeqAttentionModel {
  const values: Record<string, NDArray> = model.parameters();
  const head = ({ data, shape }: NDArray, rows: number): NDArray => ({
    data: data.slice(0, rows * shape[1]!),
    shape: [rows, shape[1]!],
  });
  const short = makeModel({ srcLength, tgtLength });
  short.setParameters({
    ...values,
    source_position: head(values.source_position!, srcLength),
    target_position: head(values.target_position!, tgtLength),
  });
  return short;
}

const lengthOf = (row: number[]) => row.filter((token) => token !== 0).length;

Deno.test("a padded sequence is measured as the shorter one it stands for", async () => {
  const model = makeModel(SPECIAL);
  for (const [at, source] of SOURCES.entries()) {
    const target = TARGETS[at]!;
    const [s, t] = [lengthOf(source), lengthOf(target)];
    const short = shortened(model, s, t);
    const [x, y] = [[source.slice(0, s)], [target.slice(0, t)]];
    const wanted = await short.evaluate(x, y);
    const got = await model.evaluate([source], [target]);
    assertAlmostEquals(got.loss, wanted.loss, 1e-6);
    assertAlmostEquals(got.accuracy, wanted.accuracy, 1e-9);
    const weights = toNested(await model.attention([source], [target]));
    const shorter = toNested(await short.attention(x, y));
    const rows = (weights as number[][][])[0]!;
    for (const [t, row] of (shorter as number[][][])[0]!.entries()) {
      for (const [s, weight] of rows[t]!.entries()) {
        assertAlmostEquals(weight, row[s] ?? 0, 1e-6);
      }
    }
  }
});

Deno.test("evaluate() of padded sequences is the mean over real tokens", async () => {
  const model = makeModel(SPECIAL);
  let [loss, correct, tokens] = [0, 0, 0];
  for (const [at, source] of SOURCES.entries()) {
    const one = await model.evaluate([source], [TARGETS[at]!]);
    const count = lengthOf(TARGETS[at]!);
    loss += one.loss * count;
    correct += one.accuracy * count;
    tokens += count;
  }
  const all = await model.evaluate(SOURCES, TARGETS);
  assertAlmostEquals(all.loss, loss / tokens, 1e-6);
  assertAlmostEquals(all.accuracy, correct / tokens, 1e-9);
});

Deno.test("what padded sequences stood in memory before does not matter", async () => {
  const [used, fresh] = [makeModel(SPECIAL), makeModel(SPECIAL)];
  const full = Array(4).fill([2, 3, 4, 2]);
  await used.evaluate(full, Array(4).fill([2, 3, 1]), {
    sequenceAccuracy: true,
  });
  const options = { sequenceAccuracy: true };
  // Three of four rows: the fourth is what was there, at first all padding.
  const got = await used.evaluate(SOURCES, TARGETS, options);
  const wanted = await fresh.evaluate(SOURCES, TARGETS, options);
  assertEquals(got, wanted);
  assert(Number.isFinite(got.loss));
  assertEquals(await used.predict(SOURCES), await fresh.predict(SOURCES));
  assertEquals(
    await used.attention(SOURCES, TARGETS),
    await fresh.attention(SOURCES, TARGETS),
  );
});

Deno.test("train() weighs padded batches by their real tokens", async () => {
  const model = makeModel(SPECIAL);
  const steps: StepReport[] = [];
  const { loss, accuracy } = await model.train(SOURCES, TARGETS, {
    epochs: 1,
    learningRate: 0.01,
    batchSize: 2,
    shuffle: false,
    onStep: (report) => void steps.push(report),
  });
  const [a, b] = steps as [StepReport, StepReport];
  assertEquals([a.tokens, b.tokens], [5, 1]);
  assertEquals(loss, [(5 * a.loss + b.loss) / 6]);
  assertEquals(accuracy, [(5 * a.accuracy + b.accuracy) / 6]);
});

Deno.test("without padding every token of the targets is counted", async () => {
  const tokens: number[] = [];
  await makeModel().train(SOURCES, TARGETS, {
    epochs: 1,
    learningRate: 0.01,
    batchSize: 2,
    onStep: (report) => void tokens.push(report.tokens),
  });
  assertEquals(tokens, [6, 3]);
});

/** A model that predicts the same tokens whatever the source is. */
function predicting(
  tokens: readonly number[],
  options: { padToken?: number; eosToken?: number },
): Seq2SeqAttentionModel {
  const sizes = { ...ODD, dModel: 8, tgtLength: tokens.length };
  const model = new Seq2SeqAttentionModel({ ...sizes, ...options });
  const values = model.parameters();
  for (const { data } of Object.values(values)) data.fill(0);
  const { attention_combine: combine } = values;
  for (const [t, token] of tokens.entries()) {
    // State t is a unit of its own, and leads to its token alone.
    values.target_position.data[t * 8 + t] = 1;
    combine.data[(ODD.dV + t) * 8 + t] = 1;
    values.output_projection.data[t * ODD.vocabSize + token] = 9;
  }
  model.setParameters(values);
  return model;
}

Deno.test("what is predicted after the end is padding", async () => {
  const tokens = [3, 4, 1, 2, 1, 3];
  const predict = async (options: { padToken?: number; eosToken?: number }) =>
    toNested(await predicting(tokens, options).predict([[2, 2, 2, 2]]));
  assertEquals(await predict({}), [tokens]);
  assertEquals(await predict({ padToken: 0 }), [tokens]);
  assertEquals(await predict(SPECIAL), [[3, 4, 1, 0, 0, 0]]);
  assertEquals(await predict({ eosToken: 1 }), [[3, 4, 1, 1, 1, 1]]);
});

Deno.test("an end is found wherever it is, and nothing decoded behind all ends", async () => {
  const tokens = [3, 4, 2, 2, 3, 1, 2, 4];
  const model = predicting(tokens, SPECIAL);
  const source = [[2, 2, 2, 2], [3, 3, 3, 3]];
  const want = [3, 4, 2, 2, 3, 1, 0, 0];
  assertEquals(toNested(await model.predict(source)), [want, want]);
  // What is left of the last prediction is no end of this one.
  const later = [3, 4, 2, 2, 3, 3, 1, 4];
  model.setParameters(predicting(later, SPECIAL).parameters());
  const then = [3, 4, 2, 2, 3, 3, 1, 0];
  assertEquals(toNested(await model.predict(source)), [then, then]);
  // Now all end at once, and somebody counts.
  const values = predicting([1, ...tokens.slice(1)], SPECIAL).parameters();
  const { sizes } = model;
  for (const threads of [1, 2]) {
    using variables = new Variables();
    const plans = new Plans(sizes, variables, (name) => values[name], {
      threads,
    });
    const jobs = plans.jobs(plans.predict(2), threads);
    await jobs.ready();
    jobs.prepare();
    const count = Math.min(8, jobs.most);
    for (let at = 0; at < count; at++) {
      jobs.input("source").set(source.flat(), at * source.flat().length);
    }
    assertEquals(jobs.run(count, () => false), count);
    const found = jobs.output("predicted").slice(0, 2 * tokens.length);
    fillEnds(found as Int32Array, sizes);
    assertEquals([...found], Array(2).fill([1, 0, 0, 0, 0, 0, 0, 0]).flat());
    if (threads > 1) continue;
    const positions = variables.view("predict.2.position");
    assertEquals([...positions], [1, 1]);
  }
});

Deno.test("sequences are right if their real tokens are", async () => {
  const model = predicting([3, 4, 1, 2], SPECIAL);
  const source = [2, 2, 2, 2];
  const accuracyOf = async (...targets: number[][]) => {
    const sources = targets.map(() => source);
    const options = { sequenceAccuracy: true };
    const { sequenceAccuracy } = await model.evaluate(
      sources,
      targets,
      options,
    );
    return sequenceAccuracy;
  };
  assertEquals(await accuracyOf([3, 4, 1, 0]), 1);
  assertEquals(await accuracyOf([3, 1, 0, 0]), 0);
  // A target that was cut has no end.
  assertEquals(await accuracyOf([3, 4, 0, 0]), 1);
  assertEquals(
    await accuracyOf([3, 4, 1, 0], [3, 4, 1, 2], [4, 1, 0, 0]),
    1 / 3,
  );
});

Deno.test("every plan of a padded model is right, kernel by kernel", async () => {
  const options = { ...SPECIAL, dModel: 8, dK: 8, dV: 4 };
  const model = makeModel({ ...options, compile: { check: true } });
  const training = { epochs: 2, learningRate: 0.01, batchSize: 2 };
  await model.train(SOURCES, TARGETS, training);
  await model.evaluate(SOURCES, TARGETS, { sequenceAccuracy: true });
  await model.attention(SOURCES);
  const other = makeModel(options);
  await other.train(SOURCES, TARGETS, training);
  assertEquals(bytesOf(model), bytesOf(other));
});

Deno.test("padding is learned from by nobody", async () => {
  // The row of the padding in the source's embedding has no gradient.
  const model = makeModel(SPECIAL);
  const before = model.parameters().source_embedding.data;
  await model.train(SOURCES, TARGETS, {
    epochs: 3,
    learningRate: 0.01,
    batchSize: 3,
  });
  const after = model.parameters().source_embedding.data;
  const { dModel } = ODD;
  assertEquals(after.slice(0, dModel), before.slice(0, dModel));
  assertNotEquals(after.slice(2 * dModel), before.slice(2 * dModel));
});

Deno.test("a model refuses sequences of padding alone", async () => {
  const model = makeModel(SPECIAL);
  const before = bytesOf(model);
  const training = { epochs: 1, learningRate: 0.01, batchSize: 2 };
  const empty = [[2, 3, 4, 2], [0, 0, 0, 0]];
  const message = "Cannot use xSrc[1]: all of it is padding (token 0), " +
    "wanted at least one other token";
  const targets = TARGETS.slice(0, 2);
  for (
    const call of [
      () => model.train(empty, targets, training),
      () => model.evaluate(empty, targets),
      () => model.predict(empty),
      () => model.attention(empty),
    ]
  ) await assertRejects(call, RangeError, message);
  for (
    const call of [
      () => model.train([[2, 3, 4, 2]], [[0, 0, 0]], training),
      () => model.evaluate([[2, 3, 4, 2]], [[0, 0, 0]]),
      () => model.attention([[2, 3, 4, 2]], [[0, 0, 0]]),
    ]
  ) await assertRejects(call, RangeError, "Cannot use xTgt[0]: all of it is");
  assertEquals(bytesOf(model), before);
  // Without padding it is a token as any other.
  await makeModel().train(empty, [[0, 0, 0], [0, 0, 0]], training);
});

Deno.test("a model refuses special tokens that are none", () => {
  for (const name of ["padToken", "eosToken"]) {
    const make = (value: unknown) => () =>
      makeModel({ [name]: value } as { padToken: number });
    for (const value of [-1, 5, 1.5, NaN]) {
      assertThrows(
        make(value),
        RangeError,
        `Cannot use ${name} = ${value}: wanted an integer from 0 to 4`,
      );
    }
    for (const value of ["0", null]) {
      assertThrows(make(value), TypeError, `Cannot use ${name} = `);
    }
    make(undefined)();
  }
  assertThrows(
    () => makeModel({ padToken: 2, eosToken: 2 }),
    RangeError,
    "Cannot use eosToken = 2: wanted another than padToken",
  );
});

Deno.test("a model can be made again of its sizes", () => {
  const model = makeModel({ ...SPECIAL, randomSeed: 4 });
  assertEquals(model.sizes, { ...ODD, ...SPECIAL, randomSeed: 4 });
  const again = new Seq2SeqAttentionModel(model.sizes);
  assertEquals(bytesOf(again), bytesOf(model));
  assertEquals(again.sizes, model.sizes);
  assertEquals(makeModel().sizes, { ...ODD, randomSeed: 0 });
  assert(Object.isFrozen(model.sizes));
});
