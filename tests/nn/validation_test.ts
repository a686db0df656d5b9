// Held-out data and what depends on them: which they are, what is measured,
// when training ends, and with which parameters.
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { PairBatches } from "../../src/nn/batches.ts";
import { holdOut } from "../../src/nn/hold_out.ts";
import {
  DivergenceError,
  type EpochReport,
  type TrainingSnapshot,
  type TrainOptions,
} from "../../src/nn/model.ts";
import { NOTHING_SEEN, watch } from "../../src/nn/watch.ts";
import type { NDArray } from "../../src/array.ts";
import { bytesOf, makeData, makeModel, ODD } from "./model_cases.ts";

const OPTIONS: TrainOptions = { epochs: 3, learningRate: 0.02, batchSize: 4 };

function rowsOf(
  { data, shape }: NDArray<Int32Array>,
  rows: Int32Array,
): NDArray<Int32Array> {
  const width = shape[1]!;
  const taken = Array.from(
    rows,
    (row) => [...data.subarray(row * width, (row + 1) * width)],
  );
  return { data: Int32Array.from(taken.flat()), shape: [rows.length, width] };
}

Deno.test("holdOut() chooses by seed, each sequence once, in order", () => {
  for (
    const [sequences, fraction, count] of [
      [10, 0.3, 3],
      [7, 0.5, 4],
      [1000, 0.001, 1],
      [3, 0.6, 2],
    ] as const
  ) {
    const { training, validation } = holdOut(sequences, fraction, 5);
    assertEquals(validation.length, count);
    const all = [...training, ...validation].sort((a, b) => a - b);
    assertEquals(all, Array.from({ length: sequences }, (_, at) => at));
    assertEquals(training, training.toSorted());
    assertEquals(validation, validation.toSorted());
  }
  assertEquals(holdOut(50, 0.2, 1), holdOut(50, 0.2, 1));
  assertNotEquals(holdOut(50, 0.2, 1), holdOut(50, 0.2, 2));
  for (const [sequences, fraction, held] of [[10, 0.04, 0], [2, 0.9, 2]]) {
    assertThrows(
      () => holdOut(sequences!, fraction!, 0),
      RangeError,
      `Cannot use validationFraction = ${fraction} on ${sequences} sequences: ` +
        `it holds out ${held}, wanted at least 1 to hold out and 1 to train on`,
    );
  }
});

Deno.test("a fraction held out is not trained on, but measured", async () => {
  const { xSrc, xTgt } = makeData(20);
  const rows = holdOut(20, 0.25, 0);
  const take = (which: Int32Array) =>
    [rowsOf(xSrc, which), rowsOf(xTgt, which)] as const;
  const model = makeModel();
  const reports: EpochReport[] = [];
  const history = await model.train(xSrc, xTgt, {
    ...OPTIONS,
    validationFraction: 0.25,
    onEpoch: (report) => void reports.push(report),
  });
  const alone = makeModel();
  const wanted = await alone.train(...take(rows.training), OPTIONS);
  assertEquals(bytesOf(model), bytesOf(alone));
  assertEquals([history.loss, history.accuracy], [
    wanted.loss,
    wanted.accuracy,
  ]);
  const { loss, accuracy } = await model.evaluate(...take(rows.validation));
  assertEquals(history.validationLoss!.at(-1), loss);
  assertEquals(history.validationAccuracy!.at(-1), accuracy);
  assertEquals(history.validationLoss!.length, 3);
  assertEquals(history.validationSequenceAccuracy, undefined);
  assertEquals(
    reports.map(({ validationLoss }) => validationLoss),
    history.validationLoss,
  );
  // A second call holds out the same, as one that goes on must.
  const again = await model.train(xSrc, xTgt, {
    ...OPTIONS,
    epochs: 1,
    learningRate: 1e-30,
    validationFraction: 0.25,
  });
  assertEquals(again.validationLoss, [loss]);
});

