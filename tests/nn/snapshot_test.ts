// Snapshots of a training: going on from one is never having stopped, and what
// is refused of one.
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import {
  DivergenceError,
  type Seq2SeqOptions,
  type StepReport,
  type TrainHistory,
  type TrainingSnapshot,
  type TrainOptions,
} from "../../src/nn/model.ts";
import { PairBatches } from "../../src/nn/batches.ts";
import { bytesOf, makeData, makeModel, ODD } from "./model_cases.ts";

const OPTIONS: TrainOptions = { epochs: 3, learningRate: 0.01, batchSize: 4 };
const DATA = makeData(10);

/** As it comes back from a file. */
function throughJson({ tensors, state }: TrainingSnapshot): TrainingSnapshot {
  return { tensors, state: JSON.parse(JSON.stringify(state)) };
}

interface Recorded {
  readonly snapshots: TrainingSnapshot[];
  readonly reports: unknown[];
  readonly history: unknown;
  readonly bytes: number[];
}

/** Trains a new model, and keeps everything it tells. */
async function record(
  options: Partial<TrainOptions> = {},
  sizes: Partial<Seq2SeqOptions> = {},
): Promise<Recorded> {
  const model = makeModel(sizes);
  const [snapshots, reports]: [TrainingSnapshot[], unknown[]] = [[], []];
  const history = await model.train(DATA.xSrc, DATA.xTgt, {
    ...OPTIONS,
    checkpointEvery: 1,
    onCheckpoint: (snapshot) => void snapshots.push(snapshot),
    onStep: (report) => void reports.push(report),
    onEpoch: (report) => void reports.push(report),
    ...options,
  }).catch((error) => error);
  return { snapshots, reports, history, bytes: bytesOf(model) };
}

/** Every option that a step or an epoch can have; each changes something. */
const ALL: Partial<TrainOptions> = {
  learningRate: 0.05,
  weightDecay: 0.05,
  clipNorm: 0.3,
  labelSmoothing: 0.1,
  validation: makeData(5, ODD, 9),
};
const CASES: Record<string, Partial<TrainOptions>> = {
  "shuffled": { shuffle: true },
  "in order": { shuffle: false },
  "all options, cosine": {
    ...ALL,
    schedule: { type: "warmupCosine", warmupSteps: 4 },
    earlyStopping: { metric: "validationAccuracy", patience: 2 },
  },
  "all options, plateau": {
    ...ALL,
    schedule: {
      type: "plateau",
      metric: "validationSequenceAccuracy",
      patience: 0,
      factor: 0.5,
    },
    earlyStopping: { metric: "accuracy", mode: "min", patience: 5 },
  },
};

for (const [name, options] of Object.entries(CASES)) {
  Deno.test(`training goes on from every step as if never stopped: ${name}`, async () => {
    const whole = await record(options);
    // Three steps in each of three epochs, and the end.
    assertEquals(whole.snapshots.length, 10);
    for (const [at, snapshot] of whole.snapshots.entries()) {
      const { state } = snapshot;
      assertEquals(state.step, Math.min(at + 1, 9));
      const rest = await record({ ...options, resume: throughJson(snapshot) });
      assertEquals(rest.bytes, whole.bytes);
      assertEquals(rest.history, whole.history);
      const told = rest.reports.length;
      assertEquals(rest.reports, whole.reports.slice(12 - told));
      assertEquals(rest.snapshots, whole.snapshots.slice(at + 1));
    }
  });
}

Deno.test("the options of these cases matter: rates fall, and the best is not the last", async () => {
  const plateau = await record(CASES["all options, plateau"]);
  const { history, snapshots, reports } = plateau;
  assertEquals((history as TrainHistory).bestEpoch, 1);
  const rates = (reports as StepReport[]).map((each) => each.learningRate);
  assert(rates.at(-1)! < rates[0]!);
  const { state, tensors } = snapshots.at(-1)!;
  assert(state.schedule!.learningRate < 0.05);
  assertNotEquals(tensors["best.output_bias"], tensors.output_bias);
  // The model has the best parameters, the snapshot the last as well.
  const model = makeModel();
  await model.train(DATA.xSrc, DATA.xTgt, {
    ...OPTIONS,
    ...CASES["all options, plateau"],
    resume: snapshots.at(-1)!,
  });
  assertEquals(bytesOf(model), plateau.bytes);
  assertEquals(model.parameters().output_bias, tensors["best.output_bias"]);
});

