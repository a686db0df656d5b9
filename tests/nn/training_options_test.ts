// Weight decay, clipping, label smoothing and schedules against PyTorch, alone
// and together; and that what is off does nothing.
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fixtures from "../fixtures/training_options.json" with { type: "json" };
import odd from "../fixtures/seq2seq_odd.json" with { type: "json" };
import padded from "../fixtures/seq2seq_padded.json" with { type: "json" };
import type { NDArray } from "../../src/array.ts";
import { Graph } from "../../src/graph/node.ts";
import { clipByGlobalNorm } from "../../src/nn/clip.ts";
import {
  type EpochReport,
  type Schedule,
  Seq2SeqAttentionModel,
  type TrainOptions,
} from "../../src/nn/model.ts";
import {
  afterEpoch,
  type CompleteSchedule,
  firstState,
  rateAt,
} from "../../src/nn/schedule.ts";
import { declareParameters, type ParameterName } from "../../src/nn/seq2seq.ts";
import { type StepOptions, trainingStep } from "../../src/nn/steps.ts";
import type { Precision } from "../../src/run/memory.ts";
import { compile } from "../../src/run/plan.ts";
import { bytesOf, makeData, makeModel, ODD } from "./model_cases.ts";

type Flat = Record<
  string,
  { readonly shape: number[]; readonly data: number[] }
>;

/** As in the other fixtures: per tensor, relative to its largest value. */
function assertClose(
  got: ArrayLike<number>,
  want: readonly number[],
  tolerance: number,
  name: string,
): void {
  assertEquals(got.length, want.length, name);
  const scale = Math.max(1e-3, ...want.map(Math.abs));
  for (const [at, value] of want.entries()) {
    const error = Math.abs(got[at]! - value);
    assert(error <= tolerance * scale, `${name}[${at}]: off by ${error}`);
  }
}

/** The given keys in camelCase, those of nested objects too. */
function camel(value: unknown): unknown {
  if (value === "warmup_cosine") return "warmupCosine";
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.replace(/_(\w)/g, (_, letter) => letter.toUpperCase()),
      camel(inner),
    ]),
  );
}

const MODELS = { odd, padded };

for (const fixture of fixtures.cases) {
  const name = `${fixture.fixture}, ${Object.keys(fixture.options)}`;
  const { config, ...model } = MODELS[fixture.fixture as keyof typeof MODELS];
  const special = "pad_token" in config
    ? { padToken: config.pad_token, eosToken: config.eos_token }
    : {};
  const options = camel(fixture.options) as StepOptions & {
    schedule?: Schedule;
  };
  const parameters: Flat = model.parameters;
  const wanted: Flat = fixture.parameters;
  const valueOf = (name: ParameterName): NDArray => ({
    data: Float64Array.from(parameters[name]!.data),
    shape: parameters[name]!.shape,
  });

  for (const precision of ["float64", "float32"] satisfies Precision[]) {
    Deno.test(`ten steps agree with PyTorch: ${name}, ${precision}`, () => {
      const graph = new Graph();
      const { batch_size: rows, src_length, tgt_length } = config;
      const batch = {
        parameters: declareParameters(graph, valueOf),
        source: graph.input("source", [rows, src_length], "int32"),
        target: graph.input("target", [rows, tgt_length], "int32"),
      };
      const { schedule: _, ...step } = options;
      const plan = compile({
        ...trainingStep(batch, special, step),
        precision,
      });
      const feeds = { source: model.x_src, target: model.x_tgt };
      const losses = fixture.learning_rates.map((learning_rate) =>
        plan.run({ ...feeds, learning_rate }).loss.data[0]!
      );
      const isExact = precision === "float64";
      assertClose(losses, fixture.losses, isExact ? 1e-9 : 1e-4, "losses");
      for (const [name, { data }] of Object.entries(wanted)) {
        const got = plan.variables.get(name).data;
        assertClose(got, data, isExact ? 1e-9 : 2e-3, name);
      }
    });
  }

  Deno.test(`train() agrees with PyTorch: ${name}`, async () => {
    const learner = new Seq2SeqAttentionModel({
      vocabSize: config.vocab_size,
      srcLength: config.src_length,
      tgtLength: config.tgt_length,
      dModel: config.d_model,
      dK: config.d_k,
      dV: config.d_v,
      ...special,
    });
    const names = Object.keys(parameters) as ParameterName[];
    learner.setParameters(
      Object.fromEntries(names.map((name) => [name, valueOf(name)])),
    );
    const reports: EpochReport[] = [];
    const { loss } = await learner.train(model.x_src, model.x_tgt, {
      epochs: fixture.losses.length,
      learningRate: config.learning_rate,
      batchSize: config.batch_size,
      shuffle: false,
      onEpoch: (report) => void reports.push(report),
      ...options,
    });
    assertClose(loss, fixture.losses, 1e-4, "losses");
    const rates = reports.map(({ learningRate }) => learningRate);
    assertClose(rates, fixture.learning_rates, 1e-12, "learning rates");
    for (const [name, { data }] of Object.entries(learner.parameters())) {
      assertClose(data, wanted[name]!.data, 2e-3, name);
    }
  });
}