Deno.test("data to validate on are arrays or batches, measured alike", async () => {
  const { xSrc, xTgt } = makeData(10);
  const held = makeData(7, ODD, 3);
  const pairs = { source: held.xSrc, target: held.xTgt };
  const source = new PairBatches(pairs, { batchSize: 7, randomSeed: 1 });
  const earlyStopping = {
    metric: "validationSequenceAccuracy",
    patience: 9,
  } as const;
  const train = async (options: Partial<TrainOptions>) => {
    const model = makeModel();
    const all = { ...OPTIONS, earlyStopping, ...options };
    return await model.train(xSrc, xTgt, all);
  };
  const fromArrays = await train({ validation: held });
  const fromBatches = await train({ validation: source });
  // Another order adds up otherwise.
  for (const [at, loss] of fromArrays.validationLoss!.entries()) {
    assert(Math.abs(loss - fromBatches.validationLoss![at]!) < 1e-6);
  }
  assertEquals(
    fromArrays.validationSequenceAccuracy,
    fromBatches.validationSequenceAccuracy,
  );
  assertEquals(fromArrays.validationSequenceAccuracy!.length, 3);
  // And so does training on batches.
  const model = makeModel();
  const training = new PairBatches(
    { source: xSrc, target: xTgt },
    { batchSize: 4, randomSeed: 0 },
  );
  const { epochs, learningRate } = OPTIONS;
  const history = await model.train(training, {
    epochs,
    learningRate,
    earlyStopping,
    validation: held,
  });
  assertEquals(history, fromArrays);
});

Deno.test("validation counts real tokens, and never smooths", async () => {
  const SPECIAL = { padToken: 0, eosToken: 1 };
  const [xSrc, xTgt] = [[[2, 3, 4, 2], [4, 3, 0, 0]], [[2, 3, 1], [1, 0, 0]]];
  const model = makeModel(SPECIAL);
  const { loss, validationLoss, validationAccuracy } = await model.train(
    xSrc,
    xTgt,
    {
      ...OPTIONS,
      epochs: 1,
      learningRate: 1e-30,
      labelSmoothing: 0.3,
      validation: { xSrc, xTgt },
    },
  );
  const rows = await Promise.all(
    [0, 1].map((at) => model.evaluate([xSrc[at]!], [xTgt[at]!])),
  );
  const [a, b] = rows as [typeof rows[0], typeof rows[0]];
  assert(Math.abs(validationLoss![0]! - (3 * a!.loss + b!.loss) / 4) < 1e-6);
  assertEquals(validationAccuracy![0], (3 * a!.accuracy + b!.accuracy) / 4);
  assert(Math.abs(loss[0]! - validationLoss![0]!) > 1e-3);
});

Deno.test("watch() knows better from not better", () => {
  const observe = (
    values: number[],
    options: { mode: "min" | "max"; minDelta: number },
  ) => {
    let state = NOTHING_SEEN;
    return values.map((value, at) => {
      state = watch(state, options, value, at + 1);
      return [state.best, state.bestEpoch, state.waited];
    });
  };
  assertEquals(observe([3, 2, 2, 2.5, 1], { mode: "min", minDelta: 0 }), [
    [3, 1, 0],
    [2, 2, 0],
    [2, 2, 1],
    [2, 2, 2],
    [1, 5, 0],
  ]);
  // Small steps do not count until they have added up.
  assertEquals(observe([0, 0.5, 1, 1.5], { mode: "max", minDelta: 1 }), [
    [0, 1, 0],
    [0, 1, 1],
    [0, 1, 2],
    [1.5, 4, 0],
  ]);
});

/** Few pairs, learned by heart: the held-out loss falls, then rises. */
const OVERFITTED = {
  epochs: 60,
  learningRate: 0.05,
  batchSize: 8,
  validation: makeData(40, ODD, 7),
};

Deno.test("training ends where patience does, with the best parameters", async () => {
  const { xSrc, xTgt } = makeData(8);
  const { validation } = OVERFITTED;
  const whole = await makeModel().train(xSrc, xTgt, OVERFITTED);
  const losses = whole.validationLoss!;
  for (const patience of [1, 4]) {
    // By hand: the first epoch after which so many are no better.
    let [best, stop] = [0, 0];
    for (; stop < losses.length && stop - best < patience; stop++) {
      if (losses[stop]! < losses[best]!) best = stop;
    }
    stop = best + patience + 1;
    const model = makeModel();
    const history = await model.train(xSrc, xTgt, {
      ...OVERFITTED,
      earlyStopping: { patience },
    });
    assert(stop < OVERFITTED.epochs, "it would not have stopped");
    assertEquals(history.validationLoss, losses.slice(0, stop));
    assertEquals(history.loss, whole.loss.slice(0, stop));
    assertEquals([history.bestEpoch, history.stoppedEarly], [best + 1, true]);
    const found = await model.evaluate(validation.xSrc, validation.xTgt);
    assertEquals(found.loss, losses[best]);
    const until = makeModel();
    await until.train(xSrc, xTgt, { ...OVERFITTED, epochs: best + 1 });
    assertEquals(bytesOf(model), bytesOf(until));
    // With the last epoch patience ends nothing any more.
    const exact = await makeModel().train(xSrc, xTgt, {
      ...OVERFITTED,
      epochs: stop,
      earlyStopping: { patience },
    });
    assertEquals(exact, { ...history, stoppedEarly: false });
  }
});

