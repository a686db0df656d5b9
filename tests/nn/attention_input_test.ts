// What scaledDotProductAttention() refuses, and how it says so.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type ArrayLike, type Nested, toNested } from "../../src/array.ts";
import { ShapeError } from "../../src/graph/shape.ts";
import { scaledDotProductAttention } from "../../src/nn/attention.ts";

Deno.test("NaN in a key that somebody sees is an error that names it", () => {
  const key = [[[1, 2], [3, NaN]]];
  const attend = (mask?: ArrayLike) =>
    scaledDotProductAttention([[[1, 1], [1, 1]]], key, [[[1], [2]]], mask);
  const message = "Cannot attend with key[0][1][1] = NaN: wanted a finite " +
    "float32, or a mask that blocks the key everywhere";
  assertEquals(assertThrows(() => attend(), RangeError).message, message);
  const half = [[[1, 0], [1, 1]]];
  assertEquals(assertThrows(() => attend(half), RangeError).message, message);
  assertEquals(toNested(attend([[[1, 0], [1, 0]]]).weights), [[[1, 0], [
    1,
    0,
  ]]]);
});

Deno.test("a key nobody sees in one batch row may still be seen in another", () => {
  const ones = [[[1], [1]], [[1], [1]]];
  const mask = [[[1, 0], [1, 0]], [[0, 1], [1, 0]]];
  const attend = (key: Nested) =>
    scaledDotProductAttention(ones, key, ones, mask);
  attend([[[1], [NaN]], [[1], [1]]]);
  const error = assertThrows(
    () => attend([[[1], [1]], [[1], [Infinity]]]),
    RangeError,
  );
  assert(error.message.includes("key[1][1][0] = Infinity"), error.message);
});

for (const bad of [NaN, Infinity, -Infinity, 1e39]) {
  Deno.test(`${bad} in query or value is an error even where it is blocked`, () => {
    const good = [[[1, 2]]];
    const query = assertThrows(
      () => scaledDotProductAttention([[[1, bad]]], good, good, [[[0]]]),
      RangeError,
    );
    assertEquals(
      query.message,
      `Cannot attend with query[0][0][1] = ${
        Math.fround(bad)
      }: wanted a finite float32`,
    );
    const value = { data: Float64Array.of(bad), shape: [1, 1, 1] };
    assertEquals(
      assertThrows(
        () => scaledDotProductAttention(good, good, value, [[[0]]]),
        RangeError,
      ).message,
      `Cannot attend with value[0][0][0] = ${bad}: wanted a finite float32`,
    );
  });
}

Deno.test("a mask holds nothing but true, false, 1 and 0", () => {
  const good = [[[1], [2]]];
  for (const bad of [0.5, 2, NaN, -1, -Infinity, 1e-30]) {
    const mask = { data: Float64Array.of(1, 0, 1, bad), shape: [1, 2, 2] };
    assertEquals(
      assertThrows(
        () => scaledDotProductAttention(good, good, good, mask),
        RangeError,
      ).message,
      `Cannot attend with mask[0][1][1] = ${bad}: wanted true or 1 (may be ` +
        `attended), false or 0 (blocked)`,
    );
  }
  assertThrows(
    () => scaledDotProductAttention(good, good, good, [[["yes"]]] as never),
    TypeError,
    'Cannot read mask[0][0][0]: found "yes", wanted a number',
  );
});

Deno.test("scores beyond float32 are an error, not NaN", () => {
  const key = [[[1e30], [1]]];
  const attend = (query: number, mask?: ArrayLike) =>
    scaledDotProductAttention([[[1], [query]]], key, key, mask);
  for (const query of [1e30, -1e30]) {
    for (const mask of [undefined, [[[1, 1], [1, 0]]]]) {
      if (query < 0 && mask === undefined) continue;
      assertEquals(
        assertThrows(() => attend(query, mask), RangeError).message,
        "Cannot attend with query[0][1]: its product with a key exceeds " +
          "float32, wanted smaller values",
      );
    }
    // Blocked it is nobody's score.
    const { weights } = attend(query, [[[1, 1], [0, 1]]]);
    assertEquals((toNested(weights) as number[][][])[0]![1], [0, 1]);
  }
});

Deno.test("shapes that do not fit are refused with what was wanted", () => {
  const good = [[[1, 2], [3, 4]]];
  const wrong: [name: string, args: unknown[], message: string][] = [
    ["query of two axes", [[[1, 2]], good, good], "query of shape (1, 2)"],
    ["a number", [1, good, good], "query of shape ()"],
    ["a flat key", [good, Float32Array.of(1), good], "key of shape (1)"],
    ["another d_k", [good, [[[1]]], good], "key of shape (1, 1, 1)"],
    ["another batch", [good, [...good, ...good], good], "key of shape (2, 2"],
    ["fewer values", [good, good, [[[1]]]], "value of shape (1, 1, 1)"],
    ["a mask of (T)", [good, good, good, [1, 1]], "mask of shape (2)"],
    ["a mask of (1, T, 1)", [good, good, good, [[[1], [1]]]], "(1, 2, 1)"],
    ["size 0", [[[[]]], [[[]]], [[[]]]], "(1, 1, 0): wanted (B, T, d_k)"],
    ["no batch", [[], good, good], "query of shape (0)"],
    [
      "no keys",
      [good, { data: new Float32Array(0), shape: [1, 0, 2] }, good], //
      "key of shape (1, 0, 2): wanted (B, S, d_k), no size 0",
    ],
  ];
  for (const [name, args, message] of wrong) {
    const [query, key, value, mask] = args as ArrayLike[];
    const error = assertThrows(
      () => scaledDotProductAttention(query!, key!, value!, mask),
      ShapeError,
    );
    assert(error.message.includes(message), `${name}: ${error.message}`);
  }
});

Deno.test("ragged nesting and leaves that are no numbers are refused", () => {
  const good = [[[1, 2], [3, 4]]];
  assertThrows(
    () => scaledDotProductAttention([[[1, 2], [3]]], good, good),
    TypeError,
    "Cannot read query[0][1]: found an array of 1, wanted an array of 2",
  );
  assertThrows(
    () => scaledDotProductAttention(good, [[[1, 2], 3]], good),
    TypeError,
    "Cannot read key[0][1]: found 3, wanted an array of 2",
  );
  assertThrows(
    () => scaledDotProductAttention(good, good, [[["1"]]] as never),
    TypeError,
    'Cannot read value[0][0][0]: found "1", wanted a number',
  );
  assertThrows(
    () => scaledDotProductAttention(good, undefined as never, good),
    TypeError,
    "Cannot read key: found undefined, wanted a number",
  );
});
