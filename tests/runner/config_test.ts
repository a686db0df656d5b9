// Configurations: what is read, filled in and refused. That nothing is written
// then is in main_refusals_test.ts.
import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  loadConfig,
  parseConfig,
  resolveConfig,
} from "../../src/runner/config.ts";
import {
  ConfigError,
  type ConfigProblem,
  DEFAULT_CONFIG,
  type PartialConfig,
} from "../../src/runner/config_types.ts";
import { ROOT, testWith, withFolder } from "../helpers.ts";

function problemsOf(text: string): readonly ConfigProblem[] {
  return assertThrows(() => parseConfig(text, "c.yaml"), ConfigError).problems;
}

/** The one problem of a text. */
function problemOf(text: string): ConfigProblem {
  const problems = problemsOf(text);
  assertEquals(problems.length, 1, JSON.stringify(problems));
  return problems[0]!;
}

Deno.test("loadConfig() returns the defaults without a file", () => {
  assertEquals(loadConfig(), DEFAULT_CONFIG);
});

Deno.test("the defaults cannot be changed", () => {
  for (const value of [DEFAULT_CONFIG, ...Object.values(DEFAULT_CONFIG)]) {
    assert(Object.isFrozen(value));
  }
  // What is made of them is the caller's own.
  assert(!Object.isFrozen(resolveConfig({}).data));
});

testWith(["read"], "configs/default.yaml states the built-in defaults", () => {
  const text = Deno.readTextFileSync(new URL("configs/default.yaml", ROOT));
  assertEquals(parseConfig(text), DEFAULT_CONFIG);
  // It is the reference for people, so it must also name every key.
  for (const fields of Object.values(DEFAULT_CONFIG)) {
    for (const key of Object.keys(fields)) {
      assertStringIncludes(text, `\n  ${key}: `);
    }
  }
});

testWith(
  ["read"],
  "configs/tiny.yaml and configs/long.yaml can be used",
  () => {
    const read = (name: string) =>
      parseConfig(Deno.readTextFileSync(new URL(`configs/${name}`, ROOT)));
    assert(read("tiny.yaml").data.n_samples < DEFAULT_CONFIG.data.n_samples);
    const { src_length, vocab_size } = read("long.yaml").data;
    assertEquals([src_length, vocab_size], [40, 100]);
  },
);

Deno.test("parseConfig() fills in what is left out", () => {
  const config = parseConfig("training: { epochs: 3 }\ndata:\n  n_test: 7\n");
  assertEquals(config, {
    ...DEFAULT_CONFIG,
    data: { ...DEFAULT_CONFIG.data, n_test: 7 },
    training: { ...DEFAULT_CONFIG.training, epochs: 3 },
  });
});

Deno.test("parseConfig() keeps keys in the order of the defaults", () => {
  const config = parseConfig("training: { epochs: 3 }\ndata: { n_test: 7 }");
  assertEquals(
    JSON.stringify(Object.keys(config)),
    '["data","model",' +
      '"training","logging","output"]',
  );
  assertEquals(Object.keys(config.data), Object.keys(DEFAULT_CONFIG.data));
});

Deno.test("parseConfig() reads numbers in every notation of YAML", () => {
  const { training, data } = parseConfig(
    "training: { learning_rate: 1e-3 }\ndata: { n_test: 0x10 }",
  );
  assertEquals(training.learning_rate, 0.001);
  assertEquals(data.n_test, 16);
});

Deno.test("parseConfig() refuses text without a mapping", () => {
  const wanted = "a mapping of data, model, training, logging, output";
  const cases: [string, string][] = [
    ["", "an empty document"],
    ["# only a comment\n", "an empty document"],
    ["[1, 2]", "a list"],
    ["hello", '"hello" (text)'],
    ["3", "3"],
  ];
  for (const [text, found] of cases) {
    assertEquals(problemOf(text), { path: "", found, wanted });
  }
});

Deno.test("parseConfig() gives line and column of a syntax error", () => {
  const { found, line, column } = problemOf("data:\n  n_test: 1\n   oops: 2\n");
  assertEquals(line, 3);
  assert(column !== undefined && column >= 4);
  assertStringIncludes(found, "a syntax error");
});

