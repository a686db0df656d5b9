// What Seq2SeqAttentionModel refuses, and that nothing has changed then.
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { ArrayLike, NDArray } from "../../src/array.ts";
import {
  Seq2SeqAttentionModel,
  type Seq2SeqOptions,
  type TrainOptions,
} from "../../src/nn/model.ts";
import { bytesOf, makeData, makeModel, ODD } from "./model_cases.ts";

type Kind = typeof TypeError | typeof RangeError;

const OPTIONS: TrainOptions = { epochs: 1, learningRate: 0.01, batchSize: 2 };

const TOKENS: [name: string, xSrc: unknown, kind: Kind, message: string][] = [
  [
    "a token of V",
    [[0, 1, 5, 2]],
    RangeError,
    "Cannot use xSrc[0][2] = 5: wanted a token from 0 to 4",
  ],
  [
    "a negative token",
    [[0, 1, 2, 3], [-1, 0, 0, 0]],
    RangeError,
    "Cannot use xSrc[1][0] = -1: wanted a token from 0 to 4",
  ],
  [
    "a fractional token",
    [[0, 1, 2.5, 3]],
    RangeError,
    "Cannot read xSrc[0][2]: found 2.5, wanted a 32-bit integer",
  ],
  [
    "NaN",
    { data: Float32Array.of(0, 1, 2, NaN), shape: [1, 4] },
    RangeError,
    "Cannot read xSrc[0][3]: found NaN, wanted a 32-bit integer",
  ],
  [
    "a token that wraps around to a valid one",
    [[0, 1, 2, 2 ** 32]],
    RangeError,
    "Cannot read xSrc[0][3]: found 4294967296, wanted a 32-bit integer",
  ],
  [
    "ragged rows",
    [[0, 1, 2, 3], [0, 1, 2]],
    TypeError,
    "Cannot read xSrc[1]: found an array of 3, wanted an array of 4",
  ],
  [
    "a text",
    [[0, 1, 2, "3"]],
    TypeError,
    'Cannot read xSrc[0][3]: found "3", wanted a number',
  ],
  [
    "rows that are too long",
    [[0, 1, 2, 3, 4]],
    TypeError,
    "Cannot use xSrc of shape (1, 5): wanted (n, 4)",
  ],
  [
    "one sequence without a batch",
    [0, 1, 2, 3],
    TypeError,
    "Cannot use xSrc of shape (4): wanted (n, 4)",
  ],
  ["an empty array", [], TypeError, "Cannot use xSrc of shape (0)"],
  ["an empty row", [[]], TypeError, "Cannot use xSrc of shape (1, 0)"],
  [
    "no sequences",
    { data: new Int32Array(0), shape: [0, 4] },
    RangeError,
    "Cannot use xSrc of shape (0, 4): wanted at least one sequence",
  ],
  ["nothing", undefined, TypeError, "Cannot read xSrc: found undefined"],
];

for (const [name, xSrc, kind, message] of TOKENS) {
  Deno.test(`the model refuses ${name}`, async () => {
    const model = makeModel();
    const before = bytesOf(model);
    const { xTgt } = makeData(1);
    const given = xSrc as ArrayLike;
    const calls = [
      () => model.train(given, xTgt, OPTIONS),
      () => model.evaluate(given, xTgt),
      () => model.predict(given),
      () => model.attention(given),
      () => model.attention(given, xTgt),
    ];
    for (const call of calls) await assertRejects(call, kind, message);
    assertEquals(bytesOf(model), before);
  });
}

Deno.test("the model refuses targets out of range or of another number", async () => {
  const model = makeModel();
  const { xSrc } = makeData(2);
  const calls = (xTgt: ArrayLike) => [
    () => model.train(xSrc, xTgt, OPTIONS),
    () => model.evaluate(xSrc, xTgt),
    () => model.attention(xSrc, xTgt),
  ];
  for (const call of calls([[0, 1, 2], [0, 1, 5]])) {
    const message = "Cannot use xTgt[1][2] = 5: wanted a token from 0 to 4";
    await assertRejects(call, RangeError, message);
  }
  for (const call of calls([[0, 1, 2]])) {
    const message = "Cannot pair 2 sequences of xSrc with 1 of xTgt";
    await assertRejects(call, TypeError, message);
  }
  for (const call of calls([[0, 1, 2, 3], [0, 1, 2, 3]])) {
    const message = "Cannot use xTgt of shape (2, 4): wanted (n, 3)";
    await assertRejects(call, TypeError, message);
  }
});

