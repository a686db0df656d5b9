// Variables that are written before it is certain that all lookups succeed.
import { assertEquals, assertThrows } from "@std/assert";
import { add, mul, sub } from "../../src/graph/elementwise.ts";
import { toNested } from "../../src/array.ts";
import { gather } from "../../src/graph/indexing.ts";
import { Graph } from "../../src/graph/node.ts";
import { CompiledProgram } from "../../src/run/compiled.ts";
import { compile } from "../../src/run/plan.ts";
import { Variables } from "../../src/run/variables.ts";
import { prediction } from "./counts.ts";
import { SHAPES } from "./support.ts";

/** Rows looked up one after another, by indices that move on. */
function walking() {
  const graph = new Graph();
  const table = graph.variable("table", [[1, 2], [3, 4], [5, 6]]);
  const index = graph.variable("index", new Int32Array([0, 1]), "int32");
  const found = graph.variable("found", [[0, 0], [0, 0]]);
  const next = add(index, 1);
  const y = mul(gather(table, index), 10);
  return {
    outputs: { next, y },
    updates: [[index, next], [found, y]] as const,
  };
}

Deno.test("indices that are written early are still looked up as they were", () => {
  for (const atomic of [true, false]) {
    const plan = compile({ ...walking(), atomic });
    assertEquals([...plan.run().y.data], [10, 20, 30, 40]);
    assertEquals([...plan.run().y.data], [30, 40, 50, 60]);
    assertEquals([...plan.variables.get("found").data], [30, 40, 50, 60]);
  }
});

Deno.test("a failing lookup leaves all variables alone, unless told it need not", () => {
  const after = (atomic: boolean) => {
    const plan = compile({ ...walking(), atomic });
    plan.run();
    plan.run();
    assertThrows(() => plan.run(), RangeError);
    return [...plan.variables.get("found").data];
  };
  assertEquals(after(true), [30, 40, 50, 60]);
  // The first row was found, and written, before the second was not.
  assertEquals(after(false).slice(0, 2), [50, 60]);
});

Deno.test("what tiles compute is written right to variables that nobody reads", () => {
  const [encoding] = prediction(SHAPES.MEDIUM!);
  const { outputs, updates, ...options } = encoding;
  const movesOf = (atomic: boolean) =>
    new CompiledProgram(outputs, updates, new Variables(), {
      ...options,
      atomic,
    }).lowered.copies.length;
  // Keys and values; the first token and position are constants, and moved.
  assertEquals([movesOf(true), movesOf(false)], [4, 2]);
});

Deno.test("a variable keeps its value while any row of its kernel reads it", () => {
  const graph = new Graph();
  const x = graph.input("x", [1, 3, 1]);
  // Read for every row, at strides that are those of one row alone.
  const w = graph.variable("w", [[[1, 2, 3]]]);
  const step = graph.constant([[[1.5, 1.5, 1.5]]]);
  const outputs = { d: sub(x, w) };
  const updates = [[w, sub(w, step)]] as const;
  const [want, got] = (["interpreter", "compiled"] as const).map((executor) => {
    const plan = compile({ outputs, updates, executor });
    const { d } = plan.run({ x: [[[10], [20], [30]]] });
    return [toNested(d), toNested(plan.variables.get("w"))];
  });
  assertEquals(got, want);
  assertEquals(want![0], [[[9, 8, 7], [19, 18, 17], [29, 28, 27]]]);
});
