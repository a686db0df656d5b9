// Plans whose steps are shared by real threads.
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import type { NDArray } from "../../src/array.ts";
import { sum } from "../../src/graph/broadcast.ts";
import { add, mul } from "../../src/graph/elementwise.ts";
import { gather } from "../../src/graph/indexing.ts";
import { Graph } from "../../src/graph/node.ts";
import { initialParameters } from "../../src/nn/seq2seq.ts";
import { Plans } from "../../src/nn/plans.ts";
import { Random } from "../../src/random.ts";
import { compile, type CompileOptions } from "../../src/run/plan.ts";
import { Variables } from "../../src/run/variables.ts";
import { type Shape, SHAPES } from "../compile/support.ts";
import { assertNear } from "../models/support.ts";

/** Ten steps on TINY; the last losses and all variables. */
function train(
  shape: Shape,
  batch: number,
  threads: number,
): Record<string, NDArray> {
  const values = initialParameters(shape, new Random(0));
  using variables = new Variables();
  const options = { threads };
  const plans = new Plans(shape, variables, (name) => values[name], options);
  const plan = plans.train(batch);
  assertEquals(plan.threads, threads);
  const random = new Random(1);
  const losses: number[] = [];
  for (let step = 0; step < 10; step++) {
    for (const name of ["source", "target"]) {
      const tokens = plan.input(name);
      tokens.forEach((_, at) => tokens[at] = random.below(shape.vocabSize));
    }
    plan.input("learning_rate")[0] = 0.01;
    plan.step();
    losses.push(plan.output("loss")[0]!);
  }
  const all: Record<string, NDArray> = {
    losses: { data: Float32Array.from(losses), shape: [losses.length] },
  };
  for (const name of variables.names()) all[name] = variables.get(name);
  return all;
}

const { TINY } = SHAPES;

for (const threads of [2, 3]) {
  for (const batch of [TINY!.batch, 5, 2, 1]) {
    Deno.test(`${threads} threads train on batches of ${batch} as one does`, () => {
      const want = train(TINY!, batch, 1);
      const got = train(TINY!, batch, threads);
      for (const [name, value] of Object.entries(want)) {
        assertNear(got[name]!, value, 2e-3, name);
      }
      assertEquals(train(TINY!, batch, threads), got);
    });
  }
}

Deno.test("plans of one and of several threads share their variables", () => {
  using variables = new Variables();
  const define = () => {
    const graph = new Graph();
    const x = graph.input("x", [64, 8]);
    const total = graph.variable("total", new Float32Array(8));
    const next = add(total, sum(x, [0]));
    return { outputs: { next }, updates: [[total, next] as const] };
  };
  const x = { data: new Float32Array(512).fill(0.5), shape: [64, 8] };
  const alone = compile({ ...define(), variables });
  alone.run({ x });
  // From now on the variables lie in another, shared memory.
  const shared = compile({ ...define(), variables, threads: 2 });
  shared.run({ x });
  alone.run({ x });
  const { next } = shared.run({ x });
  assertEquals([...next.data], new Array(8).fill(4 * 32));
  assertEquals([alone.threads, shared.threads], [1, 2]);
});

Deno.test("threads that have ended start again when they are needed", () => {
  const variables = new Variables();
  const x = new Graph().input("x", [16]);
  const plan = compile({ outputs: { y: mul(x, 3) }, variables, threads: 2 });
  const feed = () => plan.run({ x: new Float32Array(16).fill(2) }).y.data[15];
  for (let time = 0; time < 5; time++) {
    assertEquals(feed(), 6);
    // Those that have yet to end must not take up what is meant for others.
    variables.close();
  }
  variables.close();
  assertEquals(feed(), 6);
  variables[Symbol.dispose]();
});

for (const row of [0, 31, 32, 63]) {
  Deno.test(`an index outside its table at ${row} of 64 is found by its thread`, () => {
    using variables = new Variables();
    const graph = new Graph();
    const table = graph.variable("table", [[1], [2], [3]]);
    const index = graph.input("index", [64], "int32");
    const count = graph.variable("count", 0);
    const rows = gather(table, index);
    const plan = compile({
      outputs: { rows },
      updates: [[count, add(count, 1)], [table, mul(table, 2)]],
      variables,
      threads: 2,
    });
    const feed = new Int32Array(64).fill(1);
    plan.run({ index: feed });
    assertThrows(
      () => plan.run({ index: feed.with(row, 3) }),
      RangeError,
      `Cannot gather row 3 at index [${row}]: wanted 0 to 2`,
    );
    // Nothing has changed, and the threads go on.
    assertEquals([...variables.view("count"), ...variables.view("table")], [
      1,
      2,
      4,
      6,
    ]);
    assertEquals([...plan.run({ index: feed }).rows.data].at(-1), 4);
  });
}

