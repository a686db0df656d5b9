// From the chunks of a file to batches: every pair once an epoch, in an order
// that seed and epoch decide, the same from wherever it begins.
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { OwnLoader, WorkerLoader } from "../../src/data/pair_loader.ts";
import { PairReader } from "../../src/data/pair_reader.ts";
import type { PairScan } from "../../src/data/pair_scan.ts";
import type { Vocabulary } from "../../src/data/vocabulary.ts";
import {
  WindowBatches,
  type WindowBatchesOptions,
} from "../../src/data/window_batches.ts";
import { windowsOf } from "../../src/data/window_order.ts";
import { FileError } from "../../src/files/errors.ts";
import { PairBatches } from "../../src/nn/batches.ts";
import { testWith, withFolder } from "../helpers.ts";
import { numberedPairs, scanText } from "./files.ts";

const FILES = ["read", "write"] as const;

function vocabularyOf({ train }: PairScan): Vocabulary {
  const { kind } = train.pairs;
  return train.counter.vocabulary(kind, { minCount: 1, maxSize: null });
}

function batchesOf(
  scan: PairScan,
  more: Partial<WindowBatchesOptions> = {},
): WindowBatches {
  const { pairs } = scan.train;
  const reader = new PairReader(pairs, vocabularyOf(scan));
  return new WindowBatches({
    counts: pairs.chunks.map(({ rows }) => rows),
    load: (request) => reader.read(request),
    window: 1000,
    batchSize: 4,
    randomSeed: 5,
    lengths: { source: 3, target: 5 },
    padToken: 0,
    fingerprint: scan.fingerprint,
    ...more,
  });
}

/** The rows of an epoch, source and target together. */
async function rowsOf(
  batches: WindowBatches,
  epoch = 1,
  from = 0,
): Promise<{ rows: number[][]; sizes: number[] }> {
  const [rows, sizes]: [number[][], number[]] = [[], []];
  for await (const batch of batches.batches(epoch, from)) {
    sizes.push(batch.rows);
    for (let at = 0; at < batch.rows; at++) {
      rows.push([
        ...batch.source.subarray(3 * at, 3 * at + 3),
        ...batch.target.subarray(5 * at, 5 * at + 5),
      ]);
    }
  }
  return { rows, sizes };
}

testWith(FILES, "pairs are numbers, ended and filled up", async () => {
  await withFolder(async (folder) => {
    // Lines of either end, and a byte order mark that is no token.
    const text = "\uFEFFba\ta\r\nc\taaaa\n\uFEFFb\tb";
    const kind = "characters";
    const scan = await scanText(`${folder}/pairs.tsv`, text, { kind });
    const vocabulary = vocabularyOf(scan);
    const [a, b] = ["a", "b"].map((token) => vocabulary.numberOf(token)!);
    const [c, marked] = ["c", "\uFEFF"].map((token) =>
      vocabulary.numberOf(token)!
    );
    const { rows } = await rowsOf(batchesOf(scan, { randomSeed: null }));
    assertEquals(rows, [
      [b, a, 0, a, 1, 0, 0, 0],
      [c, 0, 0, a, a, a, a, 1],
      [marked, b, 0, b, 1, 0, 0, 0],
    ] as number[][]);
  });
});

testWith(
  FILES,
  "data that fit one window are in the order of memory",
  async () => {
    await withFolder(async (folder) => {
      const scan = await scanText(`${folder}/p.tsv`, numberedPairs(23), {
        chunkLines: 4,
      });
      const inOrder = await rowsOf(batchesOf(scan, { randomSeed: null }));
      const matrix = (from: number, to: number) => ({
        data: Int32Array.from(
          inOrder.rows.flatMap((row) => row.slice(from, to)),
        ),
        shape: [23, to - from],
      });
      const memory = new PairBatches(
        { source: matrix(0, 3), target: matrix(3, 8) },
        { batchSize: 4, randomSeed: 5 },
      );
      for (const epoch of [1, 2]) {
        const wanted = Array.from(memory.batches(epoch, 0), (batch) => ({
          rows: batch.rows,
          source: [...batch.source],
          target: [...batch.target],
        }));
        const found = await Array.fromAsync(
          batchesOf(scan).batches(epoch, 0),
          (batch) => ({
            rows: batch.rows,
            source: [...batch.source],
            target: [...batch.target],
          }),
        );
        assertEquals(found, wanted);
      }
    });
  },
);

