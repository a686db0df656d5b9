// Plans: what they accept, what they return, and what a run changes. The
// values of operations are the business of tests/graph.
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { toNested } from "../../src/array.ts";
import { sum } from "../../src/graph/broadcast.ts";
import { matmul } from "../../src/graph/einsum.ts";
import { add, mul, neg, tanh } from "../../src/graph/elementwise.ts";
import { gather } from "../../src/graph/indexing.ts";
import {
  concatenate,
  reshape,
  slice,
  transpose,
} from "../../src/graph/movement.ts";
import { Graph } from "../../src/graph/node.ts";
import { compile, type Feeds } from "../../src/run/plan.ts";
import { Variables } from "../../src/run/variables.ts";
import { refuses } from "../graph/support.ts";

/** A plan that returns its inputs: x (2, 2) float32 and i (2) int32. */
function echo() {
  const graph = new Graph();
  const x = graph.input("x", [2, 2]);
  const i = graph.input("i", [2], "int32");
  return compile({ outputs: { x, i } });
}

const I = [1, 2];
const X = [[1, 2], [3, 4]];

Deno.test("run() takes nested arrays, typed arrays and arrays with a shape", () => {
  const want = Float32Array.of(1, 2, 3, 4);
  const forms = [
    X,
    want,
    Float64Array.of(1, 2, 3, 4),
    Int32Array.of(1, 2, 3, 4),
    { data: want, shape: [2, 2] },
  ];
  const plan = echo();
  for (const x of forms) {
    for (const i of [I, Int32Array.of(1, 2), Float32Array.of(1, 2)]) {
      const result = plan.run({ x, i });
      assertEquals(result.x, { data: want, shape: [2, 2] });
      assertEquals(result.i, { data: Int32Array.of(1, 2), shape: [2] });
    }
  }
});

Deno.test("run() refuses bad feeds, naming the input, and changes nothing", () => {
  const plan = echo();
  plan.run({ x: X, i: I });
  const refused: readonly (readonly [Feeds, typeof TypeError, string])[] = [
    [{ x: X }, TypeError, 'Cannot run without input "i"'],
    [{ x: X, i: undefined as never }, TypeError, 'without input "i"'],
    [{}, TypeError, 'Cannot run without input "x"'],
    [
      { x: X, i: I, y: 1 },
      TypeError,
      'Cannot feed "y": the plan has "x", "i"',
    ],
    [
      { x: [1, 2, 3, 4], i: I },
      TypeError,
      'Cannot feed "x" shape (4): wanted (2, 2)',
    ],
    [
      { x: [[9, 9], [9, 9]], i: [[1, 2]] },
      TypeError,
      'Cannot feed "i" shape (1, 2): wanted (2)',
    ],
    [
      { x: Float32Array.of(9, 9, 9), i: I },
      TypeError,
      "Cannot shape x as (2, 2): it has 3 elements, wanted 4",
    ],
    [{ x: [[9, 9], [9]], i: I }, TypeError, "Cannot read x[1]: found an array"],
    [
      { x: [[9, 9], [9, 9]], i: [1, 0.5] },
      RangeError,
      "Cannot read i[1]: found 0.5, wanted a 32-bit integer",
    ],
    [{ x: [[9, 9], [9, 9]], i: [1, NaN] }, RangeError, "found NaN"],
    [{ x: X, i: ["1", 2] as never }, TypeError, 'Cannot read i[0]: found "1"'],
    [{ x: null as never, i: I }, TypeError, "Cannot read x: found null"],
  ];
  for (const [feeds, kind, message] of refused) {
    assertThrows(() => plan.run(feeds), kind, message);
    assertEquals([...plan.input("x")], [1, 2, 3, 4]);
    assertEquals([...plan.input("i")], I);
  }
});

Deno.test("a plan without inputs says so", () => {
  const plan = compile({ outputs: { y: new Graph().constant(1) } });
  assertThrows(() => plan.run({ x: 1 }), TypeError, "the plan has no inputs");
  assertThrows(
    () => plan.input("x"),
    TypeError,
    'Cannot feed "x": the plan has no inputs',
  );
  assertThrows(
    () => plan.output("z" as "y"),
    TypeError,
    'Cannot read output "z": the plan has "y"',
  );
});

Deno.test("an input that nothing depends on is not asked for", () => {
  const graph = new Graph();
  const x = graph.input("x", []);
  graph.input("unused", []);
  const plan = compile({ outputs: { y: tanh(x) } });
  assertThrows(() => plan.run({ x: 1, unused: 1 }), TypeError, '"unused"');
  assertEquals(plan.run({ x: 0 }).y.data[0], 0);
});