Deno.test("an interrupted training hands on a snapshot to go on from", async () => {
  const whole = await record();
  for (const last of [2, 3, 7]) {
    const controller = new AbortController();
    const stopped = await record({
      checkpointEvery: 100,
      signal: controller.signal,
      onStep: ({ step }) => void (step === last && controller.abort("enough")),
    });
    assertEquals(stopped.history, "enough");
    assertEquals(stopped.snapshots.length, 1);
    const [resume] = stopped.snapshots as [TrainingSnapshot];
    assertEquals(resume.state.step, last);
    const rest = await record({ resume });
    assertEquals(rest.bytes, whole.bytes);
    assertEquals(rest.history, whole.history);
  }
});

Deno.test("a training that is aborted before it did anything has no snapshot", async () => {
  const signal = AbortSignal.abort("no");
  const { snapshots, history } = await record({ signal });
  assertEquals([snapshots, history], [[], "no"]);
  const whole = await record();
  const resume = whole.snapshots[4]!;
  assertEquals((await record({ signal, resume })).snapshots, []);
});

Deno.test("a source of batches is asked to go on where it was", async () => {
  const make = () => {
    const asked: number[][] = [];
    const pairs = { source: DATA.xSrc, target: DATA.xTgt };
    const inner = new PairBatches(pairs, { batchSize: 4, randomSeed: 7 });
    const source = {
      sequences: 10,
      batchSize: 4,
      async *batches(epoch: number, from: number) {
        asked.push([epoch, from]);
        yield* inner.batches(epoch, from);
      },
    };
    return { asked, source };
  };
  const { epochs, learningRate } = OPTIONS;
  const snapshots: TrainingSnapshot[] = [];
  const [first, second] = [makeModel(), makeModel()];
  const wanted = await first.train(make().source, {
    epochs,
    learningRate,
    checkpointEvery: 5,
    onCheckpoint: (snapshot) => void snapshots.push(snapshot),
  });
  const { asked, source } = make();
  const resume = snapshots[0]!;
  const got = await second.train(source, { epochs, learningRate, resume });
  assertEquals(got, wanted);
  assertEquals(bytesOf(second), bytesOf(first));
  assertEquals(asked, [[2, 2], [3, 0]]);
});

Deno.test("a training does not go on with data of another fingerprint", async () => {
  const pairs = { source: DATA.xSrc, target: DATA.xTgt };
  const inner = new PairBatches(pairs, { batchSize: 4, randomSeed: 7 });
  const sourceOf = (fingerprint: string) => ({
    sequences: 10,
    batchSize: 4,
    fingerprint,
    batches: (epoch: number, from: number) => inner.batches(epoch, from),
  });
  const { epochs, learningRate } = OPTIONS;
  const snapshots: TrainingSnapshot[] = [];
  const wanted = await makeModel().train(sourceOf("one"), {
    epochs,
    learningRate,
    checkpointEvery: 5,
    onCheckpoint: (snapshot) => void snapshots.push(snapshot),
  });
  const options = { epochs, learningRate, resume: snapshots[0]! };
  await assertRejects(
    () => makeModel().train(sourceOf("two"), options),
    RangeError,
    'Cannot resume with fingerprint = "two": the snapshot was taken with "one"',
  );
  assertEquals(await makeModel().train(sourceOf("one"), options), wanted);
});

Deno.test("a training after a resumed one goes on as after a whole one", async () => {
  const { snapshots } = await record();
  const [whole, resumed] = [makeModel(), makeModel({})];
  await whole.train(DATA.xSrc, DATA.xTgt, OPTIONS);
  await resumed.train(DATA.xSrc, DATA.xTgt, {
    ...OPTIONS,
    resume: snapshots[4]!,
  });
  const steps: number[] = [];
  const onStep = ({ step }: { step: number }) => void steps.push(step);
  const next = { ...OPTIONS, epochs: 1, onStep };
  assertEquals(
    await resumed.train(DATA.xSrc, DATA.xTgt, next),
    await whole.train(DATA.xSrc, DATA.xTgt, next),
  );
  assertEquals(steps, [10, 11, 12, 10, 11, 12]);
  assertEquals(bytesOf(resumed), bytesOf(whole));
});

