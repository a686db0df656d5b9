// Models whose work is shared by threads, against the same with one.
import { fileURLToPath } from "node:url";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
} from "@std/assert";
import type { NDArray } from "../../src/array.ts";
import type { Seq2SeqAttentionModel } from "../../src/nn/model.ts";
import { assertNear } from "../models/support.ts";
import { SHAPES } from "../compile/support.ts";
import { processTest } from "../helpers.ts";
import { makeData, makeModel } from "./model_cases.ts";

const { TINY } = SHAPES;
const MODEL = new URL("../../src/nn/model.ts", import.meta.url).href;
/** Two whole batches and a partial one. */
const PAIRS = makeData(70, TINY!);
const OPTIONS = { epochs: 3, learningRate: 0.01, batchSize: 32 };

async function trained(threads: number): Promise<{
  model: Seq2SeqAttentionModel;
  losses: number[];
  parameters: Record<string, NDArray>;
}> {
  const model = makeModel(TINY!);
  const { xSrc, xTgt } = PAIRS;
  const { loss } = await model.train(xSrc, xTgt, { ...OPTIONS, threads });
  return { model, losses: loss, parameters: model.parameters() };
}

for (const threads of [2, 3]) {
  Deno.test(`a model learns with ${threads} threads what it learns with one`, async () => {
    const want = await trained(1);
    const got = await trained(threads);
    using model = got.model;
    assertEquals(model.threads, threads);
    for (const [epoch, loss] of want.losses.entries()) {
      assertAlmostEquals(got.losses[epoch]!, loss, 1e-4);
    }
    for (const [name, value] of Object.entries(want.parameters)) {
      assertNear(got.parameters[name]!, value, 2e-3, name);
    }
    // The same number of threads gives the same bytes.
    const again = await trained(threads);
    using _ = again.model;
    assertEquals(again.parameters, got.parameters);
    assertEquals(again.losses, got.losses);
  });
}

Deno.test("threads measure, predict and look inside as one does", async () => {
  const { model: alone } = await trained(1);
  using model = makeModel({ ...TINY!, compile: { threads: 2 } });
  model.setParameters(alone.parameters());
  // More than one chunk, and a last one that is small.
  const { xSrc, xTgt } = makeData(301, TINY!, 5);
  const options = { sequenceAccuracy: true };
  const [want, got] = [
    await alone.evaluate(xSrc, xTgt, options),
    await model.evaluate(xSrc, xTgt, options),
  ];
  for (const name of ["loss", "accuracy", "sequenceAccuracy"] as const) {
    assertAlmostEquals(got[name]!, want[name]!, 1e-5);
  }
  assertEquals(await model.predict(xSrc), await alone.predict(xSrc));
  const [detailed, wanted] = [
    await model.predictDetailed(xSrc),
    await alone.predictDetailed(xSrc),
  ];
  assertEquals(detailed.tokens, wanted.tokens);
  assertNear(detailed.attention, wanted.attention, 1e-4, "attention");
  assertNear(
    detailed.logProbabilities,
    wanted.logProbabilities,
    1e-4,
    "log-probabilities",
  );
  assertEquals(model.threads, 2);
});

Deno.test("what goes on beside it does not change a prediction", async () => {
  const { model: alone } = await trained(1);
  const { xSrc } = makeData(40, TINY!, 5);
  const want = await alone.predict(xSrc);
  const options = { ...OPTIONS, epochs: 1, learningRate: 1e-12 };
  const others = {
    // From now on there are threads.
    training: (model: Seq2SeqAttentionModel) =>
      model.train(PAIRS.xSrc, PAIRS.xTgt, { ...options, threads: 2 }),
    prediction: (model: Seq2SeqAttentionModel) =>
      model.predict(makeData(5000, TINY!, 6).xSrc),
  };
  for (const [name, other] of Object.entries(others)) {
    for (const threads of [1, 2, "auto"] as const) {
      using model = makeModel({ ...TINY!, compile: { threads, cores: 2 } });
      model.setParameters(alone.parameters());
      const [got] = await Promise.all([model.predict(xSrc), other(model)]);
      assertEquals(got, want, `${name}, ${threads}`);
    }
  }
});

