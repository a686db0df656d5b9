// AttentionRunner from a configuration to its results, in this process.
import {
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { generateCopyTaskData } from "../../src/data/copy_task.ts";
import {
  type EpochReport,
  Seq2SeqAttentionModel,
  type StepReport,
  type TrainingSnapshot,
} from "../../src/nn/model.ts";
import { deriveSeed } from "../../src/random.ts";
import {
  ConfigError,
  DEFAULT_CONFIG,
  type PartialConfig,
} from "../../src/runner/config_types.ts";
import type { Results } from "../../src/runner/results.ts";
import { AttentionRunner } from "../../src/runner/runner.ts";
import { testWith, withFolder } from "../helpers.ts";

const SMALL = {
  data: { n_samples: 10, n_test: 5, src_length: 3, tgt_length: 3 },
  model: { d_model: 4, d_k: 4, d_v: 4 },
  training: { epochs: 3, batch_size: 4, verbose: false },
  logging: { level: "silent" },
} satisfies PartialConfig;

/** What must not differ between two runs. */
function lasting(results: Results): unknown {
  const { environment: _, timing: __, ...rest } = results;
  return rest;
}

Deno.test("AttentionRunner uses the defaults without a configuration", () => {
  assertEquals(new AttentionRunner().config, DEFAULT_CONFIG);
});

testWith(
  ["read", "write"],
  "AttentionRunner reads a configuration file",
  async () => {
    await withFolder((folder) => {
      const path = `${folder}/c.yaml`;
      Deno.writeTextFileSync(path, "model: { d_k: 8 }");
      assertEquals(new AttentionRunner(path).config.model.d_k, 8);
    });
  },
);

Deno.test("AttentionRunner refuses a wrong configuration when constructed", () => {
  const config = { model: { d_k: 0 } };
  assertThrows(() => new AttentionRunner(config), ConfigError, "model.d_k");
  // A number would be the path of a file of that name, or a descriptor.
  assertThrows(
    () => new AttentionRunner(3 as unknown as PartialConfig),
    ConfigError,
    "found 3, wanted a mapping",
  );
});

Deno.test("AttentionRunner.run() returns complete results", async () => {
  const results = await new AttentionRunner(SMALL).run();
  assertEquals(results.status, "completed");
  assertEquals(results.config.data, { ...DEFAULT_CONFIG.data, ...SMALL.data });
  const { loss, accuracy, history } = results.train;
  assertEquals(history.loss.length, 3);
  assertEquals(history.accuracy.length, 3);
  assertEquals([loss, accuracy], [history.loss[2], history.accuracy[2]]);
  assertLess(history.loss[2]!, history.loss[0]!);
  for (const value of Object.values(results.test)) {
    assertEquals(Number.isFinite(value), true);
  }
  assertEquals(results.nonfinite, []);
  const { data, build, train, evaluate, total } = results.timing;
  assertAlmostEquals(total, data + build + train + evaluate, 1e-5);
});

Deno.test("AttentionRunner.run() comes to the same every time", async () => {
  const runner = new AttentionRunner(SMALL);
  const first = await runner.run();
  assertEquals(lasting(await runner.run()), lasting(first));
  const other = await new AttentionRunner({
    ...SMALL,
    data: { ...SMALL.data, random_seed: 1 },
  }).run();
  assertNotEquals(other.train, first.train);
});

Deno.test("AttentionRunner.run() is what its parts do with the same seed", async () => {
  const { train, test } = await new AttentionRunner(SMALL).run();
  const sizes = { srcLength: 3, tgtLength: 3, vocabSize: 20 };
  const trainData = generateCopyTaskData({
    ...sizes,
    nSamples: 10,
    randomSeed: deriveSeed(0, "train"),
  });
  const testData = generateCopyTaskData({
    ...sizes,
    nSamples: 5,
    randomSeed: deriveSeed(0, "test"),
  });
  const model = new Seq2SeqAttentionModel({
    ...sizes,
    dModel: 4,
    dK: 4,
    dV: 4,
    randomSeed: 0,
  });
  const history = await model.train(trainData.xSrc, trainData.xTgt, {
    epochs: 3,
    learningRate: 0.003,
    batchSize: 4,
  });
  assertEquals(train.history, history);
  const { loss, accuracy, sequenceAccuracy } = await model.evaluate(
    testData.xSrc,
    testData.xTgt,
    { sequenceAccuracy: true },
  );
  assertEquals(test, { loss, accuracy, sequence_accuracy: sequenceAccuracy! });
});

Deno.test("AttentionRunner.run() reports steps and epochs", async () => {
  const steps: StepReport[] = [];
  const epochs: EpochReport[] = [];
  const { train } = await new AttentionRunner(SMALL).run({
    onStep: (report) => void steps.push(report),
    onEpoch: (report) => void epochs.push(report),
  });
  assertEquals(steps.map(({ step }) => step), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertEquals(epochs.map(({ epoch }) => epoch), [1, 2, 3]);
  assertEquals(epochs.map(({ loss }) => loss), [...train.history.loss]);
});

Deno.test("AttentionRunner.run() keeps what an interrupted epoch has", async () => {
  const controller = new AbortController();
  const steps: StepReport[] = [];
  const { status, train, test, nonfinite } = await new AttentionRunner(SMALL)
    .run({
      signal: controller.signal,
      onStep(report) {
        steps.push(report);
        if (report.step === 5) controller.abort();
      },
    });
  assertEquals(status, "interrupted");
  assertEquals(steps.length, 5);
  // Epochs have steps of 4, 4 and 2 sequences; the second had two of them.
  assertEquals(train.history.loss.length, 2);
  const partial = (steps[3]!.loss + steps[4]!.loss) / 2;
  assertAlmostEquals(train.history.loss[1]!, partial, 1e-12);
  assertEquals(train.loss, train.history.loss[1]);
  assertEquals(test, { loss: null, accuracy: null, sequence_accuracy: null });
  assertEquals(nonfinite, []);
});

Deno.test("AttentionRunner.run() goes on from a snapshot to the same results", async () => {
  const config = { ...SMALL, training: { ...SMALL.training, verbose: true } };
  const runner = new AttentionRunner(config);
  const whole = await runner.run();
  // In the middle of an epoch, and between its last step and its end.
  for (const last of [5, 6]) {
    const controller = new AbortController();
    const snapshots: TrainingSnapshot[] = [];
    const stopped = await runner.run({
      signal: controller.signal,
      onStep: ({ step }) => void (step === last && controller.abort()),
      onCheckpoint: (snapshot) => void snapshots.push(snapshot),
    });
    assertEquals([stopped.status, snapshots.length], ["interrupted", 1]);
    const resume = snapshots[0]!;
    assertEquals(lasting(await runner.run({ resume })), lasting(whole));
    const again = await runner.run({ resume, signal: AbortSignal.abort() });
    assertEquals(again.train.history.loss.length, 2);
    assertEquals(again.train.history.loss, stopped.train.history.loss);
  }
});

Deno.test("AttentionRunner.run() takes a snapshot every so often", async () => {
  const steps: number[] = [];
  await new AttentionRunner(SMALL).run({
    checkpointEvery: 4,
    onCheckpoint: ({ state }) => void steps.push(state.step),
  });
  // The last one is of the end.
  assertEquals(steps, [4, 8, 9]);
});

Deno.test("AttentionRunner.run() has no history if aborted beforehand", async () => {
  const { status, train, timing } = await new AttentionRunner(SMALL).run({
    signal: AbortSignal.abort(),
  });
  assertEquals(status, "interrupted");
  assertEquals(train, {
    loss: null,
    accuracy: null,
    history: { loss: [], accuracy: [] },
  });
  assertEquals(timing.steps_per_second, null);
});

Deno.test("AttentionRunner.run() can be interrupted during the test", async () => {
  const controller = new AbortController();
  const { status, train, test } = await new AttentionRunner(SMALL).run({
    signal: controller.signal,
    onEpoch({ epoch }) {
      if (epoch === 3) controller.abort();
    },
  });
  assertEquals(status, "interrupted");
  assertEquals(train.history.loss.length, 3);
  assertEquals(test.loss, null);
});

Deno.test("AttentionRunner.run() reports a divergence as valid results", async () => {
  const { status, train, test, nonfinite } = await new AttentionRunner({
    ...SMALL,
    training: { ...SMALL.training, learning_rate: 1e38 },
  }).run();
  assertEquals(status, "diverged");
  assertEquals(train.loss, null);
  assertEquals(train.history.loss.at(-1), null);
  assertEquals(test, { loss: null, accuracy: null, sequence_accuracy: null });
  assertEquals(nonfinite.includes("train.loss"), true);
});

Deno.test("AttentionRunner.run() finds a divergence in the last update of all", async () => {
  const { status, train, test, nonfinite } = await new AttentionRunner({
    ...SMALL,
    training: { epochs: 1, batch_size: 10, learning_rate: 1e38 },
  }).run();
  assertEquals(status, "diverged");
  assertEquals(Number.isFinite(train.loss), true);
  assertEquals(test.loss, null);
  assertEquals(nonfinite, ["test.loss"]);
});

Deno.test("AttentionRunner.run() takes a batch larger than the data as partial", async () => {
  const steps: StepReport[] = [];
  const { status } = await new AttentionRunner({
    ...SMALL,
    training: { ...SMALL.training, batch_size: 1000 },
  }).run({ onStep: (report) => void steps.push(report) });
  assertEquals(status, "completed");
  assertEquals(steps.length, 3);
});

Deno.test("AttentionRunner.run() passes on errors of callbacks", async () => {
  const runner = new AttentionRunner(SMALL);
  await assertRejects(
    () =>
      runner.run({
        onStep() {
          throw new RangeError("mine");
        },
      }),
    RangeError,
    "mine",
  );
});
