// Going on with a run: N steps, a stop and M steps are N + M steps, bit for
// bit; what is not the same run is refused; no failure costs the last
// checkpoint. Processes that are killed are in kill_test.ts.
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { Checkpoints } from "../../src/files/checkpoints.ts";
import { FileError, OutputError } from "../../src/files/errors.ts";
import { loadModelFile } from "../../src/files/model_file.ts";
import { resolveConfig } from "../../src/runner/config.ts";
import {
  type Config,
  ConfigError,
  type PartialConfig,
} from "../../src/runner/config_types.ts";
import { prepareRun, runExperiment } from "../../src/runner/experiment.ts";
import { Logger } from "../../src/runner/logging.ts";
import type { Results } from "../../src/runner/results.ts";
import type { RunOptions } from "../../src/runner/run_options.ts";
import { findResumed, type Resumed } from "../../src/runner/resume.ts";
import {
  namesIn,
  type Need,
  processTest,
  runCommandLine,
  startCommandLine,
  testWith,
  withFolder,
} from "../helpers.ts";

const FILES: readonly Need[] = ["read", "write"];

/** Three epochs of steps with 4, 4 and 2 sequences. */
function configIn(folder: string, partial: PartialConfig = {}): Config {
  return resolveConfig({
    data: { n_samples: 10, n_test: 4, src_length: 3, tgt_length: 2 },
    model: { d_model: 4, d_k: 3, d_v: 2, ...partial.model },
    training: {
      epochs: 3,
      batch_size: 4,
      verbose: false,
      ...partial.training,
    },
    logging: { level: "silent" },
    output: { dir: `${folder}/run`, checkpoint_every: 2, ...partial.output },
  });
}

function run(config: Config, options: RunOptions = {}): Promise<Results> {
  return runExperiment(config, new Logger(config.logging), options);
}

/** Where a run would go on. */
async function find(config: Config): Promise<Resumed> {
  return findResumed(await prepareRun(config, { resume: true }), config);
}

/** As the command does it with `--resume`. */
async function resume(
  config: Config,
  options: RunOptions = {},
): Promise<Results> {
  const prepared = await prepareRun(config, { resume: true });
  const { snapshot } = findResumed(prepared, config);
  const log = new Logger(config.logging);
  const given = snapshot === undefined ? options : {
    ...options,
    resume: snapshot,
  };
  return await runExperiment(config, log, given, prepared);
}

/** Runs until after a step. */
function runUntil(config: Config, last: number): Promise<Results> {
  const controller = new AbortController();
  return run(config, {
    signal: controller.signal,
    onStep: ({ step }) => void (step === last && controller.abort()),
  });
}

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

