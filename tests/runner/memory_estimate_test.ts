// The estimate against the memory that plans really take.
import { assertEquals, assertGreaterOrEqual, assertLess } from "@std/assert";
import { Plans } from "../../src/nn/plans.ts";
import { initialParameters, PARAMETER_NAMES } from "../../src/nn/seq2seq.ts";
import { Random } from "../../src/random.ts";
import { Variables } from "../../src/run/variables.ts";
import { DEFAULT_CONFIG } from "../../src/runner/config_types.ts";
import { estimateMemory } from "../../src/runner/memory_estimate.ts";
import { sizesOf } from "../../src/runner/memory_limit.ts";

/** What a training step really takes: its arena, parameters and moments. */
function measure(
  sizes: Parameters<typeof initialParameters>[0],
  batch: number,
): number {
  const initial = initialParameters(sizes, new Random(0));
  const variables = new Variables();
  let count = 0;
  for (const name of PARAMETER_NAMES) {
    variables.declare(name, initial[name]);
    count += initial[name].data.length;
  }
  const plans = new Plans(sizes, variables, (name) => initial[name]);
  return plans.train(batch).arenaBytes + 3 * 4 * count;
}

Deno.test("estimateMemory() is no less than a step takes, and not ten times it", () => {
  for (
    const [V, S, T, D, dK, dV, B] of [
      [20, 10, 10, 64, 64, 64, 64],
      [2000, 3, 3, 8, 4, 4, 4],
      [5, 60, 60, 8, 4, 4, 16],
      [5, 60, 1, 4, 4, 4, 16],
      [5, 10, 10, 200, 4, 4, 8],
      [5, 10, 10, 4, 200, 4, 8],
      [5, 10, 10, 4, 4, 200, 8],
      [300, 4, 4, 4, 4, 4, 64],
    ] as const
  ) {
    const estimate = estimateMemory({
      n_samples: B,
      n_test: 1,
      src_length: S,
      tgt_length: T,
      vocab_size: V,
      d_model: D,
      d_k: dK,
      d_v: dV,
      batch_size: B,
    });
    const measured = measure(
      { vocabSize: V, srcLength: S, tgtLength: T, dModel: D, dK, dV },
      B,
    );
    const estimated = estimate.parameters + estimate.activations;
    assertGreaterOrEqual(estimated, measured, `${[V, S, T, D, dK, dV, B]}`);
    assertLess(estimated, 10 * measured, `${[V, S, T, D, dK, dV, B]}`);
  }
});

Deno.test("estimateMemory() counts four bytes a token of data", () => {
  const { data } = estimateMemory(sizesOf(DEFAULT_CONFIG));
  assertEquals(data, (1280 + 256) * 20 * 4);
});

Deno.test("estimateMemory() takes no more than the data as a batch", () => {
  const few = { ...sizesOf(DEFAULT_CONFIG), n_samples: 64 };
  const large = { ...few, batch_size: 1_000_000 };
  assertEquals(estimateMemory(large), estimateMemory(few));
});
