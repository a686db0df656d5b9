// What counts as having computed the same.
import { assert, assertEquals } from "@std/assert";
import { compare } from "../../bench/contest.ts";

Deno.test("compare() lets losses differ by rounding, not by more", () => {
  const wanted = { losses: [2, 1.5, 1] };
  assert(compare({ losses: [2, 1.5, 1.00009] }, wanted).agrees);
  assert(!compare({ losses: [2, 1.5, 1.00011] }, wanted).agrees);
  assert(!compare({ losses: [2.0003, 1.5, 1] }, wanted).agrees);
});

Deno.test("compare() refuses losses that are missing or no numbers", () => {
  const wanted = { losses: [2, 1] };
  assert(!compare({ losses: [2] }, wanted).agrees);
  assert(!compare({}, wanted).agrees);
  assert(!compare({ losses: [2, NaN] }, wanted).agrees);
});

Deno.test("compare() forgives one sequence, for ties may fall either way", () => {
  const wanted = { tokens: [[1, 2], [3, 4], [5, 6]] };
  const found = (...tokens: number[][]) => compare({ tokens }, wanted);
  assertEquals(found([1, 2], [3, 4], [5, 6]), { difference: 0, agrees: true });
  assertEquals(found([1, 0], [3, 4], [5, 6]), { difference: 1, agrees: true });
  assertEquals(found([1, 0], [3, 4]), { difference: 2, agrees: false });
});
