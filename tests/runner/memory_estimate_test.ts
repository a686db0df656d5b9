// The estimate against the memory that plans really take.
import { assertEquals, assertGreaterOrEqual, assertLess } from "@std/assert";
import { chunkFor } from "../../src/nn/chunks.ts";
import { Plans } from "../../src/nn/plans.ts";
import { initialParameters, PARAMETER_NAMES } from "../../src/nn/seq2seq.ts";
import { Random } from "../../src/random.ts";
import { memoryOf, Variables } from "../../src/run/variables.ts";
import { DEFAULT_CONFIG } from "../../src/runner/config_types.ts";
import { estimateMemory } from "../../src/runner/memory_estimate.ts";
import { sizesOf } from "../../src/runner/memory_limit.ts";

/** What a run really takes of the memory that its plans work in. */
function measure(
  sizes: Parameters<typeof initialParameters>[0],
  { batch, tests, threads }: { batch: number; tests: number; threads: number },
): number {
  const initial = initialParameters(sizes, new Random(0));
  using variables = new Variables();
  for (const name of PARAMETER_NAMES) variables.declare(name, initial[name]);
  const plans = new Plans(sizes, variables, (name) => initial[name], {
    threads,
  });
  plans.train(batch);
  // Batches come in many sizes, and one thread does what is left.
  for (const rows of [tests, 60, 20, 5]) {
    const size = chunkFor(sizes, rows, threads);
    const sharing = rows > size ? threads : 1;
    plans.jobs(plans.evaluate(size), sharing);
    plans.jobs(plans.predict(size), sharing);
  }
  return memoryOf(variables).used;
}

const TESTS = 256;

for (const threads of [1, 2]) {
  Deno.test(`estimateMemory() is no less than a run with threads: ${threads} takes, and not sixteen times it`, () => {
    for (
      const [V, S, T, D, dK, dV, B] of [
        [20, 10, 10, 64, 64, 64, 64],
        [64, 20, 20, 128, 128, 128, 64],
        [2000, 3, 3, 8, 4, 4, 4],
        [5, 60, 60, 8, 4, 4, 16],
        [5, 60, 1, 4, 4, 4, 16],
        [5, 2000, 4, 64, 64, 64, 8],
        [5, 10, 10, 200, 4, 4, 8],
        [5, 10, 10, 4, 200, 4, 8],
        [5, 10, 10, 4, 4, 200, 8],
        [300, 4, 4, 4, 4, 4, 64],
      ] as const
    ) {
      const { parameters, activations } = estimateMemory({
        n_samples: B,
        n_test: TESTS,
        src_length: S,
        tgt_length: T,
        vocab_size: V,
        d_model: D,
        d_k: dK,
        d_v: dV,
        batch_size: B,
        threads,
      });
      const measured = measure(
        { vocabSize: V, srcLength: S, tgtLength: T, dModel: D, dK, dV },
        { batch: B, tests: TESTS, threads },
      );
      const estimated = parameters + activations;
      assertGreaterOrEqual(estimated, measured, `${[V, S, T, D, dK, dV, B]}`);
      assertLess(estimated, 16 * measured, `${[V, S, T, D, dK, dV, B]}`);
    }
  });
}

Deno.test("estimateMemory() counts four bytes a token of data", () => {
  const { data } = estimateMemory(sizesOf(DEFAULT_CONFIG));
  assertEquals(data, (1280 + 256) * 20 * 4);
});

Deno.test("estimateMemory() takes no more than the data as a batch", () => {
  const few = { ...sizesOf(DEFAULT_CONFIG), n_samples: 64 };
  const large = { ...few, batch_size: 1_000_000 };
  assertEquals(estimateMemory(large), estimateMemory(few));
});
