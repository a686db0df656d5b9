// How many sequences are taken at once: as many as stay in a cache, and fewer
// where threads would have none.
import { assertEquals } from "@std/assert";
import { chunkFor } from "../../src/nn/chunks.ts";
import { SHAPES } from "../compile/support.ts";

Deno.test("as many sequences are taken at once as stay in a cache", () => {
  const chunks = Object.entries(SHAPES)
    .map(([name, shape]) => [name, chunkFor(shape, 10_000, 1)]);
  assertEquals(Object.fromEntries(chunks), {
    TINY: 64,
    SMALL: 64,
    MEDIUM: 32,
    LARGE: 16,
  });
});

Deno.test("each thread has some, but no fewer than make fast products", () => {
  const chunks = (threads: number) =>
    [1, 3, 8, 16, 17, 33, 64, 65, 128, 1000]
      .map((rows) => chunkFor(SHAPES.TINY!, rows, threads));
  assertEquals(chunks(1), [1, 4, 8, 16, 32, 64, 64, 64, 64, 64]);
  assertEquals(chunks(2), [1, 4, 8, 16, 16, 32, 32, 64, 64, 64]);
  assertEquals(chunks(8), [1, 4, 8, 16, 16, 16, 16, 16, 16, 64]);
});
