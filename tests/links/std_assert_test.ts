// The contract of @std/assert: what weft relies on, whether it is the package
// itself or the adapter in links/. What weft does not use is not its job.

import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertExists,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  fail,
} from "@std/assert";

/** Runs an assertion that must not hold; its error is checked by hand. */
function refusal(fn: () => void): AssertionError {
  try {
    fn();
  } catch (error) {
    if (error instanceof AssertionError) return error;
    throw error;
  }
  throw new Error("Expected the assertion to be refused");
}

Deno.test("AssertionError is an Error with a name and a cause", () => {
  const error = new AssertionError("why", { cause: 1 });
  if (!(error instanceof Error)) throw new Error("Expected an Error");
  if (error.name !== "AssertionError") throw new Error(error.name);
  if (error.message !== "why" || error.cause !== 1) throw error;
});

Deno.test("assert() refuses every falsy value, with the message given", () => {
  for (const value of [false, 0, NaN, "", null, undefined]) {
    if (refusal(() => assert(value, "why")).message !== "why") fail();
  }
  for (const value of [true, 1, "0", {}, []]) assert(value);
});

Deno.test("fail() throws an AssertionError with the reason", () => {
  assert(refusal(() => fail("the reason")).message.includes("the reason"));
});

const EQUAL: [string, unknown, unknown][] = [
  ["zeros of both signs", 0, -0],
  ["NaN", NaN, NaN],
  ["nested zeros of both signs", { a: [{ b: 0 }] }, { a: [{ b: -0 }] }],
  ["objects with keys in another order", { a: 1, b: 2 }, { b: 2, a: 1 }],
  ["arrays", [1, [2]], [1, [2]]],
  ["float arrays", new Float32Array([1, 2]), new Float32Array([1, 2])],
  ["float arrays of zeros", new Float32Array([0]), new Float32Array([-0])],
  ["double arrays of zeros", new Float64Array([0]), new Float64Array([-0])],
  ["float arrays with NaN", new Float32Array([NaN]), new Float32Array([NaN])],
  ["integer arrays", new Int32Array([3]), new Int32Array([3])],
  [
    "views of shared and of own memory",
    new Float32Array(new SharedArrayBuffer(8)),
    new Float32Array(2),
  ],
  ["maps", new Map([["a", [0]]]), new Map([["a", [-0]]])],
  ["sets", new Set([1, 2]), new Set([2, 1])],
  ["an object without a prototype", Object.create(null), {}],
];

const UNEQUAL: [string, unknown, unknown][] = [
  ["a number and its text", 1, "1"],
  ["null and undefined", null, undefined],
  ["an absent key and an undefined one", {}, { a: undefined }],
  ["arrays of other lengths", [1, 2], [1, 2, 3]],
  ["an array and an object", [], {}],
  ["float and double arrays", new Float32Array([1]), new Float64Array([1])],
  ["a typed array and an array", new Float32Array([1]), [1]],
  ["typed arrays", new Int32Array([1, 2]), new Int32Array([1, 3])],
  ["maps", new Map([["a", 1]]), new Map([["a", 2]])],
  ["sets", new Set([1]), new Set([2])],
  ["nested values", { a: [{ b: 0 }] }, { a: [{ b: 1 }] }],
];

for (const [name, a, b] of EQUAL) {
  Deno.test(`assertEquals() takes as equal: ${name}`, () => {
    assertEquals(a, b);
    assertEquals(b, a);
    refusal(() => assertNotEquals(a, b));
  });
}

for (const [name, a, b] of UNEQUAL) {
  Deno.test(`assertEquals() tells apart: ${name}`, () => {
    assertNotEquals(a, b);
    refusal(() => assertEquals(a, b));
    refusal(() => assertEquals(b, a));
  });
}

Deno.test("assertEquals() compares objects that contain themselves", () => {
  function ring(value: number): unknown[] {
    const list: unknown[] = [value];
    list.push(list);
    return list;
  }
  assertEquals(ring(0), ring(-0));
  refusal(() => assertEquals(ring(0), ring(1)));
});

Deno.test("assertEquals() says the caller's message and both values", () => {
  const { message } = refusal(() => assertEquals(12, 34, "the reason"));
  for (const part of ["the reason", "12", "34"]) {
    assert(message.includes(part), message);
  }
});

Deno.test("assertStrictEquals() compares by identity, NaN and zeros too", () => {
  const shape = [2, 3];
  assertStrictEquals(shape, shape);
  assertStrictEquals(NaN, NaN);
  refusal(() => assertStrictEquals([2, 3], [2, 3]));
  refusal(() => assertStrictEquals(0, -0));
});

Deno.test("assertThrows() returns the error, typed by its class", () => {
  function refuse(): never {
    throw new RangeError("Expected 3, got 4");
  }
  const error: RangeError = assertThrows(refuse, RangeError, "got 4");
  assertEquals(error.message, "Expected 3, got 4");
  assertStrictEquals(assertThrows(refuse, Error).name, "RangeError");
  assertInstanceOf(assertThrows(refuse), RangeError);
});

