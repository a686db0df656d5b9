// Many steps in one call: what a plan computes must not depend on how many of
// its steps a call makes, or who runs them.
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { TypedArray } from "../../src/array.ts";
import { sum } from "../../src/graph/broadcast.ts";
import { matmul } from "../../src/graph/einsum.ts";
import { add, mul, tanh } from "../../src/graph/elementwise.ts";
import { gather } from "../../src/graph/indexing.ts";
import { reshape } from "../../src/graph/movement.ts";
import { Graph } from "../../src/graph/node.ts";
import { argmax } from "../../src/graph/reduce.ts";
import { Random } from "../../src/random.ts";
import { compile, type CompileOptions } from "../../src/run/plan.ts";
import { Variables } from "../../src/run/variables.ts";
import { assertClose } from "../graph/support.ts";

const [ROWS, WIDTH, TABLE] = [24, 8, 5];

/** Where values of one row decide nothing of another one, or everything. */
type Coupling = "apart" | "coupled";

/** A small recurrent network that looks up what it said last. */
function define(coupling: Coupling) {
  const random = new Random(3);
  const numbers = (...shape: number[]) => ({
    data: Float32Array.from(
      { length: shape.reduce((all, extent) => all * extent, 1) },
      () => random.uniform() - 0.5,
    ),
    shape,
  });
  const graph = new Graph();
  const x = graph.input("x", [ROWS, WIDTH]);
  const weights = graph.variable("weights", numbers(WIDTH, TABLE));
  const table = graph.variable("table", numbers(TABLE, WIDTH));
  const state = graph.variable("state", numbers(ROWS, WIDTH));
  const token = graph.variable("token", new Int32Array(ROWS), "int32");
  const count = graph.variable("count", new Int32Array(ROWS), "int32");
  const seen = coupling === "apart"
    ? state
    : add(state, mul(sum(state, [0], true), -0.05));
  const next = tanh(add(add(seen, gather(table, token)), x));
  const said = reshape(argmax(matmul(next, weights), [-1]), [ROWS]);
  return {
    outputs: { next },
    updates: [
      [state, next],
      [token, said],
      [count, add(count, 1)],
    ] as const,
    frozen: [weights, table],
    x: numbers(ROWS, WIDTH).data,
  };
}

interface Outcome {
  readonly next: TypedArray;
  readonly state: TypedArray;
  readonly token: TypedArray;
  readonly count: TypedArray;
}

function runWith(
  coupling: Coupling,
  calls: readonly number[],
  options: Partial<CompileOptions>,
): Outcome {
  using variables = new Variables();
  const { x, ...defined } = define(coupling);
  const plan = compile({ ...defined, variables, ...options });
  assertEquals(plan.threads, options.threads ?? 1);
  plan.input("x").set(x);
  plan.prepare();
  for (const times of calls) plan.step(times);
  const [state, token, count] = ["state", "token", "count"]
    .map((name) => variables.view(name).slice()) as [
      TypedArray,
      TypedArray,
      TypedArray,
    ];
  return { next: plan.output("next").slice(), state, token, count };
}

const WAYS: Readonly<Record<string, Partial<CompileOptions>>> = {
  "the interpreter": { executor: "interpreter" },
  "one thread": {},
  "small tiles": { tileBytes: 256 },
  "a checked plan": { check: true },
  "a plan that tells of itself": { debug: 5, onDebug: () => {} },
  "two threads": { threads: 2, atomic: false },
  "two threads, all or nothing": { threads: 2 },
  "three threads": { threads: 3, atomic: false },
};

for (const coupling of ["apart", "coupled"] as const) {
  for (const [name, options] of Object.entries(WAYS)) {
    Deno.test(`rows ${coupling}: seven steps are seven steps in any number of calls, with ${name}`, () => {
      const single = runWith(coupling, [1, 1, 1, 1, 1, 1, 1], options);
      assertEquals(runWith(coupling, [7], options), single);
      assertEquals(runWith(coupling, [2, 4, 1], options), single);
      assertEquals([...new Set(single.count)], [7]);
      // The tokens tell the same story with every executor, or all is nothing.
      const truth = runWith(coupling, [7], { executor: "interpreter" });
      assertEquals(single.token, truth.token);
      assertClose(single.state, truth.state, 1e-5, "state");
      assert(new Set(truth.token).size > 1);
    });
  }
}

for (const row of [13, 2]) {
  Deno.test(`a lookup that fails in the third of many steps ends all, row ${row}`, () => {
    using variables = new Variables();
    const graph = new Graph();
    const x = graph.input("x", [16], "int32");
    const table = graph.constant([[1], [2], [3], [4]]);
    const at = graph.variable("at", new Int32Array(16), "int32");
    const plan = compile({
      outputs: { rows: gather(table, at) },
      // One row goes on to places that are not there.
      updates: [[at, add(at, x)]],
      variables,
      threads: 2,
      atomic: false,
    });
    plan.input("x").fill(0);
    plan.input("x")[row] = 2;
    plan.step(2);
    assertThrows(
      // The others would go on for minutes.
      () => plan.step(2 ** 31 - 1),
      RangeError,
      `Cannot gather row 4 at index [${row}]: wanted 0 to 3`,
    );
    // The threads go on.
    variables.view("at").fill(1);
    plan.input("x").fill(0);
    plan.step(3);
    assertEquals([...plan.output("rows")], new Array(16).fill(2));
  });
}

Deno.test("a failing lookup leaves the variables of the step before it", () => {
  for (const options of [{}, { threads: 2 }]) {
    using variables = new Variables();
    const graph = new Graph();
    const table = graph.constant([[1], [2], [3], [4]]);
    const at = graph.variable("at", new Int32Array(16), "int32");
    const count = graph.variable("count", new Int32Array(16), "int32");
    const plan = compile({
      outputs: { rows: gather(table, at) },
      updates: [[at, add(at, 1)], [count, add(count, mul(at, 10))]],
      variables,
      ...options,
    });
    assertThrows(() => plan.step(9), RangeError, "Cannot gather row 4");
    assertEquals([...new Set(variables.view("at"))], [4]);
    assertEquals([...new Set(variables.view("count"))], [60]);
  }
});

Deno.test("step() refuses numbers of steps that are none, and changes nothing", () => {
  const count = new Graph().variable("count", 0);
  const plan = compile({ outputs: {}, updates: [[count, add(count, 1)]] });
  for (const times of [0, -1, 1.5, NaN, 2 ** 31]) {
    assertThrows(
      () => plan.step(times),
      RangeError,
      `Cannot use times = ${times}: wanted an integer from 1 to 2147483647`,
    );
  }
  assertThrows(() => plan.step("2" as never), TypeError, 'times = "2"');
  assertEquals(plan.variables.view("count")[0], 0);
});
