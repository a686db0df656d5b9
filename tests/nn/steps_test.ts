// A training step in two halves, as several processes take it, against the
// whole one.
import { assert, assertEquals } from "@std/assert";
import type { NDArray } from "../../src/array.ts";
import { Plans } from "../../src/nn/plans.ts";
import {
  initialParameters,
  PARAMETER_NAMES,
  type Seq2SeqSizes,
  type SpecialTokens,
} from "../../src/nn/seq2seq.ts";
import {
  gradientVariables,
  type StepOptions,
  STOPS,
} from "../../src/nn/steps.ts";
import { Random } from "../../src/random.ts";
import { Variables } from "../../src/run/variables.ts";
import { ODD } from "./model_cases.ts";

const PADDED = { ...ODD, padToken: 0 };
/** The clipped norm is that of the whole batch, not of a part. */
const OPTIONS = { clipNorm: 0.2, weightDecay: 0.1, labelSmoothing: 0.1 };
const CASES: Record<string, [Seq2SeqSizes & SpecialTokens, StepOptions]> = {
  "no padding": [ODD, {}],
  "padding": [PADDED, {}],
  "all options": [PADDED, OPTIONS],
};

function makePlans(sizes: Seq2SeqSizes & SpecialTokens) {
  const variables = new Variables();
  const initial = initialParameters(sizes, new Random(0, "init"));
  for (const name of PARAMETER_NAMES) variables.declare(name, initial[name]);
  return { plans: new Plans(sizes, variables, (n) => initial[n]), variables };
}

/** Six pairs, of different numbers of real tokens where 0 is padding. */
const SOURCE = Int32Array.from({ length: 24 }, (_, i) => i % 4 ? i % 5 : 3);
const TARGET = Int32Array.from({ length: 18 }, (_, i) => i % 3 ? i % 4 : 2);

function assertNear(got: NDArray, want: NDArray, name: string): void {
  const scale = Math.max(1e-3, ...Array.from(want.data, Math.abs));
  for (const [at, value] of want.data.entries()) {
    const error = Math.abs(got.data[at]! - value);
    assert(error <= 1e-5 * scale, `${name}[${at}]: off by ${error}`);
  }
}

for (const [name, [sizes, options]] of Object.entries(CASES)) {
  Deno.test(`halves of a step, their sums added up, are the whole: ${name}`, () => {
    const [one, two] = [makePlans(sizes), makePlans(sizes)];
    for (let step = 0; step < 4; step++) {
      const whole = one.plans.train(6, options);
      whole.input("source").set(SOURCE);
      whole.input("target").set(TARGET);
      whole.input("learning_rate")[0] = 0.01;
      whole.step();
      // Two processes have four and two pairs.
      const blocks = [[0, 4], [4, 6]].map(([from, to]) => {
        const part = two.plans.gradients(to! - from!, options);
        part.input("source").set(SOURCE.subarray(4 * from!, 4 * to!));
        part.input("target").set(TARGET.subarray(3 * from!, 3 * to!));
        part.step();
        return two.plans.gradientBlock().slice();
      });
      const update = two.plans.update(options);
      two.plans.gradientBlock()
        .set(blocks[0]!.map((x, at) => x + blocks[1]![at]!));
      update.input("learning_rate")[0] = 0.01;
      update.step();
      for (const metric of ["loss", "accuracy"] as const) {
        const [got, want] = [update, whole].map((p) => p.output(metric)[0]!);
        assert(Math.abs(got! - want!) <= 1e-6 * Math.abs(want!), metric);
      }
    }
    for (const variable of one.variables.names()) {
      const want = one.variables.get(variable);
      assertNear(two.variables.get(variable), want, variable);
    }
  });
}

Deno.test("the sums of a half lie one after another, in a fixed order", () => {
  const { plans, variables } = makePlans(ODD);
  // Whatever else has been compiled before.
  plans.evaluate(2);
  const part = plans.gradients(2);
  part.input("source").set(SOURCE.subarray(0, 8));
  part.input("target").set(TARGET.subarray(0, 6));
  part.step();
  const block = plans.gradientBlock();
  const names = [...gradientVariables(), STOPS];
  assertEquals(names.slice(0, 11), PARAMETER_NAMES.map((n) => `gradient.${n}`));
  let at = block.byteOffset;
  const seen = new Set<number>();
  for (const name of names) {
    const view = variables.view(name);
    assertEquals(view.byteOffset, at, name);
    const start = (at - block.byteOffset) / 4;
    for (const i of view.keys()) seen.add(start + i);
    at += Math.ceil(view.byteLength / 16) * 16;
  }
  assert(block.byteOffset + block.byteLength <= at);
  for (const [i, value] of block.entries()) {
    if (!seen.has(i)) assertEquals(value, 0, `${i}, between two variables`);
  }
  assertEquals(variables.get("gradient.tokens").data[0], 6);
});
