// Seq2SeqAttentionModel.evaluate(), predict() and attention(), each against an
// independent way to the same numbers. Training: train_test.ts.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { type NDArray, toNested } from "../../src/array.ts";
import type { Seq2SeqAttentionModel } from "../../src/nn/model.ts";
import type { Seq2SeqSizes } from "../../src/nn/seq2seq.ts";
import {
  EDGES,
  logitsPlan,
  makeData,
  makeModel,
  ODD,
  takeRows,
} from "./model_cases.ts";

/** Cross-entropy and accuracy of logits, in plain doubles. */
function scoreByHand(
  { data, shape }: NDArray,
  targets: Int32Array,
): { loss: number; accuracy: number } {
  const width = shape.at(-1)!;
  let loss = 0;
  let right = 0;
  for (const [at, target] of targets.entries()) {
    const row = [...data.slice(at * width, (at + 1) * width)];
    const top = Math.max(...row);
    const total = row.reduce((sum, x) => sum + Math.exp(x - top), 0);
    loss += top + Math.log(total) - row[target]!;
    if (row.indexOf(top) === target) right++;
  }
  return { loss: loss / targets.length, accuracy: right / targets.length };
}

/** Greedy decoding by running the whole model once for every token. */
function predictByHand(
  model: Seq2SeqAttentionModel,
  source: NDArray<Int32Array>,
  sizes: Seq2SeqSizes,
): Int32Array {
  const [count] = source.shape as [number];
  const { tgtLength, vocabSize } = sizes;
  const plan = logitsPlan(model, count, sizes);
  const target = new Int32Array(count * tgtLength);
  for (let t = 0; t < tgtLength; t++) {
    const { logits } = plan.run({ source: source.data, target });
    for (let n = 0; n < count; n++) {
      const start = (n * tgtLength + t) * vocabSize;
      const row = [...logits.data.slice(start, start + vocabSize)];
      target[n * tgtLength + t] = row.indexOf(Math.max(...row));
    }
  }
  return target;
}

/** Trained just enough to get some sequences right and others wrong. */
async function halfTrained(
  sizes: Seq2SeqSizes = ODD,
): Promise<Seq2SeqAttentionModel> {
  const model = makeModel(sizes);
  const { xSrc, xTgt } = makeData(32, sizes, 5);
  await model.train(xSrc, xTgt, {
    epochs: 8,
    learningRate: 0.02,
    batchSize: 16,
  });
  return model;
}

for (const [name, sizes] of Object.entries(EDGES)) {
  for (const count of [1, 3, 70]) {
    Deno.test(`evaluate() gives the mean over all tokens: ${name}, n = ${count}`, async () => {
      const model = await halfTrained(sizes);
      const { xSrc, xTgt } = makeData(count, sizes);
      const { logits } = logitsPlan(model, count, sizes)
        .run({ source: xSrc, target: xTgt });
      const wanted = scoreByHand(logits, xTgt.data);
      const got = await model.evaluate(xSrc, xTgt);
      assertAlmostEquals(got.loss, wanted.loss, 1e-5);
      assertAlmostEquals(got.accuracy, wanted.accuracy, 1e-9);
      assertEquals(Object.keys(got), ["loss", "accuracy"]);
    });
  }

  Deno.test(`predict() takes the likeliest token step by step: ${name}`, async () => {
    const model = await halfTrained(sizes);
    for (const count of [1, 65]) {
      const { xSrc } = makeData(count, sizes);
      const got = await model.predict(xSrc);
      assertEquals(got.shape, [count, sizes.tgtLength]);
      assertEquals(got.data, predictByHand(model, xSrc, sizes));
    }
  });

  Deno.test(`attention() weighs every target position: ${name}`, async () => {
    const model = await halfTrained(sizes);
    const { srcLength, tgtLength } = sizes;
    const { xSrc, xTgt } = makeData(67, sizes);
    const weights = await model.attention(xSrc, xTgt);
    assertEquals(weights.shape, [67, tgtLength, srcLength]);
    for (let at = 0; at < weights.data.length; at += srcLength) {
      const row = weights.data.slice(at, at + srcLength);
      assertAlmostEquals(row.reduce((a, b) => a + b), 1, 1e-5);
    }
    const own = await model.attention(xSrc);
    assertEquals(own, await model.attention(xSrc, await model.predict(xSrc)));
  });
}

