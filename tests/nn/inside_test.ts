// Looking inside a model: its plans tell and are checked, and one
// multiplication can be followed from the model's line to the function that
// does it, as the README says.
import { assert, assertEquals, assertExists, assertGreater } from "@std/assert";
import { generateCopyTaskData } from "../../src/data/copy_task.ts";
import { Seq2SeqAttentionModel } from "../../src/nn/model.ts";
import { modulesOf } from "../run/modules.ts";
import { inspectModule } from "../../src/wasm/inspect.ts";

const SIZES = { vocabSize: 5, srcLength: 4, tgtLength: 3 };
const WIDTHS = { dModel: 8, dK: 8, dV: 8 };
const { xSrc, xTgt } = generateCopyTaskData({
  ...SIZES,
  nSamples: 16,
  randomSeed: 1,
});
const TRAINING = { epochs: 2, learningRate: 0.01, batchSize: 8 };

/** The first match in a text, which must be there. */
function find(text: string, pattern: RegExp): string[] {
  const match = pattern.exec(text);
  assert(match, `${pattern} is not to be found`);
  return [...match];
}

Deno.test("one multiplication can be followed to its function", async () => {
  const texts: string[] = [];
  const model = new Seq2SeqAttentionModel({
    ...SIZES,
    ...WIDTHS,
    compile: { debug: 4, onDebug: (text) => texts.push(text) },
  });
  await model.train(xSrc, xTgt, { ...TRAINING, epochs: 1 });
  const text = texts.join("\n");
  const graphs = text.split("\ngraph ");
  const written = graphs.find((graph) => graph.startsWith("as written"))!;
  const [, projection] = find(written, /%(\d+) = .*name: key_projection}/);
  const over = `einsum\\(%\\d+, %${projection}\\)`;
  find(written, new RegExp(`${over}.*float32\\[8, 4, 8\\]  # encoder`));

  const after = graphs.find((graph) => graph.includes('pass "reassociate"'))!;
  const [, table] = find(after, /%(\d+) = .*name: source_embedding}/);
  const [, key] = find(after, /%(\d+) = .*name: key_projection}/);
  const product = `%(\\d+) = einsum\\(%${table}, %${key}\\).*float32\\[5, 8\\]`;
  const [, rows] = find(after, new RegExp(product));
  find(after, new RegExp(`gather\\(%${rows}, %\\d+\\)`));

  const kernels = text.split(/\n {2}kernel (?=\d)/);
  const kernel = kernels.find((listing) =>
    listing.includes("<variable source_embedding>") &&
    listing.includes("<variable key_projection>")
  );
  assertExists(kernel);
  const [, number] = find(kernel, /^(\d+) .*m < 5, n < 8, k < 8/);
  const line = `^ +\\d+ [\\w.']+ .* kernel${number} +(\\d+)$`;
  const [, callee] = find(text, new RegExp(line, "m"));
  find(text, new RegExp(`^ +${callee} product 5x8x8 `, "m"));
});

Deno.test("a checked model learns and predicts as any other", async () => {
  const results = [{}, { check: true, debug: 0 }].map(async (compile) => {
    const model = new Seq2SeqAttentionModel({ ...SIZES, ...WIDTHS, compile });
    return [
      await model.train(xSrc, xTgt, TRAINING),
      await model.evaluate(xSrc, xTgt, { sequenceAccuracy: true }),
      await model.predict(xSrc),
      await model.attention(xSrc),
    ];
  });
  assertEquals(await results[1], await results[0]);
});

Deno.test("a deterministic model has no relaxed instruction", async () => {
  const counts: number[] = [];
  for (const deterministic of [false, true]) {
    const compile = { deterministic };
    const model = new Seq2SeqAttentionModel({ ...SIZES, ...WIDTHS, compile });
    let training: Promise<unknown> | undefined;
    // Plans are compiled before train() waits for anything.
    const modules = modulesOf(() => {
      training = model.train(xSrc, xTgt, TRAINING);
    });
    await training;
    const names = modules.flatMap(inspectModule)
      .flatMap(({ instructions }) => [...instructions.keys()]);
    assertGreater(names.length, 0);
    counts.push(names.filter((name) => name.includes("relaxed")).length);
  }
  assertGreater(counts[0]!, 0);
  assertEquals(counts[1], 0);
});