const NUMBERS: [value: unknown, kind: Kind, message: string][] = [
  [0, RangeError, "= 0: wanted an integer "],
  [-1, RangeError, "= -1: wanted an integer "],
  [1.5, RangeError, "= 1.5: wanted an integer "],
  [NaN, RangeError, "= NaN: wanted an integer "],
  [Infinity, RangeError, "= Infinity: wanted an integer "],
  [2 ** 53, RangeError, "= 9007199254740992: wanted an integer "],
  ["4", TypeError, '= "4": wanted an integer'],
  [null, TypeError, "= null: wanted an integer"],
  [undefined, TypeError, "= undefined: wanted an integer"],
  [[4], TypeError, "= an array of 1: wanted an integer"],
];

for (const name of Object.keys(ODD)) {
  Deno.test(`the model refuses a ${name} that is no positive integer`, () => {
    for (const [value, kind, message] of NUMBERS) {
      const options = { ...ODD, [name]: value } as unknown as Seq2SeqOptions;
      const error = assertThrows(
        () => new Seq2SeqAttentionModel(options),
        kind,
      );
      const start = `Cannot use ${name} ${message}`;
      assert(error.message.startsWith(start), error.message);
    }
  });
}

Deno.test("the model refuses sizes that are too large, alone or together", () => {
  assertThrows(
    () => makeModel({ dModel: 2 ** 24 + 1 }),
    RangeError,
    "Cannot use dModel = 16777217: wanted an integer from 1 to 16777216",
  );
  assertThrows(
    () => makeModel({ vocabSize: 2 ** 20, dModel: 2 ** 20 }),
    RangeError,
    "wanted at most 268435456",
  );
});

Deno.test("the model refuses to be made of nothing", () => {
  for (const options of [undefined, null, 3]) {
    assertThrows(
      () => new Seq2SeqAttentionModel(options as never),
      TypeError,
      `Cannot make a model of ${options}: wanted an object with vocabSize`,
    );
  }
});

Deno.test("the model refuses a seed that is no safe non-negative integer", () => {
  for (const randomSeed of [-1, 0.5, NaN, 2 ** 53]) {
    assertThrows(
      () => makeModel({ randomSeed }),
      RangeError,
      `Cannot use randomSeed = ${randomSeed}: wanted an integer from 0 to ` +
        "9007199254740991",
    );
  }
  assertThrows(
    () => makeModel({ randomSeed: "1" as never }),
    TypeError,
    'Cannot use randomSeed = "1"',
  );
});

const RATE = "wanted a finite float32 above 0";
const TRAIN: [options: Record<string, unknown>, kind: Kind, text: string][] = [
  [{ learningRate: 0 }, RangeError, `Cannot use learningRate = 0: ${RATE}`],
  [{ learningRate: -1 }, RangeError, `Cannot use learningRate = -1: ${RATE}`],
  [{ learningRate: NaN }, RangeError, `Cannot use learningRate = NaN: ${RATE}`],
  [{ learningRate: Infinity }, RangeError, `= Infinity: ${RATE}`],
  [{ learningRate: 1e-60 }, RangeError, `= 1e-60: ${RATE}`],
  [{ learningRate: 1e39 }, RangeError, `= 1e+39: ${RATE}`],
  [{ learningRate: "0.1" }, TypeError, '= "0.1": wanted a number'],
  [{ learningRate: undefined }, TypeError, "= undefined: wanted a number"],
  [{ threads: 0 }, RangeError, "Cannot use threads = 0: wanted an integer"],
  [{ threads: "1" }, TypeError, 'threads = "1"'],
  [{ verbose: 1 }, TypeError, "Cannot use verbose = 1: wanted a boolean"],
  [{ shuffle: "no" }, TypeError, 'use shuffle = "no": wanted a boolean'],
  [{ onStep: 1 }, TypeError, "Cannot use onStep = 1: wanted a function"],
  [{ onEpoch: {} }, TypeError, "wanted a function"],
  [{ signal: {} }, TypeError, "wanted an AbortSignal"],
  ...["epochs", "batchSize"].flatMap((name) =>
    NUMBERS.map(([value, kind, message]): typeof TRAIN[number] => [
      { [name]: value },
      kind,
      `Cannot use ${name} ${message}`,
    ])
  ),
];

