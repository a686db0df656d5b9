// Gradients against central differences, in float64, for every case of the
// table; then what the rules promise where differences cannot tell.
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { TypedArray } from "../../src/array.ts";
import { sum } from "../../src/graph/broadcast.ts";
import { relu } from "../../src/graph/composite.ts";
import { matmul } from "../../src/graph/einsum.ts";
import {
  abs,
  add,
  div,
  exp,
  less,
  maximum,
  minimum,
  mul,
  select,
  stopGradient,
  sub,
  tanh,
  toFloat,
  toInt,
} from "../../src/graph/elementwise.ts";
import { grad } from "../../src/graph/grad.ts";
import { gather } from "../../src/graph/indexing.ts";
import { transpose } from "../../src/graph/movement.ts";
import { Graph, type Node, reachable } from "../../src/graph/node.ts";
import { OPS } from "../../src/graph/ops.ts";
import { max } from "../../src/graph/reduce.ts";
import { ShapeError } from "../../src/graph/shape.ts";
import { compile } from "../../src/run/plan.ts";
import { casesByOp, graphOf, OP_CASES, type OpCase } from "./op_cases.ts";
import { assertClose, nested } from "./support.ts";

/** With float64 the difference is off by about 1e-10, the step's square. */
const STEP = 1e-5;
const TOLERANCE = 1e-7;

/** Checks every gradient of a case against the differences of its loss. */
function checkGradients(opCase: OpCase): void {
  const { outputs, feeds } = graphOf(opCase);
  const precision = "float64";
  const plan = compile({ outputs, precision });
  const gradients = plan.run(feeds);
  const forward = compile({ outputs: { loss: outputs.loss! }, precision });
  forward.run(feeds);
  const lossAt = (
    x: number,
    place: number,
    values: TypedArray,
  ): number => {
    values[place] = x;
    forward.step();
    return forward.output("loss")[0]!;
  };
  for (const at of opCase.differentiable) {
    const values = forward.input(`x${at}`);
    const differences = Array.from(values, (x, place) => {
      const rise = lossAt(x + STEP, place, values) -
        lossAt(x - STEP, place, values);
      values[place] = x;
      return rise / (2 * STEP);
    });
    const name = `${opCase.op}: ${opCase.name}, input ${at}`;
    assertEquals(outputs[`d${at}`]!.shape, opCase.inputs[at]!.shape, name);
    assertClose(gradients[`d${at}`]!.data, differences, TOLERANCE, name);
  }
}

for (const [op, cases] of casesByOp()) {
  const differentiable = cases.filter((c) => c.differentiable.length > 0);
  if (differentiable.length === 0) continue;
  Deno.test(`the gradient of ${op} agrees with central differences`, () => {
    differentiable.forEach(checkGradients);
  });
}

Deno.test("every operation of OPS has a case that really uses it", () => {
  const used = new Set(OP_CASES.flatMap((opCase) => {
    const { outputs } = graphOf(opCase);
    return reachable([outputs.y!]).map(({ op }) => op);
  }));
  const cases = casesByOp();
  for (const op of Object.keys(OPS) as (keyof typeof OPS)[]) {
    assert(cases.has(op) && used.has(op), `${op} has no case`);
    const { vjp } = OPS[op];
    const checked = cases.get(op)!.some((c) => c.differentiable.length > 0);
    assert(vjp === null || checked, `${op} has no case with a gradient`);
  }
});

Deno.test("cases are named uniquely, so that a failure names one", () => {
  const names = OP_CASES.map(({ op, name }) => `${op}: ${name}`);
  assertEquals(names.filter((name, at) => names.indexOf(name) !== at), []);
});

/** The gradient of a scalar function at some values, as nested arrays. */
function slopeOf(
  build: (x: Node) => Node,
  at: number | number[] | number[][],
): unknown {
  const graph = new Graph();
  const x = graph.variable("x", at);
  return nested(grad(sum(build(x)), [x])[0]!);
}

