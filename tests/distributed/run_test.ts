// The command line under mpirun: one run of several processes. What becomes of
// it when one of them ends is in resume_test.ts.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { fileURLToPath } from "node:url";
import { loadConfig } from "../../src/runner/config.ts";
import type { Results } from "../../src/runner/results.ts";
import { AttentionRunner } from "../../src/runner/runner.ts";
import {
  namesIn,
  processTest,
  ROOT,
  runCommandLine,
  withFolder,
} from "../helpers.ts";
import { DENO_RUN, MOD, mpiTest, outcomeOf, startDeno } from "./support.ts";

mpiTest("the mpirun line of the README trains one model", async () => {
  await withFolder(async (folder) => {
    const readme = Deno.readTextFileSync(new URL("README.md", ROOT));
    const line = readme.match(
      /^mpirun -n (\d+) --bind-to none deno run (.*)$/m,
    )!;
    const [output, config] = [`${folder}/ranks.json`, "configs/tiny.yaml"];
    const path = fileURLToPath(new URL(config, ROOT));
    const args = line[2]!.replace("mod.ts", MOD).replace(config, path)
      .replace("ranks.json", output).split(" ");
    const { code, stderr } = await outcomeOf(startDeno(Number(line[1]), args));
    assertEquals(code, 0, stderr);
    // Rank 0 alone tells of it.
    assertEquals(stderr.match(/Training on 64 seq/g)?.length, 1);
    const four: Results = JSON.parse(Deno.readTextFileSync(output));
    const alone = loadConfig(path);
    assertEquals(four.config, alone);
    const logging = { level: "silent" } as const;
    const one = await new AttentionRunner({ ...alone, logging }).run();
    assertEquals([four.environment.ranks, one.environment.ranks], [4, 1]);
    for (const [at, loss] of one.train.history.loss.entries()) {
      assertAlmostEquals(four.train.history.loss[at]!, loss!, 1e-4);
    }
    assertAlmostEquals(four.test.loss!, one.test.loss!, 1e-4);
    assertEquals(four.test.accuracy, one.test.accuracy);
    assert(four.test.accuracy! >= 0.95);
  });
});

mpiTest("a rank with another configuration is named", async () => {
  const args = ["-A", MOD];
  const { code, stdout, stderr } = await outcomeOf(
    startDeno(1, args, [
      ...DENO_RUN,
      ...args,
      "--set",
      "training.epochs=4",
    ]),
  );
  assertEquals([code, stdout], [1, ""], stderr);
  const message = "error: Cannot train on 2 ranks: rank 1 has another " +
    "training.epochs than rank 0, wanted the same everywhere";
  assertEquals(stderr.split(message).length, 2, stderr);
});

const PAIRS = Array.from(
  { length: 60 },
  (_, at) => `${at % 7} ${at % 5}\t${at % 5} ${at % 7}\n`,
).join("");

mpiTest("a rank with other files is named before it trains", async () => {
  await withFolder(async (folder) => {
    const wdirs = ["0", "1"].map((name) => `${folder}/${name}`);
    for (const [rank, wdir] of wdirs.entries()) {
      Deno.mkdirSync(wdir);
      const text = rank === 0 ? PAIRS : PAIRS.replace("6", "7");
      Deno.writeTextFileSync(`${wdir}/pairs.tsv`, text);
    }
    const args = ["-A", MOD, "--set", "data.source=file"];
    args.push("--set", "data.path=pairs.tsv", "--set", "output.dir=run");
    const { code, stderr } = await outcomeOf(
      startDeno(
        1,
        args,
        ["--wdir", wdirs[1]!, ...DENO_RUN, ...args],
        wdirs[0]!,
      ),
    );
    assertEquals(code, 1, stderr);
    assertStringIncludes(
      stderr,
      "rank 1 has another content of the data files than rank 0",
    );
    assertEquals(namesIn(wdirs[0]!), ["pairs.tsv"]);
  });
});

mpiTest("ranks read their rows of a file, and train as one does", async () => {
  await withFolder(async (folder) => {
    const lines = Array.from(
      { length: 5 },
      (_, copy) => PAIRS.replaceAll("\t", ` ${copy}\t`),
    );
    Deno.writeTextFileSync(`${folder}/pairs.tsv`, lines.join(""));
    const config = {
      data: {
        source: "file" as const,
        path: `${folder}/pairs.tsv`,
        tokens: "integers" as const,
        // Windows and batches end in different places.
        shuffle_window: 50,
      },
      model: { d_model: 8, d_k: 8, d_v: 8 },
      training: { epochs: 2, batch_size: 16, verbose: false },
      logging: { level: "silent" as const },
    };
    const path = `${folder}/c.yaml`;
    Deno.writeTextFileSync(path, JSON.stringify(config));
    const args = ["-A", MOD, "-c", path, "-o", `${folder}/3.json`];
    const { code, stderr } = await outcomeOf(startDeno(3, args));
    assertEquals(code, 0, stderr);
    const three: Results = JSON.parse(
      Deno.readTextFileSync(`${folder}/3.json`),
    );
    const one = await new AttentionRunner(config).run();
    assertEquals(three.data, one.data);
    for (const [at, loss] of one.train.history.loss.entries()) {
      assertAlmostEquals(three.train.history.loss[at]!, loss!, 1e-4);
    }
    assertAlmostEquals(three.test.loss!, one.test.loss!, 1e-4);
  });
});

mpiTest("a rank that cannot write names itself and ends all", async () => {
  const args = ["-A", MOD, "-o", "/none/out.json"];
  const { code, stderr } = await outcomeOf(startDeno(2, args));
  assertEquals(code, 2, stderr);
  assertStringIncludes(stderr, "error: rank 0: ");
  assertStringIncludes(stderr, "/none");
});

mpiTest("a host without Deno is named by mpirun", async () => {
  const { code, stderr } = await outcomeOf(
    startDeno(1, ["-A", MOD], ["/none/deno", "run", "-A", MOD]),
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