testWith(FILES, "every epoch has every pair once, in windows", async () => {
  await withFolder(async (folder) => {
    const scan = await scanText(`${folder}/p.tsv`, numberedPairs(103), {
      chunkLines: 4,
      testFraction: 0.3,
    });
    const inOrder = await rowsOf(batchesOf(scan, { randomSeed: null }));
    const key = (rows: number[][]) => rows.map(String).toSorted();
    const batches = batchesOf(scan, { window: 10 });
    const first = await rowsOf(batches);
    assertEquals(key(first.rows), key(inOrder.rows));
    assertEquals(new Set(first.sizes.slice(0, -1)), new Set([4]));
    const second = await rowsOf(batches, 2);
    assertEquals(key(second.rows), key(inOrder.rows));
    assertNotEquals(second.rows, first.rows);
    assertNotEquals(first.rows, inOrder.rows);
    // The same again, from the same object or from another.
    assertEquals(await rowsOf(batches), first);
    assertEquals(await rowsOf(batchesOf(scan, { window: 10 })), first);
  });
});

testWith(
  FILES,
  "an epoch goes on from any batch as it would have gone on",
  async () => {
    await withFolder(async (folder) => {
      const scan = await scanText(`${folder}/p.tsv`, numberedPairs(50), {
        chunkLines: 4,
      });
      for (const window of [9, 1000]) {
        const whole = await rowsOf(batchesOf(scan, { window }), 3);
        for (let from = 0; from <= whole.sizes.length; from++) {
          const rest = await rowsOf(batchesOf(scan, { window }), 3, from);
          assertEquals(rest.rows, whole.rows.slice(4 * from), `${from}`);
        }
      }
    });
  },
);

testWith(
  FILES,
  "no more than a window is read at a time, and none in vain",
  async () => {
    await withFolder(async (folder) => {
      const scan = await scanText(`${folder}/p.tsv`, numberedPairs(64), {
        chunkLines: 4,
      });
      const reader = new PairReader(scan.train.pairs, vocabularyOf(scan));
      const loads: number[] = [];
      const load: WindowBatchesOptions["load"] = (request) => {
        loads.push(4 * request.chunks.length);
        return reader.read(request);
      };
      const few = batchesOf(scan, { window: 16, load });
      for await (const _ of few.batches(1, 0)) {
        // The first window and the next one are there with the first batch.
        if (loads.length === 1) assertEquals(loads, [16]);
      }
      // The fifth is the first one of the next epoch.
      assertEquals(loads, [16, 16, 16, 16, 16]);
      await rowsOf(few, 2);
      assertEquals(loads.length, 9);
      loads.length = 0;
      // Batches 8 and on are in the third window and the fourth.
      await rowsOf(batchesOf(scan, { window: 16, load }), 1, 8);
      assertEquals(loads.length, 3);
      loads.length = 0;
      const all = batchesOf(scan, { load });
      await rowsOf(all, 1);
      await rowsOf(all, 2);
      assertEquals(loads, [64]);
    });
  },
);