Deno.test("an index out of range leaves every variable as it was", () => {
  const graph = new Graph();
  const at = graph.input("at", [2], "int32");
  const table = graph.variable("table", [1, 2, 3]);
  const count = graph.variable("count", 0);
  const plan = compile({
    outputs: { rows: gather(table, at) },
    updates: [[count, add(count, 1)], [
      table,
      mul(table, sum(gather(table, at))),
    ]],
  });
  assertThrows(
    () => plan.run({ at: [0, 3] }),
    RangeError,
    "row 3 at index [1]",
  );
  assertEquals([...plan.variables.get("table").data], [1, 2, 3]);
  assertEquals([...plan.variables.get("count").data], [0]);
  // The plan is as good as before.
  assertEquals([...plan.run({ at: [0, 2] }).rows.data], [1, 3]);
  assertEquals([...plan.variables.get("table").data], [4, 8, 12]);
  assertEquals([...plan.variables.get("count").data], [1]);
});

Deno.test("results are copies that later runs leave alone", () => {
  const plan = echo();
  const first = plan.run({ x: X, i: I });
  const second = plan.run({ x: [[5, 6], [7, 8]], i: I });
  assertEquals([...first.x.data], [1, 2, 3, 4]);
  second.x.data.fill(0);
  assertEquals([...plan.output("x")], [5, 6, 7, 8]);
});

Deno.test("input(), step() and output() work in place", () => {
  const graph = new Graph();
  const x = graph.input("x", [3]);
  const plan = compile({ outputs: { y: mul(x, x), again: mul(x, x) } });
  plan.input("x").set([1, 2, 3]);
  plan.step();
  assertEquals([...plan.output("y")], [1, 4, 9]);
  assertEquals([...plan.output("again")], [1, 4, 9]);
  assert(plan.input("x") === plan.input("x"));
  assertEquals(plan.arenaBytes > 0, true);
});

Deno.test("constants stay what they are from run to run", () => {
  const graph = new Graph();
  const x = graph.input("x", [4]);
  const weights = graph.constant([1, 2, 3, 4]);
  const y = tanh(mul(add(mul(x, weights), weights), weights));
  const plan = compile({ outputs: { y } });
  const first = plan.run({ x: [1, 2, 3, 4] });
  plan.run({ x: [NaN, NaN, NaN, NaN] });
  assertEquals(plan.run({ x: [1, 2, 3, 4] }), first);
});

Deno.test("compile() refuses outputs that are none, and nothing to do", () => {
  const x = new Graph().input("x", []);
  const y = new Graph().input("y", []);
  assertThrows(
    () => compile({ outputs: { x, y } }),
    TypeError,
    'Cannot compile output "y": it belongs to another graph than output "x"',
  );
  assertThrows(
    () => compile({ outputs: { x: 3 as never } }),
    TypeError,
    'Cannot compile output "x": found 3, wanted a node',
  );
  assertThrows(
    () => compile({ outputs: { x: undefined as never } }),
    TypeError,
    'Cannot compile output "x": found undefined, wanted a node',
  );
  assertThrows(
    () => compile({ outputs: {} }),
    TypeError,
    "Cannot compile nothing: wanted outputs or updates",
  );
});

Deno.test("a later compile that grows the memory breaks no earlier plan", () => {
  const variables = new Variables();
  const graph = new Graph();
  const x = graph.input("x", [2]);
  const w = graph.variable("w", [3, 4]);
  const small = compile({
    outputs: { y: mul(x, w) },
    updates: [[w, add(w, x)]],
    variables,
  });
  small.run({ x: [1, 2] });
  const before = small.input("x");
  const large = new Graph().input("large", [500, 1000]);
  const other = compile({ outputs: { y: add(large, 1) }, variables });
  // The old view is gone, but what it showed is still there.
  assertEquals(before.length, 0);
  assertEquals([...small.input("x")], [1, 2]);
  assertEquals([...small.output("y")], [3, 8]);
  assertEquals([...variables.get("w").data], [4, 6]);
  small.input("x").set([10, 10]);
  small.step();
  assertEquals([...small.output("y")], [40, 60]);
  const { y } = other.run({ large: new Float32Array(500_000).fill(2) });
  assert(y.data.every((value) => value === 3));
  assertEquals([...small.run({ x: [1, 1] }).y.data], [14, 16]);
});

Deno.test("plans that share variables keep their arenas apart", () => {
  const variables = new Variables();
  const build = (factor: number) => {
    const graph = new Graph();
    const x = graph.input("x", [3]);
    const y = mul(tanh(mul(x, factor)), graph.constant([1, 2, factor]));
    return compile({ outputs: { y }, variables });
  };
  const [one, two] = [build(1), build(2)];
  const first = one.run({ x: [1, 2, 3] });
  const seen = [...one.output("y")];
  assertNotEquals(two.run({ x: [1, 2, 3] }), first);
  assertEquals([...one.output("y")], seen);
  assertEquals(one.run({ x: [1, 2, 3] }), first);
});

