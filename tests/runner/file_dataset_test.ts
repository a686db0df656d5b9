// A run on files of pairs: what is counted, refused, saved and gone on with.
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { loadModelFile } from "../../src/files/model_file.ts";
import { resolveConfig } from "../../src/runner/config.ts";
import {
  type Config,
  ConfigError,
  type PartialConfig,
} from "../../src/runner/config_types.ts";
import { openDataset } from "../../src/runner/dataset.ts";
import { prepareRun, runExperiment } from "../../src/runner/experiment.ts";
import { Logger } from "../../src/runner/logging.ts";
import { findResumed } from "../../src/runner/resume.ts";
import type { Results } from "../../src/runner/results.ts";
import type { RunOptions } from "../../src/runner/run_options.ts";
import { renderReport } from "../../src/report/report.ts";
import { FileError } from "../../src/files/errors.ts";
import {
  namesIn,
  processTest,
  runCommandLine,
  testWith,
  withFolder,
} from "../helpers.ts";

const FILES = ["read", "write"] as const;

/** Words backwards, of different lengths. */
function backwards(count: number): string {
  const letters = "abcdefgh";
  return Array.from({ length: count }, (_, at) => {
    const length = 2 + at % 3;
    const source = Array.from(
      { length },
      (_, i) => letters[(at * 7 + i * (1 + at % 5)) % 8],
    );
    return `${source.join("")}${at % 7}\t${at % 7}${
      source.toReversed().join("")
    }\n`;
  }).join("");
}

function configOf(
  folder: string,
  data: PartialConfig["data"] = {},
  rest: PartialConfig = {},
): Config {
  return resolveConfig({
    data: {
      source: "file",
      path: `${folder}/pairs.tsv`,
      test_fraction: 0.2,
      ...data,
    },
    model: { d_model: 8, d_k: 8, d_v: 8 },
    training: { epochs: 3, batch_size: 16, verbose: false },
    logging: { level: "silent" },
    ...rest,
  });
}

async function run(
  config: Config,
  options: RunOptions = {},
  resume = false,
): Promise<Results> {
  const prepared = await prepareRun(config, { resume });
  const snapshot = resume ? findResumed(prepared, config).snapshot : undefined;
  const given = snapshot === undefined ? options : {
    ...options,
    resume: snapshot,
  };
  return await runExperiment(
    config,
    new Logger(config.logging),
    given,
    prepared,
  );
}

