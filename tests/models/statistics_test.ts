// Models whose batch entries meet before the loss: statistics of the batch, and
// distances between its entries. From public exports alone.
import {
  add,
  crossEntropy,
  div,
  exp,
  gather,
  matmul,
  max,
  mean,
  mul,
  neg,
  type Node,
  relu,
  reshape,
  softmax,
  sqrt,
  sub,
  sum,
  tanh,
  transpose,
} from "../../mod.ts";
import {
  assertSameSteps,
  BATCHES,
  floats,
  integers,
  Model,
} from "./support.ts";

/** Mean 0 and variance 1 over the batch (Ioffe and Szegedy 2015). */
function batchNorm(model: Model, x: Node, name: string): Node {
  const width = x.shape.at(-1)!;
  const axes = [...x.shape.keys()].slice(0, -1);
  const centred = sub(x, mean(x, axes, true));
  const variance = mean(mul(centred, centred), axes, true);
  const normal = div(centred, sqrt(add(variance, 1e-2)));
  return add(
    mul(normal, model.parameter(`${name}_gain`, [width], 1)),
    model.parameter(`${name}_bias`, [width]),
  );
}

/** Two layers, each normalised over the batch: several loops over tiles. */
function normalised(batch: number, width: number, inner: number) {
  const model = new Model();
  const x = model.graph.input("x", [batch, width]);
  const y = model.graph.input("y", [batch], "int32");
  const first = matmul(x, model.parameter("w1", [width, inner]));
  const hidden = relu(batchNorm(model, first, "n1"));
  const second = matmul(hidden, model.parameter("w2", [inner, width]));
  const logits = batchNorm(model, second, "n2");
  return model.step(mean(crossEntropy(logits, y)), { logits });
}

Deno.test("layers normalised over the batch train alike", () => {
  for (const batch of BATCHES) {
    for (const width of [3, 8]) {
      const feeds = {
        x: floats(1, batch, width),
        y: integers(2, width, batch),
      };
      const name = `batch ${batch}, width ${width}`;
      assertSameSteps(normalised(batch, width, 10), feeds, name);
    }
  }
});

Deno.test("layers normalised over several tiles train alike", () => {
  for (const batch of [11, 37]) {
    const feeds = { x: floats(1, batch, 6), y: integers(2, 6, batch) };
    const name = `batch ${batch}`;
    // Steps of sizes that rounding can flip would need a looser tolerance.
    assertSameSteps(normalised(batch, 6, 2100), feeds, name, { steps: 2 });
  }
});

Deno.test("statistics over batch and positions train alike", () => {
  for (const batch of BATCHES) {
    const model = new Model();
    const [length, width] = [5, 7];
    const x = model.graph.input("x", [batch, length, width]);
    const scaled = tanh(mul(x, model.parameter("scale", [length, width])));
    const y = batchNorm(model, scaled, "n");
    const top = max(y, [0], true);
    const loss = mean(mul(exp(sub(y, top)), x));
    const step = model.step(loss, { y, top });
    const feeds = { x: floats(1, batch, length, width) };
    assertSameSteps(step, feeds, `batch ${batch}`);
  }
});

Deno.test("entries of a batch compared with each other train alike", () => {
  // (B, B) similarities: both axes are the batch, and only one can be cut.
  for (const batch of BATCHES) {
    for (const width of [batch, 5, 130]) {
      const model = new Model();
      const x = model.graph.input("x", [batch, width]);
      const y = model.graph.input("y", [batch], "int32");
      const z = matmul(x, model.parameter("w", [width, width]));
      const scores = mul(matmul(z, x, { transposeB: true }), 1 / width);
      const loss = add(
        mean(crossEntropy(scores, y)),
        mean(crossEntropy(transpose(scores), y)),
      );
      const mixed = matmul(softmax(scores), z);
      const step = model.step(loss, { scores, mixed });
      const feeds = {
        x: floats(1, batch, width),
        y: integers(2, batch, batch),
      };
      const name = `batch ${batch}, width ${width}`;
      assertSameSteps(step, feeds, name, { steps: 2 });
    }
  }
});

Deno.test("rows of the batch looked up in the batch train alike", () => {
  // Neighbours by index: a lookup in what the loop over tiles computes.
  for (const batch of BATCHES) {
    const model = new Model();
    const x = model.graph.input("x", [batch, 6]);
    const neighbour = model.graph.input("neighbour", [batch, 3], "int32");
    const z = tanh(matmul(x, model.parameter("w", [6, 6])));
    const found = sum(gather(z, neighbour), [1]);
    const error = sub(z, mul(found, 1 / 3));
    const step = model.step(mean(mul(error, error)), { found });
    const feeds = {
      x: floats(1, batch, 6),
      neighbour: integers(2, batch, batch, 3),
    };
    assertSameSteps(step, feeds, `batch ${batch}`);
  }
});

Deno.test("a softmax over the batch trains alike", () => {
  for (const batch of BATCHES) {
    const model = new Model();
    const x = model.graph.input("x", [batch, 4, 3]);
    const scores = matmul(x, model.parameter("w", [3, 3]));
    const weights = softmax(scores, 0);
    const pooled = sum(mul(weights, x), [0]);
    const flat = reshape(pooled, [-1]);
    const step = model.step(neg(mean(mul(flat, flat))), { weights, pooled });
    const feeds = { x: floats(1, batch, 4, 3) };
    assertSameSteps(step, feeds, `batch ${batch}`);
  }
});