Deno.test("float64 keeps every digit of feeds, variables and results", () => {
  const graph = new Graph();
  const x = graph.input("x", []);
  const w = graph.variable("w", 0.1);
  const y = mul(x, w);
  const n = graph.variable("n", 7, "int32");
  const plan = compile({
    outputs: { y, n },
    updates: [[w, x]],
    precision: "float64",
  });
  const { y: value, n: count } = plan.run({ x: 0.3 });
  assertEquals(value.data, Float64Array.of(0.3 * 0.1));
  assertEquals(count.data, Int32Array.of(7));
  assertEquals(plan.variables.get("w").data, Float64Array.of(0.3));
  plan.variables.set("w", 0.7);
  assertEquals(plan.run({ x: 1 }).y.data, Float64Array.of(0.7));
  assertEquals(plan.variables.precision, "float64");
});

Deno.test("float32 rounds every result, and nothing in between reductions", () => {
  const graph = new Graph();
  const x = graph.input("x", [3]);
  const plan = compile({
    outputs: { product: mul(x, 0.1), total: sum(x) },
    executor: "interpreter",
  });
  const { product, total } = plan.run({ x: [1, 2 ** -24, 2 ** -24] });
  assertEquals(product.data[0], Math.fround(0.1));
  // One by one the small ones would vanish beside 1; together they do not.
  assertEquals(total.data[0], 1 + 2 ** -23);
});

Deno.test("sizes of 0 pass through a plan", () => {
  const graph = new Graph();
  const x = graph.input("x", [0, 3]);
  const w = graph.variable("w", [[1], [2], [3]]);
  const plan = compile({ outputs: { y: matmul(x, w), total: sum(x, [0]) } });
  const { y, total } = plan.run({ x: new Float32Array(0) });
  assertEquals(y, { data: new Float32Array(0), shape: [0, 1] });
  assertEquals([...total.data], [0, 0, 0]);
});

Deno.test("dead buffers are reused unless told not to", () => {
  const graph = new Graph();
  let y = graph.input("x", [1000]);
  for (let i = 0; i < 10; i++) y = tanh(y);
  const executor = "interpreter";
  const reused = compile({ outputs: { y }, executor });
  const apart = compile({ outputs: { y }, executor, reuse: false });
  assertEquals(apart.arenaBytes, 11 * 4000);
  // The input, and two buffers that take turns.
  assertEquals(reused.arenaBytes, 3 * 4000);
  const x = Float32Array.from({ length: 1000 }, (_, at) => at / 100);
  assertEquals(reused.run({ x }), apart.run({ x }));
});

Deno.test("what does not fit the memory is refused, and nothing is declared anew", () => {
  const graph = new Graph();
  const x = graph.input("x", [2 ** 15, 2 ** 15]);
  const variables = new Variables();
  variables.declare("kept", { data: Float32Array.of(7), shape: [] });
  for (const executor of ["compiled", "interpreter"] as const) {
    refuses(
      () => compile({ outputs: { y: neg(x) }, variables, executor }),
      RangeError,
      "Cannot reserve",
    );
  }
  assertEquals(variables.get("kept").data, Float32Array.of(7));
});

Deno.test("only the interpreter runs float64 or poisons what is dead", () => {
  const y = neg(new Graph().input("x", []));
  for (const options of [{ precision: "float64" }, { poison: true }] as const) {
    refuses(
      () => compile({ outputs: { y }, executor: "compiled", ...options }),
      TypeError,
      "Cannot compile to WebAssembly",
    );
  }
});

Deno.test("a view of a variable is read before the variable is updated", () => {
  const w = new Graph().variable("w", [[1, 2], [3, 4]]);
  const plan = compile({
    outputs: { turned: transpose(w), row: slice(w, [1, 0]) },
    updates: [[w, mul(w, 10)]],
  });
  const { turned, row } = plan.run();
  assertEquals([...turned.data], [1, 3, 2, 4]);
  assertEquals([...row.data], [3, 4]);
  assertEquals([...plan.variables.get("w").data], [10, 20, 30, 40]);
});

Deno.test("one value can be the next of several variables", () => {
  for (const options of [{}, { atomic: false }, { threads: 2 }]) {
    const graph = new Graph();
    const x = graph.input("x", [4, 2]);
    const old = Array(4).fill([1, 2]);
    const [a, b, c] = ["a", "b", "c"].map((name) => graph.variable(name, old));
    const next = mul(add(a!, x), 2);
    using variables = new Variables();
    const plan = compile({
      outputs: {},
      updates: [[c!, next], [a!, next], [b!, next]],
      variables,
      ...options,
    });
    plan.run({ x: Array(4).fill([1, 1]) });
    for (const name of ["a", "b", "c"]) {
      assertEquals(toNested(variables.get(name)), Array(4).fill([4, 6]), name);
    }
  }
});

Deno.test("a copy made for another shape can be a part of a whole", () => {
  const x = new Graph().input("x", [2, 2]);
  const flat = reshape(transpose(x), [4]);
  const plan = compile({ outputs: { y: concatenate([flat, flat]) } });
  assertEquals([...plan.run({ x: [[1, 2], [3, 4]] }).y.data], [
    ...[1, 3, 2, 4],
    ...[1, 3, 2, 4],
  ]);
});
