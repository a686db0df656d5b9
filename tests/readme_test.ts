// README.md against the truth: its commands are run, its tables compared. Its
// TypeScript blocks are run by `deno test --doc`.
import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import * as weft from "../mod.ts";
import type { CopyTaskOptions } from "../src/data/copy_task.ts";
import type {
  Evaluation,
  Seq2SeqOptions,
  TrainOptions,
} from "../src/nn/model.ts";
import { PARAMETER_NAMES, type SpecialTokens } from "../src/nn/seq2seq.ts";
import { COMMANDS, HELP } from "../src/runner/command_line.ts";
import { parseConfig, resolveConfig } from "../src/runner/config.ts";
import {
  ConfigError,
  DEFAULT_CONFIG,
  type PartialConfig,
  type TrainingConfig,
} from "../src/runner/config_types.ts";
import type { Results } from "../src/runner/results.ts";
import { AttentionRunner } from "../src/runner/runner.ts";
import { namesIn, processTest, ROOT, testWith, withFolder } from "./helpers.ts";

function readReadme(): string {
  return Deno.readTextFileSync(new URL("README.md", ROOT));
}

/** The text between a heading and the next one. */
function sectionOf(heading: string): string {
  const [, rest] = readReadme().split(`\n## ${heading}\n`);
  assert(rest !== undefined, `README.md has no section "${heading}"`);
  return rest.split("\n## ")[0]!;
}

/** The cells of a section's table, its header left out. */
function tableOf(heading: string): string[][] {
  const rows = sectionOf(heading).split("\n").filter((line) =>
    line.startsWith("|")
  );
  return rows.slice(2).map((row) =>
    row.slice(1, -1).split("|").map((cell) => cell.trim())
  );
}

/** The names set as code in a text. */
function namesOf(text: string): string[] {
  return Array.from(text.matchAll(/`([\w.]+)`/g), ([, name]) => name!);
}

/** The code blocks of a language. */
function blocksOf(language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, "gm");
  return Array.from(readReadme().matchAll(fence), ([, block]) => block!);
}

/** Paths of the values in nested objects; arrays are values. */
function pathsOf(value: object, prefix = ""): string[] {
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? pathsOf(inner, `${prefix}${key}.`)
      : [`${prefix}${key}`]
  );
}

function valueAt(value: unknown, path: string): unknown {
  return path.split(".").reduce(
    (inner, key) => (inner as Record<string, unknown>)[key],
    value,
  );
}

/** Copies what a clone would hold, but for the tests. */
function copyProject(target: string, source: URL = ROOT): void {
  Deno.mkdirSync(target);
  for (const { name, isDirectory, isFile } of Deno.readDirSync(source)) {
    if (/^(\.git|node_modules|coverage|tests|.*\.log)$/.test(name)) continue;
    const to = `${target}/${name}`;
    if (isDirectory) copyProject(to, new URL(`${name}/`, source));
    if (isFile) Deno.copyFileSync(new URL(name, source), to);
  }
}

