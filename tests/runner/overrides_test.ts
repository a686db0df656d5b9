// `--set`: single keys on the command line, by the rules of the file.
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { loadConfig, parseConfig } from "../../src/runner/config.ts";
import {
  ConfigError,
  type ConfigProblem,
  DEFAULT_CONFIG,
} from "../../src/runner/config_types.ts";
import { UsageError } from "../../src/runner/commands/flags.ts";
import { applyOverrides, parseOverrides } from "../../src/runner/overrides.ts";

/** The error of a configuration with overrides. */
function errorOf(text: string, ...set: string[]): ConfigError {
  return assertThrows(
    () => parseConfig(text, "c.yaml", parseOverrides(set)),
    ConfigError,
  );
}

/** Where a problem is said to be. */
function placeOf({ path, line, option }: ConfigProblem): unknown[] {
  return [path, line, option];
}

Deno.test("parseOverrides() reads values as YAML", () => {
  const cases: [string, string[], unknown][] = [
    ["training.epochs=5", ["training", "epochs"], 5],
    ["logging.file=a=b", ["logging", "file"], "a=b"],
    ["logging.file='5'", ["logging", "file"], "5"],
    ["logging.file=null", ["logging", "file"], null],
    ["logging.file=", ["logging", "file"], null],
    ["training={ epochs: 5 }", ["training"], { epochs: 5 }],
    ["a.b.c=[1, x]", ["a", "b", "c"], [1, "x"]],
  ];
  for (const [text, path, value] of cases) {
    assertEquals(parseOverrides([text]), [{ text, path, value }]);
  }
});

Deno.test("parseOverrides() lists all that is no KEY=VALUE", () => {
  const { message } = assertThrows(
    () => parseOverrides(["epochs", "=5", "a..b=1", "a.b=[1", "c.d=1"]),
    UsageError,
  );
  for (const text of ["epochs", "=5", "a..b=1"]) {
    const wanted = `Option "--set" is "${text}", wanted KEY=VALUE such as`;
    assertStringIncludes(message, wanted);
  }
  assertStringIncludes(message, '"a.b=[1", wanted a value in YAML (');
  assertEquals(message.includes("c.d"), false);
});

Deno.test("an override replaces or completes what the file says", () => {
  const text = "training: { epochs: 1, batch_size: 2 }\n";
  const set = ["training.epochs=5", "data.n_test=7", "data.n_test=8"];
  const config = parseConfig(text, "c.yaml", parseOverrides(set));
  const { data, training } = DEFAULT_CONFIG;
  assertEquals(config, {
    ...DEFAULT_CONFIG,
    data: { ...data, n_test: 8 },
    training: { ...training, epochs: 5, batch_size: 2 },
  });
  const whole = parseOverrides(["training={ epochs: 5 }"]);
  assertEquals(parseConfig(text, "c.yaml", whole).training, {
    ...training,
    epochs: 5,
  });
  assertEquals(loadConfig(undefined, parseOverrides(set)).training.epochs, 5);
});

Deno.test("an override mends what the file has wrong", () => {
  const overrides = parseOverrides(["training.epochs=5"]);
  const config = parseConfig("training: { epochs: x }", "c.yaml", overrides);
  assertEquals(config.training.epochs, 5);
});

Deno.test("problems name the option or the line that they come from", () => {
  const file = "data:\n  n_test: 0\ntraining: { epochs: 1 }\n";
  const { problems, message } = errorOf(
    file,
    "training.epchs=5",
    "training.epochs=0",
    "modle.d_k=3",
    "logging={ level: loud }",
  );
  assertEquals(problems.map(placeOf), [
    ["data.n_test", 2, undefined],
    ["training.epochs", undefined, "--set training.epochs=0"],
    ["training.epchs", undefined, "--set training.epchs=5"],
    ["logging.level", undefined, "--set logging={ level: loud }"],
    ["modle", undefined, "--set modle.d_k=3"],
  ]);
  assertStringIncludes(
    message,
    "\n  --set training.epchs=5: training.epchs: found an unknown key (its " +
      "value is 5), wanted one of epochs, ",
  );
  assertStringIncludes(message, 'did you mean "epochs"?');
  assertStringIncludes(message, "c.yaml:2:3: data.n_test: found 0");
});

Deno.test("a key without its section is told where it belongs", () => {
  const [problem] = errorOf("{}", "epochs=5").problems;
  assertEquals(problem!.suggestion, "training.epochs");
  assertEquals(problem!.option, "--set epochs=5");
});

Deno.test("what the file has wrong above an override is the file's", () => {
  const { problems } = errorOf("model: 3\n", "model.d_k=4");
  assertEquals(problems.map(placeOf), [["model", 1, undefined]]);
  // Nor does an override make an empty file one that was meant.
  assertEquals(errorOf("", "model.d_k=4").problems[0]!.path, "");
});

Deno.test("a clash that an override makes is refused", () => {
  const { problems } = errorOf(
    "data: { src_length: 4, tgt_length: 4 }",
    [
      "data.tgt_length=5",
    ][0]!,
  );
  assertEquals(problems.map(placeOf), [
    ["data.tgt_length", undefined, "--set data.tgt_length=5"],
  ]);
});

Deno.test("applyOverrides() changes nothing and reaches no prototype", () => {
  const value = Object.freeze({ a: Object.freeze({ b: 1 }) });
  const overrides = parseOverrides(["a.b=2", "a.c.d=3", "__proto__.e=4"]);
  const result = applyOverrides(value, overrides) as object;
  assertEquals(value, { a: { b: 1 } });
  assertEquals(Object.keys(result), ["a", "__proto__"]);
  assertEquals(Object.entries(result)[0], ["a", { b: 2, c: { d: 3 } }]);
  assertEquals(Object.hasOwn(Object.prototype, "e"), false);
});
