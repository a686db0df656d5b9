// The first look at files: what is used, for what, and what is wrong.
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { LineSet } from "../../src/data/line_set.ts";
import { scanPairs } from "../../src/data/pair_scan.ts";
import type { PairPart } from "../../src/data/pair_part.ts";
import { FileError } from "../../src/files/errors.ts";
import { testWith, withFolder } from "../helpers.ts";
import { numberedPairs, scanText } from "./files.ts";

const FILES = ["read", "write"] as const;

/** The numbers of a part's lines. */
function linesOf({ lines }: PairPart, most: number): number[] {
  const set = new LineSet(lines);
  return Array.from({ length: most }, (_, at) => at + 1)
    .filter((line) => set.has(line));
}

testWith(FILES, "broken lines are told by number, all counted", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/pairs.tsv`;
    const text = new TextEncoder().encode(
      "a\tb\nno tab\n\tb\na\t \na\tb\tc\n?\tb\n\nc\td",
    );
    text[text.indexOf("?".charCodeAt(0))] = 0xff;
    const { broken, train } = await scanText(path, text);
    assertEquals(broken.count, 6);
    assertEquals(broken.first, [
      `${path}:2: it has no tab, wanted source<TAB>target`,
      `${path}:3: its source is empty`,
      `${path}:4: its target is empty`,
      `${path}:5: it has 2 tabs, wanted 1`,
      `${path}:6: it is not UTF-8`,
      `${path}:7: it has no tab, wanted source<TAB>target`,
    ]);
    assertEquals(linesOf(train.pairs, 8), [1, 8]);
    const many = await scanText(path, "x\n".repeat(25));
    assertEquals([many.broken.count, many.broken.first.length], [25, 10]);
  });
});

testWith(
  FILES,
  "bad JSON and words that are no integers are broken",
  async () => {
    await withFolder(async (folder) => {
      const path = `${folder}/pairs.jsonl`;
      const text = '{"source": "1 2", "target": "+03"}\n{"source": "1"}\n{\n' +
        '{"source": "1", "target": "x"}\n';
      const { broken, train } = await scanText(path, text, {
        kind: "integers",
      });
      assertEquals(broken.first.map((line) => line.replace(path, "")), [
        ':2: it has no source and target in text, wanted {"source": "...", ' +
        '"target": "..."}',
        ':3: it is not JSON, wanted {"source": "...", "target": "..."}',
        ':4: target: Cannot read token "x": wanted an integer',
      ]);
      assertEquals(train.counter.total, 3);
    });
  },
);

testWith(FILES, "what is too long is found, left out or cut", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/pairs.tsv`;
    const text = "a b\tc\na b c\td e\na\td e f\n";
    const most = { source: 2, target: 2 };
    for (const onTooLong of ["error", "skip", "truncate"] as const) {
      const scan = await scanText(path, text, { most, onTooLong });
      assertEquals(scan.tooLong.count, 2);
      assertEquals(scan.tooLong.first, [
        `${path}:2: its source has 3 tokens, wanted at most 2`,
        `${path}:3: its target has 3 tokens, wanted at most 2`,
      ]);
      const isCut = onTooLong === "truncate";
      assertEquals(linesOf(scan.train.pairs, 3), isCut ? [1, 2, 3] : [1]);
      // Only what is used is counted for the vocabulary.
      assertEquals(scan.train.counter.total, isCut ? 3 + 4 + 3 : 3);
      assertEquals(scan.longest, { source: 2, target: isCut ? 2 : 1 });
    }
  });
});

