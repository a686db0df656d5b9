// The arena planner against an overlap check that knows nothing of its ways.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type ArenaPlan,
  type Lifetime,
  planArena,
} from "../../src/compile/arena.ts";
import { Random } from "../../src/random.ts";

const LIFETIME = fc.record({
  size: fc.integer({ min: 0, max: 200 }),
  first: fc.integer({ min: -1, max: 20 }),
  steps: fc.oneof(fc.nat(6), fc.constant(Infinity)),
}).map(({ size, first, steps }): Lifetime => ({
  size,
  first,
  last: first + steps,
}));
const LIFETIMES = fc.array(LIFETIME, { maxLength: 40 });

/** Past a few thousand buffers another strategy takes over; these add nothing. */
const CROWD: readonly Lifetime[] = Array(5000).fill({
  size: 0,
  first: 0,
  last: 0,
});

function padded(size: number, align: number): number {
  return Math.ceil(size / align) * align;
}

/** The most bytes alive at any step. */
function peakOf(lifetimes: readonly Lifetime[], align: number): number {
  let peak = 0;
  for (const { first: step } of lifetimes) {
    let bytes = 0;
    for (const { size, first, last } of lifetimes) {
      if (first <= step && step <= last) bytes += padded(size, align);
    }
    peak = Math.max(peak, bytes);
  }
  return peak;
}

/** Checks everything a plan promises. */
function check(
  lifetimes: readonly Lifetime[],
  { offsets, size }: ArenaPlan,
  align: number,
): void {
  assertEquals(offsets.length, lifetimes.length);
  for (const [a, one] of lifetimes.entries()) {
    assert(offsets[a]! >= 0 && offsets[a]! % align === 0, `offset ${a}`);
    assert(offsets[a]! + one.size <= size, `buffer ${a} ends past the arena`);
    for (let b = 0; b < a; b++) {
      const other = lifetimes[b]!;
      // Both ends count: an operation reads while it writes.
      const together = one.first <= other.last && other.first <= one.last;
      const apart = offsets[a]! + one.size <= offsets[b]! ||
        offsets[b]! + other.size <= offsets[a]!;
      assert(
        !together || apart || one.size === 0 || other.size === 0,
        `buffers ${b} and ${a} overlap`,
      );
    }
  }
}

/** Random lifetimes as a training step has them: forward, then backward. */
function trainingStep(count: number, random: Random): Lifetime[] {
  return Array.from({ length: count }, (_, step) => {
    const size = Math.ceil(2 ** (4 + 10 * random.uniform()));
    const kept = step < count / 2 && random.uniform() < 0.4;
    const last = kept ? count - step : step + 1 + random.below(4);
    return { size, first: step, last };
  });
}

Deno.test("no two buffers alive at once overlap, few or many", () => {
  fc.assert(fc.property(
    LIFETIMES,
    fc.constantFrom(1, 4, 16, 64),
    (lifetimes, align) => {
      for (const many of [false, true]) {
        const all = many ? [...CROWD, ...lifetimes] : lifetimes;
        const { offsets, size } = planArena(all, { align });
        const own = many ? offsets.slice(CROWD.length) : offsets;
        check(lifetimes, { offsets: own, size }, align);
      }
    },
  ));
});

Deno.test("the size lies between the peak of living bytes and their sum", () => {
  fc.assert(fc.property(LIFETIMES, (lifetimes) => {
    const sum = lifetimes.reduce((all, { size }) => all + padded(size, 16), 0);
    const peak = peakOf(lifetimes, 16);
    for (const all of [lifetimes, [...lifetimes, ...CROWD]]) {
      const { size } = planArena(all);
      assert(size >= peak && size <= sum, `${peak} <= ${size} <= ${sum}`);
    }
  }));
});

Deno.test("buffers of equal size take no more than the peak", () => {
  fc.assert(fc.property(LIFETIMES, (lifetimes) => {
    const equal = lifetimes.map((lifetime) => ({ ...lifetime, size: 48 }));
    assertEquals(planArena(equal).size, peakOf(equal, 16));
    assertEquals(planArena([...equal, ...CROWD]).size, peakOf(equal, 16));
  }));
});

Deno.test("without reuse all buffers are disjoint, one after another", () => {
  fc.assert(fc.property(LIFETIMES, (lifetimes) => {
    const plan = planArena(lifetimes, { reuse: false });
    const forever = lifetimes.map(({ size }) => ({
      size,
      first: 0,
      last: Infinity,
    }));
    check(forever, plan, 16);
    const sum = lifetimes.reduce((all, { size }) => all + padded(size, 16), 0);
    assertEquals(plan.size, sum);
  }));
});

Deno.test("the same lifetimes always give the same plan", () => {
  const lifetimes = trainingStep(200, new Random(1));
  assertEquals(planArena(lifetimes), planArena(lifetimes));
});

Deno.test("a buffer takes the place of one that is dead, not of one read", () => {
  const reused = planArena([
    { size: 32, first: 0, last: 1 },
    { size: 32, first: 2, last: 3 },
  ]);
  assertEquals(reused, { offsets: [0, 0], size: 32 });
  const read = planArena([
    { size: 32, first: 0, last: 1 },
    { size: 32, first: 1, last: 2 },
  ]);
  assertEquals(read, { offsets: [0, 32], size: 64 });
});

Deno.test("what lives for good is never overwritten", () => {
  const { offsets, size } = planArena([
    { size: 16, first: -1, last: Infinity },
    { size: 16, first: 5, last: 5 },
    { size: 16, first: 9, last: Infinity },
  ]);
  assertEquals(size, 32);
  assert(offsets[0] !== offsets[1] && offsets[0] !== offsets[2]);
});

Deno.test("sizes are rounded up to the alignment, and 0 takes nothing", () => {
  const lifetimes = [
    { size: 1, first: 0, last: 1 },
    { size: 0, first: 0, last: 1 },
    { size: 17, first: 0, last: 1 },
  ];
  assertEquals(planArena(lifetimes).size, 48);
  assertEquals(planArena(lifetimes, { align: 64 }).size, 128);
  assertEquals(planArena([{ size: 0, first: 0, last: 0 }]).size, 0);
  assertEquals(planArena([]), { offsets: [], size: 0 });
});

Deno.test("a training step wastes little beyond the peak, few or many", () => {
  for (const count of [200, 1000]) {
    for (let seed = 0; seed < 5; seed++) {
      const lifetimes = trainingStep(count, new Random(seed));
      const peak = peakOf(lifetimes, 16);
      for (const all of [lifetimes, [...lifetimes, ...CROWD]]) {
        const waste = planArena(all).size / peak - 1;
        assert(waste < 0.25, `${count} buffers, seed ${seed}: ${waste}`);
      }
    }
  }
});

Deno.test("6,000 buffers are placed without overlap", () => {
  const lifetimes = trainingStep(6000, new Random(3));
  check(lifetimes, planArena(lifetimes), 16);
});
