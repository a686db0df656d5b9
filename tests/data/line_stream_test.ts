// Lines from bytes that come in any pieces.
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type ByteReader,
  type Line,
  readLines,
} from "../../src/data/line_stream.ts";

/** A reader that hands out the given pieces, one a call. */
function readerOf(pieces: readonly (string | Uint8Array)[]): ByteReader {
  const rest = pieces.map((piece) =>
    typeof piece === "string" ? new TextEncoder().encode(piece) : piece
  );
  return {
    read(buffer) {
      const piece = rest.shift();
      if (piece !== undefined) buffer.set(piece);
      return Promise.resolve(piece?.length ?? null);
    },
  };
}

async function groupsOf(
  pieces: readonly (string | Uint8Array)[],
  longest?: number,
): Promise<Line[][]> {
  return await Array.fromAsync(readLines(readerOf(pieces), longest));
}

async function textsOf(
  ...pieces: readonly (string | Uint8Array)[]
): Promise<string[]> {
  const lines = (await groupsOf(pieces)).flat();
  assertEquals(
    lines.map(({ number }) => number),
    lines.map((_, at) => at + 1),
  );
  return lines.map(({ text, problem }) => problem ?? text);
}

Deno.test("lines are handed on as soon as they are whole", async () => {
  const groups = await groupsOf(["a\nb", "", "c\n", "d\ne\n\n", "f"]);
  assertEquals(
    groups.map((group) => group.map(({ text }) => text)),
    [["a"], ["bc"], ["d", "e", ""], ["f"]],
  );
});

Deno.test("nothing is read before it is asked for", async () => {
  const reader = readerOf(["a\n", "b\n"]);
  let reads = 0;
  const counted: ByteReader = {
    read(buffer) {
      reads++;
      return reader.read(buffer);
    },
  };
  const lines = readLines(counted);
  await lines.next();
  assertEquals(reads, 1);
  await lines.return();
  assertEquals(reads, 1);
});

Deno.test("the last line needs no end, and there may be none", async () => {
  assertEquals(await textsOf(), []);
  assertEquals(await textsOf(""), []);
  assertEquals(await textsOf("a"), ["a"]);
  assertEquals(await textsOf("a\n"), ["a"]);
  assertEquals(await textsOf("\n"), [""]);
  assertEquals(await textsOf("a\n\n"), ["a", ""]);
});

Deno.test("carriage returns end lines only with a line feed", async () => {
  assertEquals(await textsOf("a\r\nb\r", "\nc\rd\n\r\n"), [
    "a",
    "b",
    "c\rd",
    "",
  ]);
});

Deno.test("a byte order mark counts only in the first line", async () => {
  const texts = await textsOf("\uFEFFa\n\uFEFFb\n");
  assertEquals(texts, ["a", "\uFEFFb"]);
});

Deno.test("bytes that are not UTF-8 spoil their line only", async () => {
  const broken = new Uint8Array([97, 0xff, 10, 98, 10, 0xc3, 10]);
  assertEquals(await textsOf(broken), [
    "it is not UTF-8",
    "b",
    "it is not UTF-8",
  ]);
});

Deno.test("a line that is too long is dropped and counted", async () => {
  for (const pieces of [["abcd\r\nabcde\nab\n"], [..."abcd\r\nabcde\nab\n"]]) {
    const lines = (await groupsOf(pieces, 4)).flat();
    assertEquals(lines, [
      { number: 1, start: 0, text: "abcd" },
      {
        number: 2,
        start: 6,
        text: "",
        problem: "it has 5 bytes, wanted at most 4",
      },
      { number: 3, start: 12, text: "ab" },
    ]);
  }
  const [line] = (await groupsOf(["abcdefgh", "ij", "kl"], 4)).flat();
  assertEquals(line!.problem, "it has 12 bytes, wanted at most 4");
});

Deno.test("how bytes are cut into pieces makes no difference", async () => {
  const lines = fc.array(
    fc.string({ unit: "grapheme" }).map((text) =>
      text.replace(/[\r\n\uFEFF]/g, "")
    ),
  );
  const sizes = fc.array(fc.nat({ max: 9 }), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(lines, sizes, async (texts, sizes) => {
      const bytes = new TextEncoder().encode(
        texts.map((text) => `${text}\n`).join(""),
      );
      const pieces: Uint8Array[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length]! + 1;
        pieces.push(bytes.subarray(at, at + size));
        at += size;
      }
      assertEquals(await textsOf(...pieces), texts);
    }),
    { numRuns: 50, seed: 4 },
  );
});
