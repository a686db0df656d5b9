// Seq2SeqAttentionModel.train(): history, reports, continuation, determinism,
// abort, divergence. That steps are right is shown in fixtures_test.ts.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreaterOrEqual,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { mean } from "../../src/graph/reduce.ts";
import { adam } from "../../src/nn/adam.ts";
import {
  DivergenceError,
  type EpochReport,
  type StepReport,
  type TrainOptions,
} from "../../src/nn/model.ts";
import { score, teacherForced } from "../../src/nn/seq2seq.ts";
import { compile } from "../../src/run/plan.ts";
import { Variables } from "../../src/run/variables.ts";
import {
  bytesOf,
  defineBatch,
  EDGES,
  makeData,
  makeModel,
  takeRows,
} from "./model_cases.ts";

const OPTIONS: TrainOptions = { epochs: 1, learningRate: 0.01, batchSize: 4 };

Deno.test("train() weighs a partial last batch by its tokens", async () => {
  const model = makeModel();
  const { xSrc, xTgt } = makeData(6);
  const variables = new Variables();
  const plans = [4, 2].map((count) => {
    const { parameters, source, target } = defineBatch(model, count);
    const { logits } = teacherForced(parameters, source, target);
    const { loss, correct } = score(logits, target);
    const total = mean(loss);
    const updates = adam(total, Object.values(parameters), {
      learningRate: 0.01,
    });
    return compile({
      outputs: { loss: total, accuracy: mean(correct) },
      updates,
      variables,
    });
  });
  const wanted = { loss: [] as number[], accuracy: [] as number[] };
  for (let epoch = 0; epoch < 3; epoch++) {
    const [four, two] = plans.map((plan, at) => {
      const { loss, accuracy } = plan.run({
        source: xSrc.data.slice(at * 16, at * 16 + (at ? 8 : 16)),
        target: xTgt.data.slice(at * 12, at * 12 + (at ? 6 : 12)),
      });
      return { loss: loss.data[0]!, accuracy: accuracy.data[0]! };
    });
    wanted.loss.push((four!.loss * 4 + two!.loss * 2) / 6);
    wanted.accuracy.push((four!.accuracy * 4 + two!.accuracy * 2) / 6);
  }
  const options = { ...OPTIONS, epochs: 3, shuffle: false };
  assertEquals(await model.train(xSrc, xTgt, options), wanted);
  for (const [name, { data }] of Object.entries(model.parameters())) {
    assertEquals(data, variables.get(name).data, name);
  }
});

Deno.test("a batch larger than the data is the data", async () => {
  const data = makeData(3);
  const [all, larger] = [makeModel(), makeModel()];
  const wanted = await all.train(data.xSrc, data.xTgt, {
    ...OPTIONS,
    batchSize: 3,
  });
  const got = await larger.train(data.xSrc, data.xTgt, {
    ...OPTIONS,
    batchSize: 1000,
  });
  assertEquals(got, wanted);
  assertEquals(bytesOf(larger), bytesOf(all));
});

Deno.test("train() reports every step and epoch, in order", async () => {
  const model = makeModel();
  const { xSrc, xTgt } = makeData(5);
  const log: ({ kind: string } & EpochReport & Partial<StepReport>)[] = [];
  const options: TrainOptions = {
    ...OPTIONS,
    epochs: 2,
    batchSize: 2,
    onStep: (report) => void log.push({ kind: "step", ...report }),
    onEpoch: (report) => void log.push({ kind: "epoch", ...report }),
  };
  const history = await model.train(xSrc, xTgt, options);
  assertEquals(
    log.map(({ kind, step, epoch }) => `${kind} ${step} ${epoch}`),
    [
      "step 1 1",
      "step 2 1",
      "step 3 1",
      "epoch undefined 1",
      "step 4 2",
      "step 5 2",
      "step 6 2",
      "epoch undefined 2",
    ],
  );
  const epochs = log.filter(({ kind }) => kind === "epoch");
  assertEquals(epochs.map(({ loss }) => loss), history.loss);
  assertEquals(epochs.map(({ accuracy }) => accuracy), history.accuracy);
  const second = log.filter(({ epoch, kind }) =>
    epoch === 2 && kind === "step"
  );
  const [a, b, c] = second.map(({ loss }) => loss) as [number, number, number];
  assertEquals(history.loss[1], (2 * a + 2 * b + c) / 5);
  // A second call counts steps on, and epochs anew.
  log.length = 0;
  await model.train(xSrc, xTgt, { ...options, epochs: 1 });
  assertEquals(log.map(({ step, epoch }) => [step, epoch]), [
    [7, 1],
    [8, 1],
    [9, 1],
    [undefined, 1],
  ]);
});

