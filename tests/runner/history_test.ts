// The learning curve, above all of an epoch that is cut short.
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { History } from "../../src/runner/history.ts";

Deno.test("History keeps the entries of whole epochs as they are", () => {
  const history = new History(4, 2);
  for (const loss of [3, 2]) {
    history.addStep({ loss: 99, accuracy: 0 });
    history.addStep({ loss: 99, accuracy: 0 });
    history.addEpoch({ loss, accuracy: 1 / loss });
  }
  history.endEarly();
  assertEquals(history.loss, [3, 2]);
  assertEquals(history.accuracy, [1 / 3, 1 / 2]);
  assertEquals(history.steps, 4);
});

Deno.test("History weights the steps of a partial epoch by their sequences", () => {
  const history = new History(7, 3);
  history.addEpoch({ loss: 9, accuracy: 0 });
  for (const loss of [1, 2, 3]) {
    history.addStep({ loss, accuracy: loss / 10 });
  }
  history.endEarly();
  // Batches of 3, 3 and 1.
  assertEquals(history.loss.length, 2);
  assertAlmostEquals(history.loss[1]!, 12 / 7, 1e-12);
  assertAlmostEquals(history.accuracy[1]!, 1.2 / 7, 1e-12);
});

Deno.test("History has no entry for an epoch without a step", () => {
  const history = new History(4, 2);
  history.endEarly();
  assertEquals(history.loss, []);
  assertEquals(history.accuracy, []);
});

Deno.test("History counts a batch larger than the data as the data", () => {
  const history = new History(5, 64);
  history.addStep({ loss: 2, accuracy: 0.5 });
  history.endEarly();
  assertEquals(history.loss, [2]);
  assertEquals(history.accuracy, [0.5]);
});
