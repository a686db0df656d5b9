// Sources of batches: the order of pairs in memory, training and evaluation on
// batches that come one by one, and what is refused of them.
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { NDArray } from "../../src/array.ts";
import type { Communicator } from "../../src/distributed/communicator.ts";
import {
  type Batch,
  batchesOf,
  type BatchSource,
  cut,
  PairBatches,
} from "../../src/nn/batches.ts";
import type { BatchTrainOptions } from "../../src/nn/model.ts";
import { bytesOf, makeData, makeModel } from "./model_cases.ts";

const OPTIONS: BatchTrainOptions = { epochs: 2, learningRate: 0.01 };

interface Data {
  readonly xSrc: NDArray<Int32Array>;
  readonly xTgt: NDArray<Int32Array>;
}

function pairBatches(
  { xSrc, xTgt }: Data,
  options: { batchSize: number; randomSeed?: number; shuffle?: boolean },
): PairBatches {
  const pairs = { source: xSrc, target: xTgt };
  return new PairBatches(pairs, { randomSeed: 0, ...options });
}

/** Copies, for a batch may change when the next is asked for. */
async function collect(source: BatchSource, epoch: number, from = 0) {
  const batches: Batch[] = [];
  for await (const { rows, source: s, target } of source.batches(epoch, from)) {
    batches.push({ rows, source: s.slice(), target: target.slice() });
  }
  return batches;
}

/** Batches that come from elsewhere, a turn of the event loop later each. */
function asynchronous(source: BatchSource): BatchSource & { closed: number } {
  const { sequences, batchSize } = source;
  return {
    sequences,
    batchSize,
    closed: 0,
    async *batches(epoch, from) {
      try {
        for (const batch of await collect(source, epoch, from)) {
          await new Promise((resolve) => setTimeout(resolve, 0));
          yield batch;
        }
      } finally {
        this.closed++;
      }
    },
  };
}

Deno.test("an epoch goes through all pairs, in an order of its own", async () => {
  const data = makeData(23);
  const source = pairBatches(data, { batchSize: 4 });
  assertEquals(batchesOf(source), 6);
  const orders: string[] = [];
  for (const epoch of [1, 2, 3]) {
    const batches = await collect(source, epoch);
    assertEquals(batches.map(({ rows }) => rows), [4, 4, 4, 4, 4, 3]);
    const rows = batches.flatMap(({ rows, source, target }) =>
      Array.from({ length: rows }, (_, at) => {
        const s = source.slice(4 * at, 4 * at + 4);
        return `${s} ${target.slice(3 * at, 3 * at + 3)}`;
      })
    );
    orders.push(rows.join(";"));
    const all = Array.from({ length: 23 }, (_, at) => {
      const s = data.xSrc.data.slice(4 * at, 4 * at + 4);
      return `${s} ${data.xTgt.data.slice(3 * at, 3 * at + 3)}`;
    });
    assertEquals(rows.toSorted(), all.toSorted());
  }
  assertEquals(new Set(orders).size, 3);
});

Deno.test("the order depends on seed and epoch, not on what came before", async () => {
  const data = makeData(23);
  const source = pairBatches(data, { batchSize: 4 });
  const wanted = await collect(source, 7);
  assertEquals(await collect(source, 7, 2), wanted.slice(2));
  assertEquals(await collect(source, 7, 6), []);
  assertEquals(await collect(pairBatches(data, { batchSize: 4 }), 7), wanted);
  const other = pairBatches(data, { batchSize: 4, randomSeed: 1 });
  assert(`${(await collect(other, 7))[0]!.source}` !== `${wanted[0]!.source}`);
  const ordered = pairBatches(data, { batchSize: 4, shuffle: false });
  const [first] = await collect(ordered, 7);
  assertEquals(first!.source, data.xSrc.data.slice(0, 16));
});

