// The progress bar and lines, by a clock under control.
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { LogLevel } from "../../src/runner/config_types.ts";
import { Logger } from "../../src/runner/logging.ts";
import { Progress } from "../../src/runner/progress.ts";
import { StatusConsole } from "../../src/runner/status_console.ts";

const METRICS = { loss: 1.23456, accuracy: 0.5 };

/** Takes steps of equal length and returns everything that was written. */
function train(options: {
  isTerminal: boolean;
  stepTime: number;
  level?: LogLevel;
  epochs?: number;
}): string[] {
  const written: string[] = [];
  const console = new StatusConsole({
    isTerminal: options.isTerminal,
    columns: () => 200,
    write: (text) => void written.push(text),
  });
  const log = new Logger(
    { level: options.level ?? "info", file: null },
    console,
  );
  const epochs = options.epochs ?? 4;
  let now = 0;
  const progress = new Progress(log, {
    epochs,
    steps: 10 * epochs,
    now: () => now,
  });
  for (let epoch = 1; epoch <= epochs; epoch++) {
    for (let step = 0; step < 10; step++) {
      // The first step waits for the plan: no measure for the others.
      now += now === 0 ? 3000 : options.stepTime;
      progress.step(epoch, METRICS);
    }
    progress.epoch(epoch, METRICS);
  }
  progress.finish();
  return written;
}

Deno.test("Progress writes lines where there is no terminal", () => {
  const written = train({ isTerminal: false, stepTime: 500 });
  assertEquals(written, [
    "epoch 1/4, loss 1.2346, accuracy 0.5000, step 1/40\n",
    "epoch 1/4 done, mean loss 1.2346, accuracy 0.5000, step 10/40, " +
    "2.00 steps/s, 15 s left\n",
    "epoch 2/4, loss 1.2346, accuracy 0.5000, step 20/40, 2.00 steps/s, " +
    "10 s left\n",
    "epoch 3/4, loss 1.2346, accuracy 0.5000, step 30/40, 2.00 steps/s, " +
    "5 s left\n",
    "epoch 4/4, loss 1.2346, accuracy 0.5000, step 40/40, 2.00 steps/s, " +
    "0 s left\n",
    "epoch 4/4 done, mean loss 1.2346, accuracy 0.5000, step 40/40, " +
    "2.00 steps/s, 0 s left\n",
  ]);
});

Deno.test("Progress tells a fast pace in plain digits", () => {
  for (const [stepTime, rate] of [[0.5, "2000"], [0.75, "1333"], [8, "125"]]) {
    const last = train({ isTerminal: false, stepTime: Number(stepTime) }).at(
      -1,
    );
    assertStringIncludes(last!, `step 40/40, ${rate} steps/s, `);
  }
});

Deno.test("Progress tells what held-out data have come to", () => {
  const lines: string[] = [];
  const console = new StatusConsole({
    isTerminal: false,
    columns: () => 200,
    write: (text) => void lines.push(text),
  });
  const log = new Logger({ level: "info", file: null }, console);
  const progress = new Progress(log, { epochs: 1, steps: 1, now: () => 0 });
  progress.step(1, METRICS);
  progress.epoch(1, {
    ...METRICS,
    validationLoss: 2,
    validationAccuracy: 0.25,
    validationSequenceAccuracy: 0.125,
  });
  assertStringIncludes(
    lines.at(-1)!,
    "epoch 1/1 done, mean loss 1.2346, accuracy 0.5000; held out: loss " +
      "2.0000, accuracy 0.2500, sequence accuracy 0.1250, step 1/1\n",
  );
});

Deno.test("Progress does not flood a log with quick epochs", () => {
  const written = train({ isTerminal: false, stepTime: 1, epochs: 500 });
  // 5 s of training: the first step, about one line a second, the end.
  assertEquals(written.length, 6);
  assertStringIncludes(written.at(-1)!, "epoch 500/500 done");
});

Deno.test("Progress draws a bar on a terminal, and removes it in the end", () => {
  const written = train({ isTerminal: true, stepTime: 50 });
  assertStringIncludes(written[0]!, "\r\x1b[K[--------------------] epoch 1/4");
  const full = written.findIndex((text) => text.includes("[##########------"));
  assertStringIncludes(written[full]!, "epoch 3/4");
  assertEquals(written.at(-1), "\r\x1b[K");
  const lines = written.filter((text) => text.includes("\n"));
  assertEquals(lines.length, 1);
  assertStringIncludes(lines[0]!, "epoch 4/4 done");
});

Deno.test("Progress redraws at most ten times a second", () => {
  const redraws = train({ isTerminal: true, stepTime: 1, epochs: 100 })
    .filter((text) => text.startsWith("\r\x1b[K["));
  assertEquals(redraws.length, 10);
});

Deno.test("Progress is information: the level warn silences it", () => {
  for (const isTerminal of [false, true]) {
    assertEquals(train({ isTerminal, stepTime: 500, level: "warn" }), []);
  }
});

Deno.test("Progress tells long times in minutes and hours", () => {
  const minutes = train({ isTerminal: false, stepTime: 5000 });
  assertStringIncludes(minutes[1]!, "3 min 10 s left");
  const hours = train({ isTerminal: false, stepTime: 600_000 });
  assertStringIncludes(hours[1]!, "6 h 20 min left");
});