Deno.test("parseConfig() refuses a repeated key and a second document", () => {
  assertEquals(problemOf("model: {}\nmodel: {}").line, 2);
  assertStringIncludes(problemOf("model: {}\n---\ndata: {}").found, "document");
});

Deno.test("parseConfig() lists unknown keys and other problems at once", () => {
  const error = assertThrows(
    () =>
      parseConfig(
        [
          "trainig:",
          "  epochs: 3",
          "data:",
          "  n_sample: 5",
          "  src_length: 4",
          "training: { lerning_rate: 0.1, epochs: 1.5, d_k: 8 }",
          "logging:",
          "  level: inof",
          "dropout: 0.1",
        ].join("\n"),
        "c.yaml",
      ),
    ConfigError,
  );
  assertEquals(
    error.problems.map(({ path, line, column, suggestion }) => [
      path,
      `${line}:${column}`,
      suggestion,
    ]),
    [
      ["trainig", "1:1", "training"],
      ["data.n_sample", "4:3", "n_samples"],
      ["data.src_length", "5:3", undefined],
      ["training.lerning_rate", "6:13", "learning_rate"],
      ["training.epochs", "6:32", undefined],
      ["training.d_k", "6:45", "model.d_k"],
      ["logging.level", "8:3", "info"],
      ["dropout", "9:1", undefined],
    ],
  );
  assertEquals(error.file, "c.yaml");
  assertStringIncludes(error.message, '"c.yaml" (8 problems):\n');
  assertStringIncludes(
    error.message,
    "c.yaml:6:13: training.lerning_rate: found an unknown key (its value is " +
      "0.1), wanted one of epochs, learning_rate, schedule, batch_size, " +
      "weight_decay, clip_norm, label_smoothing, validation_fraction, " +
      "early_stopping, verbose, threads, distributed; did you mean " +
      '"learning_rate"?',
  );
});

Deno.test("parseConfig() refuses keys that every object has", () => {
  const paths = problemsOf("__proto__: { a: 1 }\nconstructor: 1\n").map(
    ({ path }) => path,
  );
  assertEquals(paths, ["__proto__", "constructor"]);
});

Deno.test("parseConfig() refuses wrong types", () => {
  const cases: [string, string, string, string][] = [
    ["data: 5", "data", "5", "a mapping of source, n_samples, "],
    ["data:", "data", "no value", "a mapping of source, n_samples, "],
    ["model: 2020-01-01", "model", "a date", "a mapping of d_model, d_k, d_v"],
    ["model: [1]", "model", "a list", "a mapping of d_model, d_k, d_v"],
    ['data: { n_test: "5" }', "data.n_test", '"5" (text)', "an integer from 1"],
    ["data: { n_test: }", "data.n_test", "no value", "an integer from 1"],
    ["data: { n_test: [5] }", "data.n_test", "a list", "an integer from 1"],
    ["data: { n_test: { a: 1 } }", "data.n_test", "a mapping", "an integer"],
    ["training: { verbose: 1 }", "training.verbose", "1", "true or false"],
    ["logging: { file: 2020-01-01 }", "logging.file", "a date", "the path of"],
    ["logging: { file: '' }", "logging.file", '"" (text)', "the path of"],
    ["logging: { level: 3 }", "logging.level", "3", "one of debug, info, "],
  ];
  for (const [text, path, found, wanted] of cases) {
    const problem = problemOf(text);
    assertEquals([problem.path, problem.found], [path, found], text);
    assertStringIncludes(problem.wanted, wanted);
    assertEquals(problem.line, 1);
  }
});

Deno.test("parseConfig() refuses sizes that are zero, negative, fractional or huge", () => {
  for (const section of ["data", "model", "training"] as const) {
    for (const [key, value] of Object.entries(DEFAULT_CONFIG[section])) {
      // What may be 0 is no size.
      if (!Number.isInteger(value) || value === 0) continue;
      for (const wrong of ["0", "-3", "2.5", "1e12", ".inf", ".nan"]) {
        const { path, wanted } = problemOf(`${section}: { ${key}: ${wrong} }`);
        assertEquals(path, `${section}.${key}`);
        assertStringIncludes(wanted, "an integer");
      }
    }
  }
});

