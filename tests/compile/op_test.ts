// Every operation on the compiled executor against the reference interpreter.
import { assert } from "@std/assert";
import { casesByOp, graphOf } from "../graph/op_cases.ts";
import { compile } from "../../src/run/plan.ts";

/** Sums of float32 in another order differ by a few units in the last place. */
const TOLERANCE = 1e-5;

/** Close, or the very same infinity, or NaN both. */
function agree(got: number, want: number, scale: number): boolean {
  return Object.is(got, want) || got === want ||
    Math.abs(got - want) <= TOLERANCE * scale;
}

for (const [op, cases] of casesByOp()) {
  Deno.test(`compiled ${op} agrees with the interpreter`, () => {
    for (const opCase of cases) {
      const { outputs, feeds } = graphOf(opCase);
      const want = compile({ outputs, executor: "interpreter" }).run(feeds);
      const got = compile({ outputs, executor: "compiled" }).run(feeds);
      for (const name of Object.keys(outputs)) {
        const expected = Float64Array.from(want[name]!.data);
        const found = got[name]!.data;
        const scale = expected.reduce(
          (most: number, x: number) =>
            Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most,
          1e-3,
        );
        const wrong = expected.findIndex((x: number, at: number) =>
          !agree(found[at]!, x, scale)
        );
        assert(
          wrong < 0,
          `${opCase.name}: ${name}[${wrong}] is ${found[wrong]}, wanted ` +
            `${expected[wrong]}`,
        );
      }
    }
  });
}
