// The contract of @std/yaml: what weft relies on, whether it is the package
// itself or the adapter in links/. What weft does not use is not its job.

import {
  assert,
  assertEquals,
  assertExists,
  assertGreaterOrEqual,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { parse, stringify } from "@std/yaml";

const SCALARS: [string, unknown][] = [
  ["3", 3],
  ["-3", -3],
  ["0.001", 0.001],
  ["1e-3", 0.001],
  ["1E3", 1000],
  ["-2.5e+1", -25],
  [".5", 0.5],
  ["12.", 12],
  ["0x1F", 31],
  ["010", 8],
  ["0b11", 3],
  ["1_000", 1000],
  ["1:30", "1:30"],
  [".inf", Infinity],
  ["-.inf", -Infinity],
  [".nan", NaN],
  ["true", true],
  ["False", false],
  ["yes", "yes"],
  ["off", "off"],
  ["null", null],
  ["~", null],
  ["", null],
  ["copy", "copy"],
  ["'1'", "1"],
  ['"a\\tb"', "a\tb"],
  ["1e", "1e"],
  ["a # comment", "a"],
];

for (const [text, value] of SCALARS) {
  Deno.test(`parse() reads the scalar ${JSON.stringify(text)}`, () => {
    assertEquals(parse(`key: ${text}`), { key: value });
  });
}

Deno.test("parse() reads mappings and sequences in both styles", () => {
  const block = "data:\n  n_test: 5\n  shape:\n    - 2\n    - 3\n";
  const flow = "data: { n_test: 5, shape: [2, 3] } # comment\n";
  assertEquals(parse(block), { data: { n_test: 5, shape: [2, 3] } });
  assertEquals(parse(flow), parse(block));
  assertEquals(parse(block.replaceAll("\n", "\r\n")), parse(block));
});

Deno.test("parse() reads anchors and merge keys", () => {
  const text = "a: &small { d_k: 8, d_v: 8 }\nb:\n  <<: *small\n  d_v: 4\n";
  assertEquals(parse(text), {
    a: { d_k: 8, d_v: 8 },
    b: { d_k: 8, d_v: 4 },
  });
});

Deno.test("parse() gives null for text without a document", () => {
  for (const text of ["", "\n", "# only a comment\n", "---\n"]) {
    assertStrictEquals(parse(text), null);
  }
});

Deno.test("parse() gives a document that is no mapping as it is", () => {
  assertEquals(parse("- 1\n- 2\n"), [1, 2]);
  assertEquals(parse("copy"), "copy");
  assertEquals(parse("5"), 5);
});

Deno.test("parse() keeps a key __proto__ from becoming the prototype", () => {
  const value = parse("__proto__:\n  bad: 1\n");
  assert(typeof value === "object" && value !== null);
  assertEquals(Object.keys(value), ["__proto__"]);
  assertEquals(Reflect.get(value, "bad"), undefined);
});

const BROKEN: [string, string, number][] = [
  ["a repeated key", "data:\n  seed: 1\n  seed: 2\n", 3],
  ["a repeated key in braces", "# first line\n{ a: 1, a: 2 }\n", 2],
  ["wrong indentation", "a: 1\n b: 2\n", 2],
  ["a second colon", "a: 1\nb: c: d\n", 2],
  ["an open bracket", "a: 1\nb: [1, 2\n", 3],
  ["an unknown alias", "a: 1\nb: *c\n", 2],
  ["an unknown tag", "a: 1\nb: !!none 1\n", 2],
  ["a second document", "# first line\n---\n  a: 1\n---\nb: 2\n", 4],
];

for (const [name, text, line] of BROKEN) {
  Deno.test(`parse() refuses ${name} and says where`, () => {
    const error = assertThrows(() => parse(text), SyntaxError);
    const place = / at line (\d+), column (\d+):\n/.exec(error.message);
    assertExists(place, error.message);
    assertEquals(Number(place[1]), line);
    assertGreaterOrEqual(Number(place[2]), 1);
  });
}

Deno.test("stringify() writes block style, two spaces a level", () => {
  assertEquals(
    stringify({ data: { n_test: 5, shape: [2, 3] }, file: null }),
    "data:\n  n_test: 5\n  shape:\n    - 2\n    - 3\nfile: null\n",
  );
});

Deno.test("stringify() writes what parse() reads back", () => {
  const value = {
    numbers: [0, -1, 0.001, 1e-7, 1e21, 6.02e23, Infinity, NaN],
    texts: ["true", "1e-3", "0o17", "1:30", "~", "", " a", "a: b", "# c", "é"],
    lines: "first\nsecond\n",
    long: "word ".repeat(40),
    empty: [{}, []],
    "a key: with # signs": false,
  };
  assertEquals(parse(stringify(value)), value);
});

Deno.test("stringify() refuses what YAML cannot express", () => {
  for (const value of [undefined, () => 1, Symbol("a"), 1n]) {
    assertThrows(() => stringify({ value }), TypeError);
  }
});
