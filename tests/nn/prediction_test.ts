// predictDetailed(): against predict(), attention() and what evaluate() says.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
} from "@std/assert";
import { toNested } from "../../src/array.ts";
import { makeModel } from "./model_cases.ts";

/** 0 pads, 1 ends. */
const SPECIAL = { padToken: 0, eosToken: 1 };

const SOURCES = [[2, 3, 4, 2], [4, 3, 3, 2], [3, 4, 2, 4]];

function rowsOf(values: unknown): number[][] {
  return values as number[][];
}

for (const [name, special] of [["without", {}], ["with", SPECIAL]] as const) {
  Deno.test(`predictDetailed() agrees with the others, ${name} padding`, async () => {
    const model = makeModel(special);
    const detailed = await model.predictDetailed(SOURCES);
    assertEquals(detailed.tokens, await model.predict(SOURCES));
    assertEquals(detailed.attention, await model.attention(SOURCES));
  });
}

Deno.test("log-probabilities are those of the loss, of the likeliest token", async () => {
  const model = makeModel();
  const { vocabSize, tgtLength } = model.sizes;
  const { tokens, logProbabilities } = await model.predictDetailed(SOURCES);
  assertEquals(logProbabilities.shape, [SOURCES.length, tgtLength]);
  const predicted = rowsOf(toNested(tokens));
  const logs = rowsOf(toNested(logProbabilities));
  for (const [at, source] of SOURCES.entries()) {
    const lossOf = async (target: number[]) =>
      (await model.evaluate([source], [target])).loss * tgtLength;
    const total = logs[at]!.reduce((sum, log) => sum + log);
    assertAlmostEquals(await lossOf(predicted[at]!), -total, 1e-5);
    // Over all last tokens the probabilities come to 1, and none is likelier.
    const losses: number[] = [];
    for (let token = 0; token < vocabSize; token++) {
      losses.push(await lossOf([...predicted[at]!.slice(0, -1), token]));
    }
    const before = total - logs[at]!.at(-1)!;
    const shares = losses.map((loss) => Math.exp(-loss - before));
    assertAlmostEquals(shares.reduce((sum, share) => sum + share), 1, 1e-5);
    assertAlmostEquals(Math.max(...shares), Math.exp(logs[at]!.at(-1)!), 1e-5);
  }
});

Deno.test("behind the end of a sequence log-probabilities are 0", async () => {
  for (const special of [SPECIAL, { eosToken: 1 }]) {
    const model = makeModel(special);
    const parameters = model.parameters();
    // The end is likeliest everywhere, so it comes first.
    parameters.output_bias.data[1] = 30;
    model.setParameters(parameters);
    const detailed = await model.predictDetailed(SOURCES);
    const filler = special === SPECIAL ? 0 : 1;
    const { tgtLength } = model.sizes;
    const rest = Array(tgtLength - 1).fill(0);
    for (const row of rowsOf(toNested(detailed.tokens))) {
      assertEquals(row, [1, ...rest.map(() => filler)]);
    }
    for (const row of rowsOf(toNested(detailed.logProbabilities))) {
      assert(row[0]! <= 0 && row[0]! > -1e-6, String(row[0]));
      assertEquals(row.slice(1), rest);
    }
  }
});

Deno.test("predictDetailed() cuts many sequences into chunks", async () => {
  const model = makeModel();
  const many = Array.from({ length: 70 }, (_, at) => SOURCES[at % 3]!);
  const all = await model.predictDetailed(many);
  const few = await model.predictDetailed([many[69]!]);
  const last = rowsOf(toNested(all.logProbabilities)).at(-1)!;
  for (
    const [at, log] of rowsOf(toNested(few.logProbabilities))[0]!.entries()
  ) {
    assertAlmostEquals(last[at]!, log, 1e-5);
  }
});

Deno.test("predictDetailed() refuses wrong sources", async () => {
  const model = makeModel();
  await assertRejects(() => model.predictDetailed([[1, 2, 99, 0]]), RangeError);
});
