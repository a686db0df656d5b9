// Jobs: whoever does them, what comes out must be what the plans compute when
// they are run one by one, to the byte.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { NDArray, TypedArray } from "../../src/array.ts";
import { matmul } from "../../src/graph/einsum.ts";
import {
  add,
  greater,
  maximum,
  mul,
  tanh,
} from "../../src/graph/elementwise.ts";
import { gather } from "../../src/graph/indexing.ts";
import { reshape } from "../../src/graph/movement.ts";
import { Graph, type Node, reachable } from "../../src/graph/node.ts";
import { Random } from "../../src/random.ts";
import { makeJobModule } from "../../src/run/job_module.ts";
import { type Job, makeJobs } from "../../src/run/jobs.ts";
import { compile, compileDeferred, type Feeds } from "../../src/run/plan.ts";
import { memoryOf, Variables } from "../../src/run/variables.ts";
import { BATCH_RECIPES, buildBatchGraph } from "../compile/batch_graph.ts";

const never = (): boolean => false;

/** A job of one plan: feeds come in, all outputs go out. */
function jobOf(
  outputs: Readonly<Record<string, Node>>,
  feeds: Feeds,
  variables: Variables,
  frozen: readonly Node[],
): Job<string> {
  const plan = compileDeferred<string>({
    outputs,
    variables,
    tileBytes: 512,
    frozen,
  });
  const views = (names: string[], view: (name: string) => TypedArray) =>
    Object.fromEntries(names.map((name) => [name, () => view(name)]));
  return {
    stages: [{ plan, times: 1 }],
    inputs: views(Object.keys(feeds), (name) => plan.input(name)),
    outputs: views(Object.keys(outputs), (name) => plan.output(name as never)),
  };
}

function variablesOf(outputs: Readonly<Record<string, Node>>): Node[] {
  return reachable(Object.values(outputs))
    .filter(({ op }) => op === "variable");
}

/** As many pieces of data as there are, all different. */
function piecesOf(
  feeds: Readonly<Record<string, NDArray>>,
  count: number,
): Readonly<Record<string, NDArray>>[] {
  return Array.from({ length: count }, (_, at) =>
    Object.fromEntries(
      Object.entries(feeds).map(([name, { data, shape }]) => [name, {
        data: data instanceof Int32Array
          ? data.map((_, i) => data[(i + at) % data.length]!)
          : data.map((value) => value * (1 - at / 10)),
        shape,
      }]),
    ));
}

// Here one thread plays another one, so that whatever it touches that is not
// its own shows each time, not only when two come at once.
Deno.test("a thread's jobs leave the buffers of others alone", () => {
  let count = 0;
  for (const recipe of fc.sample(BATCH_RECIPES, { numRuns: 100, seed: 5 })) {
    const { outputs, feeds } = buildBatchGraph(recipe);
    using variables = new Variables();
    const memory = memoryOf(variables);
    // Of every other graph with tables that are prepared.
    const frozen = count % 2 === 0 ? variablesOf(outputs) : [];
    const job = jobOf(outputs, feeds, variables, frozen);
    const { plan } = job.stages[0]!;
    // As many as a call has room for, however large.
    const pieces = piecesOf(feeds, 2);
    const want = pieces.map((piece): Record<string, NDArray> =>
      plan.run(piece)
    );
    const before = memory.used;
    const failed = memory.reserve(16);
    let module;
    try {
      module = makeJobModule(job, memory, 2, { failed });
    } catch (error) {
      // Of some graphs an output depends on nothing that comes in.
      assert(String(error).includes("not each thread's own"), String(error));
      continue;
    }
    count++;
    const { exports } = new WebAssembly.Instance(
      new WebAssembly.Module(module.bytes),
      { weft: { memory: memory.wasm } },
    ) as { exports: Record<string, (count?: number) => number> };
    const view = (
      { words, dtype }: NonNullable<ReturnType<typeof module.inputs.get>>,
      at: number,
    ) => {
      const address = words.all + 4 * words.count * at;
      return memory.view(address, words.count, dtype, "float32");
    };
    for (const [at, piece] of pieces.entries()) {
      for (const [name, { data }] of Object.entries(piece)) {
        view(module.inputs.get(name)!, at).set(data);
      }
    }
    exports.prepare!();
    const others = new Uint8Array(memory.buffer, 0, before).slice();
    for (const who of ["the second thread", "the first one"]) {
      new Int32Array(memory.buffer, module.taken, 1)[0] = 0;
      if (who === "the second thread") exports.step1!(pieces.length);
      else while (exports.next!(pieces.length) !== 0);
      for (const [at, found] of want.entries()) {
        for (const [name, { data }] of Object.entries(found)) {
          const got = view(module.outputs.get(name)!, at);
          assertEquals(got, data, `${who}, piece ${at}, ${name}`);
          got.fill(0);
        }
      }
      if (who === "the first one") break;
      assertEquals(new Uint8Array(memory.buffer, 0, before), others);
    }
  }
  assert(count > 30, `${count}`);
});

