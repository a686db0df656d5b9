// Tokens, their numbers, and how a vocabulary comes about.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { hashText } from "../../src/data/text_hash.ts";
import { TokenCounter } from "../../src/data/token_counter.ts";
import { tokenize, type TokenKind } from "../../src/data/tokenizer.ts";
import { Vocabulary } from "../../src/data/vocabulary.ts";

const ALL = { minCount: 1, maxSize: null };

Deno.test("tokenize() cuts characters where people do", () => {
  const cases: [string, string[]][] = [
    ["", []],
    ["a b", ["a", " ", "b"]],
    ["e\u0301a", ["e\u0301", "a"]],
    ["👩‍👩‍👧🇩🇪x", ["👩‍👩‍👧", "🇩🇪", "x"]],
    ["\r\n!", ["\r\n", "!"]],
    ["नमस्ते", ["न", "म", "स्ते"]],
  ];
  for (const [text, tokens] of cases) {
    assertEquals(tokenize("characters", text), tokens);
  }
});

Deno.test("tokenize() takes the short way of ASCII to the same end", () => {
  const ascii = Array.from(
    { length: 95 },
    (_, at) => String.fromCharCode(32 + at),
  ).join("");
  // The letter beyond ASCII makes it go the long way.
  assertEquals(
    [...tokenize("characters", ascii), "ä"],
    tokenize("characters", `${ascii}ä`),
  );
});

Deno.test("tokenize() cuts words at any white space", () => {
  const text = " one\ttwo\u00a0three \u3000 four\n";
  assertEquals(tokenize("words", text), ["one", "two", "three", "four"]);
  assertEquals(tokenize("words", " \t "), []);
});

Deno.test("tokenize() writes integers in one way, however large", () => {
  assertEquals(
    tokenize("integers", "7 007 +7 -7 -0 000 123456789012345678901234567890"),
    ["7", "7", "7", "-7", "0", "0", "123456789012345678901234567890"],
  );
  for (const word of ["1.5", "1e3", "0x10", "--1", "-", "１", "Infinity"]) {
    assertThrows(
      () => tokenize("integers", `1 ${word}`),
      RangeError,
      `Cannot read token ${JSON.stringify(word)}: wanted an integer`,
    );
  }
});

Deno.test("a vocabulary is ordered by frequency, then by code units", () => {
  const texts = ["b a b", "c a", "B é z", "z"];
  for (const order of [texts, texts.toReversed()]) {
    const counter = new TokenCounter();
    for (const text of order) counter.add(text.split(" "));
    assertEquals(counter.vocabulary("words", ALL).tokens.slice(3), [
      "a",
      "b",
      "z",
      "B",
      "c",
      "é",
    ]);
    const limited = (minCount: number, maxSize: number | null) =>
      counter.vocabulary("words", { minCount, maxSize }).tokens.slice(3);
    assertEquals(limited(2, null), ["a", "b", "z"]);
    // Three of the five places are the special tokens'.
    assertEquals(limited(1, 5), ["a", "b"]);
    assertEquals(limited(3, null), []);
  }
});

Deno.test("a counter tells how many tokens a vocabulary does not know", () => {
  const counter = new TokenCounter();
  counter.add(["a", "a", "b", "c", "c"]);
  assertEquals(counter.total, 5);
  assertEquals(counter.unknownTo(new Vocabulary("words", ["a", "x"])), 3);
});

Deno.test("a counter forgets what is rare, within its bound, and says so", () => {
  const counter = new TokenCounter(8);
  for (let i = 0; i < 400; i++) {
    counter.add(["often", `once${i}`, i % 2 === 0 ? "half" : "often"]);
    assert(counter.size <= 9);
  }
  assertEquals(counter.total, 1200);
  // Misra and Gries: no count is too low by more than total / (bound + 1).
  assert(counter.missing > 0 && counter.missing <= 1200 / 9);
  const { tokens } = counter.vocabulary("words", { minCount: 1, maxSize: 5 });
  assertEquals(tokens.slice(3), ["often", "half"]);
});