Deno.test("a finished training can be given more epochs", async () => {
  const long = await record({ epochs: 5 });
  const short = await record();
  const resume = short.snapshots.at(-1)!;
  const more = await record({ epochs: 5, resume });
  assertEquals(more.bytes, long.bytes);
  assertEquals(more.history, long.history);
  // And with as many as it had, there is nothing left to do.
  const same = await record({ resume });
  assertEquals(same.history, short.history);
  assertEquals(same.reports, []);
  assertEquals(same.bytes, short.bytes);
});

Deno.test("a snapshot is a copy, and training waits while it is written", async () => {
  const model = makeModel();
  const snapshots: TrainingSnapshot[] = [];
  let open = 0;
  await model.train(DATA.xSrc, DATA.xTgt, {
    ...OPTIONS,
    checkpointEvery: 4,
    async onCheckpoint(snapshot) {
      assertEquals(open++, 0);
      await new Promise((resolve) => setTimeout(resolve, 0));
      snapshots.push(structuredClone(snapshot));
      snapshot.tensors.output_bias!.data.fill(7);
      (snapshot.state.history.loss as number[]).push(7);
      open--;
    },
  });
  const whole = await record();
  assertEquals(bytesOf(model), whole.bytes);
  assertEquals(snapshots[0], whole.snapshots[3]);
});

Deno.test("a diverged training leaves no snapshot of what went wrong", async () => {
  const { snapshots, history } = await record({ learningRate: 3e37 });
  assert(history instanceof DivergenceError);
  for (const { tensors, state } of snapshots) {
    // The loss of a step tells of the parameters before its update alone.
    assert(state.step < history.step);
    for (const { data } of Object.values(tensors)) {
      assert(data.every(Number.isFinite));
    }
  }
  // Not even where nothing has told of it yet.
  const controller = new AbortController();
  const model = makeModel();
  let taken = 0;
  await assertRejects(() =>
    model.train(DATA.xSrc, DATA.xTgt, {
      ...OPTIONS,
      learningRate: 3e38,
      signal: controller.signal,
      onStep: () => controller.abort(),
      onCheckpoint: () => void taken++,
    })
  );
  const finite = bytesOf(model).every((bits) =>
    Number.isFinite(new Float32Array(Int32Array.of(bits).buffer)[0])
  );
  assertEquals([finite, taken], [false, 0]);
});

Deno.test("a snapshot of another training is refused, and nothing changes", async () => {
  const { snapshots } = await record();
  const resume = snapshots[4]!;
  const refuse = async (
    options: Partial<TrainOptions>,
    message: string,
    sizes: Partial<Seq2SeqOptions> = {},
    data = DATA,
  ) => {
    const model = makeModel(sizes);
    const before = bytesOf(model);
    const all = { ...OPTIONS, resume, ...options };
    const error = await model.train(data.xSrc, data.xTgt, all)
      .then(() => assert(false), (error) => error);
    assert(error instanceof RangeError, `${error}`);
    assertEquals(error.message, message);
    assertEquals(bytesOf(model), before);
  };
  const taken = "the snapshot was taken with";
  await refuse(
    { batchSize: 5 },
    `Cannot resume with batchSize = 5: ${taken} 4`,
  );
  await refuse(
    { learningRate: 0.02 },
    `Cannot resume with learningRate = 0.02: ${taken} 0.01`,
  );
  await refuse(
    { shuffle: false },
    `Cannot resume with shuffle = false: ${taken} true`,
  );
  await refuse(
    {},
    `Cannot resume with model.dModel = 8: ${taken} 6`,
    { dModel: 8 },
  );
  await refuse(
    {},
    `Cannot resume with model.padToken = 0: ${taken} undefined`,
    { padToken: 0 },
  );
  await refuse(
    {},
    `Cannot resume with sequences = 11: ${taken} 10`,
    {},
    makeData(11),
  );
  await refuse(
    { epochs: 1 },
    "Cannot resume with epochs = 1: the snapshot is of epoch 2, wanted at " +
      "least as many",
  );
});

