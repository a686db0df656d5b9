// Every operation four ways: the interpreter in float64 and in float32, compiled,
// and compiled with all passes off.
import { PASSES } from "../../src/compile/pipeline.ts";
import { compile } from "../../src/run/plan.ts";
import { casesByOp, graphOf } from "../graph/op_cases.ts";
import { assertAgree } from "./support.ts";

/** Of float32 against float64, where sums cancel. */
const TOLERANCE = 1e-4;

const NO_PASSES = PASSES.map(({ name }) => name);

for (const [op, cases] of casesByOp()) {
  Deno.test(`${op} comes to the same interpreted and compiled`, () => {
    for (const opCase of cases) {
      const { outputs, feeds } = graphOf(opCase);
      const truth = compile({ outputs, precision: "float64" }).run(feeds);
      const rounded = compile({ outputs, executor: "interpreter" }).run(feeds);
      const compiled = compile({ outputs }).run(feeds);
      const plain = compile({ outputs, without: NO_PASSES }).run(feeds);
      for (const name of Object.keys(outputs)) {
        const place = `${opCase.name}: ${name}`;
        const exact = truth[name]!.data;
        const want = rounded[name]!.data;
        assertAgree(want, exact, `${place}, interpreted`, TOLERANCE);
        for (const got of [compiled, plain]) {
          const way = got === plain ? "without passes" : "compiled";
          const { data } = got[name]!;
          assertAgree(data, want, `${place}, ${way}`);
          assertAgree(data, exact, `${place}, ${way}, float64`, TOLERANCE);
        }
      }
    }
  });
}
