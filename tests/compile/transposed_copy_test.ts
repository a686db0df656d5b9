// Copies of transposed values: done four rows by four columns, right for all
// sizes, whole and tile by tile.
import { assert, assertEquals } from "@std/assert";
import { sizeOf } from "../../src/array.ts";
import { buildKernels } from "../../src/compile/build.ts";
import { transpose } from "../../src/graph/movement.ts";
import { Graph } from "../../src/graph/node.ts";
import { compile } from "../../src/run/plan.ts";
import { emitModule } from "../../src/wasm/emit_module.ts";
import { inspectModule } from "../../src/wasm/inspect.ts";

function define(shape: readonly number[], order: readonly number[]) {
  const graph = new Graph();
  const x = graph.input("x", shape);
  return { y: transpose(x, order), z: transpose(x, order.toReversed()) };
}

function laneLoads(shape: readonly number[], order: readonly number[]): number {
  const { lowered } = buildKernels([define(shape, order).y], []);
  const module = emitModule(lowered, ({ id }) => 4096 * id, { relaxed: true });
  return inspectModule(module).reduce(
    (sum, { instructions }) =>
      sum + (instructions.get("v128.load32_lane") ?? 0),
    0,
  );
}

Deno.test("a transposed copy loads whole vectors, one of other axes need not", () => {
  assertEquals(laneLoads([9, 10], [1, 0]), 0);
  assertEquals(laneLoads([3, 9, 10], [0, 2, 1]), 0);
  assertEquals(laneLoads([9, 3, 10], [2, 1, 0]), 0);
  assert(laneLoads([3, 2, 9], [0, 2, 1]) > 0, "rows of two");
});

for (
  const [shape, order] of [
    [[5, 7], [1, 0]],
    [[33, 18], [1, 0]],
    [[4, 6, 9], [0, 2, 1]],
    [[3, 17, 20], [0, 2, 1]],
    [[6, 5, 8], [2, 1, 0]],
    [[2, 5, 6, 7], [0, 3, 2, 1]],
  ] as const
) {
  Deno.test(`(${shape}) copied in the order ${order} is what the interpreter has`, () => {
    const data = Float32Array.from({ length: sizeOf(shape) }, (_, at) => at);
    const feeds = { x: { data, shape } };
    const outputs = define(shape, order);
    const want = compile({ outputs, executor: "interpreter" }).run(feeds);
    for (const tileBytes of [1, 1 << 20]) {
      const got = compile({
        outputs: define(shape, order),
        tileBytes,
        check: true,
      }).run(feeds);
      assertEquals(got.y.data, want.y.data);
      assertEquals(got.z.data, want.z.data);
    }
  });
}
