// A gated recurrent unit unrolled over time (Cho et al. 2014), from public
// exports alone, trained on batches of which the last is a partial one.
import {
  add,
  compile,
  concatenate,
  crossEntropy,
  gather,
  matmul,
  mean,
  mul,
  type Node,
  reshape,
  sigmoid,
  slice,
  sub,
  tanh,
  Variables,
} from "../../mod.ts";
import {
  assertNear,
  assertSameSteps,
  BATCHES,
  floats,
  integers,
  Model,
  type Step,
} from "./support.ts";

interface Sizes {
  readonly batch: number;
  readonly length: number;
  readonly width: number;
  readonly vocabulary: number;
}

/** Reads tokens; after the last one, predicts the label. */
function recurrent({ batch, length, width, vocabulary }: Sizes): Step {
  const model = new Model();
  const tokens = model.graph.input("tokens", [batch, length], "int32");
  const label = model.graph.input("label", [batch], "int32");
  const table = model.parameter("embedding", [vocabulary, width]);
  const embedded = gather(table, tokens);
  const inner = model.parameter("gates", [2 * width, 2 * width]);
  const bias = model.parameter("gates_bias", [2 * width]);
  const outer = model.parameter("candidate", [2 * width, width]);
  let state: Node = model.graph.constant({
    data: new Float32Array(batch * width),
    shape: [batch, width],
  });
  for (let t = 0; t < length; t++) {
    const x = reshape(
      slice(embedded, [0, t, 0], [batch, t + 1, width]),
      [batch, width],
    );
    const gates = sigmoid(add(matmul(concatenate([x, state]), inner), bias));
    const reset = slice(gates, [0, 0], [batch, width]);
    const update = slice(gates, [0, width], [batch, 2 * width]);
    const joined = concatenate([x, mul(reset, state)]);
    const candidate = tanh(matmul(joined, outer));
    state = add(state, mul(update, sub(candidate, state)));
  }
  const logits = matmul(state, model.parameter("out", [width, vocabulary]));
  return model.step(mean(crossEntropy(logits, label)), { state });
}

Deno.test("a recurrent unit over 12 steps trains alike in odd batches", () => {
  for (const batch of BATCHES) {
    const sizes = { batch, length: 12, width: 9, vocabulary: 5 };
    const feeds = {
      tokens: integers(1, 5, batch, 12),
      label: integers(2, 5, batch),
    };
    assertSameSteps(recurrent(sizes), feeds, `batch ${batch}`, { steps: 2 });
  }
});

Deno.test("a recurrent unit trains alike when the last batch is partial", () => {
  // One plan for full batches and one for the rest share the variables.
  const sequences = 20;
  const tokens = integers(1, 4, sequences, 12).data;
  const label = integers(2, 4, sequences).data;
  const train = (executor: "compiled" | "interpreter") => {
    const variables = new Variables();
    const planOf = (batch: number) =>
      compile({
        ...recurrent({ batch, length: 12, width: 6, vocabulary: 4 }),
        variables,
        executor,
      });
    const plans = new Map([8, 4].map((batch) => [batch, planOf(batch)]));
    const losses: number[] = [];
    for (let epoch = 0; epoch < 2; epoch++) {
      for (let from = 0; from < sequences; from += 8) {
        const to = Math.min(from + 8, sequences);
        const { loss } = plans.get(to - from)!.run({
          tokens: tokens.slice(12 * from, 12 * to),
          label: label.slice(from, to),
        });
        losses.push(loss!.data[0]!);
      }
    }
    return { losses, variables };
  };
  const got = train("compiled");
  const want = train("interpreter");
  const row = (data: number[]) => ({
    data: Float64Array.from(data),
    shape: [data.length],
  });
  assertNear(row(got.losses), row(want.losses), 2e-3, "losses");
  for (const name of want.variables.names()) {
    const wanted = want.variables.get(name);
    assertNear(got.variables.get(name), wanted, 2e-3, name);
  }
});

Deno.test("a recurrent unit with time as the first axis trains alike", () => {
  // The commonest first extent is then not that of the batch.
  for (const batch of BATCHES) {
    const model = new Model();
    const [length, width] = [6, 7];
    const x = model.graph.input("x", [length, batch, width]);
    const y = model.graph.input("y", [length, batch, width]);
    const w = model.parameter("w", [width, width]);
    const u = model.parameter("u", [width, width]);
    let state: Node = model.graph.constant({
      data: new Float32Array(batch * width),
      shape: [batch, width],
    });
    const states: Node[] = [];
    for (let t = 0; t < length; t++) {
      const now = reshape(
        slice(x, [t, 0, 0], [t + 1, batch, width]),
        [batch, width],
      );
      state = tanh(add(matmul(now, w), matmul(state, u)));
      states.push(reshape(state, [1, batch, width]));
    }
    const all = concatenate(states, 0);
    const error = sub(all, y);
    const step = model.step(mean(mul(error, error)), { all });
    const feeds = {
      x: floats(1, length, batch, width),
      y: floats(2, length, batch, width),
    };
    assertSameSteps(step, feeds, `batch ${batch}`, { steps: 2 });
  }
});
