// Properties of random graphs: gradients against differences, and that neither
// the reuse of buffers nor the precision changes what is computed.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { NDArray } from "../../src/array.ts";
import { OPS } from "../../src/graph/ops.ts";
import { verify } from "../../src/graph/verify.ts";
import { Random } from "../../src/random.ts";
import { compile, type CompileOptions } from "../../src/run/plan.ts";
import { assertClose } from "../graph/support.ts";
import {
  buildRandomGraph,
  isNearKink,
  type RandomGraph,
  type Recipe,
  RECIPES,
} from "./random_graph.ts";

const STEP = 1e-5;
const RUNS = 300;

/** All results in float64; skips the graph if a kink is near. */
function truthOf(made: RandomGraph): Record<string, NDArray> {
  fc.pre(!isNearKink(made));
  const { outputs, feeds } = made;
  return compile({ outputs, precision: "float64" }).run(feeds);
}

/** Compares the gradient by each leaf with the slope along a random line. */
function checkGradients(recipe: Recipe): void {
  const made = buildRandomGraph(recipe);
  const { outputs, feeds, weight } = made;
  const truth = truthOf(made);
  const plan = compile({
    outputs: { loss: outputs.loss!, i: outputs.i! },
    precision: "float64",
  });
  const random = new Random(recipe.seed, "directions");
  const leaves: Record<string, NDArray> = { ...feeds, w: weight };
  for (const name of ["x", "y", "w"]) {
    const { data, shape } = leaves[name]!;
    // Were any element of the gradient wrong, a random line would show it.
    const line = Float64Array.from(data, () => random.normal());
    const length = Math.hypot(...line);
    const lossAt = (step: number): number => {
      const moved = data.map((x, at) => x + step * line[at]! / length);
      const { w, ...rest } = { ...leaves, [name]: { data: moved, shape } };
      plan.variables.set("w", w!);
      return plan.run(rest).loss.data[0]!;
    };
    const difference = (lossAt(STEP) - lossAt(-STEP)) / (2 * STEP);
    const gradient = truth[`d_${name}`]!;
    assertEquals(gradient.shape, shape);
    const slope = line.reduce(
      (total, x, at) => total + gradient.data[at]! * x / length,
      0,
    );
    assertClose([slope], [difference], 1e-6, `d_${name}`);
  }
}

type RunOptions = Omit<CompileOptions, "outputs" | "updates">;

/** Two runs, the second after the updates of the first, as raw bytes. */
function bytesOf(made: RandomGraph, options: RunOptions): Uint8Array[] {
  const { outputs, updates, feeds } = made;
  const plan = compile({ outputs, updates, ...options });
  const results = [plan.run(feeds), plan.run(feeds)].flatMap(Object.values);
  const kept = ["w", "count"].map((name) => plan.variables.get(name));
  return [...results, ...kept].map(({ data }) =>
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  );
}

Deno.test("gradients of random graphs agree with differences", () => {
  fc.assert(fc.property(RECIPES, checkGradients), { numRuns: RUNS });
});

Deno.test("random graphs compute the same bits with and without reuse", () => {
  fc.assert(
    fc.property(RECIPES, (recipe) => {
      const made = buildRandomGraph(recipe);
      const executor = "interpreter";
      const apart = bytesOf(made, { executor, reuse: false });
      assertEquals(bytesOf(made, { executor, reuse: true }), apart);
      assertEquals(bytesOf(made, { poison: true }), apart);
      assertEquals(bytesOf(made, { poison: true, reuse: false }), apart);
      const compiled = bytesOf(made, { reuse: false });
      assertEquals(bytesOf(made, { reuse: true }), compiled);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("random graphs in float32 come close to float64", () => {
  fc.assert(
    fc.property(RECIPES, (recipe) => {
      const made = buildRandomGraph(recipe);
      const truth = truthOf(made);
      const got = compile({ outputs: made.outputs }).run(made.feeds);
      for (const name of Object.keys(made.outputs)) {
        assertClose(got[name]!.data, truth[name]!.data, 1e-4, name);
      }
    }),
    { numRuns: RUNS },
  );
});

Deno.test("random graphs hold every invariant, and are made alike each time", () => {
  fc.assert(fc.property(RECIPES, (recipe) => {
    const [one, two] = [buildRandomGraph(recipe), buildRandomGraph(recipe)];
    assert(verify(Object.values(one.outputs)) > 0);
    assertEquals(one.graph.nodes.length, two.graph.nodes.length);
    assertEquals(bytesOf(one, {}), bytesOf(two, {}));
  }));
});

Deno.test("random graphs reach every operation", () => {
  const recipes = fc.sample(RECIPES, { numRuns: 200, seed: 1 });
  const used = new Set(
    recipes.flatMap((recipe) => buildRandomGraph(recipe).graph.nodes)
      .map(({ op }) => op),
  );
  assertEquals(Object.keys(OPS).filter((op) => !used.has(op as never)), []);
});
