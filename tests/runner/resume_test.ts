// Going on with a run: N steps, a stop and M steps are N + M steps, bit for
// bit, and what is not the same run is refused. Processes that are killed are
// in kill_test.ts.
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { Checkpoints } from "../../src/files/checkpoints.ts";
import { loadModelFile } from "../../src/files/model_file.ts";
import {
  ConfigError,
  type PartialConfig,
} from "../../src/runner/config_types.ts";
import type { Results } from "../../src/runner/results.ts";
import {
  namesIn,
  processTest,
  runCommandLine,
  startCommandLine,
  testWith,
  withFolder,
} from "../helpers.ts";
import {
  configIn,
  empty,
  fail,
  FILES,
  find,
  resume,
  run,
  runUntil,
} from "./resume_cases.ts";

/** Everything a run leaves that does not tell of time or place. */
function lasting(results: Results, folder: string): unknown {
  const { environment: _, timing: __, ...rest } = results;
  return {
    results: rest,
    metrics: Deno.readTextFileSync(`${folder}/run/metrics.jsonl`),
    model: Deno.readFileSync(`${folder}/run/model.safetensors`),
    samples: Deno.readTextFileSync(`${folder}/run/samples.json`),
    checkpoints: namesIn(`${folder}/run/checkpoints`).map((name) => [
      name,
      Deno.readFileSync(`${folder}/run/checkpoints/${name}`),
    ]),
  };
}

testWith(
  FILES,
  "a run stopped after any step and resumed is the whole run",
  async () => {
    await withFolder(async (folder) => {
      const config = configIn(folder);
      const whole = lasting(await run(config), folder);
      // Within an epoch, at the end of one, at a checkpoint, at the very end.
      for (const stop of [1, 2, 3, 5, 9]) {
        empty(folder);
        const stopped = await runUntil(config, stop);
        assertEquals(stopped.status, "interrupted", `step ${stop}`);
        const resumed = await resume(config);
        assertEquals(
          lasting(resumed, folder),
          whole,
          `stopped at step ${stop}`,
        );
      }
    });
  },
);

testWith(
  FILES,
  "a run without time for its last words goes on as well",
  async () => {
    await withFolder(async (folder) => {
      const config = configIn(folder);
      const whole = lasting(await run(config), folder);
      // Before the first checkpoint, at one, and after others.
      for (const stop of [1, 4, 7]) {
        empty(folder);
        // What a callback throws ends a run without a checkpoint, like a crash.
        const onStep = ({ step }: { step: number }) => {
          if (step === stop) throw new Error("crash");
        };
        const error = await run(config, { onStep }).catch((error) => error);
        assertEquals(error.message, "crash");
        assertEquals(lasting(await resume(config), folder), whole, `${stop}`);
      }
    });
  },
);

testWith(
  FILES,
  "a run leaves its last two checkpoints and its model",
  async () => {
    await withFolder(async (folder) => {
      const config = configIn(folder);
      const { test } = await run(config);
      assertEquals(namesIn(`${folder}/run/checkpoints`), [
        "step-0000000008.safetensors",
        "step-0000000009.safetensors",
      ]);
      const file = loadModelFile(`${folder}/run/model.safetensors`);
      assertEquals(file.config, JSON.parse(JSON.stringify(config)));
      assertEquals(file.model.sizes.dK, 3);
      const found = new Checkpoints(`${folder}/run/checkpoints`).newest(fail);
      for (const [name, { data }] of Object.entries(file.model.parameters())) {
        assertEquals(found!.snapshot.tensors[name]!.data, data, name);
      }
      assert(test.loss !== null);
    });
  },
);

testWith(
  FILES,
  "checkpoints come once an epoch unless told otherwise",
  async () => {
    await withFolder(async (folder) => {
      const config = configIn(folder, { output: { checkpoint_every: null } });
      const steps: number[] = [];
      await run(config, {
        onCheckpoint: ({ state }) => void steps.push(state.step),
      });
      // An epoch has three steps, and the end is told apart from its last one.
      assertEquals(new Set(steps), new Set([3, 6, 9]));
    });
  },
);

