// The learning curve, above all of an epoch that is cut short.
import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { TrainingState } from "../../src/nn/model.ts";
import { History } from "../../src/runner/history.ts";

Deno.test("History keeps the entries of whole epochs as they are", () => {
  const history = new History();
  for (const loss of [3, 2]) {
    history.addStep({ loss: 99, accuracy: 0, tokens: 2 });
    history.addStep({ loss: 99, accuracy: 0, tokens: 2 });
    history.addEpoch({ loss, accuracy: 1 / loss });
  }
  history.endEarly();
  assertEquals(history.loss, [3, 2]);
  assertEquals(history.accuracy, [1 / 3, 1 / 2]);
  assertEquals(history.steps, 4);
});

Deno.test("History weights the steps of a partial epoch by their tokens", () => {
  const history = new History();
  history.addEpoch({ loss: 9, accuracy: 0 });
  for (const [at, tokens] of [3, 3, 1].entries()) {
    const loss = at + 1;
    history.addStep({ loss, accuracy: loss / 10, tokens });
  }
  history.endEarly();
  assertEquals(history.loss.length, 2);
  assertAlmostEquals(history.loss[1]!, 12 / 7, 1e-12);
  assertAlmostEquals(history.accuracy[1]!, 1.2 / 7, 1e-12);
});

Deno.test("History has no entry for an epoch without a step", () => {
  const history = new History();
  history.endEarly();
  assertEquals(history.loss, []);
  assertEquals(history.accuracy, []);
});

Deno.test("History goes on from the state of a training", () => {
  const state = {
    step: 8,
    sums: { loss: 12, accuracy: 3, tokens: 6 },
    history: { loss: [3], accuracy: [0.25] },
  } as unknown as TrainingState;
  const history = new History(state);
  history.addStep({ loss: 5, accuracy: 1, tokens: 2 });
  history.endEarly();
  assertEquals(history.steps, 9);
  assertEquals(history.loss, [3, (12 + 10) / 8]);
  assertEquals(history.accuracy, [0.25, (3 + 2) / 8]);
});

Deno.test("History keeps what held-out data come to, epoch by whole epoch", () => {
  const state = {
    step: 4,
    sums: { loss: 0, accuracy: 0, tokens: 0 },
    history: { loss: [3], accuracy: [0.25], validationLoss: [2] },
  } as unknown as TrainingState;
  const history = new History(state);
  history.addStep({ loss: 5, accuracy: 1, tokens: 2 });
  history.addEpoch({ loss: 5, accuracy: 1, validationLoss: 4 });
  history.addStep({ loss: 6, accuracy: 0, tokens: 2 });
  history.endEarly();
  assertEquals(history.loss, [3, 5, 6]);
  assertEquals(history.validation, { validationLoss: [2, 4] });
  // A resumed training does not write into the snapshot it goes on from.
  assertEquals(state.history.validationLoss, [2]);
});
