// The JSON Schema against the check itself, by a validator of JSON Schema.
import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/yaml";
import { Ajv } from "ajv";
import { findProblems } from "../../src/runner/config_schema.ts";
import { DEFAULT_CONFIG } from "../../src/runner/config_types.ts";
import { readComments } from "../../src/runner/default_text.ts";
import { describeConfig } from "../../src/runner/json_schema.ts";
import { ROOT, testWith } from "../helpers.ts";

interface Schema {
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Record<string, Schema>;
}

/** Compiling also checks the schema against the schema of schemas. */
const accepts = new Ajv({ strict: true, allowUnionTypes: true })
  .compile(describeConfig());

testWith(["read"], "every configuration that comes along satisfies it", () => {
  const folder = new URL("configs/", ROOT);
  for (const { name, isFile } of Deno.readDirSync(folder)) {
    if (!isFile) continue;
    const config = parse(Deno.readTextFileSync(new URL(name, folder)));
    assert(accepts(config), `${name}: ${JSON.stringify(accepts.errors)}`);
  }
});

Deno.test("it refuses what the check refuses, key by key", () => {
  const values = [null, -1, 0, 0.5, 1, 2, 1e300, true, "x", "info", [], {}];
  const { properties } = describeConfig() as Schema;
  const missed: string[] = [];
  let refused = 0;
  for (const [section, defaults] of Object.entries(DEFAULT_CONFIG)) {
    for (const key of [...Object.keys(defaults), "nonsense"]) {
      const path = `${section}.${key}`;
      const { description } = properties![section]!.properties![key] ?? {};
      for (const value of values) {
        const config = { [section]: { [key]: value } };
        const problems = findProblems(config);
        if (!accepts(config)) {
          refused++;
          assert(problems.length > 0, `${path}: ${value} is allowed`);
        } else if (
          // What keys may be together is more than a schema tells.
          problems.some((problem) =>
            problem.path === path && description?.endsWith(problem.wanted)
          )
        ) missed.push(`${path}: ${value}`);
      }
    }
  }
  // So is the range of float32.
  const ranged = ["learning_rate", "weight_decay", "clip_norm"];
  assertEquals(missed, ranged.map((key) => `training.${key}: 1e+300`));
  assert(refused > 100);
});

Deno.test("it refuses unknown sections and sections that are none", () => {
  assert(accepts({}));
  for (const config of [{ modle: {} }, { model: 3 }, { model: null }, [], 1]) {
    assertEquals(accepts(config), false, JSON.stringify(config));
  }
});

Deno.test("it has the default and the meaning of every key", () => {
  const { properties } = describeConfig() as Schema;
  assertEquals(Object.keys(properties!), Object.keys(DEFAULT_CONFIG));
  for (const [section, defaults] of Object.entries(DEFAULT_CONFIG)) {
    const inner = properties![section]!;
    assert(inner.description, section);
    assertEquals(Object.keys(inner.properties!), Object.keys(defaults));
    for (const [key, value] of Object.entries(defaults)) {
      const schema = inner.properties![key]!;
      const isPlain = value === null || typeof value !== "object";
      if (isPlain) assertEquals(schema.default, value, key);
      assert(/^[A-Z].*\. Allowed: /.test(schema.description ?? ""), key);
    }
  }
  assertEquals(
    properties!.training!.properties!.batch_size!.description,
    "Sequences in a step. The last step of an epoch takes what is left. " +
      "Allowed: an integer from 1 to 1000000",
  );
});

Deno.test("readComments() reads what stands right above a key", () => {
  const text = "# file\n\n# One,\n#  two.\na:\n  # Three.\n  b: 1\n\n  c: 2\n";
  assertEquals(
    [...readComments(text)],
    [["a", "One, two."], ["a.b", "Three."]],
  );
});