Deno.test("parseConfig() refuses seeds and learning rates out of range", () => {
  for (const seed of ["-1", "0.5", "9007199254740992"]) {
    const { path, wanted } = problemOf(`data: { random_seed: ${seed} }`);
    assertEquals(path, "data.random_seed");
    assertEquals(wanted, "an integer from 0 to 9007199254740991");
  }
  for (const rate of ["0", "-0.1", ".nan", ".inf", "1e-60", "1e39", "fast"]) {
    const { path, wanted } = problemOf(`training: { learning_rate: ${rate} }`);
    assertEquals(path, "training.learning_rate");
    assertEquals(wanted, "a positive number in the range of float32");
  }
});

Deno.test("parseConfig() takes a number of threads, or auto, and no other word", () => {
  for (const threads of [1, 2, 256, "auto"] as const) {
    const { training } = parseConfig(`training: { threads: ${threads} }`);
    assertEquals(training.threads, threads);
  }
  const { found, wanted } = problemOf("training: { threads: all }");
  assertEquals(found, '"all" (text)');
  assertEquals(wanted, "an integer from 1 to 256, or auto");
});

Deno.test("parseConfig() refuses targets longer than sources", () => {
  const both = problemOf("data:\n  src_length: 4\n  tgt_length: 6\n");
  assertEquals([both.path, both.found, both.line], ["data.tgt_length", "6", 3]);
  assertStringIncludes(both.wanted, "from 1 to data.src_length, which is 4,");
});

Deno.test("parseConfig() blames the length that was written, not a default", () => {
  const source = problemOf("data: { src_length: 4 }");
  assertEquals([source.path, source.found], ["data.src_length", "4"]);
  assertStringIncludes(
    source.wanted,
    "at least data.tgt_length, which is 10 by default",
  );
  const target = problemOf("data: { tgt_length: 12 }");
  assertEquals([target.path, target.found], ["data.tgt_length", "12"]);
  assertStringIncludes(target.wanted, "which is 10 by default");
});

Deno.test("parseConfig() refuses sizes that together need too much memory", () => {
  const cases: [string, string][] = [
    ["data: {vocab_size: 1000000}\nmodel: {d_model: 65536}", "model"],
    ["data: {src_length: 10000, tgt_length: 10000}", "data.src_length"],
    [
      "data: {n_samples: 10000000, src_length: 50, tgt_length: 50}",
      "data.n_samples",
    ],
  ];
  for (const [text, path] of cases) {
    const problem = problemOf(text);
    assertEquals(problem.path, path);
    assertStringIncludes(problem.found, "of memory (n_samples 1");
    assertStringIncludes(problem.wanted, "at most 2 GiB: ");
  }
});

Deno.test("parseConfig() refuses what does not go with the source", () => {
  const cases: [text: string, path: string, found: string, wanted: string][] = [
    [
      "{ source: file }",
      "data.source",
      "file without data.path",
      "data.path, ",
    ],
    ["{ path: a.tsv }", "data.path", '"a.tsv" (text)', "or data.source: file"],
    ["{ source: reverse, tokens: words }", "data.tokens", '"words"', "no such"],
    ["{ src_length: null }", "data.src_length", "no value", "an integer, for"],
    [
      "{ source: file, path: a, n_samples: 7 }",
      "data.n_samples",
      "7 with data.source: file",
      "no such key, for the file decides it",
    ],
    [
      "{ source: file, path: a, test_path: b, test_fraction: 0.5 }",
      "data.test_fraction",
      "0.5 with data.test_path",
      "one of the two",
    ],
    [
      "{ source: file, path: a, tgt_length: 1 }",
      "data.tgt_length",
      "1 with data.source: file",
      "at least 2",
    ],
    [
      "{ source: substitute, src_length: 3, tgt_length: 4 }",
      "data.tgt_length",
      "4",
      "because the task is to substitute",
    ],
    ["{ max_size: 3 }", "data.max_size", "3", "an integer from 4 to 1000000"],
    ["{ test_fraction: 1 }", "data.test_fraction", "1", "between 0 and 1"],
  ];
  for (const [text, path, found, wanted] of cases) {
    const problem = problemOf(`data: ${text}`);
    assertEquals(problem.path, path, text);
    assertStringIncludes(problem.found, found);
    assertStringIncludes(problem.wanted, wanted);
    assertEquals(problem.line, 1);
  }
  const { suggestion } = problemOf("data: { source: files }");
  assertEquals(suggestion, "file");
});

