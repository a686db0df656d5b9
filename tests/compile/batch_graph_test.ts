// Random graphs over batches on the compiled executor against the reference
// interpreter, and proof that they are cut into tiles at all.
import { assert } from "@std/assert";
import fc from "fast-check";
import { CompiledProgram } from "../../src/run/compiled.ts";
import { compile } from "../../src/run/plan.ts";
import { Variables } from "../../src/run/variables.ts";
import { assertClose } from "../graph/support.ts";
import {
  BATCH_RECIPES,
  type BatchRecipe,
  buildBatchGraph,
} from "./batch_graph.ts";

const RUNS = 200;
const TILE_BYTES = 96 * 1024;
// Sums that cancel magnify rounding; what is computed wrongly is far off.
const TOLERANCE = 1e-3;

function compare(recipe: BatchRecipe, atomic: boolean): void {
  const { outputs, updates, feeds } = buildBatchGraph(recipe);
  const truth = compile({ outputs, updates, precision: "float64" });
  // Small tiles, or few of these graphs would be cut at all.
  const plan = compile({ outputs, updates, tileBytes: TILE_BYTES, atomic });
  // A second run finds what the first has left in memory.
  for (const run of ["first", "second"]) {
    const want = truth.run(feeds);
    const got = plan.run(feeds);
    for (const name of Object.keys(outputs)) {
      const where = `${name}, ${run} run`;
      assertClose(got[name]!.data, want[name]!.data, TOLERANCE, where);
    }
  }
  for (const name of truth.variables.names()) {
    const want = truth.variables.get(name).data;
    assertClose(plan.variables.get(name).data, want, TOLERANCE, name);
  }
}

Deno.test("compiled graphs over batches agree with the interpreter", () => {
  fc.assert(
    fc.property(BATCH_RECIPES, fc.boolean(), compare),
    { numRuns: RUNS },
  );
});

Deno.test("graphs over batches are cut into tiles, even and uneven", () => {
  let whole = 0;
  let even = 0;
  let uneven = 0;
  for (const recipe of fc.sample(BATCH_RECIPES, { numRuns: 150, seed: 1 })) {
    const { outputs, updates } = buildBatchGraph(recipe);
    const variables = new Variables();
    const { lowered } = new CompiledProgram(outputs, updates, variables, {
      tileBytes: TILE_BYTES,
    });
    const { batch, tile } = lowered;
    if (tile === batch) whole++;
    else if (batch % tile === 0) even++;
    else uneven++;
  }
  assert(whole > 2 && even > 2 && uneven > 2, `${whole} ${even} ${uneven}`);
});
