// Did-you-mean, and the distance between words behind it.
import { assertEquals } from "@std/assert";
import { editDistance, suggest } from "../../src/runner/suggest.ts";

Deno.test("editDistance() counts insertions, deletions, replacements, swaps", () => {
  const cases: [string, string, number][] = [
    ["", "", 0],
    ["", "abc", 3],
    ["abc", "", 3],
    ["epochs", "epochs", 0],
    ["epoch", "epochs", 1],
    ["eepochs", "epochs", 1],
    ["epachs", "epochs", 1],
    ["epcohs", "epochs", 1],
    ["kitten", "sitting", 3],
  ];
  for (const [from, to, wanted] of cases) {
    assertEquals(editDistance(from, to), wanted, `${from} to ${to}`);
    assertEquals(editDistance(to, from), wanted, `${to} to ${from}`);
  }
});

Deno.test("suggest() finds the closest candidate", () => {
  const keys = ["epochs", "learning_rate", "batch_size", "d_k", "d_v"];
  assertEquals(suggest("lerning_rate", keys), "learning_rate");
  assertEquals(suggest("batch_sise", keys), "batch_size");
  assertEquals(suggest("d_kk", keys), "d_k");
});

Deno.test("suggest() looks past case, hyphens and underscores", () => {
  const keys = ["learning_rate", "d_model"];
  assertEquals(suggest("learningRate", keys), "learning_rate");
  assertEquals(suggest("D-Model", keys), "d_model");
});

Deno.test("suggest() stays silent where nothing is close", () => {
  assertEquals(suggest("dropout", ["epochs", "threads"]), undefined);
  assertEquals(suggest("", ["d_k"]), undefined);
});
