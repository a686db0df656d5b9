// Products that copy their left operand so that its rows lie side by side:
// which do, and that odd sizes and last, smaller tiles are right.
import { assert, assertEquals } from "@std/assert";
import { sizeOf } from "../../src/array.ts";
import { buildKernels } from "../../src/compile/build.ts";
import type { ProductKernel } from "../../src/compile/kernel.ts";
import { matmul } from "../../src/graph/einsum.ts";
import { mul } from "../../src/graph/elementwise.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { sum } from "../../src/graph/broadcast.ts";
import { Random } from "../../src/random.ts";
import { compile } from "../../src/run/plan.ts";
import { assertClose } from "../graph/support.ts";

function values(...shape: number[]) {
  const random = new Random(sizeOf(shape));
  const data = Float32Array.from(
    { length: sizeOf(shape) },
    () => random.normal(),
  );
  return { data, shape };
}

/** x w, squared, and summed over the batch. */
function define(batch: number, rows: number, k: number, n: number) {
  const graph = new Graph();
  const x = graph.input("x", [batch, rows, k]);
  const w = graph.variable("w", values(k, n));
  const y = matmul(mul(x, x), w);
  return { y, total: sum(mul(y, y), [0]) };
}

function productsOf(outputs: readonly Node[]): ProductKernel[] {
  const { stages } = buildKernels(outputs, []).lowered;
  return stages.flatMap(({ kernels }) => kernels)
    .filter((kernel) => kernel.kind === "product");
}

Deno.test("products of many rows and columns copy their left operand, others do not", () => {
  const copies = (...sizes: [number, number, number, number]): boolean => {
    const products = productsOf([define(...sizes).total]);
    assertEquals(products.length, 1);
    return products[0]!.scratch !== undefined;
  };
  assert(copies(3, 16, 64, 96));
  assert(!copies(3, 16, 512, 32), "few columns");
  assert(!copies(3, 16, 16, 96), "little work");
  assert(!copies(3, 1, 512, 96), "few rows");
});

for (
  const [batch, rows, k, n] of [
    [7, 5, 40, 96],
    [5, 13, 31, 98],
    [3, 16, 30, 100],
    [2, 33, 65, 103],
  ] as const
) {
  Deno.test(`a copied left operand of ${rows} rows by ${k} gives what the interpreter gives`, () => {
    const feeds = { x: values(batch, rows, k) };
    const make = () => {
      const { y, total } = define(batch, rows, k, n);
      return { outputs: { y, total } };
    };
    const want = compile({ ...make(), executor: "interpreter" }).run(feeds);
    // From all in one tile to each sequence by itself, and a smaller last one.
    for (const tile of [1, 2, 3, batch]) {
      const tileBytes = 4 * tile * rows * (k + 4 * Math.ceil(n / 4) + 4);
      const options = { ...make(), tileBytes, check: true };
      const got = compile(options).run(feeds);
      for (const name of ["y", "total"] as const) {
        assertClose(got[name].data, want[name].data, 1e-4, name);
      }
    }
  });
}
