// Models that use one parameter in several places: an embedding tied to the
// output, and a convolution by slices. From public exports alone.
import {
  add,
  argmax,
  concatenate,
  crossEntropy,
  equal,
  gather,
  grad,
  matmul,
  max,
  mean,
  mul,
  type Node,
  pad,
  relu,
  reshape,
  slice,
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

/** Predicts the next token by products with the rows of the embedding. */
function tied(batch: number, vocabulary: number, width: number): Step {
  const model = new Model();
  const length = 6;
  const tokens = model.graph.input("tokens", [batch, length], "int32");
  const embedding = model.parameter("embedding", [vocabulary, width]);
  const before = slice(tokens, [0, 0], [batch, length - 1]);
  const after = slice(tokens, [0, 1], [batch, length]);
  const x = gather(embedding, before);
  const hidden = tanh(add(
    matmul(x, model.parameter("w", [width, width])),
    model.parameter("b", [width]),
  ));
  const logits = matmul(hidden, embedding, { transposeB: true });
  const correct = toFloat(equal(argmax(logits, [-1]), after));
  return model.step(mean(crossEntropy(logits, after)), {
    accuracy: mean(correct),
    hidden,
  });
}

Deno.test("an embedding tied to the output trains alike", () => {
  for (const batch of BATCHES) {
    for (const [vocabulary, width] of [[2, 1], [5, 8], [40, 33]] as const) {
      const feeds = { tokens: integers(1, vocabulary, batch, 6) };
      const name = `batch ${batch}, V ${vocabulary}, width ${width}`;
      assertSameSteps(tied(batch, vocabulary, width), feeds, name);
    }
  }
});

/** Three taps along time, padded, twice; the largest over time decides. */
function convolution(batch: number, channels: number): Step {
  const model = new Model();
  const length = 9;
  const x = model.graph.input("x", [batch, length, 2]);
  const y = model.graph.input("y", [batch], "int32");
  const layer = (input: Node, name: string, from: number, to: number): Node => {
    const padded = pad(input, [0, 1, 0], [0, 1, 0]);
    const windows = [0, 1, 2].map((tap) =>
      slice(padded, [0, tap, 0], [batch, tap + length, from])
    );
    const kernel = model.parameter(`${name}_w`, [3 * from, to]);
    const bias = model.parameter(`${name}_b`, [to]);
    return add(matmul(concatenate(windows), kernel), bias);
  };
  const hidden = relu(layer(x, "first", 2, channels));
  const pooled = max(layer(hidden, "second", channels, 4), [1]);
  return model.step(mean(crossEntropy(pooled, y)), { pooled });
}

Deno.test("a convolution by slices trains alike", () => {
  for (const batch of BATCHES) {
    for (const channels of [5, 16]) {
      const feeds = { x: floats(1, batch, 9, 2), y: integers(2, 4, batch) };
      const name = `batch ${batch}, ${channels} channels`;
      assertSameSteps(convolution(batch, channels), feeds, name);
    }
  }
});

Deno.test("a convolution over the batch axis itself trains alike", () => {
  // Slices of the first axis are not parts of tiles.
  for (const batch of BATCHES) {
    const model = new Model();
    const x = model.graph.input("x", [batch, 7]);
    const y = model.graph.input("y", [batch, 7]);
    const hidden = tanh(matmul(x, model.parameter("w", [7, 7])));
    const padded = pad(hidden, [1, 0], [1, 0]);
    const before = slice(padded, [0, 0], [batch, 7]);
    const after = slice(padded, [2, 0], [batch + 2, 7]);
    const mixed = add(mul(before, model.parameter("tap", [7])), after);
    const error = sub(mixed, y);
    const step = model.step(mean(mul(error, error)), { mixed });
    const feeds = { x: floats(1, batch, 7), y: floats(2, batch, 7) };
    assertSameSteps(step, feeds, `batch ${batch}`);
  }
});

Deno.test("a parameter seen by rows, columns and as a whole trains alike", () => {
  for (const size of [1, 2, 5, 8, 37]) {
    const model = new Model();
    const w = model.parameter("w", [size, size]);
    const x = model.graph.input("x", [size, size]);
    const i = model.graph.input("i", [size], "int32");
    const y = add(
      matmul(tanh(matmul(x, w)), w, { transposeB: true }),
      add(gather(w, i), reshape(slice(w, [0, 0], [size, 1]), [size])),
    );
    const loss = mean(mul(y, y));
    const [dx] = grad(loss, [x]);
    const step = model.step(loss, { y, dx: dx! });
    const feeds = { x: floats(1, size, size), i: integers(2, size, size) };
    assertSameSteps(step, feeds, `size ${size}`, { steps: 2 });
  }
});
