// Multi-layer perceptrons from public exports alone.
import { assert, assertEquals } from "@std/assert";
import {
  adam,
  add,
  argmax,
  compile,
  crossEntropy,
  equal,
  lecunUniform,
  matmul,
  mean,
  mul,
  type Node,
  relu,
  sigmoid,
  sub,
  tanh,
  toFloat,
} from "../../mod.ts";
import {
  assertSameSteps,
  BATCHES,
  floats,
  integers,
  Model,
  type Step,
} from "./support.ts";

Deno.test("a perceptron learns XOR on a compiled plan", () => {
  const { graph, random } = new Model();
  const x = graph.constant([[0, 0], [0, 1], [1, 0], [1, 1]]);
  const y = graph.constant([[0], [1], [1], [0]]);
  const w1 = graph.variable("w1", lecunUniform([2, 8], random));
  const b1 = graph.variable("b1", new Array(8).fill(0));
  const w2 = graph.variable("w2", lecunUniform([8, 1], random));
  const b2 = graph.variable("b2", [0]);
  const hidden = tanh(add(matmul(x, w1), b1));
  const error = sub(sigmoid(add(matmul(hidden, w2), b2)), y);
  const loss = mean(mul(error, error));
  const plan = compile({
    outputs: { loss },
    updates: adam(loss, [w1, b1, w2, b2], { learningRate: 0.05 }),
  });
  assert(plan.run().loss.data[0]! > 0.1);
  for (let step = 0; step < 500; step++) plan.step();
  assert(plan.output("loss")[0]! < 0.01, `${plan.output("loss")}`);
});

/** Widths first to last; the last is the number of classes. */
function classifier(batch: number, widths: readonly number[]): Step {
  const model = new Model();
  const [first, ...others] = widths;
  let x: Node = model.graph.input("x", [batch, first!]);
  let from = first!;
  for (const [at, width] of others.entries()) {
    const last = at === others.length - 1;
    const next = add(
      matmul(x, model.parameter(`w${at}`, [from, width])),
      model.parameter(`b${at}`, [width]),
    );
    x = last ? next : relu(next);
    from = width;
  }
  const y = model.graph.input("y", [batch], "int32");
  const correct = toFloat(equal(argmax(x, [-1]), y));
  return model.step(mean(crossEntropy(x, y)), { accuracy: mean(correct), x });
}

for (const batch of [1, 7, 37]) {
  Deno.test(`a 784-256-10 classifier trains alike in batches of ${batch}`, () => {
    const feeds = (step: number) => ({
      x: floats(step, batch, 784),
      y: integers(step, 10, batch),
    });
    assertSameSteps(classifier(batch, [784, 256, 10]), feeds, "784-256-10", {
      steps: 2,
    });
  });
}

Deno.test("perceptrons of odd widths train alike", () => {
  for (const widths of [[1, 1, 2], [3, 5, 7, 2], [9, 33, 2], [37, 37, 37]]) {
    for (const batch of BATCHES) {
      const feeds = {
        x: floats(1, batch, widths[0]!),
        y: integers(1, widths.at(-1)!, batch),
      };
      const name = `${widths.join("-")} in batches of ${batch}`;
      assertSameSteps(classifier(batch, widths), feeds, name);
    }
  }
});

Deno.test("a perceptron too wide for one tile trains alike", () => {
  for (const batch of [7, 8, 37]) {
    const feeds = { x: floats(1, batch, 5), y: integers(1, 3, batch) };
    const name = `batches of ${batch}`;
    assertSameSteps(classifier(batch, [5, 3000, 3]), feeds, name);
  }
});

Deno.test("a perceptron with a scalar rate and no bias is a plan of its own", () => {
  const model = new Model();
  const x = model.graph.input("x", [3, 2]);
  const rate = model.graph.input("rate", []);
  const w = model.parameter("w", [2, 2]);
  const loss = mean(mul(matmul(x, w), rate));
  const step = model.step(loss);
  const feeds = { x: floats(1, 3, 2), rate: 0.5 };
  assertSameSteps(step, feeds, "scalar rate");
  const updates = adam(loss, [w], { learningRate: rate, name: "other" });
  assertSameSteps({ outputs: { loss }, updates }, feeds, "fed rate");
  assertEquals(loss.shape, []);
});
