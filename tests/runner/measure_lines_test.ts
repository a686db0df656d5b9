// Pairs from lines, and a model measured on them, against the model measured
// on arrays.
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { Vocabulary } from "../../src/data/vocabulary.ts";
import { Seq2SeqAttentionModel } from "../../src/nn/model.ts";
import type { Remark } from "../../src/runner/answers.ts";
import type { Line } from "../../src/data/line_stream.ts";
import { measureLines } from "../../src/runner/measure_lines.ts";
import {
  formatOf,
  type PairFormat,
  parsePair,
} from "../../src/data/pair_lines.ts";
import { integerCodec, vocabularyCodec } from "../../src/runner/text_codec.ts";
import type { TrainedModel } from "../../src/runner/trained_model.ts";

const WIDTHS = { dModel: 6, dK: 5, dV: 4 };
const VOCABULARY = new Vocabulary("characters", ["a", "b", "c", "d"]);
const SPELLER: TrainedModel = {
  model: new Seq2SeqAttentionModel({
    vocabSize: VOCABULARY.size,
    srcLength: 4,
    tgtLength: 4,
    padToken: VOCABULARY.pad,
    eosToken: VOCABULARY.eos,
    ...WIDTHS,
  }),
  codec: vocabularyCodec(VOCABULARY),
};

async function measure(
  trained: TrainedModel,
  groups: readonly (readonly string[])[],
  format: PairFormat = "tsv",
) {
  async function* lines(): AsyncGenerator<Line[]> {
    let number = 0;
    for (const group of groups) {
      await Promise.resolve();
      yield group.map((text) => ({ number: ++number, start: 0, text }));
    }
  }
  const remarks: Remark[] = [];
  const measures = await measureLines(
    lines(),
    trained,
    format,
    (remark) => remarks.push(remark),
  );
  return { measures, remarks };
}

Deno.test("parsePair() reads both formats and says what is wrong", () => {
  const cases: [PairFormat, string, object][] = [
    ["tsv", "a b\tc", { source: "a b", target: "c" }],
    ["tsv", "\tc", { source: "", target: "c" }],
    ["tsv", "abc", { problem: "it has no tab, wanted source<TAB>target" }],
    ["tsv", "a\tb\tc", { problem: "it has 2 tabs, wanted 1" }],
    ["jsonl", '{"target":"b\\t","source":"a","id":1}', {
      source: "a",
      target: "b\t",
    }],
  ];
  for (const [format, text, wanted] of cases) {
    assertEquals(parsePair(text, format), wanted);
  }
  for (const text of ["", "{", "null", "5", '{"source":"a","target":1}']) {
    const pair = parsePair(text, "jsonl");
    assert("problem" in pair, text);
    assert(pair.problem.endsWith('wanted {"source": "...", "target": "..."}'));
  }
});

Deno.test("formatOf() goes by the end of the name", () => {
  assertEquals(formatOf("a/b.jsonl"), "jsonl");
  assertEquals(formatOf("B.NDJSON"), "jsonl");
  assertEquals(formatOf("jsonl.tsv"), "tsv");
  assertEquals(formatOf("pairs"), "tsv");
});

Deno.test("measures are those of the padded sequences with their ends", async () => {
  const pairs = [["ab", "ba"], ["abcd", "abc"], ["c", "dda"]];
  const source = [[3, 4, 0, 0], [3, 4, 5, 6], [5, 0, 0, 0]];
  const target = [[4, 3, 1, 0], [3, 4, 5, 1], [6, 6, 3, 1]];
  const { loss, accuracy, sequenceAccuracy } = await SPELLER.model.evaluate(
    source,
    target,
    { sequenceAccuracy: true },
  );
  const tsv = pairs.map((pair) => pair.join("\t"));
  const json = pairs.map(([source, target]) =>
    JSON.stringify({ source, target })
  );
  for (const [lines, format] of [[tsv, "tsv"], [json, "jsonl"]] as const) {
    const { measures, remarks } = await measure(SPELLER, [lines], format);
    assertEquals(remarks, []);
    assertEquals(measures, {
      loss,
      accuracy,
      sequence_accuracy: sequenceAccuracy!,
      sequences: 3,
      tokens: 11,
      skipped: 0,
    });
  }
});

