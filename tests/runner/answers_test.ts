// Lines answered by models, against the models asked in tokens.
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { Vocabulary } from "../../src/data/vocabulary.ts";
import { Seq2SeqAttentionModel } from "../../src/nn/model.ts";
import { answerLines } from "../../src/runner/answers.ts";
import type { Line } from "../../src/data/line_stream.ts";
import { integerCodec, vocabularyCodec } from "../../src/runner/text_codec.ts";

const WIDTHS = { dModel: 6, dK: 5, dV: 4 };

const PLAIN = new Seq2SeqAttentionModel({
  vocabSize: 7,
  srcLength: 3,
  tgtLength: 2,
  ...WIDTHS,
});

const VOCABULARY = new Vocabulary("characters", ["a", "b", "c", "d"]);
const SPELLER = new Seq2SeqAttentionModel({
  vocabSize: VOCABULARY.size,
  srcLength: 4,
  tgtLength: 5,
  padToken: VOCABULARY.pad,
  eosToken: VOCABULARY.eos,
  ...WIDTHS,
  randomSeed: 3,
});

function linesOf(...texts: string[]): Line[] {
  return texts.map((text, at) => ({ number: at + 1, start: 0, text }));
}

/** What is said of lines without vocabulary. */
async function ask(...texts: string[]) {
  const codec = integerCodec(PLAIN.sizes);
  return await answerLines(linesOf(...texts), PLAIN, codec, false);
}

async function spell(isDetailed: boolean, ...texts: string[]) {
  const codec = vocabularyCodec(VOCABULARY);
  return await answerLines(linesOf(...texts), SPELLER, codec, isDetailed);
}

Deno.test("integers are answered with integers, a line a line", async () => {
  const sources = [[1, 2, 3], [6, 0, 6], [4, 4, 4]];
  const { text, remarks } = await ask("1 2 3", " 6\t0  06 ", "4 4 4");
  assertEquals(remarks, []);
  const { data } = await PLAIN.predict(sources);
  const wanted = [0, 2, 4].map((at) => `${data[at]} ${data[at + 1]}\n`);
  assertEquals(text, wanted.join(""));
});

Deno.test("what is wrong with a line costs that line alone", async () => {
  const good = (await ask("1 2 3")).text;
  const lines: Line[] = [
    ...linesOf("1 2", "1 2 3", "1 x 3", "7 1 1", "1 -1 1", "", "1 2 3"),
    { number: 8, start: 0, text: "", problem: "it is not UTF-8" },
    { number: 9, start: 0, text: "1 2 3 4" },
  ];
  const codec = integerCodec(PLAIN.sizes);
  const { text, remarks } = await answerLines(lines, PLAIN, codec, false);
  assertEquals(text, `\n${good}\n\n\n\n${good}\n\n`);
  const length = "wanted 3, the model's source length";
  const integers = "wanted integers from 0 to 6 between white space";
  assertEquals(
    remarks.map(({ line, level, text }) => `${line} ${level}: ${text}`),
    [
      `1 error: it has 2 tokens, ${length}`,
      `3 error: it has "x", ${integers}`,
      `4 error: it has "7", ${integers}`,
      `5 error: it has "-1", ${integers}`,
      "6 warning: it is empty, and so is its answer",
      "8 error: it is not UTF-8",
      `9 error: it has 4 tokens, ${length}`,
    ],
  );
});

Deno.test("texts are padded to the model, and answers end at the end", async () => {
  const texts = ["abcd", "a", "dd"];
  const { text, remarks } = await spell(false, ...texts);
  assertEquals(remarks, []);
  const sources = texts.map((text) => {
    const row = [0, 0, 0, 0];
    VOCABULARY.encode(text).forEach((token, at) => row[at] = token);
    return row;
  });
  const { data } = await SPELLER.predict(sources);
  const wanted = sources.map((_, at) =>
    VOCABULARY.decode(data.subarray(at * 5, at * 5 + 5))
  );
  assertEquals(text, wanted.map((answer) => `${answer}\n`).join(""));
});

