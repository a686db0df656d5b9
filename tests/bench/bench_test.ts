// The benchmark as a command: that it runs, compares and reports. How fast
// anything is, no test says.
import {
  assert,
  assertEquals,
  assertGreater,
  assertRejects,
} from "@std/assert";
import { writeBundle } from "../../bench/bundle.ts";
import { INTERPRETER, WEFT } from "../../bench/competitors.ts";
import { compare } from "../../bench/contest.ts";
import { JobError, runInTurns } from "../../bench/processes.ts";
import { makeBundle, SHAPES } from "../../bench/shapes.ts";
import type { Report } from "../../bench/report.ts";
import { processTest, ROOT } from "../helpers.ts";

async function runBench(
  ...args: readonly string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("bench/main.ts", ROOT).href, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

const QUICK = ["--repeats", "1", "--seconds", "0.01", "--patience", "0"];

processTest(
  "the benchmark finds that plan and interpreter compute the same",
  async () => {
    const { code, stdout, stderr } = await runBench(
      "--shapes",
      "TINY",
      "--json",
      ...QUICK,
    );
    assertEquals(code, 0, stderr);
    const { rows, missing, ok }: Report = JSON.parse(stdout);
    assertEquals([ok, missing], [true, []]);
    assertEquals(
      rows.map(({ subject, task, kind }) => [subject, task, kind].join()),
      [
        "TINY,train,weft",
        "TINY,train,interpreter",
        "TINY,predict,weft",
        "TINY,predict,interpreter",
      ],
    );
    for (const { milliseconds, peakBytes, agrees } of rows) {
      assertGreater(milliseconds, 0);
      assertGreater(peakBytes, 0);
      assert(agrees);
    }
    const { plan } = rows[0]!;
    for (const value of Object.values(plan!)) assertGreater(value, 0);
    assertGreater(plan!.multiplyAddsBefore, plan!.multiplyAddsAfter);
  },
);

processTest("the benchmark refuses a shape that there is not", async () => {
  const { code, stdout, stderr } = await runBench("--shapes", "TINY,HUGE");
  assertEquals([code, stdout], [2, ""]);
  assert(stderr.startsWith('Unknown shape "HUGE"'), stderr);
});

processTest(
  "the benchmark finds that threads compute what one does",
  async () => {
    const { code, stdout, stderr } = await runBench(
      "--threads",
      "2",
      "--shapes",
      "TINY",
      "--json",
      ...QUICK,
    );
    assertEquals(code, 0, stderr);
    const { threads, rows } = JSON.parse(stdout);
    assertEquals(threads, 2);
    assertEquals(
      rows.map((row: Record<string, unknown>) => [row.task, row.agrees]),
      [["training step", true], ["10000 predictions", true]],
    );
  },
);

processTest("the benchmark refuses what is no number of threads", async () => {
  const { code, stderr } = await runBench("--threads", "one");
  assertEquals(code, 2);
  assert(stderr.startsWith('Option "--threads" needs an integer'), stderr);
});

processTest("two competitors that take turns do the same work", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    writeBundle(`${folder}/TINY`, makeBundle(SHAPES.TINY!));
    const data = `${folder}/TINY`;
    const job = { task: "train", data, repeats: 2, seconds: 0.01 } as const;
    const duel = await runInTurns(WEFT, INTERPRETER, job, 0);
    const [own, others] = duel.outcomes;
    assert(compare(others, own).agrees);
    assertGreater(own.timing!.median, 0);
    assertGreater(duel.ratio, 0);
    const none = { ...WEFT, name: "nobody", script: "none.ts" };
    const error = await assertRejects(
      () => runInTurns(WEFT, none, job, 0),
      JobError,
    );
    assert(error.message.startsWith("Cannot measure nobody: "), error.message);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
