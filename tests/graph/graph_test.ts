// The graph itself: interning, immutability, scopes, walks, the listing, and
// the invariants that verify() guards.
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { sum } from "../../src/graph/broadcast.ts";
import { matmul } from "../../src/graph/einsum.ts";
import { add, mul, select, tanh, toInt } from "../../src/graph/elementwise.ts";
import { grad } from "../../src/graph/grad.ts";
import { gather } from "../../src/graph/indexing.ts";
import { pad, reshape, slice, transpose } from "../../src/graph/movement.ts";
import { Graph, type Node, reachable } from "../../src/graph/node.ts";
import { formatGraph, toDot } from "../../src/graph/print.ts";
import { verify } from "../../src/graph/verify.ts";
import { compile } from "../../src/run/plan.ts";
import { graphOf, OP_CASES } from "./op_cases.ts";
import { nested } from "./support.ts";

Deno.test("equal operations on equal operands are one node", () => {
  const graph = new Graph();
  const x = graph.input("x", [2, 3]);
  const y = graph.input("y", [2, 3]);
  assertStrictEquals(add(x, y), add(x, y));
  assertStrictEquals(add(x, 1), add(x, graph.constant(1)));
  assertStrictEquals(sum(x, [-1]), sum(x, [1]));
  assertStrictEquals(transpose(x), transpose(x, [1, 0]));
  assertStrictEquals(slice(x, [0, 1]), slice(x, [0, -2], [2, 3]));
  assert(add(x, y) !== add(y, x));
  assert(sum(x, [0]) !== sum(x, [1]));
  assert(reshape(x, [3, 2]) !== transpose(x));
  const square = graph.input("square", [3, 3]);
  assert(
    matmul(square, square) !== matmul(square, square, { transposeB: true }),
  );
});

Deno.test("equal constants are one node, and -0 is not 0", () => {
  const graph = new Graph();
  assertStrictEquals(graph.constant([1, 2]), graph.constant([1, 2]));
  assertStrictEquals(graph.constant(NaN), graph.constant(NaN));
  const zero = graph.constant([0]);
  const negative = graph.constant([-0]);
  assert(zero !== negative);
  assertEquals(1 / (nested(negative) as number[])[0]!, -Infinity);
  assertEquals(1 / (nested(zero) as number[])[0]!, Infinity);
  assert(graph.constant([1, 2]) !== graph.constant([[1, 2]]));
  assert(graph.constant(1) !== graph.constant(1, "int32"));
  assert(graph.constant([1, 23]) !== graph.constant([12, 3]));
});

Deno.test("large constants keep their values apart", () => {
  const graph = new Graph();
  const values = Float32Array.from({ length: 1000 }, (_, at) => at);
  const first = graph.constant(values);
  values[999] = -1;
  const second = graph.constant(values);
  assert(first !== second);
  assertEquals(nested(slice(first, [999])), [999]);
  assertEquals(nested(slice(second, [999])), [-1]);
});

Deno.test("constants and first values are copies of what was given", () => {
  const graph = new Graph();
  const given = Float64Array.of(1, 2);
  const whole = Int32Array.of(3);
  const constant = graph.constant(given);
  const integers = graph.constant(whole, "int32");
  const variable = graph.variable("w", given);
  given.fill(9);
  whole.fill(9);
  assertEquals(nested(constant), [1, 2]);
  assertEquals(nested(integers), [3]);
  assertEquals(nested(variable), [1, 2]);
});

Deno.test("nodes cannot be changed, nor their attributes", () => {
  const graph = new Graph();
  const shape = [2, 3];
  const x = graph.input("x", shape);
  const before = [1, 0];
  const nodes = [
    x,
    graph.constant([1, 2]),
    transpose(x),
    pad(x, before, [0, 0]),
    sum(x),
    matmul(x, x, { transposeB: true }),
  ];
  shape[0] = 7;
  before[0] = 7;
  assertEquals(x.shape, [2, 3]);
  assertEquals(nodes[3]!.attrs, { before: [1, 0], after: [0, 0] });
  for (const node of nodes) {
    assert(Object.isFrozen(node) && Object.isFrozen(node.inputs));
    assert(Object.isFrozen(node.shape) && Object.isFrozen(node.attrs));
    for (const value of Object.values(node.attrs)) {
      assert(typeof value !== "object" || Object.isFrozen(value));
    }
  }
  assertThrows(() => (x.shape as number[]).push(1), TypeError);
});

Deno.test("scopes nest, end with their function, and end when it throws", () => {
  const graph = new Graph();
  const x = graph.input("x", []);
  const inner = graph.scope(
    "decoder",
    () => graph.scope("attention", () => add(x, 1)),
  );
  assertEquals(inner.scope, "decoder.attention");
  assertThrows(() =>
    graph.scope("lost", () => {
      throw new RangeError("stop");
    }), RangeError);
  assertEquals(add(x, 2).scope, "");
  // A node that is there already stays where it was first made.
  assertEquals(
    graph.scope("other", () => add(x, 1)).scope,
    "decoder.attention",
  );
});

Deno.test("reachable() lists what outputs need, once each, inputs first", () => {
  const graph = new Graph();
  const x = graph.input("x", []);
  const unused = graph.input("unused", []);
  const a = add(x, x);
  const b = mul(a, a);
  tanh(unused);
  assertEquals(reachable([b, a, b]), [x, a, b]);
  assertEquals(reachable([x]), [x]);
  assertEquals(reachable([]), []);
});

Deno.test("ids count up in topological order", () => {
  for (const opCase of OP_CASES) {
    const { graph } = graphOf(opCase);
    for (const [at, node] of graph.nodes.entries()) {
      assertEquals(node.id, at);
      assert(node.inputs.every(({ id }) => id < at));
    }
  }
});