Deno.test("an answer is one line, also where it has line breaks", async () => {
  const vocabulary = new Vocabulary("characters", ["a", "\n", "\r\n", "\r"]);
  for (const lineBreak of ["\n", "\r\n", "\r"]) {
    const model = new Seq2SeqAttentionModel({ ...SPELLER.sizes, ...WIDTHS });
    const bias = new Float32Array(vocabulary.size);
    bias[vocabulary.numberOf(lineBreak)!] = 1000;
    model.setParameters({
      ...model.parameters(),
      output_bias: { data: bias, shape: [vocabulary.size] },
    });
    const codec = vocabularyCodec(vocabulary);
    const lines = linesOf("a", "aa");
    const { text } = await answerLines(lines, model, codec, false);
    assertEquals(text, "     \n     \n");
    const detailed = await answerLines(lines, model, codec, true);
    const [first] = detailed.text.split("\n");
    assertEquals(JSON.parse(first!).prediction, lineBreak.repeat(5));
  }
});

Deno.test("unknown tokens are named, and answered as unknown", async () => {
  const { text, remarks } = await spell(false, "axby", "abcda");
  assertEquals(remarks, [
    {
      line: 1,
      level: "warning",
      text: 'not in the model\'s vocabulary: "x", "y"',
    },
    {
      line: 2,
      level: "error",
      text: "it has 5 tokens, wanted at most 4, the model's source length",
    },
  ]);
  const { data } = await SPELLER.predict([[3, 2, 4, 2]]);
  assertEquals(text, `${VOCABULARY.decode(data)}\n\n`);
});

/** A model whose answer to a source has an end, but neither first nor last. */
async function findEnding(source: number[]): Promise<Seq2SeqAttentionModel> {
  for (let randomSeed = 0; randomSeed < 100; randomSeed++) {
    const model = new Seq2SeqAttentionModel({ ...SPELLER.sizes, randomSeed });
    const { data } = await model.predict([source]);
    if ([1, 2, 3].includes(data.indexOf(VOCABULARY.eos))) return model;
  }
  throw new Error("no seed has such an answer");
}

Deno.test("details tell how sure each token is and where it looks", async () => {
  const model = await findEnding([3, 4, 0, 0]);
  const { logProbabilities, tokens, attention } = await model.predictDetailed([
    [3, 4, 0, 0],
  ]);
  const codec = vocabularyCodec(VOCABULARY);
  const { text } = await answerLines(linesOf("ab"), model, codec, true);
  const answer = JSON.parse(text);
  assertEquals(Object.keys(answer), [
    "line",
    "prediction",
    "log_probability",
    "source_tokens",
    "tokens",
    "log_probabilities",
    "attention",
  ]);
  assertEquals(answer.line, 1);
  assertEquals(answer.source_tokens, ["a", "b"]);
  assertEquals(answer.prediction, VOCABULARY.decode(tokens.data));
  const length = tokens.data.indexOf(VOCABULARY.eos) + 1;
  const names = Array.from(tokens.data, (token) => VOCABULARY.tokens[token]);
  assertEquals(answer.tokens, names.slice(0, length));
  assertEquals(answer.log_probabilities.length, length);
  assertEquals(answer.attention.length, length);
  let sum = 0;
  for (let t = 0; t < length; t++) {
    const log = logProbabilities.data[t]!;
    assertAlmostEquals(answer.log_probabilities[t], log, 1e-6);
    sum += log;
    assertEquals(answer.attention[t].length, 2);
    for (const s of [0, 1]) {
      const weight = attention.data[t * 4 + s]!;
      assertAlmostEquals(answer.attention[t][s], weight, 1e-6);
    }
  }
  assertAlmostEquals(answer.log_probability, sum, 1e-5);
});

Deno.test("details of lines without an answer are objects as well", async () => {
  const { text } = await spell(true, "", "abcda", "a");
  const [empty, long, good] = text.trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assertEquals([empty.line, empty.prediction, empty.tokens], [1, "", []]);
  assertEquals(long, {
    line: 2,
    error: "it has 5 tokens, wanted at most 4, the model's source length",
  });
  assertEquals(good.line, 3);
  assert(good.log_probability < 0);
});

Deno.test("integers that a vocabulary has are words of their own", () => {
  const vocabulary = new Vocabulary("integers", ["-5", "12"]);
  const codec = vocabularyCodec(vocabulary);
  assertEquals(codec.encode("12 -5 7"), {
    tokens: new Int32Array([4, 3, 2]),
    unknown: ["7"],
  });
  const wrong = codec.encode("12 x");
  assert("problem" in wrong && wrong.problem.includes('"x"'));
  assertEquals(codec.decode(new Int32Array([4, 3])), "12 -5");
  assertEquals(codec.nameOf(3), "-5");
});
