// Random graphs on the compiled executor against the reference interpreter.
import fc from "fast-check";
import { compile } from "../../src/run/plan.ts";
import { assertClose } from "../graph/support.ts";
import { buildRandomGraph, isNearKink, RECIPES } from "../run/random_graph.ts";

const RUNS = 500;

Deno.test("compiled random graphs agree with the interpreter", () => {
  fc.assert(
    fc.property(RECIPES, (recipe) => {
      const made = buildRandomGraph(recipe);
      fc.pre(!isNearKink(made));
      const { outputs, updates, feeds } = made;
      const truth = compile({ outputs, updates, executor: "interpreter" });
      const plan = compile({ outputs, updates });
      const want = truth.run(feeds);
      const got = plan.run(feeds);
      for (const name of Object.keys(outputs)) {
        assertClose(got[name]!.data, want[name]!.data, 1e-4, name);
      }
      for (const name of truth.variables.names()) {
        const updated = truth.variables.get(name).data;
        assertClose(plan.variables.get(name).data, updated, 1e-4, name);
      }
    }),
    { numRuns: RUNS },
  );
});