Deno.test("a thread that cannot run its module says so", () => {
  using variables = new Variables();
  const x = new Graph().input("x", [8]);
  const { Module } = WebAssembly;
  let found: Uint8Array | undefined;
  WebAssembly.Module = class extends Module {
    constructor(bytes: Uint8Array<ArrayBuffer>) {
      super(bytes);
      found = bytes;
    }
  };
  try {
    const plan = compile({ outputs: { y: mul(x, 2) }, variables, threads: 2 });
    // What the other thread is about to load is no module any more.
    found!.fill(0, 0, 4);
    for (let time = 0; time < 2; time++) {
      assertThrows(
        () => plan.run({ x: new Float32Array(8) }),
        Error,
        'Cannot go on: thread 1 failed with "CompileError: ',
      );
    }
  } finally {
    WebAssembly.Module = Module;
  }
});

Deno.test("with auto, small plans stay with one thread and large ones do not", () => {
  const countThreads = (shape: Shape): number[] => {
    using variables = new Variables();
    const values = initialParameters(shape, new Random(0));
    const options = { threads: "auto", cores: 4 } as const;
    const plans = new Plans(shape, variables, (name) => values[name], options);
    const few = () => plans.threadsFor(8, () => plans.predict(16));
    const many = () => plans.threadsFor(100_000, () => plans.predict(16));
    return [few(), many(), plans.train(shape.batch).threads, few()];
  };
  // Few predictions are not worth threads that must be started first.
  assertEquals(countThreads(SHAPES.LARGE!), [1, 4, 4, 4]);
  assertEquals(countThreads(TINY!)[0], 1);
});

Deno.test("debug 1 tells what threads do; checks and kernel times take one", () => {
  const compileWith = (options: Partial<CompileOptions>) => {
    using variables = new Variables();
    const x = new Graph().input("x", [64, 16]);
    const outputs = { y: sum(x) };
    const texts: string[] = [];
    const onDebug = (text: string) => void texts.push(text);
    const plan = compile({
      outputs,
      variables,
      threads: 2,
      onDebug,
      ...options,
    });
    const feeds = {
      x: { data: new Float32Array(1024).fill(1), shape: [64, 16] },
    };
    assertEquals(plan.run(feeds).y!.data, Float32Array.of(1024));
    return [plan.threads, texts.join("\n")] as const;
  };
  const [threads, text] = compileWith({ debug: 1 });
  assertEquals(threads, 2);
  assertMatch(text, /^ {2}2 threads, \d+ phases of about .* µs$/m);
  assertEquals(compileWith({ debug: 2 })[0], 1);
  assertEquals(compileWith({ check: true })[0], 1);
});

Deno.test("compile() refuses what is no number of threads", () => {
  const outputs = { x: new Graph().input("x", [2]) };
  const cases = [
    [{ threads: 0 }, RangeError, "Cannot use threads = 0: wanted an integer"],
    [{ threads: 1.5 }, RangeError, "Cannot use threads = 1.5"],
    [{ threads: "2" }, TypeError, 'threads = "2": wanted a number or "auto"'],
    [{ cores: 0 }, RangeError, "Cannot use cores = 0"],
    [
      { threads: 2, executor: "interpreter" },
      TypeError,
      "Cannot share the interpreter among threads",
    ],
  ] as const;
  for (const [options, kind, message] of cases) {
    assertThrows(
      () => compile({ outputs, ...options } as never),
      kind,
      message,
    );
  }
});

Deno.test("one thread starts no worker and shares no memory", () => {
  const variables = new Variables();
  const x = new Graph().input("x", [64]);
  const plan = compile({ outputs: { y: mul(x, 2) }, variables, threads: 1 });
  plan.run({ x: new Float32Array(64) });
  assert(plan.input("x").buffer instanceof ArrayBuffer);
});