Deno.test("how fast threads are changes no bit", async () => {
  // Plans for 64 and for 8 rows of these sizes may round otherwise.
  const widths = { dModel: 20, dK: 20, dV: 20 };
  const sizes = { vocabSize: 25, srcLength: 18, tgtLength: 10, ...widths };
  using model = makeModel({ ...sizes, compile: { threads: 2 } });
  const parameters = model.parameters();
  for (const { data } of Object.values(parameters)) {
    data.forEach((value, at) => data[at] = 3 * value);
  }
  model.setParameters(parameters);
  const { xSrc, xTgt } = makeData(261, sizes, 5);
  const find = async () => [
    await model.predictDetailed(xSrc),
    await model.evaluate(xSrc, xTgt),
  ];
  const want = await find();
  const { now } = performance;
  let time = now.call(performance);
  // Each time somebody looks, it is time to let others have a turn.
  performance.now = () => time += 60;
  try {
    assertEquals(await find(), want);
  } finally {
    performance.now = now;
  }
});

processTest(
  "models that nobody has any more end, and their threads",
  async () => {
    const program = `
    import { Seq2SeqAttentionModel } from ${JSON.stringify(MODEL)};
    const rows = 40;
    const refs = [];
    for (let at = 0; at < 3; at++) {
      const model = new Seq2SeqAttentionModel({
        ...${JSON.stringify(TINY)},
        compile: { threads: 2 },
      });
      const tokens = new Int32Array(rows * ${TINY!.srcLength});
      const x = { data: tokens, shape: [rows, ${TINY!.srcLength}] };
      await model.predict(x);
      await model.evaluate(x, x);
      await model.attention(x);
      await model.train(x, x, { epochs: 1, learningRate: 0.1, batchSize: 20 });
      refs.push(new WeakRef(model));
    }
    for (let turn = 0; turn < 20; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      gc();
    }
    console.log(refs.filter((ref) => ref.deref() !== undefined).length);
  `;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--v8-flags=--expose-gc", program],
      cwd: fileURLToPath(new URL("../../", import.meta.url)),
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    // One may still be on the stack.
    const alive = Number(new TextDecoder().decode(stdout));
    assert(alive <= 1, `${alive} of 3 models are there`);
  },
);

Deno.test("threads find the ends that one thread finds", async () => {
  const sizes = { ...TINY!, eosToken: 1 };
  const alone = makeModel(sizes);
  using model = makeModel({ ...sizes, compile: { threads: 2 } });
  // More sequences than are taken between two meetings.
  const { xSrc } = makeData(600, TINY!, 7);
  const found = await alone.predict(xSrc);
  assertEquals(await model.predict(xSrc), found);
  const ends = found.data.filter((token) => token === 1).length;
  assert(ends > 20 && ends < found.data.length - 20, `${ends}`);
});

Deno.test("a model goes on with other numbers of threads, and ends them", async () => {
  const { xSrc, xTgt } = PAIRS;
  const [alone, model] = [makeModel(TINY!), makeModel(TINY!)];
  for (const threads of [1, 2, 1, 3]) {
    const options = { ...OPTIONS, epochs: 1 };
    const want = await alone.train(xSrc, xTgt, options);
    const got = await model.train(xSrc, xTgt, { ...options, threads });
    assertAlmostEquals(got.loss[0]!, want.loss[0]!, 1e-4);
    model.close();
  }
  assertEquals(await model.predict(xSrc), await alone.predict(xSrc));
  model[Symbol.dispose]();
  assertEquals([alone.threads, model.threads], [1, 3]);
});

Deno.test("a training with threads goes on from its snapshot to the same bytes", async () => {
  const { xSrc, xTgt } = PAIRS;
  const options = { ...OPTIONS, threads: 2 };
  const { model: whole, parameters } = await trained(2);
  whole.close();
  using first = makeModel(TINY!);
  using second = makeModel(TINY!);
  const controller = new AbortController();
  let steps = 0;
  await first.train(xSrc, xTgt, {
    ...options,
    signal: controller.signal,
    onStep() {
      if (++steps === 4) controller.abort();
    },
    async onCheckpoint(resume) {
      await second.train(xSrc, xTgt, { ...options, resume });
    },
  }).catch((error) => assertEquals(error, controller.signal.reason));
  assertGreater(steps, 0);
  assertEquals(second.parameters(), parameters);
});
