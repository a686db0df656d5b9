// Graphs whose sizes depend on the batch in every way there is: one file each,
// run by ONNX Runtime with several batches, against our own reference.
import { assertEquals } from "@std/assert";
import type { NDArray } from "../../src/array.ts";
import { sizeOf } from "../../src/array.ts";
import { broadcast, sum } from "../../src/graph/broadcast.ts";
import { einsum } from "../../src/graph/einsum.ts";
import {
  add,
  less,
  mul,
  select,
  sub,
  toFloat,
} from "../../src/graph/elementwise.ts";
import { gather, scatterAdd } from "../../src/graph/indexing.ts";
import { iota } from "../../src/graph/leaves.ts";
import {
  concatenate,
  pad,
  reshape,
  slice,
  transpose,
} from "../../src/graph/movement.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { argmax, max } from "../../src/graph/reduce.ts";
import { toOnnx } from "../../src/onnx/to_onnx.ts";
import { Random } from "../../src/random.ts";
import { compile } from "../../src/run/plan.ts";
import { assertAgree } from "../compile/support.ts";
import { processTest } from "../helpers.ts";
import { Runtime } from "./runtime.ts";

/** From x, float32 (B, 3), and i, int32 (B), values in [0, B). */
type Build = (x: Node, i: Node, batch: number) => Node;

const CASES: Readonly<Record<string, Build>> = {
  "elementwise": (x) => mul(add(x, x), 0.5),
  "a row added": (x) => add(x, x.graph.constant([1, 2, 3])),
  "a column multiplied": (x) => mul(x, slice(x, [0, 1], [x.shape[0]!, 2])),
  "beside repeated rows": (x, _, batch) =>
    concatenate([x, broadcast(x.graph.constant([1, 2, 3]), [batch, 3])]),
  "each row repeated": (x, _, batch) =>
    broadcast(reshape(x, [batch, 1, 3]), [batch, 2, 3]),
  "flattened": (x, _, batch) => reshape(x, [3 * batch]),
  "split in two axes of its size": (x, _, batch) =>
    reshape(einsum("bd,cd->bc", x, x), [batch, 1, batch]),
  "everything against everything": (x) => einsum("bd,cd->bcd", x, x),
  "all but the first": (x) => slice(x, [1, 0]),
  "all but the last": (x, _, batch) => slice(x, [0, 0], [batch - 1, 2]),
  "the last": (x) => slice(x, [-1, 0]),
  "padded": (x) => pad(x, [2, 0], [1, 1]),
  "padded by its size": (x, _, batch) => pad(x, [batch, 0], [0, 0]),
  "twice as long": (x) => concatenate([x, x], 0),
  "across": (x) => transpose(x),
  "the sum of all": (x) => sum(x),
  "the largest of each column": (x) => max(x, [0]),
  "where each column is largest": (x) => argmax(x, [0]),
  "where all is largest": (x) => argmax(x),
  "counted": (_, i, batch) => add(iota(i, batch), i),
  "looked up in itself": (x, i) => gather(x, i),
  "scattered into as many rows": (x, i, batch) => scatterAdd(i, x, batch),
  "only below the diagonal": (x, i, batch) => {
    const square = [batch, batch];
    const down = broadcast(reshape(iota(i, batch), [batch, 1]), square);
    const below = less(iota(i, batch), down);
    return sub(select(below, einsum("bd,cd->bc", x, x), 0), toFloat(below));
  },
};

function define(build: Build, batch: number): { y: Node } {
  const graph = new Graph();
  const x = graph.input("x", [batch, 3]);
  const i = graph.input("i", [batch], "int32");
  return { y: build(x, i, batch) };
}

function draw(batch: number): Readonly<Record<string, NDArray>> {
  const random = new Random(batch);
  const rows = Float32Array.from(
    { length: sizeOf([batch, 3]) },
    () => random.uniform() - 0.5,
  );
  const indices = Int32Array.from({ length: batch }, () => random.below(batch));
  return {
    x: { data: rows, shape: [batch, 3] },
    i: { data: indices, shape: [batch] },
  };
}

processTest(
  "one file serves every batch, however sizes depend on it",
  async () => {
    await using runtime = await Runtime.start();
    for (const [name, build] of Object.entries(CASES)) {
      const bytes = toOnnx((batch) => define(build, batch));
      const model = await runtime.open(bytes);
      for (const batch of [1, 3, 64]) {
        const outputs = define(build, batch);
        const drawn = draw(batch);
        const feeds = Object.fromEntries(
          model.inputs.map(({ name }) => [name, drawn[name]!]),
        );
        const want = compile({ outputs, precision: "float64" }).run(feeds).y;
        const { y } = await model.run(feeds);
        const where = `${name}, ${batch}`;
        assertEquals(y!.shape, want.shape, where);
        assertAgree(y!.data, want.data, where);
      }
    }
  },
);
