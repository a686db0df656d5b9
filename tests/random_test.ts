// The generator against the published vectors and another implementation.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import { deriveSeed, Random } from "../src/random.ts";

function draw(count: number, next: () => number): number[] {
  return Array.from({ length: count }, next);
}

Deno.test("Random.fromState() gives the published xoshiro128** vector", () => {
  const random = Random.fromState([1, 2, 3, 4]);
  assertEquals(draw(10, () => random.uint32()), [
    11520,
    0,
    5927040,
    70819200,
    2031721883,
    1637235492,
    1287239034,
    3734860849,
    3729100597,
    4258142804,
  ]);
});

// The numbers below come from another implementation of the documented stream.
Deno.test("Random draws the documented stream of a seed and a name", () => {
  const cases: [number, string, number[]][] = [
    [0, "", [6315126, 1878188945, 3037061905, 3611221609]],
    [0, "train", [1984521092, 85611582, 912871852, 2240618547]],
    [7, "é€", [3961292079, 937415676, 1739942766, 2846731361]],
    [2 ** 32, "", [3715083745, 1984522752, 197876383, 668485948]],
    [2 ** 53 - 1, "x", [2187702128, 327027899, 1828401899, 2999032234]],
  ];
  for (const [seed, stream, wanted] of cases) {
    const random = new Random(seed, stream);
    assertEquals(draw(4, () => random.uint32()), wanted, `${seed} ${stream}`);
  }
});

Deno.test("Random.below() draws the documented integers", () => {
  const random = new Random(1, "below");
  // About half of the draws below 2^31 + 1 are rejected.
  const odd = 2 ** 31 + 1;
  const bounds = [1, 2, 3, 10, 1000, odd, odd, odd, 2 ** 32 - 1];
  assertEquals(
    bounds.map((bound) => random.below(bound)),
    [0, 1, 0, 3, 90, 1233123932, 1107498694, 1162891795, 1451806014],
  );
});

Deno.test("Random.below() favours no value", () => {
  const random = new Random(5);
  const counts = new Array<number>(7).fill(0);
  for (let i = 0; i < 70_000; i++) counts[random.below(7)]!++;
  // Six standard deviations of a count are 556.
  for (const count of counts) assertAlmostEquals(count, 10_000, 556);
});

Deno.test("Random.below() gives all 32 bits for the bound 2^32", () => {
  const random = new Random(3);
  const same = new Random(3);
  assertEquals(
    draw(5, () => random.below(2 ** 32)),
    draw(5, () => same.uint32()),
  );
});

Deno.test("Random.uniform() draws the documented reals", () => {
  const random = new Random(1, "uniform");
  assertEquals(draw(3, () => random.uniform()), [
    0.8329579105206717,
    0.9586615231160068,
    0.5168088733421788,
  ]);
});

Deno.test("Random.uniform() stays in [0, 1) and is level", () => {
  const random = new Random(2);
  const values = draw(50_000, () => random.uniform());
  assert(values.every((value) => value >= 0 && value < 1));
  for (let tenth = 0; tenth < 10; tenth++) {
    const count = values.filter((value) => Math.floor(value * 10) === tenth);
    assertAlmostEquals(count.length, 5000, 402);
  }
});

Deno.test("Random.normal() has the moments of the normal distribution", () => {
  const random = new Random(4);
  const count = 100_000;
  const values = draw(count, () => random.normal());
  const moment = (power: number): number =>
    values.reduce((sum, value) => sum + value ** power, 0) / count;
  assertAlmostEquals(moment(1), 0, 0.02);
  assertAlmostEquals(moment(2), 1, 0.03);
  assertAlmostEquals(moment(3), 0, 0.08);
  assertAlmostEquals(moment(4), 3, 0.2);
});

Deno.test("Random.permutation() draws the documented order", () => {
  const random = new Random(1, "permutation");
  assertEquals(
    random.permutation(8),
    Int32Array.of(5, 7, 2, 1, 6, 0, 3, 4),
  );
});

Deno.test("Random.permutation() favours no order", () => {
  const random = new Random(6);
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = random.permutation(3).join();
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assertEquals(counts.size, 6);
  for (const count of counts.values()) assertAlmostEquals(count, 1000, 173);
});

Deno.test("Random.permutation() accepts lengths 0 and 1", () => {
  const random = new Random(0);
  assertEquals(random.permutation(0), new Int32Array(0));
  assertEquals(random.permutation(1), Int32Array.of(0));
});

Deno.test("Random refuses seeds that are not safe non-negative integers", () => {
  for (const seed of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assertThrows(
      () => new Random(seed),
      RangeError,
      `Cannot use seed = ${seed}: wanted an integer from 0 to 9007199254740991`,
    );
  }
  assertThrows(
    () => new Random("1" as unknown as number),
    TypeError,
    'Cannot use seed = "1": wanted an integer from 0',
  );
});

Deno.test("Random refuses bounds, lengths and states that make no sense", () => {
  const random = new Random(0);
  for (const bound of [0, -1, 1.5, NaN, 2 ** 32 + 1]) {
    assertThrows(
      () => random.below(bound),
      RangeError,
      `Cannot use bound = ${bound}: wanted an integer from 1 to 4294967296`,
    );
  }
  for (const length of [-1, 1.5, NaN, 2 ** 31]) {
    assertThrows(
      () => random.permutation(length),
      RangeError,
      `Cannot use length = ${length}: wanted an integer from 0 to 2147483647`,
    );
  }
  assertThrows(
    () => Random.fromState([0, 0, 0, 0]),
    RangeError,
    "Cannot use state: all words are 0",
  );
  assertThrows(
    () => Random.fromState([1, 2 ** 32, 3, 4]),
    RangeError,
    "Cannot use state[1] = 4294967296: wanted an integer from 0 to 4294967295",
  );
});

Deno.test("deriveSeed() gives each stream its own safe seed", () => {
  assertEquals(deriveSeed(0, "train"), 4161842370079056);
  const seeds = ["train", "test", "init"].map((name) => deriveSeed(0, name));
  assertEquals(new Set(seeds).size, 3);
  assert(seeds.every(Number.isSafeInteger));
});
