// Steps that threads share, against the reference interpreter, and proof that
// within a phase no thread touches what another one writes.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { NDArray } from "../../src/array.ts";
import { compile } from "../../src/run/plan.ts";
import { assertClose } from "../graph/support.ts";
import {
  BATCH_RECIPES,
  type BatchRecipe,
  buildBatchGraph,
} from "./batch_graph.ts";
import { backwards, forwards, PhaseProgram } from "./phases.ts";

const RUNS = 60;
const TILE_BYTES = 96 * 1024;
// Sums that cancel magnify rounding; what is computed wrongly is far off.
const TOLERANCE = 1e-3;

function compare(recipe: BatchRecipe, threads: number): void {
  const { outputs, updates, feeds } = buildBatchGraph(recipe);
  const truth = compile({ outputs, updates, precision: "float64" });
  const program = new PhaseProgram({
    outputs,
    updates,
    threads,
    tileBytes: TILE_BYTES,
  });
  // A second run finds what the first has left in memory.
  for (const run of ["first", "second"]) {
    const want = truth.run(feeds);
    const before = program.bytes().slice();
    const got = program.run(feeds, backwards);
    const variables = valuesOf(program);
    program.bytes().set(before);
    const where = `${run} run, ${threads} threads`;
    assertEquals(program.run(feeds, forwards), got, where);
    assertEquals(valuesOf(program), variables, where);
    for (const name of Object.keys(outputs)) {
      const [found, wanted] = [got[name]!.data, want[name]!.data];
      assertClose(found, wanted, TOLERANCE, `${name}, ${where}`);
    }
  }
  for (const name of truth.variables.names()) {
    const want = truth.variables.get(name).data;
    assertClose(program.variables.get(name).data, want, TOLERANCE, name);
  }
}

function valuesOf({ variables }: PhaseProgram): NDArray[] {
  return variables.names().map((name) => variables.get(name));
}

for (const threads of [2, 3]) {
  Deno.test(`graphs over batches, shared by ${threads} threads, agree with the interpreter`, () => {
    fc.assert(
      fc.property(BATCH_RECIPES, (recipe) => compare(recipe, threads)),
      { numRuns: RUNS },
    );
  });
}

Deno.test("of graphs over batches, many have phases that all threads share", () => {
  let shared = 0;
  for (const recipe of fc.sample(BATCH_RECIPES, { numRuns: 60, seed: 1 })) {
    const { outputs, updates } = buildBatchGraph(recipe);
    const { plan } = new PhaseProgram({ outputs, updates, threads: 2 });
    if (plan.phases.some((phase) => phase.every((own) => own.length > 0))) {
      shared++;
    }
  }
  assert(shared > 20, `${shared}`);
});
