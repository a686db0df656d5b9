// The exported model in ONNX Runtime against our own: logits and attention with
// teacher forcing, tokens of greedy prediction, whatever the batch.
import { assert, assertEquals } from "@std/assert";
import type { NDArray } from "../../src/array.ts";
import type { Seq2SeqAttentionModel } from "../../src/nn/model.ts";
import { parameterShapes, teacherForced } from "../../src/nn/seq2seq.ts";
import { exportOnnx, type OnnxForm } from "../../src/onnx/export_model.ts";
import { compile } from "../../src/run/plan.ts";
import { refuses } from "../graph/support.ts";
import { processTest } from "../helpers.ts";
import { defineBatch, EDGES, makeData, makeModel } from "../nn/model_cases.ts";
import { type OnnxModel, Runtime } from "./runtime.ts";

const TOLERANCE = 1e-4;
const BATCHES = [1, 3, 64];

/** Models of every kind: odd sizes, edges, special tokens. */
function makeModels(): [name: string, model: Seq2SeqAttentionModel][] {
  const options = {
    ...EDGES,
    "padding": { padToken: 0 },
    "an end": { eosToken: 1 },
    "padding and an end": { padToken: 0, eosToken: 1, srcLength: 9 },
  };
  return Object.entries(options).map((
    [name, each],
  ) => [name, disturb(makeModel(each))]);
}

/** Random parameters far from their first values: all must be in the files. */
function disturb(model: Seq2SeqAttentionModel): Seq2SeqAttentionModel {
  const values = model.parameters();
  for (const { data } of Object.values(values)) {
    for (let at = 0; at < data.length; at++) {
      data[at] = 2 * data[at]! + Math.sin(at + data.length);
    }
  }
  model.setParameters(values);
  return model;
}

/** Random pairs; padding at the end of every second where there is any. */
function draw(
  model: Seq2SeqAttentionModel,
  batch: number,
): { source: NDArray<Int32Array>; target: NDArray<Int32Array> } {
  const { padToken } = model.sizes;
  const { xSrc: source, xTgt: target } = makeData(batch, model.sizes, batch);
  if (padToken === undefined) return { source, target };
  for (const { data, shape: [rows, length] } of [source, target]) {
    for (let row = 0; row < rows!; row++) {
      // No row may be padding alone.
      data[row * length!] ||= padToken + 1;
      const kept = 1 + row % length!;
      data.fill(padToken, row * length! + kept, (row + 1) * length!);
    }
  }
  return { source, target };
}

/** Our own logits, teacher forced. */
function logitsOf(
  model: Seq2SeqAttentionModel,
  pairs: { source: NDArray; target: NDArray },
): NDArray {
  const { sizes } = model;
  const batch = pairs.source.shape[0]!;
  const { parameters, source, target } = defineBatch(model, batch, sizes);
  const { logits } = teacherForced(parameters, source, target, sizes.padToken);
  return compile({ outputs: { logits } }).run(pairs).logits;
}

function assertNear(got: NDArray, want: NDArray, where: string): void {
  assertEquals(got.shape, want.shape, where);
  const far = got.data.findIndex((value, at) =>
    !(Math.abs(value - want.data[at]!) <= TOLERANCE)
  );
  assert(far < 0, `${where}[${far}]: ${got.data[far]}, not ${want.data[far]}`);
}

/** The loop that the documentation of `exportOnnx` describes. */
async function predict(
  encoder: OnnxModel,
  decoder: OnnxModel,
  { sizes }: Seq2SeqAttentionModel,
  source: NDArray<Int32Array>,
): Promise<Int32Array> {
  const { vocabSize, tgtLength, padToken, eosToken } = sizes;
  const batch = source.shape[0]!;
  const result = new Int32Array(batch * tgtLength);
  const encoded = await encoder.run({ source });
  const begin = new Int32Array(batch).fill(vocabSize);
  let tokens: NDArray = { data: begin, shape: [batch] };
  for (let t = 0; t < tgtLength; t++) {
    const position = { data: Int32Array.of(t), shape: [1] };
    const step = await decoder.run({ ...encoded, tokens, position });
    tokens = step.next_tokens!;
    tokens.data.forEach((token, row) => result[row * tgtLength + t] = token);
  }
  if (eosToken === undefined) return result;
  for (let start = 0; start < result.length; start += tgtLength) {
    const row = result.subarray(start, start + tgtLength);
    const end = row.indexOf(eosToken);
    if (end >= 0) row.fill(padToken ?? eosToken, end + 1);
  }
  return result;
}

