// The counts of the plans that are measured, against a record, and against the
// bounds that they must stay within. After a change for a reason:
// deno run -R -W tests/compile/record_counts.ts
import { assert, assertEquals } from "@std/assert";
import recorded from "../fixtures/counts.json" with { type: "json" };
import { Plans } from "../../src/nn/plans.ts";
import { initialParameters } from "../../src/nn/seq2seq.ts";
import type { StepOptions } from "../../src/nn/steps.ts";
import { Random } from "../../src/random.ts";
import { Variables } from "../../src/run/variables.ts";
import { count, countAll, parameterBytes, train } from "./counts.ts";
import { SHAPES } from "./support.ts";

const COUNTS = countAll();

/** The most multiply-adds that may be left of those as written. */
const LEFT: Readonly<Record<string, number>> = {
  TINY: 0.30,
  SMALL: 0.25,
  MEDIUM: 0.25,
  LARGE: 0.25,
};

for (const [name, plans] of Object.entries(COUNTS)) {
  Deno.test(`the counts of the plans of ${name} are those recorded`, () => {
    const wanted: Record<string, unknown> = recorded;
    // As JSON has them.
    assertEquals(JSON.parse(JSON.stringify(plans)), wanted[name]);
  });

  Deno.test(`rewriting leaves at most its share of ${name}'s work`, () => {
    const [before, after] = plans.train.multiplyAdds;
    assert(after / before <= LEFT[name]!, `${after} of ${before}`);
    for (const { multiplyAdds } of Object.values(plans)) {
      assert(multiplyAdds[1] <= multiplyAdds[0]);
    }
  });
}

Deno.test("the arena of LARGE holds tiles, not batches, of intermediates", () => {
  const { arenaBytes, tileBytes } = COUNTS.LARGE!.train;
  const parameters = parameterBytes(SHAPES.LARGE!);
  assert(
    arenaBytes <= 1.5 * (parameters + tileBytes),
    `${arenaBytes} bytes, with ${parameters} for parameters, gradients and ` +
      `moments, and ${tileBytes} for a tile`,
  );
});

Deno.test("options of a step are fused into it, and multiply nothing anew", () => {
  const shape = SHAPES.TINY!;
  const off = COUNTS.TINY!.train;
  const countWith = (options: StepOptions) => count(train(shape, options));
  const decay = countWith({ weightDecay: 0.1, labelSmoothing: 0.1 });
  assertEquals(decay.kernels, off.kernels);
  const clip = countWith({ clipNorm: 1 });
  // The sums of squares cannot be there before the gradients are.
  assert(clip.kernels > off.kernels && clip.kernels <= off.kernels + 11);
  for (const { multiplyAdds, arenaBytes } of [decay, clip]) {
    assertEquals(multiplyAdds, off.multiplyAdds);
    assert(arenaBytes <= off.arenaBytes);
  }
});

Deno.test("what is counted are the plans of the model", () => {
  const shape = SHAPES.TINY!;
  const { batch } = shape;
  const values = initialParameters(shape, new Random(0));
  const plans = new Plans(shape, new Variables(), (name) => values[name]);
  const { encode, step } = plans.predict(batch);
  const { TINY } = COUNTS;
  assertEquals(
    [plans.train(batch), plans.evaluate(batch).stages[0]!.plan, encode, step]
      .map(({ arenaBytes }) => arenaBytes),
    [TINY!.train, TINY!.evaluate, TINY!.encode, TINY!.decode]
      .map(({ arenaBytes }) => arenaBytes),
  );
});
