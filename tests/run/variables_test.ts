// Variables and their updates: what a run changes, when, and for whom.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { sum } from "../../src/graph/broadcast.ts";
import {
  add,
  less,
  mul,
  select,
  stopGradient,
} from "../../src/graph/elementwise.ts";
import { reshape } from "../../src/graph/movement.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { compile, type CompileOptions } from "../../src/run/plan.ts";
import { Variables } from "../../src/run/variables.ts";

Deno.test("updates happen all together: two variables swap", () => {
  const graph = new Graph();
  const a = graph.variable("a", [1, 2]);
  const b = graph.variable("b", [3, 4]);
  for (const wrap of [(x: Node) => x, stopGradient, (x: Node) => add(x, 0)]) {
    const plan = compile({
      outputs: {},
      updates: [[a, wrap(b)], [b, wrap(a)]],
    });
    plan.run();
    assertEquals([...plan.variables.get("a").data], [3, 4]);
    assertEquals([...plan.variables.get("b").data], [1, 2]);
    plan.run();
    assertEquals([...plan.variables.get("a").data], [1, 2]);
  }
});

Deno.test("a variable can take an input, a constant, or its own value", () => {
  const graph = new Graph();
  const x = graph.input("x", [2]);
  const [a, b, c] = ["a", "b", "c"].map((name) => graph.variable(name, [0, 0]));
  const plan = compile({
    outputs: { a: a! },
    updates: [[a!, x], [b!, graph.constant([5, 6])], [c!, c!]],
  });
  plan.run({ x: [7, 8] });
  const now = (): number[][] =>
    ["a", "b", "c"].map((name) => [...plan.variables.get(name).data]);
  assertEquals(now(), [[7, 8], [5, 6], [0, 0]]);
  assertEquals([...plan.run({ x: [9, 9] }).a.data], [7, 8]);
  assertEquals(now(), [[9, 9], [5, 6], [0, 0]]);
});

Deno.test("outputs show variables as they were before the updates", () => {
  const graph = new Graph();
  const w = graph.variable("w", [[1, 2]]);
  const next = mul(w, 10);
  const plan = compile({
    outputs: { w, flat: reshape(w, [2]), next },
    updates: [[w, next]],
  });
  for (const scale of [1, 10]) {
    const { w: old, flat, next: value } = plan.run();
    assertEquals(old, {
      data: Float32Array.of(scale, 2 * scale),
      shape: [1, 2],
    });
    assertEquals(flat.shape, [2]);
    assertEquals([...flat.data], [scale, 2 * scale]);
    assertEquals([...value.data], [10 * scale, 20 * scale]);
  }
});

Deno.test("plans that share variables see one another's updates", () => {
  const variables = new Variables();
  const train = new Graph();
  const w = train.variable("w", [1, 2]);
  const step = compile({ outputs: {}, updates: [[w, mul(w, 2)]], variables });
  const read = new Graph();
  // What is there already keeps its value, whatever the second graph says.
  const same = read.variable("w", [100, 100]);
  const look = compile({ outputs: { y: sum(same) }, variables });
  assertEquals(look.run().y.data[0], 3);
  step.run();
  assertEquals(look.run().y.data[0], 6);
  variables.set("w", [10, 20]);
  assertEquals(look.run().y.data[0], 30);
  assertEquals(variables.names(), ["w"]);
  assert(step.variables === variables && look.variables === variables);
});

Deno.test("plans have variables of their own unless told to share", () => {
  const graph = new Graph();
  const w = graph.variable("w", 1);
  const options = { outputs: { w }, updates: [[w, add(w, 1)]] } as const;
  const [one, two] = [compile(options), compile(options)];
  one.run();
  assertEquals(one.variables.get("w").data[0], 2);
  assertEquals(two.variables.get("w").data[0], 1);
});

