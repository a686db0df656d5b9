// metrics.jsonl: what its readers find, while a run goes on and when it is
// continued.
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { MetricsFile } from "../../src/runner/metrics_file.ts";
import { OutputError } from "../../src/runner/output.ts";
import { fullDisk, testWith, withFolder } from "../helpers.ts";

const fail = (error: Error): never => {
  throw error;
};

const stepLine = (step: number) =>
  ({ kind: "step", step, epoch: 1, loss: 1 / step }) as const;

const stepsIn = (path: string): number[] =>
  Deno.readTextFileSync(path).split("\n").slice(0, -1)
    .map((line) => JSON.parse(line).step);

testWith(
  ["read", "write"],
  "each line is JSON, there at the end of an epoch",
  async () => {
    await withFolder((folder) => {
      const path = `${folder}/metrics.jsonl`;
      const metrics = new MetricsFile(path, { step: 0, epoch: 9 }, fail);
      metrics.add(stepLine(1));
      metrics.add({ kind: "epoch", step: 1, epoch: 1, loss: null });
      assertEquals(
        Deno.readTextFileSync(path),
        '{"kind":"step","step":1,"epoch":1,"loss":1}\n' +
          '{"kind":"epoch","step":1,"epoch":1,"loss":null}\n',
      );
      metrics.close();
    });
  },
);

testWith(
  ["read", "write"],
  "a run that is continued repeats no step",
  async () => {
    await withFolder((folder) => {
      const path = `${folder}/metrics.jsonl`;
      const first = new MetricsFile(path, { step: 0, epoch: 9 }, fail);
      for (let step = 1; step <= 5; step++) first.add(stepLine(step));
      first.close();
      // A process that was killed may leave half a line.
      Deno.writeTextFileSync(path, '{"kind":"st', { append: true });
      const second = new MetricsFile(path, { step: 3, epoch: 9 }, fail);
      for (let step = 4; step <= 6; step++) second.add(stepLine(step));
      second.close();
      assertEquals(stepsIn(path), [1, 2, 3, 4, 5, 6]);
    });
  },
);

testWith(
  ["read", "write"],
  "a long run is continued after the last line that counts",
  async () => {
    await withFolder((folder) => {
      const path = `${folder}/metrics.jsonl`;
      // Some hundred kilobytes, with lines across the borders of any blocks.
      const lines = Array.from(
        { length: 9000 },
        (_, at) => `${JSON.stringify(stepLine(at + 1))}\n`,
      );
      Deno.writeTextFileSync(path, lines.join(""));
      new MetricsFile(path, { step: 8000, epoch: 9 }, fail).close();
      const kept = lines.slice(0, 8000);
      assertEquals(Deno.readTextFileSync(path), kept.join(""));
      // A disk may have lost what was in the middle.
      kept[5000] = "\0".repeat(kept[5000]!.length);
      Deno.writeTextFileSync(path, kept.join(""));
      new MetricsFile(path, { step: 7000, epoch: 9 }, fail).close();
      assertEquals(stepsIn(path).length, 5000);
    });
  },
);

testWith(["read", "write"], "a new run begins anew", async () => {
  await withFolder((folder) => {
    const path = `${folder}/metrics.jsonl`;
    Deno.writeTextFileSync(path, '{"kind":"step","step":1,"epoch":1}\n');
    new MetricsFile(path, { step: 0, epoch: 9 }, fail).close();
    assertEquals(Deno.readTextFileSync(path), "");
  });
});

testWith(
  ["read", "write"],
  "a full disk is told of once, and costs only the lines",
  async () => {
    await withFolder((folder) => {
      const path = `${folder}/metrics.jsonl`;
      const told: Error[] = [];
      const metrics = new MetricsFile(path, { step: 0, epoch: 0 }, (error) => {
        told.push(error);
      });
      metrics.add({ ...stepLine(1), kind: "epoch" });
      {
        using _ = fullDisk();
        metrics.add({ ...stepLine(2), kind: "epoch" });
        metrics.add({ ...stepLine(3), kind: "epoch" });
      }
      // What would follow now would have a gap before it.
      metrics.add({ ...stepLine(4), kind: "epoch" });
      metrics.close();
      assertEquals(stepsIn(path), [1]);
      assertEquals(told.map((error) => error.constructor), [OutputError]);
      assertStringIncludes(told[0]!.message, `"${path}": No space left`);
    });
  },
);

testWith(
  ["read", "write"],
  "a place that is none is an output error",
  async () => {
    await withFolder((folder) => {
      assertThrows(
        () => new MetricsFile(folder, { step: 0, epoch: 9 }, fail),
        OutputError,
        folder,
      );
    });
  },
);
