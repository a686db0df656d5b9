// Checked plans: right ones pass whatever the graph, and a mistake of the
// compiler is named.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { sum } from "../../src/graph/broadcast.ts";
import { matmul } from "../../src/graph/einsum.ts";
import { add, mul, sub, tanh } from "../../src/graph/elementwise.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { OPS } from "../../src/graph/ops.ts";
import { DeviationError } from "../../src/run/deviation.ts";
import { compile, type Plan } from "../../src/run/plan.ts";
import { casesByOp, graphOf } from "../graph/op_cases.ts";
import { buildRandomGraph, isNearKink, RECIPES } from "../run/random_graph.ts";
import { withExchanged } from "./modules.ts";

const RUNS = 60;

/** Sums of rows, a product, and a variable that counts the runs. */
function sample(): Plan<"y"> {
  const graph = new Graph();
  const x = graph.input("x", [6, 5]);
  const w = graph.variable("w", [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]);
  const count = graph.variable("count", 0);
  const centred = graph.scope("centre", () => {
    const mean = mul(sum(x, [1], true), 0.2);
    return sub(x, mean);
  });
  const y = graph.scope("out", () => tanh(matmul(centred, w)));
  return compile({
    outputs: { y },
    updates: [[count, add(count, 1)]],
    check: true,
  });
}

const X = Float32Array.from({ length: 30 }, (_, i) => Math.sin(7 * i) / 4);

/** The deviation that a run of a corrupted plan is refused with. */
function deviationOf(plan: Plan<"y">): DeviationError {
  return assertThrows(() => plan.run({ x: X }), DeviationError);
}

Deno.test("a checked plan runs as any other", () => {
  const plan = sample();
  const { y } = plan.run({ x: X });
  assertEquals(y.shape, [6, 2]);
  assertEquals([...plan.run({ x: X }).y.data], [...y.data]);
  assertEquals(plan.variables.get("count").data[0], 2);
});

Deno.test("every operation passes the check", () => {
  for (const opCase of [...casesByOp().values()].flat()) {
    const { outputs, feeds } = graphOf(opCase);
    compile({ outputs, check: true }).run(feeds);
  }
});

