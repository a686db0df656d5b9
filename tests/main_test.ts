// The command line as a process: what it writes, where, and how it ends. What it
// refuses is in main_refusals_test.ts.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreaterOrEqual,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { fileURLToPath } from "node:url";
import * as seed from "../src/main.ts";
import { DEFAULT_CONFIG } from "../src/runner/config_types.ts";
import type { Results } from "../src/runner/results.ts";
import { VERSION } from "../src/version.ts";
import {
  namesIn,
  type Outcome,
  processTest,
  ROOT,
  runCommandLine,
  startCommandLine,
  withFolder,
} from "./helpers.ts";

const TINY = fileURLToPath(new URL("configs/tiny.yaml", ROOT));

/** A training that lasts until somebody ends it. */
const ENDLESS = `
data: { n_samples: 64, n_test: 4, src_length: 3, tgt_length: 3 }
model: { d_model: 4, d_k: 4, d_v: 4 }
training: { epochs: 1000000, batch_size: 16 }
`;

/** Parses strict JSON and checks what holds for all results. */
function readResults(text: string): Results {
  assert(text.endsWith("}\n"));
  const results: Results = JSON.parse(text);
  assertEquals(Object.keys(results), [
    "schema_version",
    "status",
    "config",
    "data",
    "train",
    "test",
    "nonfinite",
    "environment",
    "timing",
  ]);
  const { loss, accuracy, history } = results.train;
  assertEquals(history.loss.length, history.accuracy.length);
  assertEquals(loss, history.loss.at(-1) ?? null);
  assertEquals(accuracy, history.accuracy.at(-1) ?? null);
  return results;
}

/** Everything that must not differ from run to run. */
function lasting(results: Results): unknown {
  const { environment: _, timing: __, ...rest } = results;
  return rest;
}

Deno.test("src/main.ts exports the five names", () => {
  assertEquals(Object.keys(seed).sort(), [
    "AttentionRunner",
    "Seq2SeqAttentionModel",
    "generateCopyTaskData",
    "main",
    "scaledDotProductAttention",
  ]);
});

processTest("main() trains and writes the results to a file", async () => {
  await withFolder(async (cwd) => {
    const { code, stdout, stderr } = await runCommandLine(
      ["--config", TINY, "--output", "out.json"],
      { cwd },
    );
    assertEquals([code, stdout], [0, ""], stderr);
    assertEquals(namesIn(cwd), ["out.json"]);
    const results = readResults(Deno.readTextFileSync(`${cwd}/out.json`));
    assertEquals(results.status, "completed");
    assertEquals(results.train.history.loss.length, 25);
    assertGreaterOrEqual(results.test.accuracy!, 0.95);
    const shown = results.test.accuracy!.toFixed(4);
    assertStringIncludes(
      stderr,
      `Results are in "out.json" (test accuracy ${shown})`,
    );
    assert(!stderr.includes("\x1b"), "no escape sequences without a terminal");
  });
});

processTest("main() tells of its plans and checks them", async () => {
  await withFolder(async (cwd) => {
    const config = `${cwd}/config.yaml`;
    Deno.writeTextFileSync(
      config,
      "data: { n_samples: 8, n_test: 4, src_length: 3, tgt_length: 3 }\n" +
        "model: { d_model: 4, d_k: 4, d_v: 4 }\ntraining: { epochs: 1 }\n",
    );
    const run = async (...flags: string[]) => {
      const args = ["-c", config, ...flags];
      const { code, stdout, stderr } = await runCommandLine(args, { cwd });
      assertEquals(code, 0, stderr);
      return { results: lasting(readResults(stdout)), stderr };
    };
    const plain = await run();
    const close = await run("--debug", "2", "--check");
    assertEquals(close.results, plain.results);
    assert(!plain.stderr.includes("plan of"), plain.stderr);
    assertStringIncludes(close.stderr, "plan of loss, accuracy; ");
    assertStringIncludes(close.stderr, "GFLOP/s");
  });
});

processTest("main() comes to the same with the same seed", async () => {
  await withFolder(async (cwd) => {
    const texts: string[] = [];
    for (const name of ["one.json", "two.json"]) {
      await runCommandLine(["-c", TINY, "-o", name], { cwd });
      texts.push(Deno.readTextFileSync(`${cwd}/${name}`));
    }
    const [one, two] = texts.map((text) => lasting(readResults(text)));
    // As text, so that the order of keys counts too.
    assertEquals(JSON.stringify(one), JSON.stringify(two));
  });
});