testWith(FILES, "a run on a file counts what is in it", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/pairs.tsv`;
    Deno.writeTextFileSync(path, `${backwards(200)}no pair\nabcdefgh\tx\n`);
    const config = configOf(folder, {
      on_broken: "skip",
      on_too_long: "skip",
      src_length: 6,
      min_count: 2,
    });
    const { data, status, test } = await run(config);
    assertEquals(status, "completed");
    const { train_sequences, test_sequences, ...rest } = data;
    assertEquals(train_sequences + test_sequences, 200);
    assert(test_sequences > 20 && test_sequences < 60);
    assertEquals(rest, {
      validation_sequences: 0,
      // Eight letters, seven digits, three special tokens.
      vocab_size: 18,
      src_length: 6,
      // Five and the end.
      tgt_length: 6,
      broken: 1,
      too_long: 1,
      unknown_tokens: 0,
    });
    for (const value of Object.values(test)) assert(Number.isFinite(value));
  });
});

testWith(
  FILES,
  "a rare token is unknown, and a full vocabulary has no more",
  async () => {
    await withFolder(async (folder) => {
      const text = `${backwards(200)}z1\t1z\n`;
      Deno.writeTextFileSync(`${folder}/pairs.tsv`, text);
      const rare = configOf(folder, { min_count: 3, test_fraction: 1e-9 });
      await assertRejects(
        () => openDataset(rare),
        FileError,
        "no pair to test",
      );
      Deno.writeTextFileSync(`${folder}/test.tsv`, "aq\tqa\n");
      const test = { test_path: `${folder}/test.tsv` };
      const { results } = await openDataset(
        configOf(folder, { ...test, test_fraction: 0.1, min_count: 3 }),
      );
      // z twice in training, q twice in the test.
      assertEquals([results.vocab_size, results.unknown_tokens], [18, 4]);
      const { vocabulary } = await openDataset(
        configOf(folder, { ...test, test_fraction: 0.1, max_size: 5 }),
      );
      assertEquals(vocabulary!.size, 5);
      const none = configOf(folder, { min_count: 100_000 });
      await assertRejects(
        () => openDataset(none),
        ConfigError,
        "data.min_count",
      );
    });
  },
);

testWith(
  FILES,
  "wrong lines are refused unless they are expected",
  async () => {
    await withFolder(async (folder) => {
      const path = `${folder}/pairs.tsv`;
      Deno.writeTextFileSync(path, `${backwards(40)}no pair\n`.repeat(12));
      const { message } = await assertRejects(
        () => openDataset(configOf(folder, { src_length: 4 })),
        FileError,
      );
      assertStringIncludes(
        message,
        `Cannot read "${path}": it has 12 lines that are no pair:\n  ` +
          `${path}:41: it has no tab, wanted source<TAB>target\n  ${path}:82: `,
      );
      assertStringIncludes(
        message,
        "\n  and 2 more\ndata.on_broken: skip would",
      );
      assertStringIncludes(message, "and 156 lines that are too long:\n");
      assertStringIncludes(
        message,
        `${path}:3: its source has 5 tokens, wanted`,
      );
      assertEquals(message.split("\n").length, 26);
      const log = `${folder}/log`;
      const { tell } = await openDataset(
        configOf(folder, {
          src_length: 4,
          on_too_long: "truncate",
          on_broken: "skip",
        }),
      ).then((dataset) => ({ tell: dataset.tell.bind(dataset) }));
      tell(new Logger({ level: "info", file: log }));
      const told = Deno.readTextFileSync(log);
      assertStringIncludes(told, "Left out 12 lines that are no pair:");
      assertStringIncludes(told, "Cut 156 lines that are too long:");
    });
  },
);

testWith(FILES, "a run that needs too much memory is refused", async () => {
  await withFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/pairs.tsv`, backwards(40));
    const config = configOf(folder, {}, {
      model: { d_model: 65_536, d_k: 65_536, d_v: 8 },
    });
    await assertRejects(() => openDataset(config), ConfigError, "of memory");
  });
});

testWith(
  FILES,
  "what a run on a file leaves speaks in its tokens",
  async () => {
    await withFolder(async (folder) => {
      Deno.writeTextFileSync(`${folder}/pairs.tsv`, backwards(100));
      const dir = `${folder}/run`;
      const config = configOf(folder, {}, { output: { dir } });
      const results = await run(config);
      const { model, vocabulary, config: saved } = loadModelFile(
        `${dir}/model.safetensors`,
      );
      assertEquals(saved, JSON.parse(JSON.stringify(config)));
      assertEquals([model.sizes.padToken, model.sizes.eosToken], [0, 1]);
      assertEquals(vocabulary!.decode(vocabulary!.encode("abc1")), "abc1");
      const samples = JSON.parse(Deno.readTextFileSync(`${dir}/samples.json`));
      for (const { source, target, attention } of samples.samples) {
        const [digit] = source.slice(-1);
        assert(/^\d$/.test(digit), digit);
        assertEquals(target, [...source.toReversed(), "<eos>"]);
        assertEquals(attention[0].length, source.length);
      }
      const counted = samples.by_length.reduce(
        (sum: number, row: { sequences: number }) => sum + row.sequences,
        0,
      );
      assertEquals(counted, results.data.test_sequences);
      const page = renderReport(results, samples);
      assertStringIncludes(page, `pairs of ${folder}/pairs.tsv`);
      assertStringIncludes(page, "&lt;eos&gt;");
    });
  },
);