Deno.test("training on a source is training on the arrays it goes through", async () => {
  const data = makeData(11);
  const [arrays, batches, later] = [makeModel(), makeModel(), makeModel()];
  const source = pairBatches(data, { batchSize: 4 });
  const reports: unknown[] = [];
  const options = {
    ...OPTIONS,
    onStep: (report: unknown) => void reports.push(report),
  };
  const wanted = await arrays.train(data.xSrc, data.xTgt, {
    ...options,
    batchSize: 4,
  });
  assertEquals(await batches.train(source, options), wanted);
  assertEquals(await later.train(asynchronous(source), options), wanted);
  assertEquals(bytesOf(batches), bytesOf(arrays));
  assertEquals(bytesOf(later), bytesOf(arrays));
  assertEquals(reports.slice(6, 12), reports.slice(0, 6));
  assertEquals(reports.slice(12), reports.slice(0, 6));
});

Deno.test("a source is told the epochs over the life of the model", async () => {
  const inner = pairBatches(makeData(4), { batchSize: 2 });
  const asked: number[][] = [];
  const source: BatchSource = {
    sequences: 4,
    batchSize: 2,
    batches(epoch, from) {
      asked.push([epoch, from]);
      return inner.batches(epoch, from);
    },
  };
  const model = makeModel();
  await model.train(source, OPTIONS);
  await model.evaluate(source);
  await model.train(source, OPTIONS);
  assertEquals(asked, [[1, 0], [2, 0], [1, 0], [3, 0], [4, 0]]);
});

Deno.test("evaluate() of a source is that of the arrays", async () => {
  const data = makeData(150);
  const model = makeModel();
  const options = { sequenceAccuracy: true };
  const wanted = await model.evaluate(data.xSrc, data.xTgt, options);
  // Larger than what is taken at once, so cut: the sums are the same ones.
  const source = pairBatches(data, { batchSize: 128, shuffle: false });
  assertEquals(await model.evaluate(source, options), wanted);
  assertEquals(await model.evaluate(asynchronous(source), options), wanted);
  const { loss } = await model.evaluate(source);
  assertEquals(loss, wanted.loss);
});

Deno.test("a source is closed when training ends early", async () => {
  const source = asynchronous(pairBatches(makeData(8), { batchSize: 2 }));
  const model = makeModel();
  const controller = new AbortController();
  await assertRejects(() =>
    model.train(source, {
      ...OPTIONS,
      signal: controller.signal,
      onStep: ({ step }) => void (step === 2 && controller.abort()),
    })
  );
  assertEquals(source.closed, 1);
  await assertRejects(
    () =>
      model.train(source, {
        ...OPTIONS,
        onStep() {
          throw new Error("mine");
        },
      }),
    Error,
    "mine",
  );
  assertEquals(source.closed, 2);
});

/** One of two processes, of which the other one has nothing to add. */
const SECOND: Communicator = {
  rank: 1,
  size: 2,
  allReduce: () => {},
  broadcast: () => {},
  barrier: () => {},
};

Deno.test("a process is given its rows of every batch, or takes them", async () => {
  const model = makeModel();
  const whole = pairBatches(makeData(10), { batchSize: 4 });
  const wanted = await model.evaluate(whole, { communicator: SECOND });
  const asked: unknown[] = [];
  const source: BatchSource = {
    sequences: 10,
    batchSize: 4,
    batches: () => {
      throw new Error("Rows of others were asked for");
    },
    *slices(epoch, from, share) {
      asked.push([epoch, from, share.rank, share.size]);
      // The second half of 4, 4 and 2 rows.
      for (const batch of whole.batches(epoch, from)) {
        yield cut(batch, batch.rows / 2, batch.rows / 2);
      }
    },
  };
  const found = await model.evaluate(source, { communicator: SECOND });
  assertEquals(found, wanted);
  assertEquals(asked, [[1, 0, 1, 2]]);
  const wrong = { ...source, slices: () => whole.batches(1, 0) };
  await assertRejects(
    () => model.evaluate(wrong, { communicator: SECOND }),
    RangeError,
    "Cannot use batch 1 of epoch 1: it has 4 rows, wanted 2",
  );
});

type Kind = typeof TypeError | typeof RangeError;

