// The form of the results and its strict JSON. Their values: runner_test.ts.
import { assertEquals } from "@std/assert";
import denoJson from "../../deno.json" with { type: "json" };
import { DEFAULT_CONFIG } from "../../src/runner/config_types.ts";
import {
  buildResults,
  type Findings,
  formatResults,
} from "../../src/runner/results.ts";
import { VERSION } from "../../src/version.ts";

const FINDINGS: Findings = {
  status: "completed",
  config: DEFAULT_CONFIG,
  data: {
    train_sequences: 1280,
    validation_sequences: 0,
    test_sequences: 256,
    vocab_size: 20,
    src_length: 10,
    tgt_length: 10,
    broken: 0,
    too_long: 0,
    unknown_tokens: 0,
  },
  history: { loss: [2, 1], accuracy: [0.25, 0.5] },
  test: { loss: 0.5, accuracy: 0.75, sequence_accuracy: 0.125 },
  timing: {
    data: 0.1,
    build: 0.2,
    train: 4,
    evaluate: 0.3,
    total: 4.6,
    steps_per_second: 50,
  },
};

Deno.test("VERSION is the version of deno.json", () => {
  assertEquals(VERSION, denoJson.version);
});

Deno.test("buildResults() puts everything in its place and order", () => {
  const { environment, ...rest } = buildResults(FINDINGS);
  assertEquals(rest, {
    schema_version: 1,
    status: "completed",
    config: DEFAULT_CONFIG,
    data: FINDINGS.data,
    train: {
      loss: 1,
      accuracy: 0.5,
      history: { loss: [2, 1], accuracy: [0.25, 0.5] },
    },
    test: { loss: 0.5, accuracy: 0.75, sequence_accuracy: 0.125 },
    nonfinite: [],
    timing: FINDINGS.timing,
  });
  assertEquals(environment, {
    weft: VERSION,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    typescript: Deno.version.typescript,
    os: Deno.build.os,
    arch: Deno.build.arch,
    threads: 1,
    ranks: 1,
  });
  assertEquals(Object.keys(buildResults(FINDINGS)), [
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
});

Deno.test("buildResults() has nulls for a test that did not take place", () => {
  const { test, nonfinite } = buildResults({
    ...FINDINGS,
    status: "interrupted",
    test: undefined,
  });
  assertEquals(test, { loss: null, accuracy: null, sequence_accuracy: null });
  assertEquals(nonfinite, []);
});

Deno.test("buildResults() has nulls for a training without a step", () => {
  const { train } = buildResults({
    ...FINDINGS,
    history: { loss: [], accuracy: [] },
  });
  assertEquals(train, {
    loss: null,
    accuracy: null,
    history: { loss: [], accuracy: [] },
  });
});

Deno.test("buildResults() has what was held out and the best epoch, if there are any", () => {
  const { train, nonfinite } = buildResults({
    ...FINDINGS,
    history: {
      loss: [2, 1],
      accuracy: [0.25, 0.5],
      validation: { validationLoss: [3, NaN], validationAccuracy: [0, 1] },
      bestEpoch: 1,
    },
  });
  assertEquals(train, {
    loss: 1,
    accuracy: 0.5,
    best_epoch: 1,
    history: {
      loss: [2, 1],
      accuracy: [0.25, 0.5],
      validation_loss: [3, null],
      validation_accuracy: [0, 1],
    },
  });
  assertEquals(nonfinite, ["train.history.validation_loss[1]"]);
});

Deno.test("buildResults() replaces numbers that are not finite and lists them", () => {
  const { train, test, nonfinite } = buildResults({
    ...FINDINGS,
    status: "diverged",
    history: { loss: [2, Infinity], accuracy: [0.5, NaN] },
    test: { loss: -Infinity, accuracy: 0, sequence_accuracy: 0 },
  });
  assertEquals(train, {
    loss: null,
    accuracy: null,
    history: { loss: [2, null], accuracy: [0.5, null] },
  });
  assertEquals(test.loss, null);
  assertEquals(nonfinite, [
    "train.loss",
    "train.accuracy",
    "train.history.loss[1]",
    "train.history.accuracy[1]",
    "test.loss",
  ]);
});

Deno.test("formatResults() makes strict JSON that ends in a line feed", () => {
  const results = buildResults({
    ...FINDINGS,
    history: { loss: [NaN], accuracy: [1] },
  });
  const text = formatResults(results);
  assertEquals(JSON.parse(text), results);
  assertEquals(text.endsWith("}\n"), true);
});