Deno.test("the cases clip some steps and leave others", () => {
  const clipped = fixtures.cases.flatMap(({ options, norms }) =>
    norms.map((norm) => norm > (options.clip_norm ?? Infinity))
  );
  assert(clipped.includes(true) && clipped.includes(false));
  const both = fixtures.cases.find(({ fixture }) => fixture === "odd")!;
  const first = both.norms[0]! > both.options.clip_norm!;
  assert(first && both.norms.at(-1)! < both.options.clip_norm!);
});

for (const given of fixtures.warmup_cosine) {
  const { warmup_steps, steps } = given;
  Deno.test(`a cosine after ${warmup_steps} of ${steps} steps is PyTorch's`, () => {
    const schedule: CompleteSchedule = {
      type: "warmupCosine",
      warmupSteps: warmup_steps,
      steps,
      minLearningRate: given.min_learning_rate,
    };
    const at = (step: number) =>
      rateAt(schedule, given.learning_rate, step, undefined);
    const rates = given.rates.map((_, index) => at(index + 1));
    assertClose(rates, given.rates, 1e-12, "rates");
    assertEquals(at(Math.max(1, warmup_steps)), given.learning_rate);
    assertEquals(at(steps), given.min_learning_rate);
    // After its end PyTorch's would rise again.
    assertEquals(at(steps + 5), given.min_learning_rate);
  });
}

for (const [index, given] of fixtures.plateau.entries()) {
  Deno.test(`a plateau schedule is PyTorch's: case ${index}`, () => {
    const schedule = {
      type: "plateau",
      metric: "loss",
      mode: given.mode as "min" | "max",
      factor: given.factor,
      patience: given.patience,
      minDelta: given.min_delta,
      minLearningRate: given.min_learning_rate,
    } as const;
    let state = firstState(schedule, given.learning_rate)!;
    const rates = given.series.map((value, at) => {
      state = afterEpoch(schedule, state, value, at + 1);
      return state.learningRate;
    });
    assertClose(rates, given.rates, 1e-12, "rates");
  });
}

Deno.test("train() reduces its rate where a metric stands still", async () => {
  const { xSrc, xTgt } = makeData(6);
  const rates: number[] = [];
  const { accuracy } = await makeModel().train(xSrc, xTgt, {
    epochs: 8,
    // So small a rate changes no prediction, so that accuracy stands still.
    learningRate: 1e-12,
    batchSize: 3,
    schedule: {
      type: "plateau",
      metric: "accuracy",
      patience: 1,
      factor: 0.5,
      minLearningRate: 2e-13,
    },
    onStep: ({ learningRate }) => void rates.push(learningRate),
  });
  assertEquals(new Set(accuracy).size, 1);
  // Two steps an epoch. The first epoch is the best, one more is let pass.
  const wanted = [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.2];
  assertEquals(
    rates,
    wanted.flatMap((share) => [share * 1e-12, share * 1e-12]),
  );
});

