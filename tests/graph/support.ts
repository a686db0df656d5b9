// What several tests of the engine need: running a node alone, and comparing.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type NDArray, type Nested, toNested } from "../../src/array.ts";
import type { Node } from "../../src/graph/node.ts";
import type { Precision } from "../../src/run/memory.ts";
import { compile, type Feeds } from "../../src/run/plan.ts";

/** The value of a node, in float64 unless told. */
export function evaluate(
  node: Node,
  feeds: Feeds = {},
  precision: Precision = "float64",
): NDArray {
  return compile({ outputs: { y: node }, precision }).run(feeds).y;
}

/** The value of a node as nested arrays, in float64. */
export function nested(node: Node, feeds: Feeds = {}): Nested {
  return toNested(evaluate(node, feeds));
}

/** |got - want| <= tolerance * max(1, the largest |want|), and NaN nowhere. */
export function assertClose(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
  name: string,
): void {
  assert(got.length === want.length, `${name}: length ${got.length}`);
  let scale = 1;
  for (let i = 0; i < want.length; i++) {
    scale = Math.max(scale, Math.abs(want[i]!));
  }
  for (let i = 0; i < want.length; i++) {
    assert(
      Math.abs(got[i]! - want[i]!) <= tolerance * scale,
      `${name}: element ${i} is ${got[i]}, wanted ${want[i]} ` +
        `within ${tolerance} of ${scale}`,
    );
  }
}

/** Asserts the class, and that the message begins with the given text. */
export function refuses(
  build: () => unknown,
  kind: new (message: string) => Error,
  message: string,
): void {
  const error = assertThrows(build, kind) as Error;
  assertEquals(error.message.slice(0, message.length), message);
}