Deno.test("train() refuses wrong options and changes nothing", async () => {
  const { xSrc, xTgt } = makeData(5);
  const refused = makeModel();
  const before = bytesOf(refused);
  for (const [options, kind, text] of TRAIN) {
    const all = { ...OPTIONS, ...options } as unknown as TrainOptions;
    await assertRejects(() => refused.train(xSrc, xTgt, all), kind, text);
  }
  await assertRejects(
    () => refused.train(xSrc, xTgt, undefined as never),
    TypeError,
    "Cannot train with options undefined",
  );
  assertEquals(bytesOf(refused), before);
  // Neither moments, nor step count, nor the order of shuffling.
  const fresh = makeModel();
  const steps: number[] = [];
  const onStep = ({ step }: { step: number }) => void steps.push(step);
  const history = await refused.train(xSrc, xTgt, { ...OPTIONS, onStep });
  assertEquals(history, await fresh.train(xSrc, xTgt, OPTIONS));
  assertEquals(bytesOf(refused), bytesOf(fresh));
  assertEquals(steps, [1, 2, 3]);
});

Deno.test("what the caller does to the data during training has no effect", async () => {
  const { xSrc, xTgt } = makeData(6);
  const undisturbed = makeModel();
  await undisturbed.train(xSrc, xTgt, OPTIONS);
  const model = makeModel();
  await model.train(xSrc, xTgt, {
    ...OPTIONS,
    onStep() {
      xSrc.data.fill(-1);
      xTgt.data.fill(99);
    },
  });
  assertEquals(bytesOf(model), bytesOf(undisturbed));
});

Deno.test("what the caller does to the data during prediction has no effect", async () => {
  const { xSrc } = makeData(6);
  const model = makeModel();
  const undisturbed = await model.attention(xSrc);
  const weights = model.attention(xSrc);
  xSrc.data.fill(-1);
  assertEquals(await weights, undisturbed);
});

Deno.test("setParameters() refuses what is missing, unknown, misshapen or NaN", () => {
  const model = makeModel();
  const before = bytesOf(model);
  const other = makeModel({ randomSeed: 9 }).parameters();
  const refuse = (values: unknown, kind: Kind, message: string) => {
    const error = assertThrows(
      () => model.setParameters(values as Record<string, ArrayLike>),
      kind,
    );
    assert(error.message.startsWith(message), error.message);
    assertEquals(bytesOf(model), before);
  };
  const { output_bias: bias, ...rest } = other;
  refuse(
    rest,
    TypeError,
    "Cannot set parameters: missing output_bias, unknown none; wanted source_",
  );
  for (const name of ["outputBias", "toString", "constructor"]) {
    refuse(
      { ...other, [name]: bias },
      TypeError,
      `Cannot set parameters: missing none, unknown ${name}; wanted`,
    );
  }
  refuse(
    { ...other, output_bias: [1, 2] },
    TypeError,
    "Cannot set output_bias to shape (2): wanted (5)",
  );
  refuse(
    { ...other, key_projection: { data: new Float32Array(42), shape: [7, 6] } },
    TypeError,
    "Cannot set key_projection to shape (7, 6): wanted (6, 7)",
  );
  for (const bad of [NaN, Infinity, 1e39]) {
    refuse(
      { ...other, output_bias: Float64Array.of(0, 0, 0, bad, 0) },
      RangeError,
      `Cannot set output_bias[3] to ${bad}: wanted a finite float32`,
    );
  }
  refuse(null, TypeError, "Cannot set parameters to null: wanted an object");
  model.setParameters(other);
  assertEquals(bytesOf(model), bytesOf(makeModel({ randomSeed: 9 })));
});

Deno.test("parameters() gives copies, setParameters() takes some", () => {
  const model = makeModel();
  const before = bytesOf(model);
  const copies: Record<string, NDArray> = model.parameters();
  for (const { data } of Object.values(copies)) data.fill(7);
  assertEquals(bytesOf(model), before);
  model.setParameters(copies);
  const after = bytesOf(model);
  for (const { data } of Object.values(copies)) data.fill(8);
  assertEquals(bytesOf(model), after);
});
