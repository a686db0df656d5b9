// Models that are not ours: rewriting keeps their values and gradients, and
// costs them nothing.
import { assert } from "@std/assert";
import { graphCost } from "../../src/compile/cost.ts";
import { PASSES, rewrite } from "../../src/compile/pipeline.ts";
import {
  attention,
  crossEntropy,
  gelu,
  layerNorm,
  relu,
} from "../../src/graph/composite.ts";
import { add, mul, sigmoid, sub, tanh } from "../../src/graph/elementwise.ts";
import { matmul } from "../../src/graph/einsum.ts";
import { grad } from "../../src/graph/grad.ts";
import { gather } from "../../src/graph/indexing.ts";
import {
  concatenate,
  reshape,
  slice,
  transpose,
} from "../../src/graph/movement.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { mean } from "../../src/graph/reduce.ts";
import { adam } from "../../src/nn/adam.ts";
import { Random } from "../../src/random.ts";
import { assertSameValues, draw, feedsFor } from "./support.ts";

/** A graph with parameters made on demand. */
class Model {
  readonly graph = new Graph();
  readonly parameters: Node[] = [];
  readonly #random = new Random(5);

  parameter(...shape: number[]): Node {
    const name = `p${this.parameters.length}`;
    const node = this.graph.variable(name, draw(this.#random, shape));
    this.parameters.push(node);
    return node;
  }

  /** Loss and the updates of one step of Adam. */
  step(loss: Node): Node[] {
    const updates = adam(loss, this.parameters, { learningRate: 0.01 });
    return [loss, ...grad(loss, this.parameters), ...updates.map(([, v]) => v)];
  }
}

function perceptron(): Node[] {
  const model = new Model();
  const x = model.graph.input("x", [16, 12]);
  const y = model.graph.input("y", [16], "int32");
  const hidden = relu(add(
    matmul(x, model.parameter(12, 20)),
    model.parameter(20),
  ));
  const logits = add(
    matmul(hidden, model.parameter(20, 3)),
    model.parameter(3),
  );
  return model.step(mean(crossEntropy(logits, y)));
}

/** Pre-norm, two heads. */
function transformerBlock(): Node[] {
  const model = new Model();
  const [batch, length, width, heads] = [3, 5, 8, 2];
  const tokens = model.graph.input("tokens", [batch, length], "int32");
  const x = add(
    gather(model.parameter(4, width), tokens),
    model.parameter(length, width),
  );
  const normed = layerNorm(x, model.parameter(width), model.parameter(width));
  const split = (y: Node): Node =>
    transpose(reshape(y, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
  const project = (): Node =>
    split(matmul(normed, model.parameter(width, width)));
  const { output } = attention(project(), project(), project());
  const joined = reshape(transpose(output, [0, 2, 1, 3]), [
    batch,
    length,
    width,
  ]);
  const middle = add(x, matmul(joined, model.parameter(width, width)));
  const again = layerNorm(
    middle,
    model.parameter(width),
    model.parameter(width),
  );
  const wide = gelu(
    add(matmul(again, model.parameter(width, 16)), model.parameter(16)),
  );
  const out = add(middle, matmul(wide, model.parameter(16, width)));
  return model.step(mean(mul(out, out)));
}

/** Unrolled over time; the gates share their weights. */
function gatedRecurrence(): Node[] {
  const model = new Model();
  const [batch, length, width, vocabulary] = [4, 6, 5, 3];
  const tokens = model.graph.input("tokens", [batch, length], "int32");
  const embedded = gather(model.parameter(vocabulary, width), tokens);
  const inner = model.parameter(2 * width, 2 * width);
  const outer = model.parameter(2 * width, width);
  const bias = model.parameter(2 * width);
  let state: Node = model.graph.constant({
    data: new Float64Array(batch * width),
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
    const candidate = tanh(
      matmul(concatenate([x, mul(reset, state)]), outer),
    );
    state = add(state, mul(update, sub(candidate, state)));
  }
  const logits = matmul(state, model.parameter(width, vocabulary));
  const first = reshape(slice(tokens, [0, 0], [batch, 1]), [batch]);
  return model.step(mean(crossEntropy(logits, first)));
}

const MODELS = { perceptron, transformerBlock, gatedRecurrence };

for (const [name, build] of Object.entries(MODELS)) {
  Deno.test(`rewriting keeps the training step of ${name}`, () => {
    const outputs = build();
    const feeds = feedsFor(outputs);
    const after = rewrite(outputs, { check: true });
    assertSameValues(outputs, after, feeds, name);
    assert(graphCost(after).total <= graphCost(outputs).total);
    assert(graphCost(after).multiplyAdds <= graphCost(outputs).multiplyAdds);
    for (const pass of PASSES) {
      const without = rewrite(outputs, { without: [pass.name] });
      assertSameValues(outputs, without, feeds, `${name} less ${pass.name}`);
    }
  });
}
