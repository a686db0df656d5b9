/**
 * Stands in for `jsr:@std/assert` on networks that reach npm but not JSR: the
 * assertions weft uses, on node:assert and node:util. It is no replacement for
 * the whole package.
 *
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * assertEquals(new Float32Array([0]), new Float32Array([-0]));
 * assertThrows(() => JSON.parse("{"), SyntaxError);
 * ```
 *
 * @module
 */
export { AssertionError } from "./assertion_error.ts";
export {
  assertEquals,
  assertNotEquals,
  assertStrictEquals,
} from "./equality.ts";
export { assertRejects, assertThrows } from "./errors.ts";
export {
  assertAlmostEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
  assertLessOrEqual,
} from "./numbers.ts";
export {
  assert,
  assertExists,
  assertInstanceOf,
  assertMatch,
  assertStringIncludes,
  fail,
} from "./conditions.ts";