const PLAIN: TrainOptions = { epochs: 2, learningRate: 0.01, batchSize: 4 };

Deno.test("what is off changes nothing", async () => {
  const { xSrc, xTgt } = makeData(10);
  const train = async (options: Partial<TrainOptions>) => {
    const model = makeModel();
    const reports: unknown[] = [];
    const onStep = (report: unknown) => void reports.push(report);
    const all = { ...PLAIN, onStep, ...options };
    const history = await model.train(xSrc, xTgt, all);
    return { history, reports, bytes: bytesOf(model) };
  };
  const plain = await train({});
  assertEquals(Object.keys(plain.history), ["loss", "accuracy"]);
  const off = await train({
    weightDecay: 0,
    labelSmoothing: 0,
    validationFraction: 0,
    schedule: { type: "constant" },
  });
  assertEquals(off, plain);
  // A norm that no gradient reaches scales all by exactly 1.
  assertEquals(await train({ clipNorm: 1e30 }), plain);
  for (
    const options of [
      { weightDecay: 0.1 },
      { clipNorm: 0.01 },
      { labelSmoothing: 0.1 },
      { schedule: { type: "warmupCosine" } },
    ] as const
  ) {
    const { bytes } = await train(options);
    assert(bytes.some((bits, at) => bits !== plain.bytes[at]));
  }
});

Deno.test("every plan with these options is right, kernel by kernel", async () => {
  const { xSrc, xTgt } = makeData(10);
  const train = async (check: boolean) => {
    const sizes = { dModel: 8, dK: 8, dV: 4, padToken: 0 };
    const model = makeModel({ ...sizes, compile: { check } });
    await model.train(kept(xSrc), kept(xTgt), {
      ...PLAIN,
      weightDecay: 0.1,
      clipNorm: 0.1,
      labelSmoothing: 0.1,
      validation: { xSrc: kept(xSrc), xTgt: kept(xTgt) },
    });
    return bytesOf(model);
  };
  assertEquals(await train(true), await train(false));
});

/** The same with a first token that is no padding. */
function kept({ data, shape }: NDArray<Int32Array>): NDArray<Int32Array> {
  const width = shape[1]!;
  return {
    data: data.map((token, at) => at % width === 0 ? token || 1 : token),
    shape,
  };
}

Deno.test("one model trains with different options one after another", async () => {
  const { xSrc, xTgt } = makeData(4);
  const model = makeModel();
  // At this rate nothing but the decay changes a parameter.
  const options = {
    epochs: 1,
    learningRate: 1e-30,
    batchSize: 4,
    shuffle: false,
  };
  const train = async (phase: Partial<TrainOptions>) => {
    const before = model.parameters().key_projection.data;
    const { loss } = await model.train(xSrc, xTgt, { ...options, ...phase });
    const after = model.parameters().key_projection.data;
    return { loss, shares: after.map((value, at) => value / before[at]!) };
  };
  const kept = new Float32Array(ODD.dModel * ODD.dK).fill(1);
  const plain = await train({});
  const smooth = await train({ labelSmoothing: 0.2 });
  assert(smooth.loss[0] !== plain.loss[0]);
  assertEquals([plain.shares, smooth.shares], [kept, kept]);
  assertEquals(await train({}), plain);
  assertEquals(await train({ labelSmoothing: 0.2 }), smooth);
  const decayed = await train({ weightDecay: 0.5e30 });
  assertClose(decayed.shares, Array(kept.length).fill(0.5), 1e-6, "decay");
  assertEquals((await train({})).shares, kept);
});

Deno.test("clipByGlobalNorm() keeps the direction and refuses no norm", () => {
  const graph = new Graph();
  const [a, b] = clipByGlobalNorm(
    [graph.constant([0, 0]), graph.constant([[0]])],
    1,
  );
  const { data } = compile({ outputs: { a: a!, b: b! } }).run().a;
  assertEquals([...data], [0, 0]);
  assertEquals(clipByGlobalNorm([], 1), []);
  for (const most of [0, -1, NaN, Infinity]) {
    assertThrows(
      () => clipByGlobalNorm([graph.constant(1)], most),
      RangeError,
      `Cannot clip gradients to a norm of ${most}: wanted a finite number`,
    );
  }
});