Deno.test("assertThrows() returns what is thrown even if no error", () => {
  function throwText(): never {
    throw "text";
  }
  assertEquals(assertThrows(throwText), "text");
  refusal(() => assertThrows(throwText, Error));
});

Deno.test("assertThrows() refuses a return, another class or message", () => {
  function refuse(): never {
    throw new RangeError("Expected 3, got 4");
  }
  refusal(() => assertThrows(() => 1));
  refusal(() => assertThrows(() => 1, RangeError));
  refusal(() => assertThrows(refuse, TypeError));
  const other = refusal(() => assertThrows(refuse, RangeError, "5", "why"));
  assert(other.message.includes("got 4") && other.message.includes("why"));
});

Deno.test("assertRejects() returns the error, typed by its class", async () => {
  const error: TypeError = await assertRejects(
    () => Promise.reject(new TypeError("Expected a matrix")),
    TypeError,
    "matrix",
  );
  assertEquals(error.message, "Expected a matrix");
  assertEquals(await assertRejects(() => Promise.reject(5)), 5);
});

Deno.test("assertRejects() refuses all but the rejection wanted", async () => {
  async function refused(
    fn: () => PromiseLike<unknown>,
    wanted: new () => Error = TypeError,
    part = "",
  ): Promise<void> {
    try {
      await assertRejects(fn, wanted, part);
    } catch (error) {
      assertInstanceOf(error, AssertionError);
      return;
    }
    fail("Expected the assertion to be refused");
  }
  await refused(() => Promise.resolve(1));
  await refused(() => Promise.reject(new TypeError("a")), RangeError);
  await refused(() => Promise.reject(new TypeError("a")), TypeError, "b");
  await refused(() => {
    throw new TypeError("Thrown before there is a promise");
  });
});

Deno.test("assertAlmostEquals() allows 1e-7 of the value expected", () => {
  assertAlmostEquals(1000.00009, 1000);
  assertAlmostEquals(-1000.00009, -1000);
  refusal(() => assertAlmostEquals(1000.00011, 1000));
  assertAlmostEquals(1e-9 + 0.9e-16, 1e-9);
  refusal(() => assertAlmostEquals(1e-9 + 1.1e-16, 1e-9));
});

Deno.test("assertAlmostEquals() allows nothing around zero by default", () => {
  assertAlmostEquals(-0, 0);
  refusal(() => assertAlmostEquals(1e-12, 0));
  assertAlmostEquals(1e-12, 0, 1e-9);
});

Deno.test("assertAlmostEquals() takes a tolerance, its bound included", () => {
  assertAlmostEquals(1, 1.5, 0.5);
  refusal(() => assertAlmostEquals(1, 1.75, 0.5));
});

Deno.test("assertAlmostEquals() has NaN and infinities match themselves", () => {
  assertAlmostEquals(NaN, NaN);
  assertAlmostEquals(Infinity, Infinity);
  refusal(() => assertAlmostEquals(Infinity, -Infinity));
  refusal(() => assertAlmostEquals(NaN, 1, 5));
  refusal(() => assertAlmostEquals(1, NaN, 5));
});

Deno.test("the comparisons hold at their bounds, and never for NaN", () => {
  assertGreater(2, 1);
  assertLess(1, 2);
  assertGreaterOrEqual(1, 1);
  assertLessOrEqual(1, 1);
  refusal(() => assertGreater(1, 1));
  refusal(() => assertLess(1, 1));
  refusal(() => assertGreaterOrEqual(0, 1));
  refusal(() => assertLessOrEqual(2, 1));
  refusal(() => assertGreater(NaN, 1));
  refusal(() => assertLess(NaN, 1));
  refusal(() => assertGreaterOrEqual(NaN, 1));
  refusal(() => assertLessOrEqual(NaN, 1));
});

Deno.test("assertStringIncludes() and assertMatch() quote the text", () => {
  assertStringIncludes("weights", "weight");
  assertMatch("weights", /^w/);
  const missing = refusal(() => assertStringIncludes("weights", "bias"));
  const unmatched = refusal(() => assertMatch("weights", /bias/));
  for (const { message } of [missing, unmatched]) {
    assert(message.includes("weights") && message.includes("bias"), message);
  }
});

Deno.test("assertInstanceOf() and assertExists() narrow the type", () => {
  const value: unknown = new Float32Array(2);
  assertInstanceOf(value, Float32Array);
  assertEquals(value.length, 2);
  const maybe = new Map([["a", 0]]).get("a");
  assertExists(maybe);
  assertEquals(maybe.toFixed(1), "0.0");
  refusal(() => assertInstanceOf([], Map));
  refusal(() => assertInstanceOf(null, Map));
  refusal(() => assertExists(null));
  refusal(() => assertExists(undefined));
});
