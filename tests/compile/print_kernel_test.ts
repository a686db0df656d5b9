// Kernels as text: one small graph with a lookup, a product, a row reduction, a
// sum over the batch and an update, listed in full.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { buildKernels } from "../../src/compile/build.ts";
import { formatKernels } from "../../src/compile/print_kernel.ts";
import { sum } from "../../src/graph/broadcast.ts";
import { softmax } from "../../src/graph/composite.ts";
import { matmul } from "../../src/graph/einsum.ts";
import { add, mul } from "../../src/graph/elementwise.ts";
import { gather } from "../../src/graph/indexing.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { formatBlocks } from "../../src/wasm/print_product.ts";

const LISTING = `\
b0 float32[] by []: variable count
b1 float32[] by []: add
b2 float32[4, 3] by [3, 1]: variable table
b3 int32[6] by [1]: input tokens
b4 float32[6, 3] by [3, 1], a tile: layer.add
b5 float32[3, 5] by [5, 1]: variable w
b6 float32[6, 5] by [8, 1], a tile: layer.einsum
b7 float32[1, 5] by [8, 1]: sum
b8 float32[5] by [1]: reshape
stage 0, once
  kernel 0 "add": row i0 < 1
    v0 = b0[0] <variable count> (a row)
    v1 = 1 (a row)
    v2 = add v0 v1 (a row)
    b1[0] = v2  # add
stage 1, 1 tile of 6, clears b7
  kernel 1 "layer.add": loop i0 < tile, row i1 < 3
    v0 = b2[i1 + 3 {b3[(t + i0)] < 4}] <variable table>
    v1 = 1 (a row)
    v2 = add v0 v1
    b4[3 i0 + i1] = v2  # layer.add
  kernel 2 "layer.einsum": out[m, n] = a[m, k] b[k, n], m < 6, n < 5, k < 3
    a = b4[3 m + k] <layer.add>
    b = b5[n + 5 k] <variable w>
    out = b6[8 m + n] <layer.einsum>
    blocks: 1 of 2 vectors (splat, rows 1x6), k by 3
  kernel 3 "sum": loop i0 < tile, row i1 < 5
    v0 = b6[8 i0 + i1] <layer.einsum>
    v1 = rowMax v0 (a row)
    v2 = sub v0 v1
    v3 = exp v2
    v4 = rowSum v3 (a row)
    v5 = div v3 v4
    v6 = mul v5 v5
    b7[i1] += v6  # sum
stage 2, once
  kernel 4 "reshape": row i0 < 5
    v0 = b7[i0] <sum>
    b8[i0] = v0  # reshape
copy b1 (add) to b0 (variable count)`;

function variable(graph: Graph, name: string, ...shape: number[]): Node {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return graph.variable(name, { data: new Float32Array(size), shape });
}

Deno.test("formatKernels() lists buffers, stages, kernels and moves", () => {
  const graph = new Graph();
  const tokens = graph.input("tokens", [6], "int32");
  const table = variable(graph, "table", 4, 3);
  const w = variable(graph, "w", 3, 5);
  const y = graph.scope(
    "layer",
    () => softmax(matmul(add(gather(table, tokens), 1), w)),
  );
  const total = sum(mul(y, y), [0]);
  const count = graph.variable("count", 0);
  const { lowered } = buildKernels([total], [[count, add(count, 1)]]);
  assertEquals(formatKernels(lowered, { blocks: formatBlocks }), LISTING);
});

Deno.test("formatKernels() shows what is prepared, and a last smaller tile", () => {
  const graph = new Graph();
  const w = variable(graph, "w", 200, 200);
  const x = graph.input("x", [131, 200]);
  const h = matmul(matmul(x, add(mul(w, w), 1)), w);
  const { lowered } = buildKernels([sum(mul(h, h))], [], {
    frozen: [w],
    tileBytes: 50_000,
  });
  const { batch, tile } = lowered;
  const text = formatKernels(lowered);
  assertStringIncludes(text, 'prepared, once\n  kernel 0 "add"');
  const tiles = `${Math.floor(batch / tile)} tiles of ${tile}`;
  assertStringIncludes(text, `, ${tiles} and one of ${batch % tile}`);
});