const WRONG: [options: object, message: string][] = [
  [{ weightDecay: -1 }, "weightDecay = -1: wanted a finite float32 from 0"],
  [{ weightDecay: 1e39 }, "weightDecay = 1e+39: wanted a finite float32"],
  [{ weightDecay: "0.1" }, 'weightDecay = "0.1": wanted a number'],
  [{ clipNorm: 0 }, "clipNorm = 0: wanted a finite float32 above 0"],
  [{ clipNorm: NaN }, "clipNorm = NaN: wanted a finite float32 above 0"],
  [
    { labelSmoothing: 1 },
    "labelSmoothing = 1: wanted a number from 0 to below",
  ],
  [{ labelSmoothing: NaN }, "labelSmoothing = NaN: wanted a number from 0"],
  [{ schedule: "cosine" }, 'schedule = "cosine": wanted an object with its'],
  [
    { schedule: { type: "cosine" } },
    'schedule.type = "cosine": wanted "constant", "warmupCosine" or "plateau"',
  ],
  [
    { schedule: { type: "warmupCosine", warmupSteps: 6 } },
    "schedule.warmupSteps = 6: wanted less than schedule.steps, which is 6",
  ],
  [
    { schedule: { type: "warmupCosine", warmupSteps: 0.5 } },
    "schedule.warmupSteps = 0.5: wanted an integer from 0",
  ],
  [
    { schedule: { type: "warmupCosine", steps: 0 } },
    "schedule.steps = 0: wanted an integer from 1",
  ],
  [
    { schedule: { type: "warmupCosine", minLearningRate: 0.02 } },
    "schedule.minLearningRate = 0.02: wanted a number from 0 to learningRate, " +
    "which is 0.01",
  ],
  [
    { schedule: { type: "plateau", metric: "loss", factor: 1 } },
    "schedule.factor = 1: wanted a number between 0 and 1",
  ],
  [
    { schedule: { type: "plateau", metric: "loss", patience: -1 } },
    "schedule.patience = -1: wanted an integer from 0",
  ],
  [
    { schedule: { type: "plateau" } },
    'schedule.metric = "validationLoss" without data to validate on: wanted ' +
    "validation or validationFraction, or another metric",
  ],
  [
    { schedule: { type: "plateau", metric: "perplexity" } },
    'schedule.metric = "perplexity": wanted one of "loss", "accuracy", ' +
    '"validationLoss", "validationAccuracy", "validationSequenceAccuracy"',
  ],
  [{ earlyStopping: true }, "earlyStopping = true: wanted an object with"],
  [
    { earlyStopping: { metric: "validationAccuracy" } },
    'earlyStopping.metric = "validationAccuracy" without data to validate on',
  ],
  [
    { earlyStopping: { metric: "loss", patience: 0 } },
    "earlyStopping.patience = 0: wanted an integer from 1",
  ],
  [
    { earlyStopping: { metric: "loss", mode: "less" } },
    'earlyStopping.mode = "less": wanted one of "min", "max"',
  ],
  [
    { earlyStopping: { metric: "loss", minDelta: -0.1 } },
    "earlyStopping.minDelta = -0.1: wanted a finite float32 from 0",
  ],
];

Deno.test("train() refuses wrong options of these, and changes nothing", async () => {
  const { xSrc, xTgt } = makeData(10);
  const model = makeModel();
  const before = bytesOf(model);
  for (const [options, message] of WRONG) {
    const error = await assertRejects(() =>
      model.train(xSrc, xTgt, { ...PLAIN, ...options })
    ) as Error;
    assert(error instanceof TypeError || error instanceof RangeError, message);
    assert(error.message.startsWith(`Cannot use ${message}`), error.message);
  }
  assertEquals(bytesOf(model), before);
});