/** Four sequences, of which the second batch is what is given. */
function second(...batches: unknown[]): BatchSource {
  const tokens = { source: new Int32Array(8), target: new Int32Array(6) };
  return {
    sequences: 4,
    batchSize: 2,
    *batches() {
      yield { rows: 2, ...tokens };
      yield* batches as Batch[];
    },
  };
}

const GOOD = {
  rows: 2,
  source: new Int32Array(8).fill(3),
  target: new Int32Array(6).fill(3),
};

const PLACE = "batch 2 of epoch 1";

const BATCHES: [name: string, BatchSource, kind: Kind, message: string][] = [
  [
    "too few batches",
    second(),
    RangeError,
    "Cannot go through epoch 1: it ended after 1 batches, wanted 2",
  ],
  [
    "too many batches",
    second(GOOD, GOOD),
    RangeError,
    "Cannot use batch 3 of epoch 1: wanted 2 batches, for there are 4 " +
    "sequences in batches of 2",
  ],
  [
    "another number of rows",
    second({ ...GOOD, rows: 1 }),
    RangeError,
    `Cannot use ${PLACE}: it has 1 rows, wanted 2`,
  ],
  [
    "a batch that is none",
    second(null),
    TypeError,
    `Cannot use ${PLACE}: found null, wanted an object with rows, source and`,
  ],
  [
    "other arrays",
    second({ ...GOOD, source: [1, 2, 3] }),
    TypeError,
    `Cannot use the source of ${PLACE}: found an array of 3, wanted an Int32Arr`,
  ],
  [
    "too few tokens",
    second({ ...GOOD, target: new Int32Array(5) }),
    TypeError,
    `Cannot use the target of ${PLACE}: it has 5 tokens, wanted 2 x 3`,
  ],
  [
    "a token of V",
    second({ ...GOOD, target: Int32Array.of(1, 2, 3, 4, 5, 4) }),
    RangeError,
    `Cannot use the target of ${PLACE}, [1][1] = 5: wanted a token from 0 to 4`,
  ],
  [
    "padding alone",
    second({ ...GOOD, source: Int32Array.of(1, 1, 1, 1, 2, 2, 2, 2) }),
    RangeError,
    `Cannot use the source of ${PLACE}, [1]: all of it is padding (token 2)`,
  ],
];

for (const [name, source, kind, message] of BATCHES) {
  Deno.test(`a source of batches is refused for ${name}`, async () => {
    const model = makeModel({ padToken: 2 });
    await assertRejects(() => model.train(source, OPTIONS), kind, message);
    await assertRejects(() => model.evaluate(source), kind, message);
  });
}

Deno.test("a source of batches is refused before anything is changed", async () => {
  const model = makeModel();
  const before = bytesOf(model);
  const source = second(GOOD);
  const refused: [BatchSource, unknown, Kind, string][] = [
    [{ ...source, sequences: 0 }, OPTIONS, RangeError, "sequences = 0"],
    [{ ...source, batchSize: 0.5 }, OPTIONS, RangeError, "batchSize = 0.5"],
    [
      { ...source, fingerprint: 3 as never },
      OPTIONS,
      TypeError,
      "Cannot use fingerprint = 3: wanted a string",
    ],
    [
      { ...source, slices: 3 as never },
      OPTIONS,
      TypeError,
      "Cannot use slices = 3: wanted a function",
    ],
    [
      { ...source, batches: 3 as never },
      OPTIONS,
      TypeError,
      "Cannot use batches = 3: wanted a function",
    ],
    [
      source,
      undefined,
      TypeError,
      "Cannot train with options undefined: wanted an object with epochs and",
    ],
    [
      source,
      { ...OPTIONS, batchSize: 2 },
      TypeError,
      "Cannot use batchSize with a source of batches: wanted none, the source",
    ],
    [
      source,
      { ...OPTIONS, shuffle: false },
      TypeError,
      "Cannot use shuffle with a source of batches",
    ],
    [source, { ...OPTIONS, epochs: 0 }, RangeError, "Cannot use epochs = 0"],
  ];
  for (const [given, options, kind, message] of refused) {
    await assertRejects(
      () => model.train(given, options as BatchTrainOptions),
      kind,
      message,
    );
  }
  assertEquals(bytesOf(model), before);
});