Deno.test("grad() adds up what a tensor used twice receives", () => {
  assertEquals(
    slopeOf((x) => {
      const b = add(x, x);
      return add(b, b);
    }, [1, 2]),
    [4, 4],
  );
  assertEquals(slopeOf((x) => mul(x, x), [3, -2]), [6, -4]);
  assertEquals(slopeOf((x) => sub(x, x), [3]), [0]);
  assertEquals(slopeOf((x) => div(x, x), [2, 4]), [0, 0]);
  assertEquals(slopeOf((x) => maximum(x, x), [2]), [1]);
});

Deno.test("grad() takes targets inside the graph, each other's inputs too", () => {
  const graph = new Graph();
  const x = graph.variable("x", 3);
  const square = mul(x, x);
  const loss = mul(square, square);
  const [outer, inner, self] = grad(loss, [square, x, loss]);
  assertEquals(nested(outer!), 18);
  assertEquals(nested(inner!), 108);
  assertEquals(nested(self!), 1);
  assertEquals(grad(loss, [x, x])[0], grad(loss, [x, x])[1]);
  assertEquals(grad(loss, []), []);
});

Deno.test("grad() accepts a loss of one element of any rank", () => {
  const graph = new Graph();
  const x = graph.variable("x", [[5]]);
  assertEquals(nested(grad(mul(x, x), [x])[0]!), [[10]]);
});

Deno.test("grad() refuses a loss of several elements or of int32", () => {
  const graph = new Graph();
  const x = graph.input("x", [2]);
  assertThrows(
    () => grad(x, [x]),
    ShapeError,
    'Cannot differentiate "x", float32 (2): wanted one float32 element',
  );
  const i = graph.input("i", [], "int32");
  assertThrows(() => grad(i, [i]), ShapeError, 'Cannot differentiate "i", int');
});

Deno.test("grad() refuses a target the loss does not depend on, naming both", () => {
  const graph = new Graph();
  const x = graph.input("x", []);
  const y = graph.input("y", []);
  const loss = tanh(x);
  const message = `Cannot differentiate tanh (node ${loss.id}) by "y"`;
  assertThrows(() => grad(loss, [y]), RangeError, message);
  assertThrows(() => grad(loss, [x, y]), RangeError, message);
  assertThrows(() => grad(graph.constant(1), [x]), RangeError, '"x"');
  assertThrows(() => grad(loss, [mul(loss, 2)]), RangeError, "by mul (node");
});

Deno.test("grad() refuses a path through stopGradient or integers alone", () => {
  const graph = new Graph();
  const x = graph.input("x", []);
  const w = graph.input("w", [3]);
  const blocked: Node[] = [
    stopGradient(mul(x, x)),
    toFloat(toInt(x)),
    select(less(x, 0), graph.constant(1), 2),
    gather(w, toInt(x)),
  ];
  for (const through of blocked) {
    assertThrows(() => grad(mul(through, 2), [x]), RangeError, 'by "x"');
    // Another target through which a gradient does flow changes nothing.
    const loss = add(mul(through, 2), sum(w));
    assertThrows(() => grad(loss, [w, x]), RangeError, 'by "x"');
  }
  assertThrows(() => grad(x, [toInt(x)]), RangeError, "by cast (node");
});

Deno.test("stopGradient() blocks its own path and no other", () => {
  assertEquals(slopeOf((x) => mul(stopGradient(x), x), [3, 4]), [3, 4]);
});

Deno.test("grad() of a gradient is the second derivative", () => {
  const graph = new Graph();
  const x = graph.variable("x", 0.7);
  const y = mul(tanh(x), exp(mul(x, x)));
  const [first] = grad(y, [x]);
  const [second] = grad(first!, [x]);
  const [third] = grad(second!, [x]);
  const plan = compile({
    outputs: { first: first!, second: second!, third: third! },
    precision: "float64",
  });
  const at = (value: number): Record<string, number> => {
    plan.variables.set("x", value);
    const { first, second, third } = plan.run();
    return {
      first: first.data[0]!,
      second: second.data[0]!,
      third: third.data[0]!,
    };
  };
  const step = 1e-5;
  const [low, here, high] = [at(0.7 - step), at(0.7), at(0.7 + step)];
  const slope = (key: string): number => (high[key]! - low[key]!) / (2 * step);
  assertClose([here.second!], [slope("first")], 1e-7, "second");
  assertClose([here.third!], [slope("second")], 1e-7, "third");
});

