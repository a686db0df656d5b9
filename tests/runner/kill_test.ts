// A training that is killed without warning, again and again: the last
// checkpoint is always readable, and in the end nothing of it all shows.
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { Checkpoints } from "../../src/files/checkpoints.ts";
import { Random } from "../../src/random.ts";
import { AttentionRunner } from "../../src/runner/runner.ts";
import {
  processTest,
  runCommandLine,
  startCommandLine,
  withFolder,
} from "../helpers.ts";

/** Two trainings at a time, for most machines have two processors. */
const TRAININGS = 2;
const KILLS = 25;

/** The most milliseconds from the moment that is waited for to the kill. */
const LIFE = 40;

const DATA = { n_samples: 8, n_test: 2, src_length: 3, tgt_length: 3 };
const MODEL = { d_model: 4, d_k: 4, d_v: 4 };
const TRAINING = { batch_size: 4, verbose: false };

/**
 * Trains with a checkpoint every step until it is killed: some milliseconds
 * after its first new checkpoint, or, early, after it has begun to compile.
 */
async function trainAndKill(
  cwd: string,
  { life, isEarly }: { life: number; isEarly: boolean },
): Promise<string> {
  const args = ["-c", "c.json", "-o", "out.json", "--resume"];
  const checkpoints = new Checkpoints(`${cwd}/run/checkpoints`);
  const [before = 0] = checkpoints.steps();
  const process = startCommandLine(args, { cwd });
  let stderr = "";
  // One that ends by itself is found out below.
  let isOver = false;
  const kill = async () => {
    const hasNew = () => (checkpoints.steps()[0] ?? 0) > before;
    while (!isEarly && !isOver && !hasNew()) await pause(2);
    await pause(life);
    if (!isOver) process.kill("SIGKILL");
  };
  let killing: Promise<void> | undefined;
  const texts = process.stderr.pipeThrough(new TextDecoderStream());
  for await (const text of texts) {
    stderr += text;
    if (stderr.includes("Training on")) killing ??= kill();
  }
  isOver = true;
  await Promise.all([killing, process.stdout.cancel()]);
  const { signal } = await process.status;
  assertEquals(signal, "SIGKILL", stderr);
  return stderr;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function newestStep(cwd: string): { step: number; epoch: number } {
  const checkpoints = new Checkpoints(`${cwd}/run/checkpoints`);
  const found = checkpoints.newest((damaged) => {
    throw damaged;
  });
  if (found === undefined) return { step: 0, epoch: 1 };
  const { step, epoch } = found.snapshot.state;
  return { step, epoch };
}

/** Kills a training many times, then lets it end. */
async function survive(seed: number): Promise<void> {
  await withFolder(async (cwd) => {
    const random = new Random(seed, "kill");
    const config = {
      data: { ...DATA, random_seed: seed },
      model: MODEL,
      training: { ...TRAINING, epochs: 1_000_000 },
      output: { dir: "run", checkpoint_every: 1 },
    };
    Deno.writeTextFileSync(`${cwd}/c.json`, JSON.stringify(config));
    let last = newestStep(cwd);
    for (let kill = 0; kill < KILLS; kill++) {
      const isEarly = kill % 5 === 0;
      const life = random.uniform() * LIFE;
      const stderr = await trainAndKill(cwd, { life, isEarly });
      const wanted = last.step === 0
        ? "starting anew"
        : `Resuming after step ${last.step}, `;
      assert(stderr.includes(wanted), `wanted ${wanted}, found ${stderr}`);
      const now = newestStep(cwd);
      assertGreaterOrEqual(now.step, last.step);
      last = now;
    }
    assertGreaterOrEqual(last.step, KILLS * 0.8, "most processes took steps");
    const epochs = last.epoch + 2;
    const end = await runCommandLine(
      ["-c", "c.json", "--resume", "--set", `training.epochs=${epochs}`],
      { cwd },
    );
    assertEquals(end.code, 0, end.stderr);
    const { train, test } = JSON.parse(end.stdout);
    const undisturbed = await new AttentionRunner({
      ...config,
      training: { ...TRAINING, epochs },
      output: {},
      logging: { level: "silent" },
    }).run();
    assertEquals({ train, test }, {
      train: undisturbed.train,
      test: undisturbed.test,
    });
    const metrics = Deno.readTextFileSync(`${cwd}/run/metrics.jsonl`);
    const lines = metrics.trimEnd().split("\n").map((line) => JSON.parse(line));
    const counted = (kind: string, key: string) =>
      lines.filter((line) => line.kind === kind).map((line) => line[key]);
    const upTo = (length: number) => Array.from({ length }, (_, i) => i + 1);
    assertEquals(counted("step", "step"), upTo(2 * epochs));
    assertEquals(counted("epoch", "epoch"), upTo(epochs));
  });
}

processTest(
  "a training killed at 50 random moments loses nothing",
  async () => {
    if (Deno.build.os === "windows") return;
    await Promise.all(
      Array.from({ length: TRAININGS }, (_, i) => survive(i + 1)),
    );
  },
);