Deno.test("the first loss is that of the model before any update", async () => {
  const model = makeModel();
  const { xSrc, xTgt } = makeData(4);
  const { loss, accuracy } = await model.evaluate(xSrc, xTgt);
  const history = await model.train(xSrc, xTgt, OPTIONS);
  assertAlmostEquals(history.loss[0]!, loss, 1e-6);
  assertAlmostEquals(history.accuracy[0]!, accuracy, 1e-6);
});

for (const shuffle of [false, true]) {
  Deno.test(`training 2 and 3 epochs is training 5, shuffle ${shuffle}`, async () => {
    const { xSrc, xTgt } = makeData(7);
    const [once, twice] = [makeModel(), makeModel()];
    const whole = await once.train(xSrc, xTgt, {
      ...OPTIONS,
      epochs: 5,
      shuffle,
    });
    const first = await twice.train(xSrc, xTgt, {
      ...OPTIONS,
      epochs: 2,
      shuffle,
    });
    // What is asked in between leaves no trace.
    await twice.evaluate(xSrc, xTgt, { sequenceAccuracy: true });
    await twice.attention(xSrc);
    const second = await twice.train(xSrc, xTgt, {
      ...OPTIONS,
      epochs: 3,
      shuffle,
    });
    assertEquals([...first.loss, ...second.loss], whole.loss);
    assertEquals([...first.accuracy, ...second.accuracy], whole.accuracy);
    assertEquals(bytesOf(twice), bytesOf(once));
  });
}

Deno.test("another batch size continues the same moments and step count", async () => {
  const { xSrc, xTgt } = makeData(4);
  const [same, other] = [makeModel(), makeModel()];
  const options = { ...OPTIONS, shuffle: false };
  await same.train(xSrc, xTgt, options);
  await other.train(xSrc, xTgt, options);
  const steps: number[] = [];
  await other.train(xSrc, xTgt, {
    ...options,
    batchSize: 2,
    onStep: ({ step }) => void steps.push(step),
  });
  assertEquals(steps, [2, 3]);
  // Without its moments, Adam's first step would be the learning rate itself.
  const fresh = makeModel();
  fresh.setParameters(same.parameters());
  await same.train(takeRows(xSrc, 0, 2), takeRows(xTgt, 0, 2), options);
  await fresh.train(takeRows(xSrc, 0, 2), takeRows(xTgt, 0, 2), options);
  assertNotEquals(bytesOf(same), bytesOf(fresh));
});

Deno.test("one seed gives the same bytes, another seed others", async () => {
  const { xSrc, xTgt } = makeData(9);
  const train = async (randomSeed?: number) => {
    const model = makeModel(randomSeed === undefined ? {} : { randomSeed });
    const history = await model.train(xSrc, xTgt, { ...OPTIONS, epochs: 2 });
    return [history, bytesOf(model)];
  };
  assertEquals(await train(3), await train(3));
  assertEquals(await train(), await train(0), "the default seed is 0");
  assertNotEquals(await train(3), await train(4));
});

Deno.test("shuffling is the default and makes a difference", async () => {
  const { xSrc, xTgt } = makeData(9);
  const train = async (options: Partial<TrainOptions>) => {
    const model = makeModel();
    await model.train(xSrc, xTgt, { ...OPTIONS, epochs: 2, ...options });
    return bytesOf(model);
  };
  const shuffled = await train({});
  assertEquals(await train({ shuffle: true }), shuffled);
  assertNotEquals(await train({ shuffle: false }), shuffled);
});

Deno.test("every sequence is trained on once an epoch, shuffled or not", async () => {
  // Each sequence has a loss of its own, and keeps it at so small a rate.
  const { xSrc, xTgt } = makeData(7);
  const model = makeModel();
  const losses: number[][] = [[], [], []];
  await model.train(xSrc, xTgt, {
    epochs: 3,
    batchSize: 1,
    learningRate: 1e-30,
    onStep: ({ epoch, loss }) => void losses[epoch - 1]!.push(loss),
  });
  const [first, ...others] = losses.map((epoch) => epoch.toSorted());
  for (const other of others) assertEquals(other, first!);
  assertNotEquals(losses[0], losses[1], "the order is the same");
});

for (const [name, sizes] of Object.entries(EDGES)) {
  Deno.test(`training lowers the loss: ${name}`, async () => {
    const model = makeModel(sizes);
    const { xSrc, xTgt } = makeData(8, sizes);
    const { loss } = await model.train(xSrc, xTgt, { ...OPTIONS, epochs: 10 });
    assertEquals(loss.length, 10);
    if (sizes.vocabSize === 1) assertEquals(loss, Array(10).fill(0));
    else assert(loss[9]! < loss[0]!, `${loss}`);
  });
}

