// The command line under mpirun: one run of several processes, whatever
// becomes of one of them.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { fileURLToPath } from "node:url";
import type { Results } from "../../src/runner/results.ts";
import {
  type Outcome,
  processTest,
  ROOT,
  runCommandLine,
  withFolder,
} from "../helpers.ts";
import { mpiTest, outcomeOf, startDeno } from "./support.ts";

const MOD = fileURLToPath(new URL("mod.ts", ROOT));

const SMALL = `
data: { n_samples: 22, n_test: 7, src_length: 3, tgt_length: 3 }
model: { d_model: 8, d_k: 8, d_v: 8 }
training: { epochs: 3, batch_size: 8 }
`;
const ENDLESS = SMALL.replace("epochs: 3", "epochs: 1000000");

async function run(ranks: number, ...args: string[]): Promise<Outcome> {
  return await outcomeOf(startDeno(ranks, ["-A", "--no-prompt", MOD, ...args]));
}

/** The ranks of a run: the kernel tells their commands. */
function ranksOf(config: string, { pid }: Deno.ChildProcess): number[] {
  return Array.from(Deno.readDirSync("/proc"), ({ name }) => Number(name))
    .filter((id) => {
      try {
        const command = Deno.readTextFileSync(`/proc/${id}/cmdline`);
        return id !== pid && command.includes(config);
      } catch {
        // No process, or one that has just ended.
        return false;
      }
    });
}

/** A training on two ranks that has begun and has no end of its own. */
interface Endless {
  readonly process: Deno.ChildProcess;
  readonly config: string;
  /** All that it tells, once it has ended. */
  readonly ended: Promise<string>;
}

async function withEndless(
  args: readonly string[],
  use: (run: Endless) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const config = `${folder}/c.yaml`;
    Deno.writeTextFileSync(config, ENDLESS);
    const process = startDeno(2, ["-A", MOD, "-c", config, ...args]);
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    const ended = (async () => {
      let told = "";
      const texts = process.stderr.pipeThrough(new TextDecoderStream());
      for await (const text of texts) {
        told += text;
        if (told.includes("epoch 2")) resolve();
      }
      resolve();
      return told;
    })();
    await begun;
    try {
      await use({ process, ended, config });
    } finally {
      // Where a test has failed before it ended them.
      for (const id of ranksOf(config, process)) Deno.kill(id, "SIGKILL");
      await process.stdout.cancel();
      await ended;
      await process.status;
    }
  });
}

mpiTest("mpirun makes one run of several processes", async () => {
  await withFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/c.yaml`, SMALL);
    const args = ["-c", `${folder}/c.yaml`, "-o"];
    const together = await run(3, ...args, `${folder}/3.json`);
    assertEquals([together.code, together.stdout], [0, ""], together.stderr);
    // Rank 0 alone tells of it.
    assertEquals(together.stderr.match(/Training on 22 seq/g)?.length, 1);
    await runCommandLine([...args, `${folder}/1.json`], { cwd: folder });
    const [three, one] = ["3", "1"].map((name): Results =>
      JSON.parse(Deno.readTextFileSync(`${folder}/${name}.json`))
    );
    assertEquals([three!.environment.ranks, one!.environment.ranks], [3, 1]);
    assertEquals(three!.config, one!.config);
    for (const [at, loss] of one!.train.history.loss.entries()) {
      assertAlmostEquals(three!.train.history.loss[at]!, loss!, 1e-4);
    }
    assertAlmostEquals(three!.test.loss!, one!.test.loss!, 1e-4);
    assertEquals(three!.test.accuracy, one!.test.accuracy);
  });
});

mpiTest("the mpirun line of the README trains one model", async () => {
  await withFolder(async (folder) => {
    const readme = Deno.readTextFileSync(new URL("README.md", ROOT));
    const line = readme.match(/^mpirun -n (\d+) deno run (.*)$/m)!;
    const output = `${folder}/ranks.json`;
    const args = line[2]!.split(" ").map((arg) =>
      arg === "mod.ts" || arg.startsWith("configs/")
        ? fileURLToPath(new URL(arg, ROOT))
        : arg.replace(/^ranks.json$/, output)
    );
    const { code, stderr } = await outcomeOf(startDeno(Number(line[1]), args));
    assertEquals(code, 0, stderr);
    const results: Results = JSON.parse(Deno.readTextFileSync(output));
    assertEquals(results.environment.ranks, 4);
    assert(results.test.accuracy! >= 0.95);
  });
});

mpiTest("a rank killed during a run ends all, and is named", async () => {
  await withEndless([], async ({ process, ended, config }) => {
    const ids = ranksOf(config, process);
    assertEquals(ids.length, 2);
    Deno.kill(ids[1]!, "SIGKILL");
    assertMatch(await ended, /exited on signal 9/);
    assertEquals((await process.status).code, 137);
    assertEquals(ranksOf(config, process), []);
  });
});

mpiTest("SIGTERM stops all ranks after one step and saves", async () => {
  await withFolder(async (folder) => {
    const output = `${folder}/out.json`;
    await withEndless(["-o", output], async ({ process, ended }) => {
      process.kill("SIGTERM");
      await ended;
      assertNotEquals((await process.status).code, 0);
      const results: Results = JSON.parse(Deno.readTextFileSync(output));
      assertEquals(results.status, "interrupted");
    });
  });
});

mpiTest(
  "a rank with another configuration is named before it trains",
  async () => {
    await withFolder(async (folder) => {
      Deno.writeTextFileSync(`${folder}/0.yaml`, SMALL);
      const other = SMALL.replace("epochs: 3", "epochs: 4");
      Deno.writeTextFileSync(`${folder}/1.yaml`, other);
      const args = (
        name: string,
      ) => ["-A", MOD, "-c", `${folder}/${name}.yaml`];
      const { code, stdout, stderr } = await outcomeOf(
        startDeno(1, args("0"), [
          ":",
          "-n",
          "1",
          Deno.execPath(),
          "run",
          ...args("1"),
        ]),
      );
      assertEquals([code, stdout], [1, ""], stderr);
      const message = "error: Cannot train on 2 ranks: rank 1 has another " +
        "training.epochs than rank 0, wanted the same everywhere";
      assertEquals(stderr.split(message).length, 2, stderr);
    });
  },
);

mpiTest("a rank that cannot write names itself and ends all", async () => {
  const { code, stderr } = await run(2, "-o", "/none/out.json");
  assertEquals(code, 2, stderr);
  assertStringIncludes(stderr, "error: rank 0: ");
  assertStringIncludes(stderr, "/none");
});

mpiTest("a host without Deno is named by mpirun", async () => {
  const { code, stderr } = await outcomeOf(
    startDeno(1, ["-A", MOD], [":", "-n", "1", "/none/deno", "run", "-A", MOD]),
  );
  assert(code !== 0);
  assertStringIncludes(stderr, "/none/deno");
});

processTest("training.distributed: mpi says what it lacks", async () => {
  await withFolder(async (cwd) => {
    const { code, stderr } = await runCommandLine(
      ["--set", "training.distributed=mpi"],
      { cwd },
    );
    assertEquals(code, 1);
    // Without the permission on Linux; elsewhere there is no MPI at all.
    assertMatch(stderr, /run with --allow-ffi|wanted Linux/);
  });
});
