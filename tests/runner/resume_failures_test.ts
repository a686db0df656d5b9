// What can be wrong with the folder of a run that is to go on: no failure costs
// the last checkpoint.
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { Checkpoints } from "../../src/files/checkpoints.ts";
import { FileError, OutputError } from "../../src/files/errors.ts";
import { ConfigError } from "../../src/runner/config_types.ts";
import { prepareRun, runExperiment } from "../../src/runner/experiment.ts";
import { Logger } from "../../src/runner/logging.ts";
import { namesIn, testWith, withFolder } from "../helpers.ts";
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
