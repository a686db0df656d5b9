// The folder of a run: what is in it, and that no run is written over.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { main } from "../../src/main.ts";
import type { Samples } from "../../src/report/samples.ts";
import { OutputError } from "../../src/runner/output.ts";
import type { Results } from "../../src/runner/results.ts";
import { AttentionRunner } from "../../src/runner/runner.ts";
import { fullDisk, testWith, withFolder } from "../helpers.ts";

const runnerFor = (dir: string, report: boolean): AttentionRunner =>
  new AttentionRunner({
    data: { n_samples: 12, n_test: 6, src_length: 3, tgt_length: 2 },
    model: { d_model: 4, d_k: 4, d_v: 4 },
    training: { epochs: 2, batch_size: 8, verbose: false },
    logging: { level: "silent" },
    output: { dir, report },
  });

const namesIn = (folder: string): string[] =>
  Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();

testWith(
  ["read", "write"],
  "a run leaves its files in its folder",
  async () => {
    await withFolder(async (folder) => {
      const dir = `${folder}/deep/run`;
      const results = await runnerFor(dir, true).run();
      assertEquals(namesIn(dir), [
        "checkpoints",
        "metrics.jsonl",
        "model.safetensors",
        "report.html",
        "results.json",
        "samples.json",
      ]);
      const read = (name: string) => Deno.readTextFileSync(`${dir}/${name}`);
      const kept: Results = JSON.parse(read("results.json"));
      assertEquals(kept, results);
      const lines = read("metrics.jsonl").trimEnd().split("\n")
        .map((line) => JSON.parse(line));
      assertEquals(
        lines.map(({ kind, step }) => `${kind} ${step}`),
        ["step 1", "step 2", "epoch 2", "step 3", "step 4", "epoch 4"],
      );
      assertEquals(
        lines.filter(({ kind }) => kind === "epoch").map(({ loss }) => loss),
        results.train.history.loss,
      );
      const { samples, by_length }: Samples = JSON.parse(read("samples.json"));
      assertEquals(by_length.map(({ length }) => length), [3]);
      assertEquals(
        by_length[0]!.sequence_accuracy,
        results.test.sequence_accuracy,
      );
      for (const { source, target, attention } of samples) {
        assertEquals(target, source.slice(0, 2));
        for (const row of attention) {
          const sum = row.reduce((total, weight) => total + weight);
          assert(Math.abs(sum - 1) < 1e-3, `weights come to ${sum}`);
        }
      }
    });
  },
);

testWith(["read", "write"], "no run is written over", async () => {
  await withFolder(async (folder) => {
    await runnerFor(folder, false).run();
    const before = Deno.readTextFileSync(`${folder}/results.json`);
    await assertRejects(
      () => runnerFor(folder, false).run(),
      OutputError,
      "holds a run already",
    );
    assertEquals(Deno.readTextFileSync(`${folder}/results.json`), before);
  });
});

testWith(["read", "write"], "files that are not a run's stay", async () => {
  await withFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/notes.txt`, "mine");
    await runnerFor(folder, false).run();
    assertEquals(Deno.readTextFileSync(`${folder}/notes.txt`), "mine");
    assert(!namesIn(folder).includes("report.html"));
  });
});

/** What others may have left under the names of a run's files. */
const FOREIGN = [
  ["results.json", "{"],
  ["results.json", "{}"],
  ["results.json", "null"],
  ["results.json", '{"schema_version":1}'],
  ["samples.json", '{"schema_version":1,"samples":[{}]}'],
] as const;

testWith(
  ["read", "write"],
  "a disk that is full costs the files of a run, not its results",
  async () => {
    await withFolder(async (folder) => {
      const wanted = await runnerFor(`${folder}/whole`, true).run();
      let disk: Disposable | undefined;
      const found = await runnerFor(`${folder}/full`, true)
        .run({ onStep: () => void (disk ??= fullDisk()) })
        .finally(() => disk?.[Symbol.dispose]());
      assertEquals([found.status, found.test], ["completed", wanted.test]);
      assertEquals(found.train, wanted.train);
      assertEquals(namesIn(`${folder}/full`), ["checkpoints", "metrics.jsonl"]);
    });
  },
);

testWith(
  ["read", "write"],
  "report makes the page later, and names what is missing",
  async () => {
    await withFolder(async (folder) => {
      assertEquals(await main(["report", folder]), 2);
      await runnerFor(folder, false).run();
      assertEquals(await main(["report", folder]), 0);
      const page = Deno.readTextFileSync(`${folder}/report.html`);
      assert(page.includes("Sample predictions"));
      const results = Deno.readTextFileSync(`${folder}/results.json`);
      for (const [name, text] of FOREIGN) {
        Deno.writeTextFileSync(`${folder}/results.json`, results);
        Deno.writeTextFileSync(`${folder}/${name}`, text);
        assertEquals(await main(["report", folder]), 2, `${name}: ${text}`);
      }
      assertEquals(Deno.readTextFileSync(`${folder}/report.html`), page);
    });
  },
);
