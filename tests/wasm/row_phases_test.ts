// What waits between the phases of long rows, and where.
import { assertEquals } from "@std/assert";
import { buildKernels } from "../../src/compile/build.ts";
import type { LoopKernel } from "../../src/compile/kernel.ts";
import { softmax } from "../../src/graph/composite.ts";
import { add, exp, mul } from "../../src/graph/elementwise.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { max } from "../../src/graph/reduce.ts";
import { cut, findWaiting, phasesOf } from "../../src/wasm/row_phases.ts";

function waitingIn(build: (x: Node) => Node) {
  const y = build(new Graph().input("x", [3, 100]));
  const { stages } = buildKernels([y], []).lowered;
  const kernel = stages[0]!.kernels[0] as LoopKernel;
  const phases = cut(kernel, phasesOf(kernel.values), true);
  return findWaiting(kernel, phases).map(({ value, ...rest }) => ({
    op: kernel.values[value]!.op,
    ...rest,
  }));
}

Deno.test("exponentials of a long row wait where the softmax will be", () => {
  assertEquals(waitingIn((x) => softmax(x)), [
    { op: "exp", store: 0, from: 1, until: 2 },
  ]);
});

Deno.test("what is quickly computed anew does not wait, nor what one phase needs", () => {
  assertEquals(waitingIn((x) => mul(x, max(x, [-1], true))), []);
  assertEquals(waitingIn((x) => exp(add(x, 1))), []);
});
