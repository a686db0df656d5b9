// Options of compile(): which are refused, and what the others change.
import { assert, assertEquals, assertGreater } from "@std/assert";
import { PASSES } from "../../src/compile/pipeline.ts";
import { matmul } from "../../src/graph/einsum.ts";
import { exp, mul, tanh } from "../../src/graph/elementwise.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { compile, type CompileOptions } from "../../src/run/plan.ts";
import { Variables } from "../../src/run/variables.ts";
import { inspectModule } from "../../src/wasm/inspect.ts";
import { casesByOp, graphOf } from "../graph/op_cases.ts";
import { refuses } from "../graph/support.ts";
import { assertAgree } from "../compile/support.ts";
import { modulesOf } from "./modules.ts";

function sample(): Node {
  return tanh(new Graph().input("x", [2]));
}

Deno.test("compile() refuses options that are none, naming what is wanted", () => {
  const cases: [Record<string, unknown>, typeof TypeError, string][] = [
    [
      { precision: "float16" },
      TypeError,
      'Cannot compile for the precision "float16": wanted "float32" or ' +
      '"float64"',
    ],
    [
      { executor: "wasm" },
      TypeError,
      'Cannot compile for the executor "wasm": wanted "compiled" or ' +
      '"interpreter"',
    ],
    [
      { debug: 6 },
      RangeError,
      "Cannot use debug = 6: wanted an integer from 0 to 5",
    ],
    [{ debug: "2" }, TypeError, 'Cannot use debug = "2"'],
    [
      { tileBytes: 0 },
      RangeError,
      "Cannot use tileBytes = 0: wanted an integer from 1",
    ],
    [
      { check: 1 },
      TypeError,
      "Cannot use check = 1: wanted true or false",
    ],
    [
      { atomic: "false" },
      TypeError,
      'Cannot use atomic = "false": wanted true or false',
    ],
    [
      { deterministic: null },
      TypeError,
      "Cannot use deterministic = null: wanted true or false",
    ],
    [{ onDebug: 1 }, TypeError, "Cannot use onDebug = 1: wanted a function"],
    [
      { without: "factor" },
      TypeError,
      'Cannot use without = "factor": wanted an array of names of passes',
    ],
    [
      { without: ["fuse"] },
      RangeError,
      'Cannot leave out pass "fuse": there are "simplify"',
    ],
    [
      { check: true, executor: "interpreter" },
      TypeError,
      'Cannot check the interpreter: wanted the executor "compiled"',
    ],
    [
      { debug: 1, precision: "float64" },
      TypeError,
      'Cannot debug the interpreter: wanted the executor "compiled"',
    ],
  ];
  for (const [options, kind, message] of cases) {
    const all = { outputs: { y: sample() }, ...options } as CompileOptions;
    refuses(() => compile(all), kind, message);
  }
});

Deno.test("variables are kept in float32 or float64, nothing else", () => {
  refuses(
    () => new Variables({ precision: "bfloat16" as "float32" }),
    TypeError,
    'Cannot keep variables in the precision "bfloat16": wanted "float32"',
  );
});

Deno.test("without leaves out the passes it names", () => {
  const told = (without: string[]): string[] => {
    const texts: string[] = [];
    const onDebug = (text: string) => texts.push(text);
    compile({ outputs: { y: sample() }, debug: 1, onDebug, without });
    const table = texts.join("\n");
    return PASSES.map(({ name }) => name)
      .filter((name) => new RegExp(`^ *${name} +\\d`, "m").test(table));
  };
  const names = PASSES.map(({ name }) => name);
  assertEquals(told([]), names);
  assertEquals(told(["reassociate"]), names.filter((n) => n !== "reassociate"));
  assertEquals(told(names), []);
});

/** How many relaxed instructions a plan's module has. */
function relaxedIn(outputs: Record<string, Node>, deterministic: boolean) {
  const modules = modulesOf(() => compile({ outputs, deterministic }));
  const counts = inspectModule(modules.at(-1)!).flatMap(({ instructions }) =>
    [...instructions].map(([name, count]) => /relaxed/.test(name) ? count : 0)
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

Deno.test("deterministic plans have no relaxed instruction", () => {
  const x = new Graph().input("x", [5, 7]);
  const outputs = { y: tanh(matmul(x, exp(mul(x, x)), { transposeB: true })) };
  assertGreater(relaxedIn(outputs, false), 0);
  assertEquals(relaxedIn(outputs, true), 0);
});

Deno.test("deterministic plans compute every operation alike", () => {
  for (const opCase of [...casesByOp().values()].flat()) {
    const { outputs, feeds } = graphOf(opCase);
    assertEquals(relaxedIn(outputs, true), 0, opCase.name);
    const want = compile({ outputs }).run(feeds);
    const got = compile({ outputs, deterministic: true }).run(feeds);
    for (const name of Object.keys(outputs)) {
      assertAgree(got[name]!.data, want[name]!.data, `${opCase.name}: ${name}`);
    }
  }
});

Deno.test("a plan that nobody looks into exports its two calls alone", () => {
  const exportsOf = (options: Partial<CompileOptions>): string[] => {
    const y = sample();
    const [bytes] = modulesOf(() => compile({ outputs: { y }, ...options }));
    return inspectModule(bytes!).flatMap(({ exported }) => exported ?? []);
  };
  assertEquals(exportsOf({}), ["prepare", "step"]);
  assert(exportsOf({ check: true }).includes("kernel0"));
});