function empty(folder: string): void {
  Deno.removeSync(`${folder}/run`, { recursive: true });
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

function fail(error: Error): never {
  throw error;
}

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

testWith(FILES, "a run does not write over another", async () => {
  await withFolder(async (folder) => {
    const config = configIn(folder);
    await run(config);
    await assertRejects(() => prepareRun(config), OutputError, "--resume");
    // Only checkpoints are left: still a run.
    for (const name of namesIn(`${folder}/run`)) {
      if (name !== "checkpoints") Deno.removeSync(`${folder}/run/${name}`);
    }
    await assertRejects(() => prepareRun(config), OutputError, "(checkpoints)");
  });
});

testWith(
  FILES,
  "there must be something to resume, or nothing at all",
  async () => {
    await withFolder(async (folder) => {
      const config = configIn(folder);
      const none = configIn(folder, { output: { dir: null } });
      await assertRejects(
        () => find(none),
        ConfigError,
        "output.dir: found null",
      );
      // A process killed before its first checkpoint is started again.
      const anew = await resume(config);
      assertEquals(anew.status, "completed");
      Deno.removeSync(`${folder}/run/checkpoints`, { recursive: true });
      await assertRejects(
        () => find(config),
        OutputError,
        "it holds results and no checkpoint",
      );
    });
  },
);

/** What a disk can leave of a file, and what is said of it. */
const DAMAGES: readonly [
  what: string,
  damage: (path: string) => void,
  reason: string,
][] = [
  ["empty", (path) => Deno.truncateSync(path), "it is truncated"],
  ["half", (path) => Deno.truncateSync(path, 900), "it is truncated"],
  [
    "zeros",
    (path) =>
      Deno.writeFileSync(path, new Uint8Array(Deno.statSync(path).size)),
    "its header is not JSON",
  ],
  [
    "another",
    (path) => Deno.copyFileSync(path.replace("09.s", "08.s"), path),
    "it is of step 8, wanted 9",
  ],
  [
    "model",
    (path) =>
      Deno.copyFileSync(
        path.replace(/checkpoints.*/, "model.safetensors"),
        path,
      ),
    "it is no checkpoint",
  ],
];

testWith(
  FILES,
  "a damaged newest checkpoint is passed over with a warning",
  async () => {
    await withFolder(async (folder) => {
      const config = configIn(folder);
      const whole = await run(config);
      const last = `${folder}/run/checkpoints/step-0000000009.safetensors`;
      const sound = Deno.readFileSync(last);
      for (const [what, damage, reason] of DAMAGES) {
        Deno.writeFileSync(last, sound);
        damage(last);
        const log = new Logger({ level: "warn", file: `${folder}/${what}` });
        const found = await find(config);
        assertEquals(found.snapshot?.state.step, 8, what);
        found.tell(log);
        const text = Deno.readTextFileSync(`${folder}/${what}`);
        assertStringIncludes(text, `warn  Cannot read "${last}": ${reason}`);
      }
      const resumed = await resume(config);
      assertEquals([resumed.train, resumed.test], [whole.train, whole.test]);
      // The step has come again, and its checkpoint with it.
      assertEquals(Deno.readFileSync(last), sound);
    });
  },
);

testWith(
  FILES,
  "without a readable checkpoint nothing is resumed",
  async () => {
    await withFolder(async (folder) => {
      const config = configIn(folder);
      await run(config);
      const checkpoints = `${folder}/run/checkpoints`;
      for (const name of namesIn(checkpoints)) {
        Deno.truncateSync(`${checkpoints}/${name}`, 20);
      }
      await assertRejects(
        () => find(config),
        FileError,
        "step-0000000009.safetensors",
      );
    });
  },
);

testWith(
  FILES,
  "a damaged checkpoint does not push out a sound one",
  async () => {
    await withFolder(async (folder) => {
      const config = configIn(folder, { output: { checkpoint_every: 1 } });
      await runUntil(config, 6);
      const path = `${folder}/run/checkpoints`;
      Deno.truncateSync(`${path}/step-0000000006.safetensors`, 20);
      Deno.renameSync(
        `${path}/step-0000000006.safetensors`,
        `${path}/step-0000000099.safetensors`,
      );
      Deno.writeTextFileSync(`${path}/notes.txt`, "mine");
      Deno.writeTextFileSync(`${path}/.weft-0123abcd.tmp`, "half");
      const controller = new AbortController();
      await resume(config, {
        signal: controller.signal,
        onStep: ({ step }) => void (step === 7 && controller.abort()),
      });
      assertEquals(namesIn(path), [
        "notes.txt",
        "step-0000000006.safetensors",
        "step-0000000007.safetensors",
        "step-0000000099.safetensors",
      ]);
    });
  },
);

testWith(FILES, "a diverged step leaves the last checkpoint", async () => {
  await withFolder(async (folder) => {
    const config = configIn(folder, {
      training: { learning_rate: 1e15 },
      output: { checkpoint_every: 1 },
    });
    const sound: number[] = [];
    const { status } = await run(config, {
      onCheckpoint: ({ state }) => void sound.push(state.step),
    });
    assertEquals(status, "diverged");
    assertEquals(namesIn(`${folder}/run`).includes("model.safetensors"), false);
    const checkpoints = new Checkpoints(`${folder}/run/checkpoints`);
    // Its loss shows at the second step; the first has left finite numbers.
    assertEquals([checkpoints.steps(), sound], [[1], [1]]);
    const { tensors } = checkpoints.newest(fail)!.snapshot;
    for (const { data } of Object.values(tensors)) {
      assert(data.every(Number.isFinite));
    }
  });
});

testWith(
  FILES,
  "a checkpoint that cannot be written ends no training",
  async () => {
    await withFolder(async (folder) => {
      const config = configIn(folder);
      const wanted = await run(config);
      empty(folder);
      Deno.mkdirSync(`${folder}/run`);
      Deno.writeTextFileSync(`${folder}/run/checkpoints`, "no folder");
      const logged = { level: "info", file: `${folder}/log` } as const;
      // The folder is refused beforehand; this one goes wrong only later.
      Deno.removeSync(`${folder}/run/checkpoints`);
      const found = await runExperiment(config, new Logger(logged), {
        onStep({ step }) {
          if (step !== 1) return;
          Deno.writeTextFileSync(`${folder}/run/checkpoints`, "no folder");
        },
      });
      assertEquals([found.train, found.test], [wanted.train, wanted.test]);
      const text = Deno.readTextFileSync(`${folder}/log`);
      assertStringIncludes(text, "error Cannot write to ");
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