Deno.test("verify() accepts every case of the table and its gradients", () => {
  for (const opCase of OP_CASES) {
    const outputs = Object.values(graphOf(opCase).outputs);
    assertEquals(verify(outputs), reachable(outputs).length);
  }
});

/** A node like `node` but for what is replaced, as no builder would make it. */
function forge(node: Node, changes: Partial<Node>): Node {
  return { ...node, ...changes } as Node;
}

Deno.test("verify() finds forged nodes", () => {
  const graph = new Graph();
  const x = graph.input("x", [2]);
  const y = tanh(x);
  const z = tanh(y);
  const stranger = tanh(new Graph().input("x", [2]));
  const forged: readonly (readonly [Node, string])[] = [
    [forge(y, {}), "is not in its graph"],
    [forge(y, { id: 77 }), "is not in its graph"],
    [forge(y, { inputs: [z] }), "does not come after its inputs"],
    [forge(y, { inputs: [forge(x, { id: y.id })] }), "does not come after"],
    [forge(y, { inputs: [stranger] }), "does not come after its inputs"],
  ];
  for (const [node, message] of forged) {
    assertThrows(() => verify([node]), Error, message);
  }
});

Deno.test("verify() holds shape and dtype to the operation's own rule", () => {
  const graph = new Graph();
  const x = graph.input("x", [2]);
  const wide = graph.intern("tanh", [x], {}, { shape: [3], dtype: "float32" });
  assertThrows(
    () => verify([wide]),
    Error,
    `internal: tanh (node ${wide.id}) is float32 (3), its rule gives ` +
      "float32 (2)",
  );
  const whole = graph.intern("exp", [x], {}, { shape: [2], dtype: "int32" });
  assertThrows(
    () => compile({ outputs: { whole } }),
    Error,
    "is int32 (2), its rule gives float32 (2)",
  );
});

/** A small graph that shows every kind of line of the listing. */
function example(): Node[] {
  const graph = new Graph();
  const table = graph.variable("table", [[1, 2], [3, 4], [5, 6]]);
  const rows = graph.input("rows", [4], "int32");
  const scores = graph.scope("encoder", () =>
    graph.scope("scores", () => {
      const states = gather(table, rows);
      return matmul(states, states, { transposeB: true });
    }));
  const weights = graph.constant([0.5, -1, 1e-7, NaN, 2]);
  const total = sum(mul(scores, slice(weights, [1])), [1]);
  return [select(toInt(total), total, 0)];
}

Deno.test("formatGraph() lists the nodes in a stable form", () => {
  assertEquals(
    formatGraph(example()),
    `%0 = variable {name: table} : float32[3, 2]
%1 = input {name: rows} : int32[4]
%2 = gather(%0, %1) : float32[4, 2]  # encoder.scores
%3 = einsum(%2, %2) {labels: ab,cb->ac} : float32[4, 4]  # encoder.scores
%4 = constant {0.5, -1, 1e-7, NaN, … 5 in all} : float32[5]
%5 = slice(%4) {start: [1], end: [5]} : float32[4]
%6 = broadcast(%5) {shape: [4, 4]} : float32[4, 4]
%7 = mul(%3, %6) : float32[4, 4]
%8 = sum(%7) {axes: [1]} : float32[4, 1]
%9 = reshape(%8) {shape: [4]} : float32[4]
%10 = cast(%9) {dtype: int32} : int32[4]
%11 = constant {0} : float32[]
%12 = broadcast(%11) {shape: [4]} : float32[4]
%13 = select(%10, %9, %12) : float32[4]`,
  );
});

Deno.test("formatGraph() numbers from 0 whatever else the graph holds", () => {
  const graph = new Graph();
  graph.input("unused", []);
  const x = graph.input("x", []);
  assertEquals(
    formatGraph([add(x, x)]),
    "%0 = input {name: x} : float32[]\n%1 = add(%0, %0) : float32[]",
  );
  assertEquals(formatGraph([]), "");
});

Deno.test("toDot() draws nodes and edges", () => {
  const graph = new Graph();
  const x = graph.input('the "x"', [2]);
  assertEquals(
    toDot([mul(x, x)]),
    String.raw`digraph weft {
  n0 [label="input {name: the \"x\"}\nfloat32[2]", shape=box];
  n1 [label="mul\nfloat32[2]"];
  n0 -> n1;
  n0 -> n1;
}`,
  );
});

Deno.test("20,000 chained nodes neither overflow nor crawl", () => {
  const graph = new Graph();
  const x = graph.input("x", []);
  let y = x;
  for (let i = 0; i < 20_000; i++) y = tanh(y);
  const [slope] = grad(y, [x]);
  const outputs = { y, slope: slope! };
  assert(verify([y, slope!]) > 40_000);
  assert(formatGraph([y, slope!]).split("\n").length > 40_000);
  const plan = compile({ outputs, precision: "float64" });
  const result = plan.run({ x: 0.5 });
  // Iterated n times, tanh comes close to sqrt(3 / 2n).
  assert(Math.abs(result.y.data[0]! / Math.sqrt(3 / 40_000) - 1) < 1e-3);
  assert(result.slope.data[0]! > 0 && result.slope.data[0]! < 1e-3);
});

Deno.test("10,000 users of one node add up without overflow", () => {
  const graph = new Graph();
  const x = graph.variable("x", 2);
  let y: Node = x;
  for (let i = 0; i < 10_000; i++) y = add(y, x);
  const [slope] = grad(y, [x]);
  assertEquals(nested(slope!), 10_001);
});