Deno.test("shared variables must agree in shape, dtype and precision", () => {
  const variables = new Variables();
  compile({ outputs: { w: new Graph().variable("w", [1, 2]) }, variables });
  const message = 'Cannot share variable "w": it is float32 (2) already, found';
  assertThrows(
    () => {
      const w = new Graph().variable("w", [[1, 2]]);
      compile({ outputs: { w }, variables });
    },
    TypeError,
    `${message} float32 (1, 2)`,
  );
  assertThrows(
    () => {
      const w = new Graph().variable("w", [1, 2], "int32");
      compile({ outputs: { w }, variables });
    },
    TypeError,
    `${message} int32 (2)`,
  );
  assertThrows(
    () => {
      const y = new Graph().constant(1);
      compile({ outputs: { y }, variables, precision: "float64" });
    },
    TypeError,
    "Cannot compile for float64: the variables are kept in float32",
  );
});

Deno.test("Variables refuses what is not there or does not fit", () => {
  const graph = new Graph();
  const outputs = {
    w: graph.variable("w", [1, 2]),
    n: graph.variable("n", [1], "int32"),
  };
  const { variables } = compile({ outputs });
  assertThrows(
    () => variables.get("v"),
    RangeError,
    'Cannot find variable "v": there are "w", "n"',
  );
  assertThrows(() => variables.set("v", 1), RangeError, "Cannot find variable");
  assertThrows(() => new Variables().get("v"), RangeError, "there are none");
  assertThrows(
    () => variables.set("w", [1, 2, 3]),
    TypeError,
    'Cannot set variable "w" to shape (3): wanted (2)',
  );
  assertThrows(
    () => variables.set("n", [1.5]),
    RangeError,
    "Cannot read n[0]: found 1.5, wanted a 32-bit integer",
  );
  assertEquals([...variables.get("w").data], [1, 2]);
  const copy = variables.get("w");
  copy.data.fill(9);
  assertEquals([...variables.get("w").data], [1, 2]);
});

Deno.test("compile() refuses updates that make no sense", () => {
  const graph = new Graph();
  const x = graph.input("x", [2]);
  const w = graph.variable("w", [1, 2]);
  const n = graph.variable("n", [1], "int32");
  const refused: readonly (readonly [CompileOptions["updates"], string])[] = [
    [[[x, w]], `Cannot update input (node ${x.id}): wanted a variable`],
    [[[mul(w, 2), w]], "Cannot update mul (node"],
    [[[w, x], [w, w]], 'Cannot update variable "w" twice in one run'],
    [
      [[w, sum(w)]],
      'Cannot update variable "w", float32[2], with float32[]',
    ],
    [[[n, sum(w, [0], true)]], "int32[1], with float32[1]"],
    [
      [[w, new Graph().variable("w", [1, 2])]],
      "Cannot compile the value of update 0: it belongs to another graph than " +
      'output "x"',
    ],
    [
      [[w, 3 as never]],
      "Cannot compile the value of update 0: found 3, wanted",
    ],
    [[[null as never, w]], "Cannot compile the target of update 0: found null"],
  ];
  for (const [updates, message] of refused) {
    assertThrows(
      () => compile({ outputs: { x }, updates: updates! }),
      TypeError,
      message,
    );
  }
});

Deno.test("int32 variables count, and take part in updates", () => {
  const graph = new Graph();
  const n = graph.variable("n", [0, 10], "int32");
  const wrapped = select(less(n, 11), add(n, 1), 0);
  const plan = compile({ outputs: { n }, updates: [[n, wrapped]] });
  plan.run();
  plan.run();
  assertEquals(plan.variables.get("n"), {
    data: Int32Array.of(2, 0),
    shape: [2],
  });
  plan.variables.set("n", [5, 6]);
  assertEquals(plan.run().n.data, Int32Array.of(5, 6));
});

Deno.test("a variable store of float64 sets the precision of its plans", () => {
  const variables = new Variables({ precision: "float64" });
  const x = new Graph().input("x", [1]);
  const plan = compile({ outputs: { y: mul(x, 1) }, variables });
  assertEquals(plan.run({ x: [0.1] }).y.data, Float64Array.of(0.1));
});
