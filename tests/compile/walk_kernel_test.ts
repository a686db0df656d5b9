// The kernel walker: whole graphs executed by walking against the interpreter
// and against the module.
import { assertThrows } from "@std/assert";
import fc from "fast-check";
import { PASSES } from "../../src/compile/pipeline.ts";
import { gather } from "../../src/graph/indexing.ts";
import { Graph } from "../../src/graph/node.ts";
import { compile } from "../../src/run/plan.ts";
import { casesByOp, graphOf } from "../graph/op_cases.ts";
import { assertClose } from "../graph/support.ts";
import { buildRandomGraph, isNearKink, RECIPES } from "../run/random_graph.ts";
import { assertAgree } from "./support.ts";
import { walkGraph } from "./walking.ts";

const NO_PASSES = PASSES.map(({ name }) => name);
const RUNS = 250;

for (const [op, cases] of casesByOp()) {
  Deno.test(`walking the kernels of ${op} agrees with interpreter and module`, () => {
    for (const opCase of cases) {
      const { outputs, feeds } = graphOf(opCase);
      const truth = compile({ outputs, executor: "interpreter" }).run(feeds);
      const module = compile({ outputs }).run(feeds);
      const walked = walkGraph(outputs, [], feeds).outputs;
      const plain = walkGraph(outputs, [], feeds, { without: NO_PASSES });
      for (const name of Object.keys(outputs)) {
        const place = `${opCase.name}: ${name}`;
        const got = walked[name]!.data;
        assertAgree(got, truth[name]!.data, `${place}, interpreter`);
        assertAgree(got, module[name]!.data, `${place}, module`);
        const unchanged = plain.outputs[name]!.data;
        assertAgree(unchanged, truth[name]!.data, `${place}, no passes`);
      }
    }
  });
}

Deno.test("walking the kernels of random graphs agrees with the interpreter", () => {
  fc.assert(
    fc.property(RECIPES, fc.boolean(), (recipe, rewrites) => {
      const made = buildRandomGraph(recipe);
      fc.pre(!isNearKink(made));
      const { outputs, updates, feeds } = made;
      const truth = compile({ outputs, updates, executor: "interpreter" });
      const want = truth.run(feeds);
      const without = rewrites ? [] : NO_PASSES;
      const got = walkGraph(outputs, updates, feeds, { without });
      for (const name of Object.keys(outputs)) {
        assertClose(got.outputs[name]!.data, want[name]!.data, 1e-4, name);
      }
      for (const [name, data] of got.variables) {
        assertClose(data, truth.variables.get(name).data, 1e-4, name);
      }
    }),
    { numRuns: RUNS },
  );
});

Deno.test("the walker refuses an index outside its table", () => {
  const graph = new Graph();
  const table = graph.variable("table", [[1, 2], [3, 4]]);
  const y = gather(table, graph.input("at", [1], "int32"));
  assertThrows(
    () => walkGraph({ y }, [], { at: [2] }),
    RangeError,
    "Cannot look up row 2",
  );
});