testWith(FILES, "no source of the test set is trained on", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/pairs.tsv`;
    // Each source five times, with other white space and another target.
    const lines = Array.from(
      { length: 5 },
      (_, copy) =>
        Array.from(
          { length: 400 },
          (_, at) => `a${" ".repeat(copy + 1)}${at}\t${copy}\n`,
        ),
    );
    const options = { testFraction: 0.25, seed: 1 };
    const { train, test } = await scanText(
      path,
      lines.flat().join(""),
      options,
    );
    const [trained, tested] = [train, test].map(({ pairs }) =>
      new Set(linesOf(pairs, 2000).map((line) => (line - 1) % 400))
    );
    assertEquals(trained!.intersection(tested!).size, 0);
    assertEquals(trained!.union(tested!).size, 400);
    assert(tested!.size > 60 && tested!.size < 140, `${tested!.size}`);
    assertEquals([train.pairs.rows, test.pairs.rows], [
      5 * trained!.size,
      5 * tested!.size,
    ]);
    // Which ones depends on the seed, and on nothing else in the file.
    const other = await scanText(path, lines.flat().join(""), {
      ...options,
      seed: 2,
    });
    assert(other.test.pairs.rows !== test.pairs.rows);
    const fewer = await scanText(path, lines[0]!.slice(200).join(""), options);
    const late = [...tested!].filter((at) => at >= 200).length;
    assertEquals(fewer.test.pairs.rows, late);
  });
});

testWith(
  FILES,
  "a source that is cut is told apart by what is left",
  async () => {
    await withFolder(async (folder) => {
      const text = Array.from({ length: 200 }, (_, at) => `same ${at}\tx\n`);
      const { train, test } = await scanText(
        `${folder}/pairs.tsv`,
        text.join(""),
        {
          testFraction: 0.5,
          most: { source: 1, target: 1 },
          onTooLong: "truncate",
        },
      );
      assertEquals(Math.min(train.pairs.rows, test.pairs.rows), 0);
    });
  },
);

testWith(
  FILES,
  "another file may hold the test, and counts for it alone",
  async () => {
    await withFolder(async (folder) => {
      const testPath = `${folder}/test.jsonl`;
      Deno.writeTextFileSync(testPath, '{"source": "q r", "target": "s"}\n');
      const options = { testPath, testFraction: 0.5 };
      const path = `${folder}/pairs.tsv`;
      const scan = await scanText(path, numberedPairs(20), options);
      assertEquals([scan.train.pairs.rows, scan.test.pairs.rows], [20, 1]);
      assertEquals([scan.train.counter.total, scan.test.counter.total], [
        100,
        3,
      ]);
      const { fingerprint } = await scanText(path, numberedPairs(20), options);
      assertEquals(fingerprint, scan.fingerprint);
      Deno.writeTextFileSync(testPath, '{"source": "q r", "target": "t"}\n');
      const changed = await scanText(path, numberedPairs(20), options);
      assert(changed.fingerprint !== scan.fingerprint);
      const one = await scanText(path, numberedPairs(20));
      // The hash of the system's sha256sum.
      assertEquals(
        one.fingerprint,
        "sha256:" +
          (await hashOf(numberedPairs(20))),
      );
    });
  },
);

async function hashOf(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

testWith(
  FILES,
  "what is remembered is a bit a line and 1 in 1024 places",
  async () => {
    await withFolder(async (folder) => {
      const path = `${folder}/pairs.tsv`;
      const scan = await scanText(path, numberedPairs(50_000), {
        testFraction: 0.5,
      });
      for (const { pairs } of [scan.train, scan.test]) {
        assertEquals(pairs.chunks.length, 49);
        assert(pairs.lines.byteLength <= 2 * 50_000 / 8 + 64);
        assertEquals(
          pairs.chunks.reduce((sum, { rows }) => sum + rows, 0),
          pairs.rows,
        );
      }
    });
  },
);

testWith(FILES, "what is no file of pairs is refused", async () => {
  await withFolder(async (folder) => {
    for (
      const [path, reason] of [
        [`${folder}/none.tsv`, "no such file"],
        [folder, "it is a folder"],
        ...(Deno.build.os === "windows"
          ? []
          : [["/dev/null", "it is no regular file"]]),
      ] as const
    ) {
      const { message } = await assertRejects(
        () =>
          scanPairs({
            path,
            testPath: null,
            testFraction: 0.1,
            seed: 0,
            kind: "words",
            most: { source: 9, target: 9 },
            onTooLong: "skip",
            chunkLines: 9,
          }),
        FileError,
      );
      assertStringIncludes(message, reason);
    }
  });
});
