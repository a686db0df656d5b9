// Random graphs on the compiled executor against the reference interpreter, with
// all passes and with none.
import fc from "fast-check";
import { PASSES } from "../../src/compile/pipeline.ts";
import { compile } from "../../src/run/plan.ts";
import { assertClose } from "../graph/support.ts";
import { buildRandomGraph, isNearKink, RECIPES } from "../run/random_graph.ts";

const RUNS = 500;
/** With all passes, with none, and with variables written early. */
const WAYS = [
  {},
  { without: PASSES.map(({ name }) => name) },
  { atomic: false },
];

Deno.test("compiled random graphs agree with the interpreter, rewritten or not", () => {
  fc.assert(
    fc.property(RECIPES, (recipe) => {
      const made = buildRandomGraph(recipe);
      fc.pre(!isNearKink(made));
      const { outputs, updates, feeds } = made;
      const truth = compile({ outputs, updates, executor: "interpreter" });
      const want = truth.run(feeds);
      for (const options of WAYS) {
        const plan = compile({ outputs, updates, ...options });
        const got = plan.run(feeds);
        for (const name of Object.keys(outputs)) {
          assertClose(got[name]!.data, want[name]!.data, 1e-4, name);
        }
        for (const name of truth.variables.names()) {
          const updated = truth.variables.get(name).data;
          assertClose(plan.variables.get(name).data, updated, 1e-4, name);
        }
      }
    }),
    { numRuns: RUNS },
  );
});
