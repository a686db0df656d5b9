// The options of the training in a configuration: what they mean, what is
// refused, and what does not go together.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Ajv } from "ajv";
import { parseConfig, resolveConfig } from "../../src/runner/config.ts";
import {
  ConfigError,
  type ConfigProblem,
  type PartialConfig,
} from "../../src/runner/config_types.ts";
import { describeConfig } from "../../src/runner/json_schema.ts";
import { parseOverrides } from "../../src/runner/overrides.ts";
import { trainOptions } from "../../src/runner/train_options.ts";

function problemsOf(text: string, ...set: string[]): readonly ConfigProblem[] {
  const overrides = parseOverrides(set);
  return assertThrows(
    () => parseConfig(text, "c.yaml", overrides),
    ConfigError,
  ).problems;
}

Deno.test("mappings within training are completed, in a fixed order", () => {
  const { training } = parseConfig(
    "training:\n  validation_fraction: 0.1\n  early_stopping: { patience: 7 }\n" +
      "  schedule: { factor: 0.5, type: plateau, mode: max }\n",
  );
  assertEquals(
    JSON.stringify(training.early_stopping),
    '{"metric":"validation_loss","mode":null,"patience":7,"min_delta":0}',
  );
  assertEquals(
    JSON.stringify(training.schedule),
    '{"type":"plateau","metric":"validation_loss","mode":"max","patience":10,' +
      '"min_delta":0,"factor":0.5,"min_learning_rate":0}',
  );
  const { schedule } = parseConfig("training: { schedule: { type: constant } }")
    .training;
  assertEquals(schedule, { type: "constant" });
});

Deno.test("trainOptions() says in TypeScript what the keys say", () => {
  const off = trainOptions(resolveConfig({}).training);
  assertEquals(off, {
    epochs: 10,
    learningRate: 0.003,
    threads: 1,
    weightDecay: 0,
    labelSmoothing: 0,
  });
  const { training } = resolveConfig({
    training: {
      validation_fraction: 0.2,
      weight_decay: 0.1,
      clip_norm: 2,
      label_smoothing: 0.3,
      schedule: { type: "warmup_cosine", warmup_steps: 5 },
      early_stopping: {
        metric: "validation_sequence_accuracy",
        mode: "max",
        patience: 4,
        min_delta: 0.01,
      },
    },
  });
  assertEquals(trainOptions(training), {
    ...off,
    weightDecay: 0.1,
    clipNorm: 2,
    labelSmoothing: 0.3,
    schedule: { type: "warmupCosine", warmupSteps: 5, minLearningRate: 0 },
    earlyStopping: {
      metric: "validationSequenceAccuracy",
      mode: "max",
      patience: 4,
      minDelta: 0.01,
    },
  });
});

Deno.test("--set reaches into mappings that the file leaves out", () => {
  const set = parseOverrides([
    "training.early_stopping.metric=loss",
    "training.schedule.type=plateau",
    "training.schedule.metric=accuracy",
  ]);
  const { training } = parseConfig("model: { d_k: 8 }", "c.yaml", set);
  assertEquals(training.early_stopping?.metric, "loss");
  assertEquals(training.schedule, {
    type: "plateau",
    metric: "accuracy",
    mode: null,
    patience: 10,
    min_delta: 0,
    factor: 0.1,
    min_learning_rate: 0,
  });
});

Deno.test("everything wrong within mappings is listed at once", () => {
  const problems = problemsOf(
    [
      "training:",
      "  clip_norm: 0",
      "  patience: 3",
      "  early_stopping:",
      "    metric: validation_los",
      "    patience: 0",
      "    patiense: 3",
      "  schedule: { type: plateau, factor: 2, warmup_steps: 4 }",
    ].join("\n"),
  );
  assertEquals(
    problems.map(({ path, line, suggestion }) => [path, line, suggestion]),
    [
      ["training.clip_norm", 2, undefined],
      ["training.patience", 3, "training.early_stopping.patience"],
      ["training.early_stopping.metric", 5, "validation_loss"],
      ["training.early_stopping.patience", 6, undefined],
      ["training.early_stopping.patiense", 7, "patience"],
      // That it has a default metric of which there are no data:
      ["training.schedule", 8, undefined],
      ["training.schedule.factor", 8, undefined],
      ["training.schedule.warmup_steps", 8, undefined],
    ],
  );
  assertEquals(
    problems.at(-1)!.wanted,
    "one of type, metric, mode, patience, min_delta, factor, min_learning_rate",
  );
});