processTest(
  "the forward file gives our logits and attention for every batch",
  async () => {
    await using runtime = await Runtime.start();
    for (const [name, model] of makeModels()) {
      const forward = await runtime.open(
        exportOnnx(model, { form: "forward" }),
      );
      for (const batch of BATCHES) {
        const pairs = draw(model, batch);
        const { logits, weights } = await forward.run(pairs);
        const { source, target } = pairs;
        const where = `${name}, ${batch}`;
        assertNear(logits!, logitsOf(model, pairs), where);
        const attention = await model.attention(source, target);
        assertNear(weights!, attention, where);
      }
    }
  },
);

processTest(
  "the files for prediction give exactly our tokens for every batch",
  async () => {
    await using runtime = await Runtime.start();
    const seen = new Set<number>();
    for (const [name, model] of makeModels()) {
      const open = (form: OnnxForm) =>
        runtime.open(exportOnnx(model, { form }));
      const [encoder, decoder] = [await open("encode"), await open("decode")];
      for (const batch of BATCHES) {
        const { source } = draw(model, batch);
        const got = await predict(encoder, decoder, model, source);
        const { data } = await model.predict(source);
        assertEquals(got, data, `${name}, ${batch}`);
        data.forEach((token) => seen.add(token));
      }
    }
    assert(seen.size > 3, "the predictions say too little");
  },
);

processTest("the files name and shape what they take and give", async () => {
  await using runtime = await Runtime.start();
  const model = makeModel({ padToken: 0 });
  const describe = async (form: OnnxForm) => {
    const { inputs, outputs } = await runtime.open(exportOnnx(model, { form }));
    const sides = [inputs, outputs].map((side) =>
      side.map(({ name, type, shape }) => `${name} ${type} ${shape}`).sort()
    );
    return sides;
  };
  const encoded = [
    "allowed int32 batch,1,4",
    "keys float32 batch,4,7",
    "values float32 batch,4,2",
  ];
  assertEquals(await describe("encode"), [["source int32 batch,4"], encoded]);
  assertEquals(await describe("decode"), [
    [...encoded, "position int32 1", "tokens int32 batch"].sort(),
    [
      "logits float32 batch,5",
      "next_tokens int32 batch",
      "weights float32 batch,4",
    ],
  ]);
  assertEquals(await describe("forward"), [
    ["source int32 batch,4", "target int32 batch,3"],
    ["logits float32 batch,3,5", "weights float32 batch,3,4"],
  ]);
});

Deno.test("every parameter is in the file under its name, and the metadata", () => {
  const model = makeModel({ eosToken: 2 });
  const metadata = { vocabulary: '["é"]' };
  const bytes = exportOnnx(model, { form: "forward", metadata });
  const file = new TextDecoder("latin1").decode(bytes);
  for (const [name, { data }] of Object.entries(model.parameters())) {
    const { buffer } = data;
    const raw = new TextDecoder("latin1").decode(new Uint8Array(buffer));
    // Its name is the field before its elements.
    const at = file.indexOf(`${name}J`);
    assert(at >= 0 && file.indexOf(raw, at) - at < name.length + 8, name);
  }
  assertEquals(
    Object.keys(parameterShapes(model.sizes)),
    Object.keys(model.parameters()),
  );
  for (const text of ['"eosToken":2', "begin_token\x12\x015", "vocabulary"]) {
    assert(file.includes(text), text);
  }
});

Deno.test("what is no model or no form is refused", () => {
  const model = makeModel();
  const wrong = [
    [{}, { form: "forward" }, "Cannot export a value of type Object: wanted"],
    [model, { form: "loop" }, 'Cannot export the form "loop": wanted one of'],
    [model, { form: "toString" }, 'Cannot export the form "toString"'],
    [model, undefined, "Cannot export the form undefined"],
  ] as const;
  for (const [first, options, message] of wrong) {
    refuses(
      () => exportOnnx(first as typeof model, options as { form: OnnxForm }),
      TypeError,
      message,
    );
  }
});