Deno.test("sequenceAccuracy is the share of predictions that are all right", async () => {
  const model = await halfTrained({ ...ODD, vocabSize: 3 });
  const { xSrc, xTgt } = makeData(100, { ...ODD, vocabSize: 3 });
  const predicted = toNested(await model.predict(xSrc)) as number[][];
  const wanted = toNested(xTgt) as number[][];
  const right = predicted.filter((row, at) => `${row}` === `${wanted[at]}`);
  // Else the test would not tell right from wrong.
  assert(right.length > 0 && right.length < 100, `${right.length} right`);
  const options = { sequenceAccuracy: true };
  const { sequenceAccuracy } = await model.evaluate(xSrc, xTgt, options);
  assertEquals(sequenceAccuracy, right.length / 100);
});

Deno.test("evaluate() depends on neither order nor company", async () => {
  const model = await halfTrained();
  const { xSrc, xTgt } = makeData(70);
  const all = await model.evaluate(xSrc, xTgt);
  // What came before stays in the memory of the plans, and must not count.
  let loss = 0;
  for (let at = 0; at < 70; at += 7) {
    const source = takeRows(xSrc, at, at + 7);
    const part = await model.evaluate(source, takeRows(xTgt, at, at + 7));
    loss += part.loss / 10;
  }
  assertAlmostEquals(loss, all.loss, 1e-6);
  assertEquals(await model.evaluate(xSrc, xTgt), all);
});

Deno.test("of equally likely tokens predict() takes the lowest", async () => {
  const model = makeModel();
  const { xSrc, xTgt } = makeData(3);
  const values = model.parameters();
  values.output_projection.data.fill(0);
  values.output_bias.data.fill(0);
  model.setParameters(values);
  assertEquals(toNested(await model.predict(xSrc)), Array(3).fill([0, 0, 0]));
  values.output_bias.data.set([-1, 2, 0, 2, 2]);
  model.setParameters(values);
  assertEquals(toNested(await model.predict(xSrc)), Array(3).fill([1, 1, 1]));
  const { accuracy } = await model.evaluate(xSrc, xTgt);
  const ones = xTgt.data.filter((token) => token === 1).length;
  assertEquals(accuracy, ones / 9);
});

Deno.test("prediction sees its own tokens, not the targets", async () => {
  const model = await halfTrained();
  const { xSrc } = makeData(5);
  const alone = await model.predict(xSrc);
  await model.evaluate(xSrc, { data: new Int32Array(15), shape: [5, 3] });
  assertEquals(await model.predict(xSrc), alone);
});

Deno.test("nested arrays, float and int arrays are the same tokens", async () => {
  const model = makeModel();
  const { xSrc, xTgt } = makeData(3);
  const wanted = await model.evaluate(xSrc, xTgt);
  const float = (x: NDArray) => ({ ...x, data: Float32Array.from(x.data) });
  assertEquals(await model.evaluate(toNested(xSrc), toNested(xTgt)), wanted);
  assertEquals(await model.evaluate(float(xSrc), float(xTgt)), wanted);
});

Deno.test("an aborted signal stops evaluate()", async () => {
  const { xSrc, xTgt } = makeData(3);
  const reason = new Error("no");
  const signal = AbortSignal.abort(reason);
  const error = await assertRejects(() =>
    makeModel().evaluate(xSrc, xTgt, { signal })
  );
  assertStrictEquals(error, reason);
});

Deno.test("calls under way at the same time do not disturb one another", async () => {
  const model = await halfTrained();
  const { xSrc, xTgt } = makeData(130);
  const calls = () => [
    model.evaluate(xSrc, xTgt, { sequenceAccuracy: true }),
    model.predict(xSrc),
    model.attention(xSrc),
  ];
  const alone: unknown[] = [];
  for (const call of calls()) alone.push(await call);
  assertEquals(await Promise.all(calls()), alone);
});
