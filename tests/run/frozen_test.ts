// Frozen variables: what they alone decide is computed once for many steps.
import { assertEquals } from "@std/assert";
import { matmul } from "../../src/graph/einsum.ts";
import { add, exp, mul } from "../../src/graph/elementwise.ts";
import { Graph } from "../../src/graph/node.ts";
import { CompiledProgram } from "../../src/run/compiled.ts";
import { compile } from "../../src/run/plan.ts";
import { Variables } from "../../src/run/variables.ts";
import { refuses } from "../graph/support.ts";

function define() {
  const graph = new Graph();
  const w = graph.variable("w", [[1, 2], [3, 4]]);
  const x = graph.input("x", [3, 2]);
  const table = exp(matmul(w, w));
  return { w, x, y: matmul(x, table) };
}

const X = [[1, 0], [0, 1], [1, 1]];

Deno.test("step() uses what prepare() computed, run() prepares by itself", () => {
  const { w, y } = define();
  const plan = compile({ outputs: { y }, frozen: [w] });
  const before = plan.run({ x: X }).y;
  plan.variables.set("w", [[0, 0], [0, 0]]);
  plan.step();
  assertEquals(plan.output("y"), before.data);
  plan.prepare();
  plan.step();
  const fresh = compile({ outputs: { y }, variables: plan.variables });
  assertEquals(plan.output("y"), fresh.run({ x: X }).y.data);
  plan.variables.set("w", [[1, 2], [3, 4]]);
  assertEquals(plan.run({ x: X }).y, before);
});

Deno.test("only what depends on frozen variables alone leaves the step", () => {
  const { w, y } = define();
  const kernelsOf = (frozen: typeof w[]) => {
    const { lowered } = new CompiledProgram({ y }, [], new Variables(), {
      frozen,
    });
    const count = (list: { kernels: readonly unknown[] }[]) =>
      list.reduce((sum, { kernels }) => sum + kernels.length, 0);
    return [count([lowered.prepare]), count([...lowered.stages])];
  };
  assertEquals(kernelsOf([]), [0, 3]);
  assertEquals(kernelsOf([w]), [2, 1]);
});

Deno.test("a result that frozen variables alone decide is prepared as well", () => {
  const { w } = define();
  const plan = compile({ outputs: { z: mul(w, 2) }, frozen: [w] });
  assertEquals([...plan.run().z.data], [2, 4, 6, 8]);
});

Deno.test("compile() refuses to freeze what is no variable or is updated", () => {
  const { w, x, y } = define();
  refuses(
    () => compile({ outputs: { y }, frozen: [x] }),
    TypeError,
    "Cannot freeze input (node 1): wanted a variable",
  );
  refuses(
    () => compile({ outputs: { y }, updates: [[w, add(w, 1)]], frozen: [w] }),
    TypeError,
    'Cannot freeze variable "w": the plan updates it',
  );
  refuses(
    () => compile({ outputs: { y }, frozen: [w], frozenSteps: 0.5 }),
    RangeError,
    "Cannot use frozenSteps = 0.5: wanted an integer from 1 to 9007199254740991",
  );
});
