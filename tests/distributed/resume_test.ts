// A run on several ranks that is killed, told to stop and interrupted: the last
// checkpoint is always readable, and what goes on from it is the whole run.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { Checkpoints } from "../../src/files/checkpoints.ts";
import type { TrainingSnapshot } from "../../src/nn/model.ts";
import type { Results } from "../../src/runner/results.ts";
import { runCommandLine, withFolder } from "../helpers.ts";
import {
  DENO_RUN,
  MOD,
  mpiTest,
  outcomeOf,
  ranksOf,
  startDeno,
} from "./support.ts";

/** Batches of 8, 8 and 6 sequences: checkpoints lie within epochs, too. */
const CONFIG = {
  data: { n_samples: 22, n_test: 7, src_length: 3, tgt_length: 3 },
  model: { d_model: 8, d_k: 8, d_v: 8 },
  training: { epochs: 1_000_000, batch_size: 8, verbose: false },
  output: { checkpoint_every: 2 },
};

/** A run in `run` of a folder, its configuration beside it. */
class Run {
  readonly #folder: string;
  readonly #config: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#config = `${folder}/c.json`;
    Deno.writeTextFileSync(this.#config, JSON.stringify(CONFIG));
  }

  /** Its newest checkpoint; the step and epoch of none are those of a start. */
  newest(): { step: number; epoch: number } {
    return newestIn(`${this.#folder}/run`)?.state ?? { step: 0, epoch: 1 };
  }

  /** The arguments that go on with it, in this folder or a copy of it. */
  args(name: string, ...others: string[]): string[] {
    const dir = `output.dir=${this.#folder}/${name}`;
    return ["-c", this.#config, "--set", dir, "--resume", ...others];
  }

  copy(name: string): void {
    for (const part of ["", "/checkpoints"]) {
      const from = `${this.#folder}/run${part}`;
      Deno.mkdirSync(`${this.#folder}/${name}${part}`);
      for (const file of Deno.readDirSync(from)) {
        if (!file.isFile) continue;
        const to = `${this.#folder}/${name}${part}/${file.name}`;
        Deno.copyFileSync(`${from}/${file.name}`, to);
      }
    }
  }

  /** Goes on with it on two ranks until there is a new checkpoint. */
  async interrupt(
    how: (mpirun: Deno.ChildProcess, ranks: readonly number[]) => void,
  ): Promise<{ code: number; stderr: string }> {
    const before = this.newest().step;
    const mpirun = startDeno(2, ["-A", MOD, ...this.args("run")]);
    const outcome = outcomeOf(mpirun);
    let isOver = false;
    outcome.finally(() => isOver = true);
    const checkpoints = new Checkpoints(`${this.#folder}/run/checkpoints`);
    const hasNew = () => (checkpoints.steps()[0] ?? 0) > before + 2;
    while (!isOver && !hasNew()) await pause(5);
    const ranks = ranksOf(this.#config, mpirun);
    if (!isOver) how(mpirun, ranks);
    const { code, stderr } = await outcome;
    assertEquals(ranks.length, 2, stderr);
    // Nothing is left behind that goes on.
    assertEquals(ranksOf(this.#config, mpirun), []);
    assertGreater(this.newest().step, before, stderr);
    const wanted = before === 0
      ? "starting anew"
      : `Resuming after step ${before}, `;
    assertEquals(stderr.split(wanted).length, 2, stderr);
    return { code, stderr };
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Parameters, moments and history; the very newest must be readable. */
function newestIn(folder: string): TrainingSnapshot | undefined {
  return new Checkpoints(`${folder}/checkpoints`).newest((damaged) => {
    throw damaged;
  })?.snapshot;
}

function resultsIn(folder: string): Results {
  return JSON.parse(Deno.readTextFileSync(`${folder}/results.json`));
}

type Findings = Pick<Results, "train" | "test">;

function assertSimilar(got: Findings, want: Findings): void {
  const { history } = got.train;
  assertEquals(history.loss.length, want.train.history.loss.length);
  for (const [at, loss] of want.train.history.loss.entries()) {
    assertAlmostEquals(history.loss[at]!, loss!, 1e-4);
  }
  assertAlmostEquals(got.test.loss!, want.test.loss!, 1e-4);
}

mpiTest("ranks killed, stopped and interrupted lose nothing", async () => {
  await withFolder(async (folder) => {
    const run = new Run(folder);
    // The one that writes, and another.
    for (const victim of [0, 1]) {
      const { code, stderr } = await run.interrupt((_, ranks) =>
        Deno.kill(ranks[victim]!, "SIGKILL")
      );
      assertEquals(code, 137, stderr);
      assertMatch(stderr, /exited on signal 9/);
    }
    // A rank that is told stops all after the step; mpirun tells all.
    for (const told of ["rank", "mpirun"]) {
      const { code, stderr } = await run.interrupt((mpirun, ranks) =>
        told === "rank"
          ? Deno.kill(ranks[1]!, "SIGTERM")
          : mpirun.kill("SIGINT")
      );
      assertNotEquals(code, 0);
      const { step } = run.newest();
      assertStringIncludes(stderr, `Interrupted after ${step} steps`);
      assertEquals(resultsIn(`${folder}/run`).status, "interrupted");
    }
    const { epoch } = run.newest();
    const end = ["--set", `training.epochs=${epoch + 1}`];
    const on = async (ranks: number, name: string) => {
      const args = ["-A", MOD, ...run.args(name, ...end)];
      const { code, stdout, stderr } = await outcomeOf(startDeno(ranks, args));
      assertEquals(code, 0, stderr);
      assertEquals(JSON.parse(stdout), resultsIn(`${folder}/${name}`));
      const { train, test }: Results = JSON.parse(stdout);
      return { train, test, snapshot: newestIn(`${folder}/${name}`) };
    };
    for (const name of ["three", "one"]) run.copy(name);
    // The same as from the start to the end without a stop.
    const whole = await on(2, "whole");
    assertEquals(await on(2, "run"), whole);
    // And on other numbers of ranks, within rounding.
    assertSimilar(await on(3, "three"), whole);
    const one = await runCommandLine(run.args("one", ...end), { cwd: folder });
    assertEquals(one.code, 0, one.stderr);
    assertSimilar(resultsIn(`${folder}/one`), whole);
  });
});

mpiTest("a rank that is not to resume is named before it trains", async () => {
  await withFolder(async (folder) => {
    const run = new Run(folder);
    const args = ["-A", MOD, ...run.args("run")];
    const others = args.filter((arg) => arg !== "--resume");
    const { code, stderr } = await outcomeOf(
      startDeno(1, args, [...DENO_RUN, ...others]),
    );
    assertEquals(code, 1, stderr);
    assertStringIncludes(stderr, "rank 1 has another --resume than rank 0");
    assert(!Array.from(Deno.readDirSync(folder)).some((x) => x.isDirectory));
  });
});

mpiTest("a run that cannot be resumed ends all ranks, as misuse", async () => {
  await withFolder(async (folder) => {
    const run = new Run(folder);
    Deno.mkdirSync(`${folder}/run/checkpoints`, { recursive: true });
    const name = "step-0000000001.safetensors";
    Deno.writeTextFileSync(`${folder}/run/checkpoints/${name}`, "damaged");
    const args = ["-A", MOD, ...run.args("run")];
    const { code, stderr } = await outcomeOf(startDeno(2, args));
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, "error: rank 0: ");
    assertStringIncludes(stderr, name);
  });
});