const [ROWS, WIDTH, TURNS] = [8, 16, 20];

/** A state that goes on until all of its rows have grown, or for some turns. */
function growing(variables: Variables): Job<"state" | "turns"> {
  const random = new Random(7);
  const weights = {
    data: Float32Array.from(
      { length: WIDTH * WIDTH },
      () => 0.3 * (random.uniform() - 0.5),
    ),
    shape: [WIDTH, WIDTH],
  };
  const define = () => {
    const graph = new Graph();
    const state = new Float32Array(ROWS * WIDTH);
    return {
      graph,
      weight: graph.variable("weight", weights),
      state: graph.variable("state", { data: state, shape: [ROWS, WIDTH] }),
      grown: graph.variable("grown", new Int32Array(ROWS), "int32"),
      turns: graph.variable("turns", new Int32Array(ROWS), "int32"),
    };
  };
  const zero = new Int32Array(ROWS);
  const one = define();
  const x = one.graph.input("x", [ROWS, WIDTH]);
  const begin = compileDeferred<never>({
    outputs: {},
    updates: [
      [one.state, tanh(matmul(x, one.weight))],
      [one.grown, one.graph.constant(zero, "int32")],
      [one.turns, one.graph.constant(zero, "int32")],
    ],
    frozen: [one.weight],
    variables,
  });
  const two = define();
  const next = mul(
    add(two.state, tanh(matmul(two.state, two.weight))),
    1.2,
  );
  const column = two.graph.constant({
    data: new Float32Array(WIDTH).fill(1 / WIDTH),
    shape: [WIDTH, 1],
  });
  const size = reshape(matmul(mul(next, next), column), [ROWS]);
  const go = compileDeferred<never>({
    outputs: {},
    updates: [
      [two.state, next],
      [two.grown, maximum(two.grown, greater(size, 1))],
      [two.turns, add(two.turns, 1)],
    ],
    frozen: [two.weight],
    variables,
  });
  return {
    stages: [
      { plan: begin, times: 1 },
      { plan: go, times: TURNS, until: "grown" },
    ],
    inputs: { x: () => begin.input("x") },
    outputs: {
      state: () => variables.view("state"),
      turns: () => variables.view("turns"),
    },
  };
}

const PIECES = 200;
const SIZE = ROWS * WIDTH;

function data(): Float32Array {
  const random = new Random(8);
  // Some grow within few turns, some in none of those they have.
  return Float32Array.from(
    { length: PIECES * SIZE },
    (_, at) => (random.uniform() - 0.5) * 10 ** -(Math.floor(at / SIZE) % 4),
  );
}

/** All pieces by one thread. */
function alone(): { state: Float32Array; turns: Int32Array } {
  using variables = new Variables();
  const jobs = makeJobs(growing(variables), variables, 1);
  const x = data();
  const state = new Float32Array(x.length);
  const turns = new Int32Array(PIECES * ROWS);
  jobs.prepare();
  for (let at = 0; at < PIECES; at++) {
    jobs.input("x").set(x.subarray(at * SIZE, (at + 1) * SIZE));
    assertEquals(jobs.run(1, never), 1);
    state.set(jobs.output("state") as Float32Array, at * SIZE);
    turns.set(jobs.output("turns") as Int32Array, at * ROWS);
  }
  return { state, turns };
}