Deno.test("what is no snapshot is refused, and nothing changes", async () => {
  const { snapshots } = await record();
  const good = snapshots[4]!;
  const { tensors, state } = good;
  const { output_bias: bias, ...rest } = tensors;
  const bad = { data: Float32Array.of(0, 0, NaN, 0, 0), shape: [5] };
  const cases: [given: unknown, message: string][] = [
    [null, "Cannot resume: found null, wanted a snapshot"],
    [{}, "Cannot resume: found undefined, wanted a snapshot's tensors"],
    [{ tensors }, "Cannot resume: found undefined, wanted a snapshot's state"],
    [
      { tensors, state: { ...state, version: 2 } },
      "Cannot resume from a snapshot of version 2: wanted 1",
    ],
    [
      { tensors, state: { ...state, terms: 3 } },
      "Cannot resume: found 3, wanted a snapshot's state.terms",
    ],
    [
      { tensors, state: { ...state, batch: 4 } },
      "Cannot use state.batch = 4: wanted an integer from 0 to 3",
    ],
    [
      { tensors, state: { ...state, step: "5" } },
      'Cannot use state.step = "5": wanted an integer from 0',
    ],
    [
      { tensors, state: { ...state, sums: { loss: 1, accuracy: 1 } } },
      "Cannot resume from a snapshot whose state.sums.tokens is undefined",
    ],
    [
      { tensors, state: { ...state, history: { loss: [], accuracy: [1] } } },
      "Cannot resume from a snapshot whose state.history.loss is an array of " +
      "0: wanted an array of 1",
    ],
    [
      {
        tensors,
        state: { ...state, history: { loss: [null], accuracy: [1] } },
      },
      "Cannot resume from a snapshot whose state.history.loss[0] is null",
    ],
    [
      { tensors: { ...rest, foreign: bias }, state },
      "Cannot resume: of the snapshot's tensors, missing output_bias, unknown " +
      "foreign",
    ],
    [
      { tensors: { ...rest, output_bias: tensors.key_projection }, state },
      "Cannot resume: the snapshot's output_bias is a value of type " +
      "Float32Array of shape (6, 7), wanted a Float32Array of shape (5)",
    ],
    [
      { tensors: { ...rest, output_bias: bad }, state },
      "Cannot resume: the snapshot's output_bias[2] is NaN, wanted a finite",
    ],
  ];
  const model = makeModel();
  const before = bytesOf(model);
  for (const [resume, message] of cases) {
    const options = { ...OPTIONS, resume: resume as TrainingSnapshot };
    const error = await model.train(DATA.xSrc, DATA.xTgt, options)
      .then(() => undefined, (error) => error);
    assert(error instanceof TypeError || error instanceof RangeError, message);
    assert(error.message.startsWith(message), error.message);
    assertEquals(bytesOf(model), before);
  }
  await model.train(DATA.xSrc, DATA.xTgt, { ...OPTIONS, resume: good });
  assertNotEquals(bytesOf(model), before);
});

Deno.test("train() refuses wrong options of snapshots", async () => {
  const model = makeModel();
  const cases: [Record<string, unknown>, string][] = [
    [{ onCheckpoint: 3 }, "Cannot use onCheckpoint = 3: wanted a function"],
    [
      { checkpointEvery: 0, onCheckpoint: () => {} },
      "Cannot use checkpointEvery = 0: wanted an integer from 1",
    ],
    [
      { checkpointEvery: 5 },
      "Cannot use checkpointEvery = 5 without onCheckpoint: wanted a function",
    ],
  ];
  for (const [options, message] of cases) {
    const all = { ...OPTIONS, ...options } as TrainOptions;
    await assertRejects(
      () => model.train(DATA.xSrc, DATA.xTgt, all),
      Error,
      message,
    );
  }
});
