// How many sequences are taken at once: as many as keep threads busy, and no
// more than memory has room for.
import { assert, assertEquals } from "@std/assert";
import { chunkFor, partsOf } from "../../src/nn/chunks.ts";
import { SHAPES } from "../compile/support.ts";

Deno.test("a thread takes as many sequences as stay in its cache, and so four times", () => {
  const chunks = (name: string) =>
    [1, 2, 3, 4].map((threads) => chunkFor(SHAPES[name]!, threads));
  assertEquals(chunks("TINY"), [64, 512, 512, 1024]);
  assertEquals(chunks("MEDIUM"), [32, 256, 256, 512]);
  assertEquals(chunks("LARGE"), [16, 128, 128, 256]);
});

Deno.test("keys and values of all threads stay within bounds", () => {
  for (const srcLength of [1, 30, 100, 500, 5000]) {
    for (const dModel of [4, 300, 1024]) {
      const sizes = {
        ...SHAPES.TINY!,
        srcLength,
        dModel,
        dK: dModel,
        dV: dModel,
      };
      const each = 8 * srcLength * dModel;
      for (const threads of [1, 2, 7, 16]) {
        const most = threads * Math.max(2 ** 22, 16 * each);
        assert(chunkFor(sizes, threads) * each <= most);
      }
    }
  }
});

Deno.test("there is a part for as many sequences as a thread takes at once", () => {
  assertEquals([1, 64, 65, 512].map((n) => partsOf(SHAPES.TINY!, n)), [
    1,
    1,
    2,
    8,
  ]);
  // No plan has more code than that.
  assertEquals(partsOf(SHAPES.LARGE!, 2 ** 20), 256);
});
