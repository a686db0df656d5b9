// Which axis is the batch is guessed from the inputs. Whatever the guess, and
// however the batch is cut into tiles, values and gradients are the same.
import { assertEquals } from "@std/assert";
import { sum } from "../../src/graph/broadcast.ts";
import { einsum, matmul } from "../../src/graph/einsum.ts";
import { layerNorm, softmax } from "../../src/graph/composite.ts";
import { add, mul, sub, tanh } from "../../src/graph/elementwise.ts";
import { gather } from "../../src/graph/indexing.ts";
import { concatenate, transpose } from "../../src/graph/movement.ts";
import type { Node } from "../../src/graph/node.ts";
import { mean } from "../../src/graph/reduce.ts";
import { CompiledProgram } from "../../src/run/compiled.ts";
import { Variables } from "../../src/run/variables.ts";
import {
  assertSameSteps,
  BATCHES,
  floats,
  integers,
  Model,
  type Step,
} from "../models/support.ts";

function tileOf({ outputs, updates }: Step): { batch: number; tile: number } {
  return new CompiledProgram(outputs, updates, new Variables(), {}).lowered;
}

function squared(x: Node): Node {
  return mean(mul(x, x));
}

/** Two layers; the inner one decides how large a tile may be. */
function wide(batch: number, inner: number): Step {
  const model = new Model();
  const x = model.graph.input("x", [batch, 6]);
  const hidden = tanh(matmul(x, model.parameter("w", [6, inner])));
  const normed = layerNorm(
    hidden,
    model.parameter("gain", [inner], 1),
    model.parameter("bias", [inner]),
  );
  const y = softmax(matmul(normed, model.parameter("v", [inner, 5])));
  return model.step(squared(y), { y });
}

Deno.test("tiles of every kind train alike: whole, even, uneven, of one", () => {
  const kinds = new Set<string>();
  for (const batch of [2, 7, 8, 37]) {
    for (const inner of [5, 1000, 1701, 9001]) {
      if (batch * inner > 80_000) continue;
      const step = wide(batch, inner);
      const { tile } = tileOf(step);
      kinds.add(
        tile === batch
          ? "whole"
          : tile === 1
          ? "one"
          : batch % tile === 0
          ? "even"
          : "uneven",
      );
      const name = `${batch} of ${inner} in tiles of ${tile}`;
      assertSameSteps(step, { x: floats(1, batch, 6) }, name, { steps: 2 });
    }
  }
  assertEquals([...kinds].sort(), ["even", "one", "uneven", "whole"]);
});

Deno.test("inputs whose batch is not the first axis train alike", () => {
  for (const batch of BATCHES) {
    const model = new Model();
    const x = model.graph.input("x", [5, batch]);
    const y = model.graph.input("y", [3, 4, batch]);
    const hidden = tanh(matmul(model.parameter("w", [6, 5]), x));
    const scores = einsum("abz,cz->azc", y, hidden);
    const other = transpose(hidden);
    const z = add(softmax(scores), matmul(other, model.parameter("v", [6, 6])));
    const step = model.step(squared(z), { hidden, z });
    const feeds = { x: floats(1, 5, batch), y: floats(2, 3, 4, batch) };
    assertSameSteps(step, feeds, `batch ${batch}`, { steps: 2 });
  }
});

Deno.test("inputs with different first extents train alike", () => {
  for (const [first, second] of [[3, 8], [8, 3], [37, 1], [1, 7], [2, 4]]) {
    const model = new Model();
    const x = model.graph.input("x", [first!, 5]);
    const y = model.graph.input("y", [second!, 5]);
    const i = model.graph.input("i", [second!], "int32");
    const a = tanh(matmul(x, model.parameter("w", [5, 5])));
    const b = tanh(add(matmul(y, model.parameter("v", [5, 5])), gather(a, i)));
    const scores = softmax(matmul(a, b, { transposeB: true }));
    const mixed = matmul(scores, b);
    const all = concatenate([mixed, b], 0);
    const step = model.step(squared(all), { mixed, scores });
    const feeds = {
      x: floats(1, first!, 5),
      y: floats(2, second!, 5),
      i: integers(3, first!, second!),
    };
    assertSameSteps(step, feeds, `${first} and ${second}`, { steps: 2 });
  }
});

Deno.test("parameters as wide as the batch train alike", () => {
  for (const size of [2, 4, 7, 8, 37]) {
    const model = new Model();
    const x = model.graph.input("x", [size, size, 5]);
    const y = model.graph.input("y", [size, size]);
    const w = model.parameter("w", [size, size]);
    const t = tanh(x);
    // Both operands begin with an axis of this size; one alone is the batch.
    const both = einsum("ijn,ji->n", t, w);
    const outer = einsum("ijn,ik->jkn", t, add(y, w));
    const rows = matmul(w, tanh(matmul(y, w)));
    const turned = transpose(rows);
    const z = add(sub(rows, turned), mul(y, sum(outer, [2])));
    const loss = add(squared(z), squared(both));
    const step = model.step(loss, { both, outer, z });
    const feeds = { x: floats(1, size, size, 5), y: floats(2, size, size) };
    assertSameSteps(step, feeds, `size ${size}`, { steps: 2 });
  }
});

Deno.test("a model without inputs trains alike", () => {
  const model = new Model();
  const w = model.parameter("w", [7, 5]);
  const target = model.graph.constant(floats(1, 7, 5));
  const error = sub(tanh(matmul(w, model.parameter("v", [5, 5]))), target);
  assertSameSteps(model.step(squared(error), { error }), {}, "no inputs");
});

Deno.test("a model with scalar inputs alone trains alike", () => {
  const model = new Model();
  const a = model.graph.input("a", []);
  const b = model.graph.input("b", [], "int32");
  const table = model.parameter("table", [4, 6]);
  const error = sub(mul(tanh(table), a), gather(table, b));
  const step = model.step(squared(error), { error });
  assertSameSteps(step, { a: 0.5, b: 3 }, "scalars");
});