const WRONG: [text: string, path: string, found: string, wanted: string][] = [
  ["schedule: cosine", "schedule", '"cosine" (text)', "a mapping with type: "],
  ["schedule: {}", "schedule.type", "no value", "one of constant, warmup_"],
  ["schedule: { type: 3 }", "schedule.type", "3", "one of constant, warmup_"],
  ["schedule: [1]", "schedule", "a list", "a mapping with type: constant, "],
  ["early_stopping: true", "early_stopping", "true", "a mapping of metric, "],
  [
    "early_stopping: { mode: less, metric: loss }",
    "early_stopping.mode",
    '"less" (text)',
    "min, max, or null",
  ],
  ["weight_decay: -1", "weight_decay", "-1", "a number from 0 in the range"],
  ["weight_decay: 1e39", "weight_decay", "1e+39", "a number from 0 in the"],
  ["clip_norm: 1e-60", "clip_norm", "1e-60", "a positive number in the range"],
  ["label_smoothing: 1", "label_smoothing", "1", "a number from 0 to below 1"],
  ["validation_fraction: .nan", "validation_fraction", "NaN", "a number from"],
];

for (const [text, path, found, wanted] of WRONG) {
  Deno.test(`a configuration may not have training: { ${text} }`, () => {
    const problems = problemsOf(`training: { ${text} }`);
    assertEquals(problems.length, 1, JSON.stringify(problems));
    assertEquals(problems[0]!.path, `training.${path}`);
    assertEquals(problems[0]!.found, found);
    assert(problems[0]!.wanted.startsWith(wanted), problems[0]!.wanted);
  });
}

Deno.test("options that do not go together are all named at once", () => {
  const problems = problemsOf(
    [
      "data: { n_samples: 100 }",
      "training:",
      "  epochs: 2",
      "  batch_size: 10",
      "  early_stopping: { metric: validation_accuracy }",
      "  schedule:",
      "    type: warmup_cosine",
      "    warmup_steps: 20",
      "    min_learning_rate: 0.1",
    ].join("\n"),
  );
  assertEquals(problems, [
    {
      path: "training.early_stopping.metric",
      found: "validation_accuracy without training.validation_fraction",
      wanted: "training.validation_fraction above 0, or as " +
        "training.early_stopping.metric one of loss, accuracy",
      line: 5,
      column: 21,
    },
    {
      path: "training.schedule.warmup_steps",
      found: "20",
      wanted: "less than the number of all steps, which is 20",
      line: 8,
      column: 5,
    },
    {
      path: "training.schedule.min_learning_rate",
      found: "0.1",
      wanted: "at most training.learning_rate, which is 0.003",
      line: 9,
      column: 5,
    },
  ]);
});

Deno.test("a metric by default names the mapping, and the option of --set", () => {
  const [problem] = problemsOf("{}", "training.early_stopping.patience=4");
  assertEquals(problem, {
    path: "training.early_stopping",
    found: "the default metric validation_loss without " +
      "training.validation_fraction",
    wanted: "training.validation_fraction above 0, or as " +
      "training.early_stopping.metric one of loss, accuracy",
    option: "--set training.early_stopping.patience=4",
  });
});

Deno.test("a held-out part and the rest must both have a sequence", () => {
  for (const [fraction, count] of [[0.001, 0], [0.999, 20]]) {
    const [problem] = problemsOf(
      `data: { n_samples: 20 }\ntraining: { validation_fraction: ${fraction} }`,
    );
    assertEquals(problem!.path, "training.validation_fraction");
    assertEquals(
      problem!.found,
      `${fraction}, which is ${count} of 20 sequences (data.n_samples)`,
    );
  }
  // How many there are in a file is not known beforehand.
  const file: PartialConfig["data"] = { source: "file", path: "pairs.tsv" };
  const training = {
    validation_fraction: 0.001,
    schedule: { type: "warmup_cosine", warmup_steps: 1e6 },
  } as const;
  resolveConfig({ data: file, training });
  // Held-out sequences take no steps.
  const [problem] = problemsOf(
    "data: { n_samples: 20 }\ntraining: { batch_size: 5, epochs: 1, " +
      "validation_fraction: 0.5, schedule: { type: warmup_cosine, " +
      "warmup_steps: 2 } }",
  );
  assertEquals(
    problem!.wanted,
    "less than the number of all steps, which is 2",
  );
});

Deno.test("the schema knows the mappings, their keys and defaults", () => {
  const accepts = new Ajv({ strict: true, allowUnionTypes: true })
    .compile(describeConfig());
  const check = (training: object) => accepts({ training });
  for (
    const sound of [
      { schedule: null, early_stopping: null },
      { schedule: { type: "constant" }, early_stopping: {} },
      { schedule: { type: "warmup_cosine", steps: null, warmup_steps: 3 } },
      { schedule: { type: "plateau", metric: "loss", mode: null } },
      { early_stopping: { metric: "validation_loss", min_delta: 0.1 } },
    ]
  ) assert(check(sound), JSON.stringify([sound, accepts.errors]));
  for (
    const wrong of [
      { schedule: {} },
      { schedule: { type: "constant", factor: 0.5 } },
      { schedule: { type: "plateau", factor: 1 } },
      { schedule: { type: "plateau", warmup_steps: 1 } },
      { early_stopping: { metric: "bleu" } },
      { early_stopping: { patience: 0 } },
      { early_stopping: { typo: 0 } },
    ]
  ) assert(!check(wrong), JSON.stringify(wrong));
  const text = JSON.stringify(describeConfig());
  assert(text.includes('"default":"validation_loss"'));
});
