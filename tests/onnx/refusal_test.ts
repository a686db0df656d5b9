// What has no ONNX form is refused with the reason, and names stay apart.
import { assertEquals, assertThrows } from "@std/assert";
import { einsum } from "../../src/graph/einsum.ts";
import { add, mul, stopGradient } from "../../src/graph/elementwise.ts";
import { broadcast } from "../../src/graph/broadcast.ts";
import { reshape } from "../../src/graph/movement.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { max, mean } from "../../src/graph/reduce.ts";
import { toOnnx } from "../../src/onnx/to_onnx.ts";
import { Variables } from "../../src/run/variables.ts";
import { refuses } from "../graph/support.ts";
import { processTest } from "../helpers.ts";
import { Runtime } from "./runtime.ts";

/** The graph of x, float32 (B, 2). */
function of(build: (x: Node, batch: number) => Node): () => Uint8Array {
  return () =>
    toOnnx((batch) => ({
      y: build(new Graph().input("x", [batch, 2]), batch),
    }));
}

Deno.test("what depends on the batch otherwise than in size is refused", () => {
  refuses(of((x) => mean(x)), TypeError, "Cannot export constant (node ");
  refuses(
    of((x, batch) => mul(x, batch)),
    TypeError,
    "Cannot export constant (node 1) of shape () for any batch: wanted a " +
      "graph that is the same for every batch but for sizes",
  );
  refuses(
    of((x, batch) => batch > 16_777_260 ? x : add(x, 1)),
    TypeError,
    "Cannot export ",
  );
  refuses(
    of((x, batch) => max(x, [batch > 16_777_260 ? 0 : 1], true)),
    TypeError,
    "Cannot export max (node 1)",
  );
});

Deno.test("sizes that do not follow the batch in proportion are refused", () => {
  refuses(
    of((x, batch) => reshape(einsum("bd,cd->bc", x, x), [batch * batch])),
    TypeError,
    "Cannot follow reshape (node 2) of shape (281476419553081): wanted sizes " +
      "that grow in proportion to the batch or not at all",
  );
});

Deno.test("a batch that no input has is refused", () => {
  const build = (batch: number) => ({
    y: broadcast(new Graph().constant(1), [batch]),
  });
  refuses(
    () => toOnnx(build),
    TypeError,
    "Cannot find the batch: wanted an input with an axis of its size",
  );
});

Deno.test("what is no function is refused, and so is another's graph", () => {
  const y = new Graph().constant(1);
  const build = (() => ({ y })) as () => Record<string, Node>;
  toOnnx(build);
  refuses(
    () => toOnnx({ y } as unknown as typeof build),
    TypeError,
    "Cannot export a value of type Object: wanted a function that makes a graph",
  );
  const [x, z] = [new Graph().input("x", []), new Graph().input("z", [])];
  let calls = 0;
  assertThrows(() => toOnnx(() => calls++ ? { x } : { y: z }), TypeError);
});

Deno.test("names that users know must differ", () => {
  const graph = new Graph();
  const x = graph.input("x", [2]);
  refuses(
    () => toOnnx(() => ({ x: add(x, 1) })),
    TypeError,
    'Cannot call two values "x"',
  );
});

Deno.test("a variable must have a value", () => {
  const y = mul(new Graph().variable("w", [1, 2]), 2);
  const variables = new Variables();
  assertThrows(() => toOnnx(() => ({ y }), { variables }), RangeError);
});

processTest("no name that we make up meets one that users gave", async () => {
  await using runtime = await Runtime.start();
  const graph = new Graph();
  // What the operator, the list and the constant would be called.
  const x = graph.input("mul.3", [2]);
  const w = graph.variable("mul.3.Mul", [5, 7]);
  const y = mul(x, w);
  const again = stopGradient(y);
  const outputs = { "list": reshape(y, [2, 1]), "constant.2": y, again, x };
  const model = await runtime.open(toOnnx(() => outputs));
  const feed = { data: Float32Array.of(2, 3), shape: [2] };
  const got = await model.run({ "mul.3": feed });
  assertEquals(got["constant.2"]!.data, Float32Array.of(10, 21));
  assertEquals(got.again, got["constant.2"]);
  assertEquals(got.list!.shape, [2, 1]);
  assertEquals(got.x, feed);
});

processTest("values of variables are those of the store given", async () => {
  await using runtime = await Runtime.start();
  const w = new Graph().variable("w", [1, 2]);
  const variables = new Variables();
  variables.declare("w", { data: Float32Array.of(8, 9), shape: [2] });
  const build = () => ({ y: mul(w, 1) });
  for (
    const [bytes, want] of [
      [toOnnx(build), [1, 2]],
      [toOnnx(build, { variables }), [8, 9]],
    ] as const
  ) {
    const { y } = await (await runtime.open(bytes)).run({});
    assertEquals(y!.data, Float32Array.from(want));
  }
});