Deno.test("an aborted signal stops train() before the first step", async () => {
  const model = makeModel();
  const before = bytesOf(model);
  const { xSrc, xTgt } = makeData(4);
  const reason = new Error("no");
  const error = await assertRejects(() =>
    model.train(xSrc, xTgt, { ...OPTIONS, signal: AbortSignal.abort(reason) })
  );
  assertStrictEquals(error, reason);
  assertEquals(bytesOf(model), before);
});

Deno.test("an abort in onStep stops train() there, and the model goes on", async () => {
  const { xSrc, xTgt } = makeData(8);
  const [stopped, reference] = [makeModel(), makeModel()];
  const options: TrainOptions = { ...OPTIONS, shuffle: false };
  const controller = new AbortController();
  const steps: number[] = [];
  const training = stopped.train(xSrc, xTgt, {
    ...options,
    epochs: 100,
    signal: controller.signal,
    onStep({ step }) {
      steps.push(step);
      if (step === 4) controller.abort("enough");
    },
  });
  // A reason need not be an Error.
  const reason = await training.then(() => "trained", (reason) => reason);
  assertEquals(reason, "enough");
  assertEquals(steps, [1, 2, 3, 4]);
  await reference.train(xSrc, xTgt, { ...options, epochs: 2 });
  assertEquals(bytesOf(stopped), bytesOf(reference));
  assertEquals(
    await stopped.train(xSrc, xTgt, options),
    await reference.train(xSrc, xTgt, options),
  );
  assertEquals(await stopped.predict(xSrc), await reference.predict(xSrc));
});

Deno.test("an error in onStep ends train() and is passed on", async () => {
  const { xSrc, xTgt } = makeData(8);
  const model = makeModel();
  const mine = new Error("mine");
  const error = await assertRejects(() =>
    model.train(xSrc, xTgt, {
      ...OPTIONS,
      onStep() {
        throw mine;
      },
    })
  );
  assertStrictEquals(error, mine);
  await model.train(xSrc, xTgt, OPTIONS);
});

Deno.test("timers and aborts get a turn during long training", async () => {
  const { xSrc, xTgt } = makeData(64);
  const model = makeModel({ dModel: 16 });
  const controller = new AbortController();
  let turns = 0;
  let timer = setTimeout(function count() {
    turns++;
    timer = setTimeout(count, 0);
  }, 0);
  const start = performance.now();
  try {
    await assertRejects(() =>
      model.train(xSrc, xTgt, {
        ...OPTIONS,
        epochs: 1e6,
        signal: controller.signal,
        onStep() {
          const waited = performance.now() - start;
          if (turns >= 2 || waited > 20_000) controller.abort();
        },
      })
    );
  } finally {
    clearTimeout(timer);
  }
  // Without turns there would be none at all.
  assertGreaterOrEqual(turns, 2);
});

Deno.test("timers get a turn during many short calls as well", async () => {
  const { xSrc, xTgt } = makeData(2);
  const model = makeModel();
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const start = performance.now();
  try {
    while (turns < 2 && performance.now() - start < 20_000) {
      await model.evaluate(xSrc, xTgt);
    }
  } finally {
    clearInterval(timer);
  }
  assertGreaterOrEqual(turns, 2);
});

Deno.test("a loss that is not finite ends train() with a DivergenceError", async () => {
  const { xSrc, xTgt } = makeData(8);
  const model = makeModel();
  const steps: number[] = [];
  const error = await assertRejects(() =>
    model.train(xSrc, xTgt, {
      ...OPTIONS,
      epochs: 50,
      learningRate: 1e30,
      onStep: ({ step }) => void steps.push(step),
    }), DivergenceError) as DivergenceError;
  assertEquals(error.name, "DivergenceError");
  assertEquals(error.step, steps.length + 1);
  assertEquals(error.epoch, Math.ceil(error.step / 2));
  assert(!Number.isFinite(error.loss), `${error.loss}`);
  assertEquals(
    error.message,
    `Cannot go on training: the loss of step ${error.step} (epoch ` +
      `${error.epoch}) is ${error.loss}, wanted a finite number; try a ` +
      `smaller learning rate`,
  );
});

Deno.test("verbose writes a line an epoch to standard error, else nothing", async () => {
  const { xSrc, xTgt } = makeData(4);
  const lines: string[] = [];
  const { error } = console;
  console.error = (line: string) => void lines.push(line);
  try {
    await makeModel().train(xSrc, xTgt, OPTIONS);
    assertEquals(lines, []);
    await makeModel().train(xSrc, xTgt, {
      ...OPTIONS,
      epochs: 2,
      verbose: true,
    });
  } finally {
    console.error = error;
  }
  assertEquals(lines.length, 2);
  assert(/^epoch 2\/2: loss \d\.\d{4}, accuracy \d\.\d{4}$/.test(lines[1]!));
});