Deno.test("random graphs pass the check, step after step", () => {
  fc.assert(
    fc.property(RECIPES, fc.boolean(), (recipe, deterministic) => {
      const made = buildRandomGraph(recipe);
      fc.pre(!isNearKink(made));
      const { outputs, updates, feeds } = made;
      const plan = compile({ outputs, updates, check: true, deterministic });
      plan.run(feeds);
      plan.run(feeds);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("check names the kernel with a wrong instruction", () => {
  const plan = withExchanged("f32x4.sub", "f32x4.add", sample);
  const { deviation, message } = deviationOf(plan);
  assertEquals(deviation.kernel, '1 "centre.sub"');
  assertEquals(deviation.buffer, "centre.sub");
  const [row, column] = deviation.index as [number, number];
  const mean = X.slice(5 * row, 5 * row + 5).reduce((a, b) => a + b) / 5;
  const x = X[5 * row + column]!;
  assert(Math.abs(deviation.want - (x - mean)) < 1e-6, message);
  assert(Math.abs(deviation.got - (x + mean)) < 1e-6, message);
  assertEquals([deviation.count, deviation.firstNaN], [30, undefined]);
  const start = 'Cannot confirm kernel 1 "centre.sub": centre.sub[';
  assertEquals(message.slice(0, start.length), start);
});

Deno.test("check names a product that goes wrong", () => {
  const plan = withExchanged(
    "f32x4.relaxed_madd",
    "f32x4.relaxed_nmadd",
    sample,
  );
  const { deviation } = deviationOf(plan);
  assertEquals(deviation.kernel, '2 "out.einsum"');
  assertEquals(deviation.buffer, "out.einsum");
});

Deno.test("check finds the first NaN that should be none", () => {
  const x = new Graph().input("x", [2, 3]);
  const plan = withExchanged(
    "f32x4.mul",
    "f32x4.div",
    () => compile({ outputs: { y: mul(x, x) }, check: true }),
  );
  const { deviation, message } = assertThrows(
    () => plan.run({ x: [[1, 2, 3], [0, 5, 0]] }),
    DeviationError,
  );
  assertEquals(deviation.firstNaN, [1, 0]);
  // 1 / 1 and 1 * 1 are the same.
  assertEquals([deviation.got, deviation.count], [NaN, 5]);
  assert(message.includes("the first NaN at [1][0]"), message);
});

Deno.test("a step that does not pass the check changes nothing", () => {
  const plan = withExchanged("f32x4.sub", "f32x4.add", sample);
  deviationOf(plan);
  assertEquals(plan.variables.get("count").data[0], 0);
  assertEquals([...plan.input("x")], [...X]);
  assertEquals([...plan.output("y")], new Array(12).fill(0));
});

Deno.test("check finds writes where a kernel has no business", () => {
  const { Instance } = WebAssembly;
  let stray = -1;
  WebAssembly.Instance = class {
    exports: WebAssembly.Exports;
    constructor(module: WebAssembly.Module, imports: WebAssembly.Imports) {
      const { exports } = new Instance(module, imports);
      const { memory } = imports.weft as { memory: WebAssembly.Memory };
      const kernel2 = (first: number): void => {
        (exports.kernel2 as (first: number) => void)(first);
        if (stray >= 0) new Float32Array(memory.buffer)[stray] = 9;
      };
      this.exports = { ...exports, kernel2 };
    }
  };
  const plan = (() => {
    try {
      return sample();
    } finally {
      WebAssembly.Instance = Instance;
    }
  })();
  plan.run({ x: X });
  stray = plan.input("x").byteOffset / 4 + 3;
  const { deviation } = deviationOf(plan);
  assertEquals(deviation.kernel, '2 "out.einsum"');
  assertEquals(deviation.index, [4 * stray]);
  stray = -1;
  plan.run({ x: X });
});

Deno.test("check tells when all kernels agree and the graph does not", () => {
  const plan = sample();
  const record = OPS.tanh as { evaluate: typeof OPS.tanh.evaluate };
  const { evaluate } = record;
  record.evaluate = (inputs, out, attrs) => {
    evaluate!(inputs, out, attrs);
    out.data[7] = NaN;
  };
  try {
    const { deviation, message } = deviationOf(plan);
    assertEquals(deviation.kernel, undefined);
    assertEquals([deviation.buffer, deviation.index], ['output "y"', [3, 1]]);
    assertEquals([deviation.want, deviation.count], [NaN, 1]);
    assert(message.startsWith("Cannot confirm the plan"), message);
  } finally {
    record.evaluate = evaluate;
  }
});

Deno.test("check holds where rows are long and variables change in place", () => {
  const graph = new Graph();
  const data = Float32Array.from({ length: 70 }, (_, i) => 1 + i / 70);
  const m = graph.variable("m", { data, shape: [70] });
  const w = graph.variable("w", { data, shape: [70] });
  const g = graph.variable("g", { data, shape: [70] });
  const next = mul(add(m, g), 0.9);
  const norm = sum(mul(next, next), [0], true);
  const plan = compile({
    outputs: {},
    updates: [[m, next], [w, sub(w, mul(next, norm))]],
    check: true,
  });
  plan.run();
  plan.run();
});

Deno.test("check holds for batches that tiles do not divide", () => {
  const graph = new Graph();
  const [batch, width] = [67, 60];
  const x = graph.input("x", [batch, width]);
  const w = graph.variable("w", {
    data: Float32Array.from({ length: width * width }, (_, i) => Math.cos(i)),
    shape: [width, width],
  });
  let h: Node = x;
  for (let layer = 0; layer < 8; layer++) h = tanh(matmul(h, w));
  const total = sum(mul(h, h), [0]);
  const plan = compile({ outputs: { total, h }, check: true });
  const data = Float32Array.from(
    { length: batch * width },
    (_, i) => Math.sin(i),
  );
  plan.run({ x: { data, shape: [batch, width] } });
});