Deno.test("a file has the lengths of its longest pair by default", () => {
  const text = "data: { source: file, path: a.tsv, src_length: 7 }";
  const { data } = parseConfig(text);
  assertEquals([data.src_length, data.tgt_length], [7, null]);
});

Deno.test("a complete configuration is one, whatever the source", () => {
  for (const source of ["copy", "reverse", "substitute", "file"] as const) {
    const path = source === "file" ? "a.tsv" : null;
    const config = resolveConfig({ data: { source, path } });
    assertEquals(resolveConfig(config), config);
    assertEquals(parseConfig(JSON.stringify(config)), config);
  }
});

Deno.test("parseConfig() accepts a batch larger than the data", () => {
  const text = "data: { n_samples: 5 }\ntraining: { batch_size: 1000000 }";
  assertEquals(parseConfig(text).training.batch_size, 1000000);
});

Deno.test("resolveConfig() checks objects as strictly as files", () => {
  assertEquals(resolveConfig({}), DEFAULT_CONFIG);
  assertEquals(resolveConfig({ model: { d_k: 8 } }).model.d_k, 8);
  const wrong = { model: { d_q: 8 } } as unknown as PartialConfig;
  const error = assertThrows(() => resolveConfig(wrong), ConfigError);
  assertEquals(error.problems.map(({ path }) => path), ["model.d_q"]);
  assertEquals(error.file, undefined);
  for (const section of [new Date(0), new Set([1]), new Map()]) {
    const { problems } = assertThrows(
      () =>
        resolveConfig({ model: section as PartialConfig["model"] & object }),
      ConfigError,
    );
    assertEquals(problems.map(({ path }) => path), ["model"]);
  }
});

testWith(
  ["read", "write"],
  "loadConfig() reads a file and names it in errors",
  async () => {
    await withFolder((folder) => {
      const path = `${folder}/c.yaml`;
      Deno.writeTextFileSync(path, "\ufeffdata: { n_test: 9 }\n");
      assertEquals(loadConfig(path).data.n_test, 9);
      Deno.writeTextFileSync(path, "data: { n_test: 0 }\n");
      const { message } = assertThrows(() => loadConfig(path), ConfigError);
      assertStringIncludes(
        message,
        `${path}:1:9: data.n_test: found 0, wanted`,
      );
    });
  },
);

testWith(
  ["read", "write"],
  "loadConfig() refuses what is no readable text file",
  async () => {
    await withFolder((folder) => {
      Deno.writeFileSync(`${folder}/bytes`, Uint8Array.of(0x64, 0xff, 0xfe));
      const cases = [
        [`${folder}/missing.yaml`, "no such file or folder"],
        [folder, "it is a folder"],
        [`${folder}/bytes/c.yaml`, "a part of its path is not a folder"],
        [`${folder}/bytes`, "bytes that are not UTF-8"],
      ] as const;
      for (const [path, found] of cases) {
        const error = assertThrows(() => loadConfig(path), ConfigError);
        assertEquals(error.file, path);
        assertEquals(error.problems.length, 1);
        assertStringIncludes(error.message, found);
        assertStringIncludes(error.message, path);
      }
    });
  },
);

testWith(
  ["read", "write"],
  "loadConfig() refuses a log file that is the configuration",
  async () => {
    await withFolder((folder) => {
      const path = `${folder}/c.yaml`;
      const text = `logging: { file: ${folder}/../${
        folder.split("/").at(-1)
      }/c.yaml }`;
      Deno.writeTextFileSync(path, text);
      const error = assertThrows(() => loadConfig(path), ConfigError);
      assertEquals(error.problems[0]!.path, "logging.file");
      assertEquals(Deno.readTextFileSync(path), text);
    });
  },
);
