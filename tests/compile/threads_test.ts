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
import { buildKernels } from "../../src/compile/build.ts";
import { boundsOf } from "../../src/compile/threads/cut.ts";
import { estimateAlone, shareStep } from "../../src/compile/threads/share.ts";
import { shareBatch } from "../../src/compile/threads/tiles.ts";
import { train } from "./counts.ts";
import { SHAPES } from "./support.ts";
import { backwards, forwards, PhaseProgram } from "./phases.ts";

const RUNS = 60;
const TILE_BYTES = 96 * 1024;
// Sums that cancel magnify rounding; what is computed wrongly is far off.
const TOLERANCE = 1e-3;

function compare(
  recipe: BatchRecipe,
  atomic: boolean,
  threads: number,
): void {
  const { outputs, updates, feeds } = buildBatchGraph(recipe);
  const truth = compile({ outputs, updates, precision: "float64" });
  const program = new PhaseProgram({
    outputs,
    updates,
    threads,
    tileBytes: TILE_BYTES,
    atomic,
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
      fc.property(
        BATCH_RECIPES,
        fc.boolean(),
        (recipe, atomic) => compare(recipe, atomic, threads),
      ),
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

Deno.test("tiles are as large as an even share allows", () => {
  const cases = [
    // batch, threads, most: tile
    [64, 2, 64, 32],
    [64, 2, 8, 8],
    [64, 3, 64, 22],
    [64, 4, 3, 2],
    [5, 8, 64, 1],
    [1, 2, 64, 1],
  ] as const;
  for (const [batch, threads, most, tile] of cases) {
    assertEquals(shareBatch(batch, threads, most), tile);
  }
});

Deno.test("parts of a loop are even, and whole groups of rows where there are many", () => {
  assertEquals(boundsOf(129, 2), [0, 64, 129]);
  assertEquals(boundsOf(256, 3), [0, 84, 172, 256]);
  assertEquals(boundsOf(10, 4), [0, 3, 5, 8, 10]);
  assertEquals(boundsOf(2, 4), [0, 1, 1, 2, 2]);
});

Deno.test("two threads share a training step of the model almost evenly", () => {
  for (const name of ["SMALL", "MEDIUM", "LARGE"]) {
    const { outputs, updates } = train(SHAPES[name]!);
    const { lowered } = buildKernels(Object.values(outputs), updates, {
      threads: 2,
    });
    const { phases, estimate } = shareStep(lowered, 2);
    const share = estimate / estimateAlone(lowered);
    assert(share < 0.56, `${name}: ${share}`);
    assert(phases.length <= 13, `${name}: ${phases.length}`);
  }
});
