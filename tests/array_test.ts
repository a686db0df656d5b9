// The array type and its conversions.
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  array,
  type ArrayOptions,
  describe,
  formatIndex,
  formatShape,
  type NDArray,
  type Nested,
  sameShape,
  sizeOf,
  toNested,
} from "../src/array.ts";

/** Asserts that array() refuses a value with exactly this message. */
function refuses(
  value: unknown,
  kind: new (message: string) => Error,
  message: string,
  options?: ArrayOptions,
): void {
  const error = assertThrows(() => array(value as Nested, options), kind);
  assertEquals((error as Error).message, message);
}

Deno.test("array() takes the shape of the nesting", () => {
  assertEquals(array([[1, 2, 3], [4, 5, 6]]), {
    data: Float32Array.of(1, 2, 3, 4, 5, 6),
    shape: [2, 3],
  });
  assertEquals(array(7), { data: Float32Array.of(7), shape: [] });
  assertEquals(array([]), { data: new Float32Array(0), shape: [0] });
  assertEquals(array([[], []]).shape, [2, 0]);
  assertEquals(array([[[1]], [[2]]]).shape, [2, 1, 1]);
});

Deno.test("array() reads booleans as 1 and 0", () => {
  assertEquals([...array([[true, false]]).data], [1, 0]);
  assertEquals(array(true, { dtype: "int32" }).data, Int32Array.of(1));
});

Deno.test("array() copies nothing that fits already", () => {
  const data = Float64Array.of(1, 2, 3, 4);
  assertStrictEquals(array(data).data, data);
  assertStrictEquals(
    array(data, { dtype: "float64", shape: [2, 2] }).data,
    data,
  );
  const given: NDArray = { data, shape: [4, 1] };
  assertStrictEquals(array(given).data, data);
  assertEquals(array(given).shape, [4, 1]);
  assertEquals(array(given, { shape: [2, 2] }).shape, [2, 2]);
});

Deno.test("the shape of an array is a copy of the one given", () => {
  const shape = [2];
  const value = array(Float32Array.of(1, 2), { shape });
  shape[0] = 3;
  assertEquals(value.shape, [2]);
});

Deno.test("array() converts to the element type asked for", () => {
  assertEquals(array([0.1], { dtype: "float64" }).data, Float64Array.of(0.1));
  assertEquals(array([0.1]).data, Float32Array.of(0.1));
  assertEquals(
    array(Float64Array.of(0.1), { dtype: "float32" }).data,
    Float32Array.of(0.1),
  );
  assertEquals(
    array(Float32Array.of(3, -4), { dtype: "int32" }).data,
    Int32Array.of(3, -4),
  );
  assertEquals(
    array(Int32Array.of(3), { dtype: "float32" }).data,
    Float32Array.of(3),
  );
});

Deno.test("array() refuses what is no 32-bit integer, naming its place", () => {
  const options = { dtype: "int32", name: "xSrc" } as const;
  for (
    const [value, shown] of [[1.5, "1.5"], [NaN, "NaN"], [
      2 ** 31,
      "2147483648",
    ]]
  ) {
    refuses(
      [[0, 1], [2, value]],
      RangeError,
      `Cannot read xSrc[1][1]: found ${shown}, wanted a 32-bit integer`,
      options,
    );
  }
  refuses(
    Float32Array.of(1, 0.5),
    RangeError,
    "Cannot read array[1]: found 0.5, wanted a 32-bit integer",
    { dtype: "int32" },
  );
  refuses(
    0.5,
    RangeError,
    "Cannot read array: found 0.5, wanted a 32-bit integer",
    { dtype: "int32" },
  );
});

Deno.test("array() refuses an element type that there is not", () => {
  refuses(
    [1],
    TypeError,
    'Cannot read array as "float16": wanted "float32", "float64" or "int32"',
    { dtype: "float16" as "float32" },
  );
});

Deno.test("array() refuses ragged nesting, naming the first odd one out", () => {
  refuses(
    [[1, 2], [3]],
    TypeError,
    "Cannot read array[1]: found an array of 1, wanted an array of 2 like " +
      "its neighbours",
  );
  refuses(
    [[1], 2],
    TypeError,
    "Cannot read query[1]: found 2, wanted an array of 1 like its neighbours",
    { name: "query" },
  );
  refuses(
    [1, [2]],
    TypeError,
    "Cannot read array[1]: found an array of 1, wanted a number",
  );
  refuses(
    [[], [1]],
    TypeError,
    "Cannot read array[1]: found an array of 1, wanted an array of 0 like " +
      "its neighbours",
  );
});