testWith(
  FILES,
  "a run on a file goes on where it stopped, bit for bit",
  async () => {
    await withFolder(async (folder) => {
      Deno.writeTextFileSync(`${folder}/pairs.tsv`, backwards(150));
      const dir = `${folder}/run`;
      // In windows of 50 pairs, which no batch ends with.
      const config = configOf(folder, { shuffle_window: 50 }, {
        output: { dir, checkpoint_every: 4 },
      });
      const lasting = ({ environment: _, timing: __, ...rest }: Results) => [
        rest,
        ...["model.safetensors", "samples.json", "metrics.jsonl"]
          .map((name) => Deno.readFileSync(`${dir}/${name}`)),
      ];
      const whole = lasting(await run(config));
      for (const stop of [1, 6, 8, 20]) {
        Deno.removeSync(dir, { recursive: true });
        const controller = new AbortController();
        const { status } = await run(config, {
          signal: controller.signal,
          onStep: ({ step }) => void (step === stop && controller.abort()),
        });
        assertEquals(status, "interrupted");
        assertEquals(lasting(await run(config, {}, true)), whole, `${stop}`);
      }
      const other = configOf(folder, { shuffle_window: 51 }, {
        output: { dir },
      });
      await assertRejects(() => run(other, {}, true), ConfigError, "window");
    });
  },
);

testWith(
  FILES,
  "a run does not go on with data that have changed",
  async () => {
    await withFolder(async (folder) => {
      const path = `${folder}/pairs.tsv`;
      Deno.writeTextFileSync(path, backwards(100));
      const output = { dir: `${folder}/run` };
      const config = configOf(folder, {}, { output });
      const { train } = await run(config);
      const before = namesIn(`${folder}/run`);
      Deno.writeTextFileSync(path, backwards(100).replace("a", "b"));
      const { problems } = await assertRejects(
        () => run(config, {}, true),
        ConfigError,
      );
      assertEquals(problems.map((problem) => problem.path), ["data.path"]);
      assertStringIncludes(problems[0]!.found, "other content (sha256:");
      assertEquals(namesIn(`${folder}/run`), before);
      // The same in another place is the same.
      Deno.writeTextFileSync(`${folder}/moved.tsv`, backwards(100));
      const moved = configOf(folder, { path: `${folder}/moved.tsv` }, {
        output,
      });
      assertEquals((await run(moved, {}, true)).train, train);
    });
  },
);

testWith(FILES, "the seed decides split and order", async () => {
  await withFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/pairs.tsv`, backwards(100));
    const [one, again, other] = [
      await run(configOf(folder)),
      await run(configOf(folder)),
      await run(configOf(folder, { random_seed: 1 })),
    ];
    assertEquals([again.train, again.test], [one.train, one.test]);
    assertNotEquals(other.data.test_sequences, one.data.test_sequences);
  });
});

processTest(
  "wrong data end a run with code 2 before anything is written",
  async () => {
    await withFolder(async (cwd) => {
      Deno.writeTextFileSync(`${cwd}/pairs.tsv`, "a\tb\nno pair\n");
      const { code, stdout, stderr } = await runCommandLine([
        ...["--set", "data.source=file", "--set", "data.path=pairs.tsv"],
        ...["--set", "output.dir=run", "--set", "logging.file=log"],
        ...["--output", "out.json"],
      ], { cwd });
      assertEquals([code, stdout], [2, ""]);
      assertStringIncludes(
        stderr,
        'error: Cannot read "pairs.tsv": it has 1 line that is no pair:\n' +
          "  pairs.tsv:2: it has no tab",
      );
      assertEquals(namesIn(cwd), ["pairs.tsv"]);
    });
  },
);

processTest(
  "a run reads by itself where it may not start a worker",
  async () => {
    await withFolder(async (cwd) => {
      Deno.writeTextFileSync(`${cwd}/pairs.tsv`, backwards(150));
      const results: Results[] = [];
      for (const read of ["--allow-read", `--allow-read=${cwd}`]) {
        const { code, stdout, stderr } = await runCommandLine([
          ...["--set", "data.source=file", "--set", "data.path=pairs.tsv"],
          ...["--set", "data.shuffle_window=40", "--set", "training.epochs=2"],
        ], { cwd, permissions: [read] });
        assertEquals(code, 0, stderr);
        assert(!stderr.includes("worker"), stderr);
        results.push(JSON.parse(stdout));
      }
      const [free, confined] = results;
      assertEquals([confined!.train, confined!.test], [
        free!.train,
        free!.test,
      ]);
    });
  },
);