Deno.test("the best parameters come back also after the last epoch", async () => {
  const { xSrc, xTgt } = makeData(8);
  const model = makeModel();
  const { bestEpoch, stoppedEarly, accuracy } = await model.train(xSrc, xTgt, {
    ...OVERFITTED,
    epochs: 10,
    earlyStopping: { metric: "accuracy", mode: "min", patience: 50 },
  });
  const least = accuracy.indexOf(Math.min(...accuracy)) + 1;
  assertEquals([bestEpoch, stoppedEarly], [least, false]);
  assert(least < 10);
  const until = makeModel();
  await until.train(xSrc, xTgt, { ...OVERFITTED, epochs: least });
  assertEquals(bytesOf(model), bytesOf(until));
});

Deno.test("a training that has ended early stays so when resumed", async () => {
  const { xSrc, xTgt } = makeData(8);
  const options: TrainOptions = {
    ...OVERFITTED,
    earlyStopping: { patience: 2 },
  };
  const model = makeModel();
  const snapshots: TrainingSnapshot[] = [];
  const history = await model.train(xSrc, xTgt, {
    ...options,
    onCheckpoint: (snapshot) => void snapshots.push(snapshot),
  });
  const [resume] = snapshots as [TrainingSnapshot];
  const other = makeModel();
  const steps: number[] = [];
  const again = await other.train(xSrc, xTgt, {
    ...options,
    epochs: 100,
    resume,
    onStep: ({ step }) => void steps.push(step),
  });
  assertEquals([again, steps], [history, []]);
  assertEquals(bytesOf(other), bytesOf(model));
});

Deno.test("an abort during validation loses nothing", async () => {
  const { xSrc, xTgt } = makeData(10);
  const held = makeData(6, ODD, 3);
  const run = async (options: Partial<TrainOptions>) => {
    const model = makeModel();
    const snapshots: TrainingSnapshot[] = [];
    const history = await model.train(xSrc, xTgt, {
      ...OPTIONS,
      earlyStopping: {},
      validation: held,
      onCheckpoint: (snapshot) => void snapshots.push(snapshot),
      ...options,
    }).catch((error) => error);
    return { history, snapshots, bytes: bytesOf(model) };
  };
  const whole = await run({});
  const controller = new AbortController();
  const pairs = { source: held.xSrc, target: held.xTgt };
  const inner = new PairBatches(pairs, {
    batchSize: 64,
    shuffle: false,
    randomSeed: 0,
  });
  const validation = {
    sequences: 6,
    batchSize: 64,
    *batches(epoch: number, from: number) {
      controller.abort("now");
      yield* inner.batches(epoch, from);
    },
  };
  const { history, snapshots } = await run({
    validation,
    signal: controller.signal,
  });
  assertEquals(history, "now");
  const [resume] = snapshots as [TrainingSnapshot];
  assertEquals([resume.state.epoch, resume.state.batch], [1, 3]);
  const rest = await run({ resume });
  assertEquals([rest.history, rest.bytes], [whole.history, whole.bytes]);
});

Deno.test("a validation loss that is not finite is a divergence", async () => {
  const { xSrc, xTgt } = makeData(4);
  const error = await assertRejects(() =>
    makeModel().train(xSrc, xTgt, {
      epochs: 1,
      batchSize: 4,
      // The one step's own loss is still that of the first parameters.
      learningRate: 1e38,
      validation: { xSrc, xTgt },
    }), DivergenceError) as DivergenceError;
  assertEquals(
    error.message,
    `Cannot go on training: the validation loss after step 1 (epoch 1) is ` +
      `${error.loss}, wanted a finite number; try a smaller learning rate`,
  );
});