/** A model that ends an answer behind its first token, and the answer. */
async function findEnding(
  source: string,
): Promise<{ trained: TrainedModel; answer: string }> {
  const data = new Int32Array(4);
  data.set(VOCABULARY.encode(source));
  for (let randomSeed = 0; randomSeed < 100; randomSeed++) {
    const { sizes } = SPELLER.model;
    const model = new Seq2SeqAttentionModel({ ...sizes, randomSeed });
    const tokens = (await model.predict({ data, shape: [1, 4] })).data;
    const answer = VOCABULARY.decode(tokens);
    // What stands for unknown tokens is no token of a text.
    if (tokens.indexOf(1) < 1 || answer.includes("<unk>")) continue;
    return { trained: { ...SPELLER, model }, answer };
  }
  throw new Error("no seed has such an answer");
}

Deno.test("what the model predicts itself is a right sequence", async () => {
  const { trained, answer } = await findEnding("abc");
  const other = answer === "a" ? "b" : "a";
  const right = await measure(trained, [[`abc\t${answer}`]]);
  assertEquals(right.measures.sequence_accuracy, 1);
  assertEquals(right.measures.accuracy, 1);
  const both = [`abc\t${answer}`, `abc\t${other}`];
  const half = await measure(trained, [both]);
  assertEquals(half.measures.sequence_accuracy, 0.5);
});

Deno.test("many lines are measured block by block, and weigh by tokens", async () => {
  const texts = ["ab\tb", "abcd\tabc", "c\tdd"];
  const many = Array.from({ length: 2500 }, (_, at) => texts[at % 3]!);
  const whole = await measure(SPELLER, [texts]);
  const groups = [many.slice(0, 10), many.slice(10, 2400), many.slice(2400)];
  const { measures } = await measure(SPELLER, groups);
  assertEquals([measures.sequences, measures.skipped], [2500, 0]);
  // 833 times all three texts, and the first once more: 2 + 4 + 3 tokens each.
  const first = await measure(SPELLER, [[texts[0]!]]);
  const loss = (833 * 9 * whole.measures.loss! + 2 * first.measures.loss!) /
    (833 * 9 + 2);
  assertEquals(measures.tokens, 833 * 9 + 2);
  assertAlmostEquals(measures.loss!, loss, 1e-6);
});

Deno.test("lines that cannot be used are left out, counted and told", async () => {
  const good = await measure(SPELLER, [["ab\tba", "x\tb"]]);
  const lines = ["ab\tba", "ab", "\ta", "a\t", "abcda\ta", "a\tabcd", "x\tb"];
  const { measures, remarks } = await measure(SPELLER, [lines]);
  assertEquals(measures, { ...good.measures, skipped: 5 });
  assertEquals(
    remarks.map(({ line, level, text }) => `${line} ${level}: ${text}`),
    [
      "2 error: it has no tab, wanted source<TAB>target",
      "3 error: its source is empty",
      "4 error: its target is empty",
      "5 error: source: it has 5 tokens, wanted at most 4, the model's source " +
      "length",
      "6 error: target: it has 4 tokens, wanted at most 3, the model's target " +
      "length less its end",
      '7 warning: not in the model\'s vocabulary: "x"',
    ],
  );
});

Deno.test("without a pair there is no mean", async () => {
  const { measures } = await measure(SPELLER, [["ab"]]);
  assertEquals(measures, {
    loss: null,
    accuracy: null,
    sequence_accuracy: null,
    sequences: 0,
    tokens: 0,
    skipped: 1,
  });
});

Deno.test("a model of integers is measured on integers", async () => {
  const model = new Seq2SeqAttentionModel({
    vocabSize: 7,
    srcLength: 3,
    tgtLength: 2,
    ...WIDTHS,
  });
  const { loss, accuracy } = await model.evaluate([[1, 2, 3]], [[1, 2]]);
  const trained = { model, codec: integerCodec(model.sizes) };
  const { measures, remarks } = await measure(trained, [["1 2 3\t1 2"]]);
  assertEquals([measures.loss, measures.accuracy], [loss, accuracy]);
  assertEquals([measures.tokens, remarks], [2, []]);
});
