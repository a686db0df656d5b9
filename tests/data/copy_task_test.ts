// The data of the copy task: what they are, and that a seed fixes every byte.
import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import {
  type CopyTaskOptions,
  generateCopyTaskData,
} from "../../src/data/copy_task.ts";

const SIZES = { nSamples: 50, srcLength: 7, tgtLength: 4, vocabSize: 5 };

Deno.test("generateCopyTaskData() makes Int32 arrays of the wanted shapes", () => {
  const { xSrc, xTgt } = generateCopyTaskData({ ...SIZES, randomSeed: 1 });
  assertEquals(xSrc.shape, [50, 7]);
  assertEquals(xTgt.shape, [50, 4]);
  assertEquals(xSrc.data instanceof Int32Array, true);
  assertEquals(xSrc.data.length, 350);
  assertEquals(xTgt.data instanceof Int32Array, true);
});

Deno.test("generateCopyTaskData() copies the first tokens of each source", () => {
  for (const tgtLength of [1, 4, 7]) {
    const { xSrc, xTgt } = generateCopyTaskData({ ...SIZES, tgtLength });
    for (let row = 0; row < 50; row++) {
      assertEquals(
        xTgt.data.subarray(row * tgtLength, (row + 1) * tgtLength),
        xSrc.data.subarray(row * 7, row * 7 + tgtLength),
      );
    }
  }
});

Deno.test("generateCopyTaskData() uses every token, and only those", () => {
  const { xSrc } = generateCopyTaskData(SIZES);
  const tokens = [...new Set(xSrc.data)].sort();
  assertEquals(tokens, [0, 1, 2, 3, 4]);
});

// Computed by another implementation of the documented stream.
Deno.test("generateCopyTaskData() gives a seed's documented bytes", () => {
  const { xSrc } = generateCopyTaskData({
    nSamples: 2,
    srcLength: 5,
    tgtLength: 5,
    vocabSize: 20,
    randomSeed: 1,
  });
  assertEquals([...xSrc.data], [18, 14, 10, 12, 14, 19, 3, 9, 4, 5]);
});

Deno.test("generateCopyTaskData() begins alike for any number of samples", () => {
  const few = generateCopyTaskData({ ...SIZES, randomSeed: 9 });
  const many = generateCopyTaskData({
    ...SIZES,
    nSamples: 60,
    randomSeed: 9,
  });
  assertEquals(many.xSrc.data.subarray(0, 350), few.xSrc.data);
});

Deno.test("generateCopyTaskData() differs from seed to seed, 0 by default", () => {
  const unseeded = generateCopyTaskData(SIZES);
  const zero = generateCopyTaskData({ ...SIZES, randomSeed: 0 });
  const one = generateCopyTaskData({ ...SIZES, randomSeed: 1 });
  assertEquals(unseeded, zero);
  assertNotEquals(zero.xSrc.data, one.xSrc.data);
});

Deno.test("generateCopyTaskData() refuses sizes out of range", () => {
  for (const name of ["nSamples", "srcLength", "tgtLength", "vocabSize"]) {
    for (const value of [0, -1, 1.5, NaN, Infinity, 2 ** 31]) {
      assertThrows(
        () => generateCopyTaskData({ ...SIZES, [name]: value }),
        RangeError,
        `Cannot use ${name} = ${value}: wanted an integer from 1 to 2147483647`,
      );
    }
  }
});

Deno.test("generateCopyTaskData() refuses sizes that are not numbers", () => {
  for (const value of [undefined, null, "5"]) {
    assertThrows(
      () =>
        generateCopyTaskData(
          { ...SIZES, nSamples: value } as unknown as CopyTaskOptions,
        ),
      TypeError,
      `Cannot use nSamples = ${
        JSON.stringify(value)
      }: wanted an integer from 1`,
    );
  }
});

Deno.test("generateCopyTaskData() refuses targets longer than sources", () => {
  assertThrows(
    () => generateCopyTaskData({ ...SIZES, tgtLength: 8 }),
    RangeError,
    "Cannot use tgtLength = 8: wanted at most srcLength, which is 7",
  );
});

Deno.test("generateCopyTaskData() refuses arrays beyond 2 GiB unallocated", () => {
  assertThrows(
    () => generateCopyTaskData({ ...SIZES, nSamples: 2 ** 30 }),
    RangeError,
    "Cannot use nSamples = 1073741824 with srcLength = 7: wanted at most " +
      "536870912 tokens in all",
  );
});

Deno.test("generateCopyTaskData() refuses seeds out of range", () => {
  assertThrows(
    () => generateCopyTaskData({ ...SIZES, randomSeed: -1 }),
    RangeError,
    "Cannot use randomSeed = -1: wanted an integer from 0 to 90071992547409",
  );
});

Deno.test("generateCopyTaskData() refuses to be told nothing", () => {
  for (const options of [undefined, null, 3]) {
    assertThrows(
      () => generateCopyTaskData(options as unknown as CopyTaskOptions),
      TypeError,
      `Cannot generate data from ${options}: wanted an object with nSamples`,
    );
  }
});