Deno.test("snapshots with other held-out data or terms are refused", async () => {
  const { xSrc, xTgt } = makeData(10);
  const snapshots: TrainingSnapshot[] = [];
  const options: TrainOptions = {
    ...OPTIONS,
    validation: makeData(5, ODD, 3),
    earlyStopping: { patience: 4 },
    schedule: { type: "warmupCosine", warmupSteps: 2 },
    clipNorm: 0.5,
  };
  const onCheckpoint = (snapshot: TrainingSnapshot) =>
    void snapshots.push(snapshot);
  await makeModel().train(xSrc, xTgt, { ...options, onCheckpoint });
  const resume = snapshots[0]!;
  const cases: [Partial<TrainOptions>, string][] = [
    [
      { validation: makeData(6, ODD, 3) },
      "validationSequences = 6: the snapshot was taken with 5",
    ],
    [
      { earlyStopping: { patience: 5 } },
      "earlyStopping.patience = 5: the snapshot was taken with 4",
    ],
    [{ clipNorm: 0.6 }, "clipNorm = 0.6: the snapshot was taken with 0.5"],
    [
      { weightDecay: 0.1 },
      "weightDecay = 0.1: the snapshot was taken with undefined",
    ],
    // A cosine over other epochs is another one from its first step.
    [{ epochs: 4 }, "schedule.steps = 12: the snapshot was taken with 9"],
  ];
  for (const [other, message] of cases) {
    await assertRejects(
      () => makeModel().train(xSrc, xTgt, { ...options, resume, ...other }),
      RangeError,
      `Cannot resume with ${message}`,
    );
  }
  const { tensors, state } = resume;
  const { "best.output_bias": _, ...rest } = tensors;
  const broken: [TrainingSnapshot, string][] = [
    [
      { tensors: rest, state },
      "Cannot resume: of the snapshot's tensors, missing best.output_bias",
    ],
    [
      { tensors, state: { ...state, earlyStopping: undefined! } },
      "Cannot resume: found undefined, wanted a snapshot's state.earlyStopping",
    ],
    [
      {
        tensors,
        state: {
          ...state,
          earlyStopping: { best: 1, bestEpoch: 9, waited: 0 },
        },
      },
      "Cannot use state.earlyStopping.bestEpoch = 9: wanted an integer from 1",
    ],
    [
      {
        tensors,
        state: { ...state, history: { ...state.history, validationLoss: [] } },
      },
      "Cannot resume from a snapshot whose state.history.validationLoss is an " +
      "array of 0: wanted an array of 3",
    ],
  ];
  for (const [resume, message] of broken) {
    await assertRejects(
      () => makeModel().train(xSrc, xTgt, { ...options, resume }),
      Error,
      message,
    );
  }
});

const MISUSES: [object, string][] = [
  [
    { validationFraction: 1 },
    "Cannot use validationFraction = 1: wanted a number from 0 to below 1",
  ],
  [{ validationFraction: "0.1" }, 'Cannot use validationFraction = "0.1"'],
  [{ validationFraction: 0.01 }, "Cannot use validationFraction = 0.01 on 10"],
  [
    { validationFraction: 0.2, validation: makeData(3) },
    "Cannot use validationFraction = 0.2 with validation: wanted one of them",
  ],
  [
    { validation: makeData(3).xSrc },
    "Cannot use validation: wanted an object with xSrc and xTgt",
  ],
  [
    { validation: { xSrc: [[0, 1, 2, 5]], xTgt: [[0, 1, 2]] } },
    "Cannot use validation.xSrc[0][3]",
  ],
];

Deno.test("train() refuses data that it cannot validate on", async () => {
  const { xSrc, xTgt } = makeData(10);
  const model = makeModel();
  const before = bytesOf(model);
  for (const [options, message] of MISUSES) {
    const all = { ...OPTIONS, ...options };
    const error = await model.train(xSrc, xTgt, all)
      .then(() => undefined, (error) => error);
    assert(error instanceof TypeError || error instanceof RangeError, message);
    assert(error.message.startsWith(message), error.message);
  }
  const source = new PairBatches(
    { source: xSrc, target: xTgt },
    { batchSize: 4, randomSeed: 0 },
  );
  const options = { epochs: 1, learningRate: 0.1, validationFraction: 0.1 };
  await assertRejects(
    () => model.train(source, options),
    TypeError,
    "Cannot use validationFraction with a source of batches: wanted none, but " +
      "validation, data of its own",
  );
  assertEquals(bytesOf(model), before);
});