Deno.test("special tokens are the first, and no text means them", () => {
  const text = "<pad> <eos> <unk> x";
  const vocabulary = new Vocabulary("words", ["x", "<eos>", "<pad>"]);
  assertEquals([...vocabulary.encode(text)], [5, 4, 2, 3]);
  assertEquals(vocabulary.decode([5, 4, 0, 3, 1, 3]), "<pad> <eos> x");
  assertEquals([vocabulary.pad, vocabulary.eos, vocabulary.unk], [0, 1, 2]);
  assertEquals(vocabulary.tokens.slice(0, 3), ["<pad>", "<eos>", "<unk>"]);
  assertEquals(vocabulary.size, 6);
});

Deno.test("Vocabulary.decode() joins tokens as their kind does", () => {
  const cases: [TokenKind, string[], string][] = [
    ["characters", ["a", " ", "é"], "a é"],
    ["words", ["a", "b", "c"], "a b c"],
    ["integers", ["1", "-2", "30"], "1 -2 30"],
  ];
  for (const [kind, tokens, text] of cases) {
    const vocabulary = new Vocabulary(kind, tokens);
    assertEquals(vocabulary.decode(vocabulary.encode(text)), text);
  }
});

Deno.test("Vocabulary.decode() refuses numbers that are no token's", () => {
  const vocabulary = new Vocabulary("words", ["a"]);
  for (const wrong of [4, -1, 1.5, NaN]) {
    assertThrows(
      () => vocabulary.decode([3, wrong]),
      RangeError,
      `Cannot decode token ${wrong}: wanted an integer from 0 to 3`,
    );
  }
});

Deno.test("a vocabulary comes back from JSON as it was", () => {
  const vocabulary = new Vocabulary("characters", ["\ud800", '"', "🇩🇪", "é"]);
  const again = Vocabulary.fromJSON(JSON.parse(JSON.stringify(vocabulary)));
  assertEquals(again.toJSON(), vocabulary.toJSON());
  assertEquals([...again.encode('é"')], [6, 4]);
});

Deno.test("Vocabulary.fromJSON() refuses what is no vocabulary", () => {
  const special = ["<pad>", "<eos>", "<unk>"];
  const cases: [unknown, string][] = [
    [null, "Cannot use kind = undefined: wanted one of"],
    [{ kind: "letters", tokens: special }, 'Cannot use kind = "letters"'],
    [{ kind: "words" }, "Cannot use tokens = undefined: wanted an array"],
    [{ kind: "words", tokens: ["a"] }, 'Cannot use tokens[0] = "a": wanted'],
    [{ kind: "words", tokens: [...special, 5] }, "Cannot use tokens[0] = 5"],
    [{ kind: "words", tokens: [...special, ""] }, 'Cannot use tokens[0] = ""'],
    [{ kind: "words", tokens: [...special, "a b"] }, 'tokens[0] = "a b"'],
    [{ kind: "integers", tokens: [...special, "07"] }, 'tokens[0] = "07"'],
    [{ kind: "integers", tokens: [...special, "-0"] }, 'tokens[0] = "-0"'],
    [
      { kind: "words", tokens: [...special, "a", "b", "a"] },
      'Cannot use tokens[2] = "a": it is also tokens[0]',
    ],
  ];
  for (const [value, message] of cases) {
    const error = assertThrows(() => Vocabulary.fromJSON(value), Error);
    assert(error.message.includes(message), `${error.message} | ${message}`);
  }
});

Deno.test("hashText() is even over texts and independent from seed to seed", () => {
  const texts = Array.from({ length: 20_000 }, (_, at) => `text ${at}`);
  const share = (seed: number, most: number) =>
    texts.filter((text) => hashText(text, seed) < most).length / texts.length;
  for (const seed of [0, 1, 2 ** 53 - 1]) {
    // Four standard deviations.
    assertAlmostEquals(share(seed, 0.1), 0.1, 0.0085);
    assertAlmostEquals(share(seed, 0.5), 0.5, 0.015);
  }
  const both = texts.filter((text) =>
    hashText(text, 0) < 0.5 && hashText(text, 1) < 0.5
  );
  assertAlmostEquals(both.length / texts.length, 0.25, 0.0125);
  assertNotEquals(hashText("a", 0), hashText("a", 2 ** 32));
  // Computed elsewhere: a split of data must stay what it is.
  assertEquals(hashText("", 0) * 2 ** 32, 3138444313);
  assertEquals(hashText("Übung 7", 12345678901) * 2 ** 32, 793859344);
});
