// How rows become jobs: what is decided once must hold to the last of them, for
// plans of other sizes may round otherwise.
import { assertEquals } from "@std/assert";
import { Plans } from "../../src/nn/plans.ts";
import { RowJobs } from "../../src/nn/row_jobs.ts";
import { initialParameters } from "../../src/nn/seq2seq.ts";
import { Random } from "../../src/random.ts";
import { Variables } from "../../src/run/variables.ts";
import { SHAPES } from "../compile/support.ts";

/** For which sizes plans are made for what is left of so many rows. */
async function sizesFor(
  rows: number,
  left: readonly number[],
  threads: number | "auto",
): Promise<
  { readonly chosen: number | "alone"; readonly sizes: readonly number[] }
> {
  const sizes = SHAPES.TINY!;
  using variables = new Variables();
  const values = initialParameters(sizes, new Random(0));
  const options = { threads, cores: 2 };
  const plans = new Plans(sizes, variables, (name) => values[name], options);
  const asked: number[] = [];
  const make = (size: number) => {
    asked.push(size);
    return plans.predict(size);
  };
  const jobs = new RowJobs(make, sizes, plans);
  const choice = jobs.choose(rows);
  asked.length = 0;
  for (const rest of left) await jobs.ready(rest, choice);
  const chosen = choice === "alone" ? choice : choice.threads;
  return { chosen, sizes: asked };
}

Deno.test("several threads do all rows in jobs of one size", async () => {
  assertEquals(
    await sizesFor(517, [517, 389, 69, 5, 1], 2),
    { chosen: 2, sizes: [64, 64, 64, 64, 64] },
  );
  assertEquals(
    await sizesFor(40, [40, 8], 2),
    { chosen: 2, sizes: [32, 32] },
  );
  assertEquals(
    await sizesFor(100_000, [100_000, 8], "auto"),
    { chosen: 2, sizes: [64, 64] },
  );
});

Deno.test("one thread does what is left in a job as small as it may be", async () => {
  const want = { chosen: "alone", sizes: [64, 64, 8, 1] } as const;
  assertEquals(await sizesFor(517, [517, 389, 5, 1], 1), want);
  // To start a second one would take longer.
  assertEquals(await sizesFor(517, [517, 389, 5, 1], "auto"), want);
  assertEquals(await sizesFor(16, [16], 2), { chosen: "alone", sizes: [16] });
});