testWith(
  FILES,
  "a finished run tests again, or trains on if given epochs",
  async () => {
    await withFolder(async (folder) => {
      const longer = configIn(folder, { training: { epochs: 5 } });
      const whole = await run(longer);
      empty(folder);
      const config = configIn(folder);
      const short = await run(config);
      const again = await resume(config);
      assertEquals([again.train, again.test], [short.train, short.test]);
      const on = await resume(longer);
      assertEquals([on.train, on.test], [whole.train, whole.test]);
      assertEquals(on.train.history.loss.length, 5);
    });
  },
);

testWith(
  FILES,
  "a run is not gone on with as another, and nothing is written",
  async () => {
    await withFolder(async (folder) => {
      await run(configIn(folder));
      const before = lasting(await resume(configIn(folder)), folder);
      const cases: [
        PartialConfig,
        path: string,
        found: string,
        wanted: string,
      ][] = [
        [{ model: { d_k: 5 } }, "model.d_k", "5", "3, as in the run"],
        [
          { training: { learning_rate: 0.5 } },
          "training.learning_rate",
          "0.5",
          "0.003, as in the run to resume",
        ],
        [
          { training: { batch_size: 5 } },
          "training.batch_size",
          "5",
          "4, as in the run to resume",
        ],
        [{ training: { epochs: 2 } }, "training.epochs", "2", "at least 3"],
      ];
      for (const [partial, path, found, wanted] of cases) {
        const config = configIn(folder, partial);
        const { problems } = await assertRejects(
          () => find(config),
          ConfigError,
        );
        assertEquals(problems.map((problem) => problem.path), [path]);
        assertEquals(problems[0]!.found, found);
        assertStringIncludes(problems[0]!.wanted, wanted);
      }
      const { results: _, ...files } = before as { results: unknown };
      const { results: __, ...now } = lasting({} as Results, folder) as {
        results: unknown;
      };
      assertEquals(now, files);
      // These say how the run is shown, not what is learned.
      const free = configIn(folder, {
        training: { verbose: true },
        output: { checkpoint_every: 100, report: true },
      });
      assertEquals((await find(free)).snapshot?.state.step, 9);
    });
  },
);

const ENDLESS = `
data: { n_samples: 64, n_test: 4, src_length: 3, tgt_length: 3 }
model: { d_model: 4, d_k: 4, d_v: 4 }
training: { epochs: 1000000, batch_size: 16 }
output: { dir: run, checkpoint_every: 1000000 }
`;

for (const [signal, wanted] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  processTest(`${signal} leaves a checkpoint to go on from`, async () => {
    if (Deno.build.os === "windows") return;
    await withFolder(async (cwd) => {
      Deno.writeTextFileSync(`${cwd}/c.yaml`, ENDLESS);
      const process = startCommandLine(["-c", "c.yaml", "-o", "out.json"], {
        cwd,
      });
      let stderr = "";
      for await (
        const text of process.stderr.pipeThrough(new TextDecoderStream())
      ) {
        const isUnderWay = stderr.includes("epoch 1/");
        stderr += text;
        if (!isUnderWay && stderr.includes("epoch 1/")) process.kill(signal);
      }
      await process.stdout.cancel();
      assertEquals((await process.status).code, wanted, stderr);
      const checkpoints = new Checkpoints(`${cwd}/run/checkpoints`);
      const { state } = checkpoints.newest(fail)!.snapshot;
      const [, steps] = /Interrupted after (\d+) step/.exec(stderr)!;
      assertEquals(state.step, Number(steps));
      const epochs = `training.epochs=${state.epoch}`;
      const { code, stderr: said } = await runCommandLine(
        ["-c", "c.yaml", "-o", "out.json", "--resume", "--set", epochs],
        { cwd },
      );
      assertEquals(code, 0, said);
      assertStringIncludes(said, `Resuming after step ${steps}, from run`);
      const { status, train } = JSON.parse(
        Deno.readTextFileSync(`${cwd}/run/results.json`),
      );
      assertEquals(status, "completed");
      assertEquals(train.history.loss.length, state.epoch);
    });
  });
}