Deno.test("windows take chunks from all over the file", () => {
  const counts = new Array<number>(100).fill(10);
  const options = { counts, window: 95, randomSeed: 1 };
  const windows = windowsOf(options, 1);
  assertEquals(windows.length, 12);
  for (const { rows, chunks } of windows.slice(0, -1)) {
    assertEquals([rows, chunks.length], [90, 9]);
    assert(Math.max(...chunks) - Math.min(...chunks) > 40);
  }
  assertEquals(
    windows.flatMap(({ chunks }) => [...chunks]).toSorted((a, b) => a - b),
    counts.map((_, at) => at),
  );
  const [, second] = windowsOf(options, 2);
  assertNotEquals(second!.chunks, windows[1]!.chunks);
  // A chunk that is larger than the window is a window by itself.
  const large = windowsOf(
    { counts: [5, 200, 5], window: 10, randomSeed: 1 },
    1,
  );
  assertEquals(
    large.map(({ rows }) => rows).toSorted((a, b) => a - b).at(-1),
    200,
  );
});

testWith(FILES, "a file that changes during the run is refused", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/p.tsv`;
    const scan = await scanText(path, numberedPairs(64), { chunkLines: 4 });
    const batches = batchesOf(scan, { window: 8 });
    const changed = async () => {
      let first = true;
      for await (const _ of batches.batches(1, 0)) {
        if (first) Deno.writeTextFileSync(path, numberedPairs(65));
        first = false;
      }
    };
    await assertRejects(changed, FileError, "it has changed during the run");
    Deno.removeSync(path);
    const reader = new PairReader(scan.train.pairs, vocabularyOf(scan));
    const chunks = Int32Array.of(0);
    assertThrows(() => reader.read({ chunks }), FileError, "no such file");
  });
});

testWith(
  FILES,
  "processes read their rows alone, together every one",
  async () => {
    await withFolder(async (folder) => {
      const scan = await scanText(`${folder}/p.tsv`, numberedPairs(50), {
        chunkLines: 4,
      });
      const reader = new PairReader(scan.train.pairs, vocabularyOf(scan));
      let tokens = 0;
      const load: WindowBatchesOptions["load"] = (request) => {
        const pairs = reader.read(request);
        tokens += pairs.source.tokens.length;
        return pairs;
      };
      for (const window of [12, 1000]) {
        const whole = await Array.fromAsync(
          batchesOf(scan, { window, batchSize: 7 }).batches(2, 1),
          ({ source }) => [...source],
        );
        const parts = whole.map((): number[] => []);
        for (let rank = 0; rank < 9; rank++) {
          tokens = 0;
          const batches = batchesOf(scan, { window, batchSize: 7, load });
          let at = 0;
          const slices = batches.slices(2, 1, { rank, size: 9 });
          for await (const { rows, source } of slices) {
            assertEquals(source.length, 3 * rows);
            assert(rows <= 1);
            parts[at++]!.push(...source);
          }
          assertEquals(at, whole.length);
          // Two tokens a source; a window that stays is read whole.
          if (window === 12) assert(tokens <= 2 * (8 + 2), `${tokens}`);
          else assertEquals(tokens, 100);
        }
        assertEquals(parts, whole);
      }
    });
  },
);

testWith(FILES, "a worker reads what this thread reads", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/p.tsv`;
    const scan = await scanText(path, numberedPairs(50), { chunkLines: 4 });
    const { pairs } = scan.train;
    const own = new OwnLoader(pairs, vocabularyOf(scan));
    const worker = new WorkerLoader(pairs, vocabularyOf(scan));
    try {
      const requests = [
        { chunks: Int32Array.of(3, 1, 12) },
        { chunks: Int32Array.of(2), wanted: Uint8Array.of(0, 1, 1, 0) },
      ];
      const answers = requests.map((request) => worker.load(request));
      assertEquals(
        await Promise.all(answers),
        requests.map((request) => own.load(request)),
      );
      Deno.writeTextFileSync(path, "");
      await assertRejects(
        () => worker.load(requests[0]!),
        FileError,
        "it has changed during the run",
      );
    } finally {
      worker.close();
    }
    const late = worker.load({ chunks: Int32Array.of(1) });
    worker.close();
    await assertRejects(() => late, Error, "the data are closed");
  });
});