processTest(
  "main() writes results only to standard output without --output",
  async () => {
    await withFolder(async (cwd) => {
      const { code, stdout, stderr } = await runCommandLine(["-c", TINY], {
        cwd,
        permissions: ["--allow-read"],
      });
      assertEquals(code, 0, stderr);
      assertEquals(readResults(stdout).status, "completed");
      assertStringIncludes(stderr, "epoch 25/25 done");
      assertEquals(namesIn(cwd), []);
    });
  },
);

processTest("main() takes /dev/stdout as standard output", async () => {
  if (Deno.build.os === "windows") return;
  await withFolder(async (cwd) => {
    const { code, stdout, stderr } = await runCommandLine(
      ["-c", TINY, "-o", "/dev/stdout"],
      { cwd },
    );
    assertEquals(code, 0, stderr);
    assertEquals(readResults(stdout).status, "completed");
  });
});

processTest("main() does not mind if nobody reads its output", async () => {
  await withFolder(async (cwd) => {
    for (const args of [["-c", TINY], ["--help"]]) {
      const process = startCommandLine(args, { cwd });
      await process.stdout.cancel();
      const stderr = await new Response(process.stderr).text();
      assertEquals((await process.status).code, 0, stderr);
      assert(!/error|\bat /i.test(stderr), stderr);
    }
  });
});

processTest("main() does not mind if nobody reads its messages", async () => {
  await withFolder(async (cwd) => {
    const process = startCommandLine(["-c", TINY], { cwd });
    await process.stderr.cancel();
    const stdout = await new Response(process.stdout).text();
    assertEquals((await process.status).code, 0);
    assertEquals(readResults(stdout).status, "completed");
  });
});

processTest("main() is quiet if told so", async () => {
  await withFolder(async (cwd) => {
    const quiet = Deno.readTextFileSync(TINY) + "  verbose: false\n" +
      "logging: { level: warn, file: run.log }\n";
    Deno.writeTextFileSync(`${cwd}/c.yaml`, quiet);
    const { code, stderr } = await runCommandLine(
      ["-c", "c.yaml", "-o", "out.json"],
      { cwd },
    );
    assertEquals([code, stderr], [0, ""]);
    assertEquals(namesIn(cwd), ["c.yaml", "out.json", "run.log"]);
    assertEquals(Deno.readTextFileSync(`${cwd}/run.log`), "");
  });
});

processTest(
  "main() warns of a batch larger than the data and goes on",
  async () => {
    await withFolder(async (cwd) => {
      Deno.writeTextFileSync(
        `${cwd}/c.yaml`,
        "data: { n_samples: 8, n_test: 4 }\n" +
          "model: { d_model: 4, d_k: 4, d_v: 4 }\n" +
          "training: { epochs: 1, batch_size: 9 }\n" +
          "logging: { file: run.log }\n",
      );
      const { code, stderr } = await runCommandLine(["-c", "c.yaml"], { cwd });
      assertEquals(code, 0, stderr);
      assertStringIncludes(
        stderr,
        "warning: training.batch_size is 9, but there are only 8",
      );
      const log = Deno.readTextFileSync(`${cwd}/run.log`);
      assertMatch(log, /^\S+Z warn {2}training.batch_size is 9/);
      assertStringIncludes(log, " info  epoch 1/1 done");
    });
  },
);

processTest("main() shows help and version on standard output", async () => {
  await withFolder(async (cwd) => {
    const permissions: string[] = [];
    const help = await runCommandLine(["--help"], { cwd, permissions });
    assertEquals([help.code, help.stderr], [0, ""]);
    assertStringIncludes(help.stdout, "Usage: deno run -R -W mod.ts");
    const version = await runCommandLine(["-V"], { cwd, permissions });
    assertEquals(version, { code: 0, stdout: `weft ${VERSION}\n`, stderr: "" });
  });
});

/** Starts an endless training and sends a signal once it is under way. */
async function interrupt(
  cwd: string,
  signal: Deno.Signal,
  threads: number,
): Promise<Omit<Outcome, "stdout">> {
  Deno.writeTextFileSync(`${cwd}/c.yaml`, ENDLESS);
  const args = ["-c", "c.yaml", "-o", "out.json"];
  const process = startCommandLine(
    [...args, "--set", `training.threads=${threads}`],
    { cwd },
  );
  let stderr = "";
  let isSent = false;
  const messages = process.stderr.pipeThrough(new TextDecoderStream());
  for await (const message of messages) {
    stderr += message;
    if (!isSent && stderr.includes("epoch 1/")) {
      process.kill(signal);
      isSent = true;
    }
  }
  await process.stdout.cancel();
  const status = await process.status;
  assertEquals(status.signal, null);
  return { code: status.code, stderr };
}

