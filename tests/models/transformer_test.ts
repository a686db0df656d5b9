// A pre-norm transformer encoder block with multi-head attention, from public
// exports alone.
import {
  add,
  attention,
  crossEntropy,
  equal,
  gather,
  gelu,
  layerNorm,
  matmul,
  mean,
  mul,
  type Node,
  reshape,
  sub,
  toFloat,
  transpose,
} from "../../mod.ts";
import {
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
  readonly heads: number;
  readonly inner: number;
}

/** x + attention(norm(x)), then x + feed-forward(norm(x)). */
function block(model: Model, x: Node, mask: Node | undefined, s: Sizes): Node {
  const { batch, length, width, heads, inner } = s;
  const depth = width / heads;
  const affine = (y: Node, name: string, from: number, to: number): Node =>
    add(
      matmul(y, model.parameter(`${name}_w`, [from, to])),
      model.parameter(`${name}_b`, [to]),
    );
  const norm = (y: Node, name: string): Node =>
    layerNorm(
      y,
      model.parameter(`${name}_gain`, [width], 1),
      model.parameter(`${name}_bias`, [width]),
    );
  const normed = norm(x, "norm1");
  const split = (y: Node): Node =>
    transpose(reshape(y, [batch, length, heads, depth]), [0, 2, 1, 3]);
  // A bias of the keys would have the gradient 0: softmax does not see it.
  const key = matmul(normed, model.parameter("k_w", [width, width]));
  const { output } = attention(
    split(affine(normed, "q", width, width)),
    split(key),
    split(affine(normed, "v", width, width)),
    mask,
  );
  const joined = reshape(transpose(output, [0, 2, 1, 3]), [
    batch,
    length,
    width,
  ]);
  const middle = add(x, affine(joined, "o", width, width));
  const wide = gelu(affine(norm(middle, "norm2"), "up", width, inner));
  return add(middle, affine(wide, "down", inner, width));
}

/** Masks of (B, 1, L, L): of each batch entry by itself, or causal for all. */
function training(s: Sizes, masking: "none" | "causal" | "padding"): Step {
  const model = new Model();
  const { graph } = model;
  const { batch, length, width } = s;
  const x = graph.input("x", [batch, length, width]);
  const causal = graph.constant(
    Array.from(
      { length },
      (_, t) => Array.from({ length }, (_, u) => u <= t ? 1 : 0),
    ),
    "int32",
  );
  const mask = masking === "padding"
    ? graph.input("mask", [batch, 1, 1, length], "int32")
    : masking === "causal"
    ? causal
    : undefined;
  const y = block(model, x, mask, s);
  const target = graph.input("y", [batch, length, width]);
  const error = sub(y, target);
  return model.step(mean(mul(error, error)), { y });
}

function feedsOf({ batch, length, width }: Sizes, padding: boolean) {
  return {
    x: floats(1, batch, length, width),
    y: floats(2, batch, length, width),
    ...(padding ? { mask: integers(3, 2, batch, 1, 1, length) } : {}),
  };
}

for (const masking of ["none", "causal", "padding"] as const) {
  Deno.test(`a transformer block trains alike, mask ${masking}`, () => {
    for (const batch of BATCHES) {
      const sizes = { batch, length: 5, width: 12, heads: 3, inner: 20 };
      const feeds = feedsOf(sizes, masking === "padding");
      assertSameSteps(training(sizes, masking), feeds, `batch ${batch}`);
    }
  });
}

Deno.test("a transformer block whose sizes are all one trains alike", () => {
  // Batch, length, width, heads: which axis is the batch must not matter.
  for (const size of [2, 4, 8]) {
    const sizes = {
      batch: size,
      length: size,
      width: size,
      heads: size,
      inner: size,
    };
    for (const masking of ["none", "causal", "padding"] as const) {
      const feeds = feedsOf(sizes, masking === "padding");
      assertSameSteps(training(sizes, masking), feeds, `${size} ${masking}`);
    }
  }
});

Deno.test("a transformer block of several tiles trains alike", () => {
  const sizes = { batch: 13, length: 11, width: 36, heads: 2, inner: 148 };
  const feeds = feedsOf(sizes, true);
  assertSameSteps(training(sizes, "padding"), feeds, "tiles", { steps: 2 });
});

Deno.test("an encoder of two blocks classifies tokens alike", () => {
  const model = new Model();
  const [vocabulary, batch] = [6, 7];
  const sizes = { batch, length: 4, width: 8, heads: 2, inner: 16 };
  const tokens = model.graph.input("tokens", [batch, 4], "int32");
  const embedded = add(
    gather(model.parameter("embedding", [vocabulary, 8], 0), tokens),
    model.parameter("position", [4, 8]),
  );
  // The names of a second block's parameters must differ.
  const again = new Proxy(model, {
    get: (target, key) =>
      key === "parameter"
        ? (name: string, shape: number[], centre?: number) =>
          target.parameter(`second_${name}`, shape, centre)
        : target[key as keyof Model],
  });
  const once = block(model, embedded, undefined, sizes);
  const twice = block(again, once, undefined, sizes);
  const logits = matmul(twice, model.parameter("out", [8, vocabulary]));
  const loss = mean(crossEntropy(logits, tokens));
  const same = toFloat(equal(tokens, 0));
  const step = model.step(loss, { zeros: mean(same) });
  const feeds = { tokens: integers(1, vocabulary, batch, 4) };
  assertSameSteps(step, feeds, "two blocks");
});