Deno.test("array() refuses leaves that are no numbers", () => {
  const found: readonly (readonly [unknown, string])[] = [
    ["1", '"1"'],
    [null, "null"],
    [undefined, "undefined"],
    [3n, "3"],
    [{}, "a value of type Object"],
    [Object.create(null), "a value of type object"],
    [new Uint8Array(3), "a value of type Uint8Array"],
    [() => "pages and pages", "a function"],
  ];
  for (const [value, shown] of found) {
    const rest = `found ${shown}, wanted a number`;
    refuses(value, TypeError, `Cannot read array: ${rest}`);
    refuses([[0, value]], TypeError, `Cannot read array[0][1]: ${rest}`);
  }
  // A hole is no number either.
  refuses(
    new Array(2),
    TypeError,
    "Cannot read array[0]: found undefined, wanted a number",
  );
});

Deno.test("array() refuses shapes that do not fit the elements", () => {
  const data = Float32Array.of(1, 2, 3);
  refuses(
    data,
    TypeError,
    "Cannot shape array as (2, 2): it has 3 elements, wanted 4",
    { shape: [2, 2] },
  );
  refuses(
    { data, shape: [2] },
    TypeError,
    "Cannot shape keys as (2): it has 3 elements, wanted 2",
    { name: "keys" },
  );
  refuses(
    [1, 2, 3],
    TypeError,
    "Cannot shape array as (1): it has 3 elements, wanted 1",
    { shape: [1] },
  );
  for (const shape of [[-3, -1], [1.5, 2], [NaN], ["3"]] as number[][]) {
    refuses(
      { data, shape },
      TypeError,
      `Cannot shape array as (${shape.join(", ")}): wanted non-negative ` +
        "integers",
    );
  }
  refuses(
    { data: [1, 2], shape: [2] },
    TypeError,
    "Cannot read array: data is an array of 2, wanted a Float32Array, " +
      "Float64Array or Int32Array",
  );
});

Deno.test("toNested() gives back what array() was given", () => {
  assertEquals(toNested(array([[1, 2], [3, 4]])), [[1, 2], [3, 4]]);
  assertEquals(toNested(array(5)), 5);
  assertEquals(toNested(array([[], []])), [[], []]);
  fc.assert(fc.property(
    fc.array(fc.nat(4), { maxLength: 4 }),
    (extents) => {
      let next = 0;
      const build = (axis: number): Nested =>
        axis === extents.length
          ? next++
          : Array.from({ length: extents[axis]! }, () => build(axis + 1));
      const nested = build(0);
      const value = array(nested);
      assertEquals(toNested(value), nested);
      // After an axis of size 0 the nesting cannot tell.
      const zero = extents.indexOf(0);
      assertEquals(
        value.shape,
        zero < 0 ? extents : extents.slice(0, zero + 1),
      );
    },
  ));
});

Deno.test("sizes, shapes and indices are counted and printed row-major", () => {
  assertEquals([sizeOf([]), sizeOf([2, 3]), sizeOf([4, 0])], [1, 6, 0]);
  assertEquals(formatShape([2, 3]), "(2, 3)");
  assertEquals(formatShape([]), "()");
  assertEquals(formatIndex(5, [2, 3]), "[1][2]");
  assertEquals(formatIndex(7, [2, 2, 2]), "[1][1][1]");
  assertEquals(formatIndex(0, []), "");
  assert(sameShape([2, 3], [2, 3]) && sameShape([], []));
  assert(!sameShape([2, 3], [3, 2]) && !sameShape([2], [2, 1]));
});

Deno.test("describe() names any value briefly", () => {
  assertEquals(describe("a".repeat(1000)).length, 42);
  assertEquals(describe([1, 2]), "an array of 2");
  assertEquals(describe(new Date(0)), "a value of type Date");
  assertEquals(describe(Symbol("s")), "Symbol(s)");
  assertEquals(describe(NaN), "NaN");
});