for (
  const [signal, wanted, threads] of [
    ["SIGINT", 130, 1],
    ["SIGTERM", 143, 1],
    ["SIGINT", 130, 2],
  ] as const
) {
  processTest(
    `main() saves what there is at ${signal}, threads: ${threads}`,
    async () => {
      if (Deno.build.os === "windows") return;
      await withFolder(async (cwd) => {
        const { code, stderr } = await interrupt(cwd, signal, threads);
        assertEquals(code, wanted, stderr);
        assertStringIncludes(stderr, `warning: Received ${signal}`);
        assertStringIncludes(stderr, 'Results are in "out.json" (interrupted)');
        assertEquals(namesIn(cwd), ["c.yaml", "out.json"]);
        const text = Deno.readTextFileSync(`${cwd}/out.json`);
        const { status, train, test } = readResults(text);
        assertEquals(status, "interrupted");
        assertGreaterOrEqual(train.history.loss.length, 1);
        assert(Number.isFinite(train.loss));
        assertEquals(test, {
          loss: null,
          accuracy: null,
          sequence_accuracy: null,
        });
      });
    },
  );
}

processTest(
  "main() shares a run among threads, with no more permissions",
  async () => {
    await withFolder(async (cwd) => {
      const results = [];
      for (const threads of ["1", "2", "2", "auto"]) {
        const small = ["data.n_samples=100", "data.n_test=70"];
        const settings = [...small, "training.epochs=2"]
          .flatMap((setting) => ["--set", setting]);
        const { code, stdout, stderr } = await runCommandLine(
          [...settings, "--set", `training.threads=${threads}`],
          { cwd },
        );
        assertEquals(code, 0, stderr);
        results.push(readResults(stdout));
      }
      const [one, two, again, auto] = results.map(({ train, test }) => {
        return { train, test };
      });
      assertEquals(two, again);
      assertAlmostEquals(two!.train.loss!, one!.train.loss!, 1e-4);
      assertAlmostEquals(auto!.train.loss!, one!.train.loss!, 1e-4);
      assertEquals(
        results.slice(0, 3).map(({ environment }) => environment.threads),
        [1, 2, 2],
      );
    });
  },
);

processTest(
  "main() reports a divergence with exit code 1 and valid JSON",
  async () => {
    await withFolder(async (cwd) => {
      Deno.writeTextFileSync(
        `${cwd}/c.yaml`,
        "data: { n_samples: 8, n_test: 4 }\n" +
          "training: { learning_rate: 1e38, batch_size: 4 }\n",
      );
      const { code, stderr } = await runCommandLine(
        ["-c", "c.yaml", "-o", "out.json"],
        { cwd },
      );
      assertEquals(code, 1, stderr);
      assertMatch(stderr, /error: .*loss .*(NaN|Infinity)/);
      assertStringIncludes(stderr, "training.learning_rate is 1e+38");
      const text = Deno.readTextFileSync(`${cwd}/out.json`);
      const { status, train, nonfinite } = readResults(text);
      assertEquals(status, "diverged");
      assertEquals(train.loss, null);
      assert(nonfinite.includes("train.loss"));
    });
  },
);

processTest("main() keeps the results if the disk is full", async () => {
  // A device that is always full; Deno opens it with all permissions only.
  if (Deno.build.os !== "linux") return;
  await withFolder(async (cwd) => {
    const { code, stdout, stderr } = await runCommandLine(
      ["-c", TINY, "-o", "/dev/full"],
      { cwd, permissions: ["--allow-all"] },
    );
    assertEquals(code, 1, stderr);
    assertStringIncludes(
      stderr,
      'error: Cannot write to "/dev/full": No space',
    );
    assertEquals(readResults(stdout).status, "completed");
  });
});

processTest("main() needs only the output file to be granted", async () => {
  await withFolder(async (cwd) => {
    for (const grant of ["out.json", cwd]) {
      const { code, stderr } = await runCommandLine([
        "-c",
        TINY,
        "-o",
        "out.json",
      ], {
        cwd,
        permissions: ["--allow-read", `--allow-write=${grant}`],
      });
      assertEquals(code, 0, stderr);
      const text = Deno.readTextFileSync(`${cwd}/out.json`);
      assertEquals(readResults(text).status, "completed");
      assertEquals(namesIn(cwd), ["out.json"]);
    }
  });
});

Deno.test("configs/default.yaml takes about 200 steps", () => {
  const { n_samples } = DEFAULT_CONFIG.data;
  const { epochs, batch_size } = DEFAULT_CONFIG.training;
  assertEquals(epochs * Math.ceil(n_samples / batch_size), 200);
});