Deno.test("ties share a gradient evenly in max, maximum and minimum", () => {
  assertEquals(slopeOf((x) => max(x), [2, 5, 5, 5, 5]), [
    0,
    0.25,
    0.25,
    0.25,
    0.25,
  ]);
  assertEquals(slopeOf((x) => max(x, [1]), [[1, 1], [0, 2]]), [
    [0.5, 0.5],
    [0, 1],
  ]);
  assertEquals(slopeOf((x) => maximum(x, 2), [1, 2, 3]), [0, 0.5, 1]);
  assertEquals(slopeOf((x) => maximum(2, x), [1, 2, 3]), [0, 0.5, 1]);
  assertEquals(slopeOf((x) => minimum(x, 2), [1, 2, 3]), [1, 0.5, 0]);
  assertEquals(slopeOf((x) => minimum(2, x), [1, 2, 3]), [1, 0.5, 0]);
});

Deno.test("abs and relu have the gradient 0 at 0", () => {
  assertEquals(slopeOf(abs, [-2, 0, 2]), [-1, 0, 1]);
  assertEquals(slopeOf(relu, [-2, 0, 2]), [0, 0, 1]);
});

Deno.test("select() gives what it does not take the gradient 0, NaN or not", () => {
  const graph = new Graph();
  const a = graph.variable("a", [NaN, 2, Infinity]);
  const b = graph.variable("b", [1, NaN, 3]);
  const taken = select(graph.constant([0, 1, 0], "int32"), a, b);
  const [da, db] = grad(sum(mul(taken, 5)), [a, b]);
  assertEquals(nested(taken), [1, 2, 3]);
  assertEquals(nested(da!), [0, 5, 0]);
  assertEquals(nested(db!), [5, 0, 5]);
});

Deno.test("the gradient of a product consists of products", () => {
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      const graph = new Graph();
      const a = graph.input("a", transposeA ? [2, 4, 3] : [2, 3, 4]);
      const b = graph.input("b", transposeB ? [5, 4] : [4, 5]);
      const y = matmul(a, b, { transposeA, transposeB });
      const dy = graph.input("dy", y.shape);
      const gradients = grad(sum(mul(y, dy)), [a, b]);
      for (const gradient of gradients) {
        assertEquals(gradient.op, "einsum");
        // Straight from an operand: nothing is transposed or copied first.
        assert(gradient.inputs.some((node) => node === a || node === b));
        const [other] = gradient.inputs.filter((x) => x !== a && x !== b);
        assertEquals(other!.op, "mul");
      }
    }
  }
});

Deno.test("the gradient of a lookup is a scatter-add, and the reverse", () => {
  const graph = new Graph();
  const table = graph.input("table", [5, 3]);
  const rows = graph.input("rows", [4], "int32");
  const [gradient] = grad(sum(mul(gather(table, rows), 2)), [table]);
  assertEquals(gradient!.op, "scatterAdd");
  assertEquals(gradient!.shape, [5, 3]);
});

Deno.test("grad() leaves out what leads to no target", () => {
  const graph = new Graph();
  const x = graph.input("x", [3, 4]);
  const w = graph.input("w", [4]);
  const before = graph.nodes.length;
  const loss = sum(mul(exp(x), w));
  const built = graph.nodes.length;
  const [gradient] = grad(loss, [w]);
  const backward = graph.nodes.slice(built).map(({ op }) => op);
  assert(before < built && !backward.includes("exp"));
  // exp(x) times the incoming gradient, and the sum over the broadcast axis.
  assert(reachable([gradient!]).every((node) => node.inputs.length <= 2));
  assertEquals(
    reachable([gradient!]).filter(({ op }) => op === "exp").length,
    1,
  );
});

Deno.test("gradient nodes carry the scope of their forward node, marked", () => {
  const graph = new Graph();
  const x = graph.input("x", [3]);
  const loss = graph.scope(
    "model",
    () => graph.scope("head", () => sum(tanh(transpose(x)))),
  );
  const [gradient] = grad(loss, [x]);
  assertEquals(gradient!.scope, "model.head'");
  const [second] = grad(sum(gradient!), [x]);
  assert(reachable([second!]).every(({ scope }) => !scope.includes("''")));
});