/** Every byte; the first that differs is named, for there are many. */
function assertSame(found: TypedArray, want: TypedArray, name: string): void {
  const at = want.findIndex((value: number, i: number) =>
    !Object.is(value, found[i])
  );
  assert(at < 0, `${name} ${at}: ${found[at]}, wanted ${want[at]}`);
}

for (const threads of [2, 3]) {
  Deno.test(`${threads} threads do the jobs that one does`, () => {
    const want = alone();
    const turns = new Set(want.turns);
    assert(turns.size > 3 && turns.has(TURNS), `${[...turns]}`);
    using variables = new Variables();
    const jobs = makeJobs(growing(variables), variables, threads);
    assertEquals(jobs.threads, threads);
    assert(jobs.most >= PIECES);
    jobs.prepare();
    for (let round = 0; round < 20; round++) {
      jobs.input("x").set(data());
      jobs.output("state").fill(NaN);
      assertEquals(jobs.run(PIECES, never), PIECES);
      assertSame(jobs.output("turns"), want.turns, "turns");
      assertSame(jobs.output("state"), want.state, "state");
    }
    // Few jobs, one among them, and threads that have to start again.
    for (const count of [1, 2, 5]) {
      variables.close();
      jobs.output("turns").fill(-1);
      assertEquals(jobs.run(count, never), count);
      assertEquals(
        jobs.output("turns").subarray(0, (count + 1) * ROWS),
        Int32Array.of(
          ...want.turns.subarray(0, count * ROWS),
          ...new Array(ROWS).fill(-1),
        ),
      );
    }
  });
}

Deno.test("jobs end when it is time, and tell how many are done", () => {
  const want = alone();
  using variables = new Variables();
  const jobs = makeJobs(growing(variables), variables, 2);
  jobs.prepare();
  let [done, calls] = [0, 0];
  while (done < PIECES) {
    jobs.input("x").set(data().subarray(done * SIZE));
    jobs.output("state").fill(NaN);
    let asked = 0;
    const some = jobs.run(PIECES - done, () => ++asked === 5);
    assert(some >= 1 && some <= PIECES - done);
    const part = want.state.subarray(done * SIZE, (done + some) * SIZE);
    assertSame(jobs.output("state"), part, "state");
    done += some;
    calls++;
  }
  assertEquals(done, PIECES);
  assert(calls > 1);
});

Deno.test("a job that fails ends all, and the next ones are done", () => {
  for (const bad of [0, 1, 150]) {
    using variables = new Variables();
    const graph = new Graph();
    const at = graph.input("at", [ROWS], "int32");
    const table = graph.variable("table", [[1], [2], [3]]);
    const plan = compile({ outputs: { rows: gather(table, at) }, variables });
    const job = {
      stages: [{ plan, times: 1 }],
      inputs: { at: () => plan.input("at") },
      outputs: { rows: () => plan.output("rows") },
    };
    const jobs = makeJobs(job as Job<"rows">, variables, 2);
    jobs.prepare();
    const input = jobs.input("at");
    input.fill(2);
    input[bad * ROWS + 3] = 3;
    assertThrows(() => jobs.run(PIECES, never), Error, "unreachable");
    input.fill(1);
    assertEquals(jobs.run(PIECES, never), PIECES);
    const found = jobs.output("rows").subarray(0, PIECES * ROWS);
    assertEquals([...new Set(found)], [2]);
  }
});

Deno.test("plans that are looked into do their jobs in one thread", () => {
  for (const options of [{ check: true }, { debug: 2, onDebug: () => {} }]) {
    using variables = new Variables();
    const x = new Graph().input("x", [4]);
    const plan = compile({ outputs: { y: mul(x, 2) }, variables, ...options });
    const job = {
      stages: [{ plan, times: 1 }],
      inputs: { x: () => plan.input("x") },
      outputs: { y: () => plan.output("y") },
    };
    const jobs = makeJobs(job as Job<"y">, variables, 2);
    assertEquals([jobs.threads, jobs.most], [1, 1]);
    jobs.input("x").set([1, 2, 3, 4]);
    jobs.run(1, never);
    assertEquals([...jobs.output("y")], [2, 4, 6, 8]);
  }
});