/** Runs a line of shell; standard output if it succeeds. */
async function runLine(line: string, cwd: string): Promise<string> {
  // The shell of Deno's tasks is the same everywhere, and its deno this one.
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--eval", line],
    cwd,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  assertEquals(code, 0, `${line}\n${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** Saves a model of the sizes of configs/tiny.yaml; what it says is random. */
async function saveTinyModel(path: string): Promise<void> {
  const model = new weft.Seq2SeqAttentionModel({
    vocabSize: 8,
    srcLength: 5,
    tgtLength: 5,
    dModel: 16,
    dK: 16,
    dV: 16,
  });
  await model.save(path);
}

/** Needs another network or ran already: this very test is a part of it. */
const NOT_RUN = ["npx -y deno@2.9.6 task test"];

processTest("the commands of the README run as they stand", async () => {
  await withFolder(async (folder) => {
    const cwd = `${folder}/weft`;
    copyProject(cwd);
    const lines = blocksOf("sh").flatMap((block) => block.trim().split("\n"));
    const run = lines.filter((line) => !NOT_RUN.includes(line));
    assertEquals(lines.length - run.length, NOT_RUN.length);
    const read = (name: string): Results =>
      JSON.parse(Deno.readTextFileSync(`${cwd}/${name}`));
    await saveTinyModel(`${cwd}/model.safetensors`);
    for (const line of run) {
      // npx would fetch the Deno that runs this test.
      const command = line.replace(/^npx -y deno@[\d.]+ /, "deno ");
      const stdout = await runLine(command, cwd);
      if (command.endsWith("--help")) assertEquals(stdout, HELP);
      else if (command.startsWith("deno task bench")) {
        const shared = command.includes("--threads");
        const row = shared
          ? "| TINY, 10000 predictions "
          : "| weft, interpreter ";
        assertStringIncludes(stdout, row);
      } else if (command.includes(" mod.ts check ")) {
        const steps = command.includes("configs/file.yaml") ? 460 : 100;
        assertStringIncludes(stdout, `\n  steps: ${steps}\n`);
      } else if (command.includes(" mod.ts predict ")) {
        if (command.endsWith("--json")) JSON.parse(stdout);
        else if (command.includes("runs/dates")) {
          assertEquals(stdout, "2024 03 03\n");
        } else assertMatch(stdout, /^\d( \d){4}\n$/);
      } else if (command.includes(" mod.ts export ")) {
        assertEquals(stdout.match(/\.onnx$/gm)?.length, 3);
      } else if (command.includes(" mod.ts evaluate ")) {
        const sequences = command.includes("dates.tsv") ? 1600 : 1;
        assertEquals(JSON.parse(stdout).sequences, sequences);
      } else assertEquals(stdout, "", line);
    }
    const { status, config, test } = read("results.json");
    assertEquals([status, config], ["completed", DEFAULT_CONFIG]);
    assertGreaterOrEqual(test.accuracy!, 0.99);
    const [tiny, piped] = [read("tiny.json"), read("piped.json")];
    assertEquals([tiny.train, tiny.test], [piped.train, piped.test]);
    const dates = read("dates.json");
    assertEquals(dates.train.history.loss.length, 25);
    assertGreaterOrEqual(dates.test.sequence_accuracy!, 0.98);
  });
});

processTest(
  "another project can link the folder, without a permission",
  async () => {
    await withFolder(async (folder) => {
      copyProject(`${folder}/weft`);
      const app = `${folder}/app`;
      Deno.mkdirSync(app);
      const config = JSON.parse(blocksOf("json")[0]!);
      // Where the @std packages come from JSR there are no stand-ins to link.
      if (!namesIn(`${folder}/weft`).includes("links")) {
        config.links = ["../weft"];
      }
      Deno.writeTextFileSync(`${app}/deno.json`, JSON.stringify(config));
      // With the versions known, nothing is looked up.
      Deno.copyFileSync(`${folder}/weft/deno.lock`, `${app}/deno.lock`);
      const [library] = blocksOf("ts");
      const code = library!.replace("jsr:@weft", "@weft")
        .split("\n").filter((line) => !/assert/i.test(line)).join("\n");
      Deno.writeTextFileSync(`${app}/main.ts`, code);
      const printed = await runLine("deno run --no-prompt main.ts", app);
      assert(printed.includes("shape: [ 1, 4 ]"), printed);
      assert(printed.includes("shape: [ 1, 4, 4 ]"), printed);
    });
  },
);

testWith(
  ["read"],
  "the README names one version of Deno, that of .ci/run",
  () => {
    const ci = Deno.readTextFileSync(new URL(".ci/run", ROOT));
    const versions = [readReadme(), ci].flatMap((text) =>
      Array.from(text.matchAll(/deno@([\d.]+)/g), ([, version]) => version)
    );
    assertEquals(new Set(versions).size, 1, versions.join());
  },
);

testWith(["read"], "the README's code is as short as its headings say", () => {
  const [library, engine] = blocksOf("ts").map((block) =>
    block.split("\n").filter((line) => line && !line.startsWith("import"))
  );
  assertEquals([library!.length <= 10, engine!.length <= 15], [true, true]);
});

testWith(
  ["read"],
  "the README lists every configuration key, default and range",
  () => {
    const rows = tableOf("Configuration");
    assertEquals(
      rows.map(([key, value]) => [namesOf(key!)[0], value]),
      pathsOf(DEFAULT_CONFIG).map((path) => [
        path,
        String(valueAt(DEFAULT_CONFIG, path)),
      ]),
    );
    for (const [name, , , allowed] of rows) {
      const [section, key] = namesOf(name!)[0]!.split(".");
      try {
        resolveConfig({ [section!]: { [key!]: [] } } as PartialConfig);
        assert(false, `${name} may be anything`);
      } catch (error) {
        assert(error instanceof ConfigError, String(error));
        assertEquals(error.problems[0]!.wanted, allowed);
      }
    }
  },
);

/** The mapping within `training` that the table calls by a name. */
function mappingOf(name: string): TrainingConfig {
  const mapping = name === "early_stopping"
    ? { early_stopping: {} }
    : { schedule: { type: name } };
  const training = { ...mapping, validation_fraction: 0.5 };
  return resolveConfig({ training } as PartialConfig).training;
}

testWith(
  ["read"],
  "the README lists every key of the mappings within training",
  () => {
    const rows = tableOf("Training").map(([key, ...cells]) => {
      const [name, inner] = namesOf(key!)[0]!.split(".");
      return [name!, inner!, ...cells] as const;
    });
    const wanted = ["early_stopping", "warmup_cosine", "plateau"].flatMap(
      (name) => {
        const { early_stopping, schedule } = mappingOf(name);
        const { type: _, ...keys } = {
          type: null,
          ...early_stopping ?? schedule,
        };
        return Object.entries(keys)
          .map(([key, value]) => [name, key, String(value)]);
      },
    );
    assertEquals(rows.map(([name, key, value]) => [name, key, value]), wanted);
    for (const [name, key, , allowed] of rows) {
      const training = name === "early_stopping"
        ? { early_stopping: { [key]: [] } }
        : { schedule: { type: name, [key]: [] } };
      const error = assertThrows(
        () => resolveConfig({ training } as unknown as PartialConfig),
        ConfigError,
      );
      const found = error.problems.find(({ path }) => path.endsWith(key));
      assertEquals(found?.wanted, allowed, key);
    }
  },
);

testWith(["read"], "the configurations of the README can be used", () => {
  const blocks = blocksOf("yaml");
  assertEquals(blocks.length, 1);
  const { training } = parseConfig(blocks[0]!);
  assertEquals(training.schedule?.type, "warmup_cosine");
});

testWith(["read"], "the README lists every key of the results", async () => {
  const runner = new AttentionRunner({
    data: { n_samples: 4, n_test: 2, src_length: 2, tgt_length: 2 },
    training: {
      epochs: 1,
      validation_fraction: 0.5,
      early_stopping: { metric: "validation_sequence_accuracy" },
      verbose: false,
    },
    logging: { level: "silent" },
  });
  const { config, ...rest } = await runner.run();
  assertEquals(Object.keys(config), Object.keys(DEFAULT_CONFIG));
  assertEquals(
    tableOf("Results").flatMap(([key]) => namesOf(key!)).toSorted(),
    ["config", ...pathsOf(rest)].toSorted(),
  );
});

type Named =
  | keyof CopyTaskOptions
  | Exclude<keyof Seq2SeqOptions, "compile" | keyof SpecialTokens>
  | keyof Evaluation
  | keyof Pick<
    TrainOptions,
    | "epochs"
    | "learningRate"
    | "batchSize"
    | "schedule"
    | "weightDecay"
    | "clipNorm"
    | "labelSmoothing"
    | "validationFraction"
    | "earlyStopping"
    | "verbose"
    | "threads"
  >;

testWith(
  ["read"],
  "the README pairs the names of TypeScript and of files",
  () => {
    const rows = tableOf("Names").map((cells) => namesOf(cells.join()));
    // The compiler checks that these are the names in TypeScript.
    const names: Record<Named, true> = {
      nSamples: true,
      srcLength: true,
      tgtLength: true,
      vocabSize: true,
      randomSeed: true,
      dModel: true,
      dK: true,
      dV: true,
      epochs: true,
      learningRate: true,
      batchSize: true,
      schedule: true,
      weightDecay: true,
      clipNorm: true,
      labelSmoothing: true,
      validationFraction: true,
      earlyStopping: true,
      verbose: true,
      threads: true,
      loss: true,
      accuracy: true,
      sequenceAccuracy: true,
    };
    assertEquals(rows.map(([name]) => name), Object.keys(names));
    const keys = [
      ...pathsOf(DEFAULT_CONFIG),
      "test.loss",
      "test.accuracy",
      "test.sequence_accuracy",
    ];
    for (const [name, path] of rows as [string, string][]) {
      const snake = name.replace(/[A-Z]/g, (x) => `_${x.toLowerCase()}`);
      assertEquals(path.split(".").at(-1), snake);
      assert(keys.includes(path), path);
    }
    const paired = rows.map(([, path]) => path);
    const others = [
      "data.source",
      "data.n_test",
      "data.path",
      "data.test_path",
      "data.test_fraction",
      "data.tokens",
      "data.min_count",
      "data.max_size",
      "data.on_too_long",
      "data.on_broken",
      "data.shuffle_window",
      "training.distributed",
      "logging.level",
      "logging.file",
      "output.dir",
      "output.checkpoint_every",
      "output.report",
    ];
    assertEquals(keys.filter((key) => !paired.includes(key)), others);
    const [, prose] = sectionOf("Names").split("Parameters of a model");
    assertEquals(namesOf(prose!), [...PARAMETER_NAMES]);
  },
);

testWith(["read"], "the README lists every exported name", () => {
  const [list] = sectionOf("What the package exports").split("In this folder");
  const items = list!.slice(list!.indexOf("\n- "));
  assertEquals(namesOf(items).toSorted(), Object.keys(weft).toSorted());
});

testWith(["read"], "the README lists the exit codes that --help lists", () => {
  const codes = tableOf("When something is wrong").map(([code]) => code);
  const [, help] = HELP.split("Exit codes: ");
  const wanted = Array.from(help!.matchAll(/\b\d+\b/g), ([code]) => code);
  assertEquals(codes, wanted);
});

testWith(["read"], "the README lists every command", () => {
  assertEquals(
    tableOf("Commands").map(([name, does]) => [namesOf(name!)[0], does]),
    COMMANDS.map(({ name, summary }) => [name, summary]),
  );
});

testWith(["read"], "the README's layout is that of the project", () => {
  const layout = sectionOf("Contributing").split("```")[1]!;
  const paths = Array.from(layout.matchAll(/^([\w./]+) {2,}/gm), ([, p]) => p!);
  for (const path of paths) {
    // Absent where the @std packages come from JSR.
    if (path !== "links/") Deno.statSync(new URL(path, ROOT));
  }
  for (const { name, isDirectory } of Deno.readDirSync(new URL("src/", ROOT))) {
    if (isDirectory) assert(paths.includes(`src/${name}/`), name);
  }
});
