// Random attentions for the property tests, and ways to look at the results.
import { assert } from "@std/assert";
import fc from "fast-check";
import type { NDArray } from "../../src/array.ts";

/** The arguments of an attention. */
export interface Case {
  readonly query: NDArray<Float32Array>;
  readonly key: NDArray<Float32Array>;
  readonly value: NDArray<Float32Array>;
  readonly mask: NDArray<Int32Array>;
}

const size = fc.integer({ min: 1, max: 4 });

/** Arrays of one shape, values within a bound. */
export function floats(
  shape: readonly number[],
  bound = 8,
): fc.Arbitrary<NDArray<Float32Array>> {
  const count = shape.reduce((n, extent) => n * extent, 1);
  return fc.float32Array({
    minLength: count,
    maxLength: count,
    min: -bound,
    max: bound,
    noNaN: true,
  }).map((data) => ({ data: new Float32Array(data), shape }));
}

/** Shapes, values and a mask, each query blocking about half of the keys. */
export const cases: fc.Arbitrary<Case> = fc.tuple(size, size, size, size, size)
  .chain(
    ([batch, targets, sources, dK, dV]) => {
      const count = batch * targets * sources;
      return fc.record({
        query: floats([batch, targets, dK]),
        key: floats([batch, sources, dK]),
        value: floats([batch, sources, dV]),
        mask: fc.array(fc.nat(1), { minLength: count, maxLength: count })
          .map((bits) => ({
            data: Int32Array.from(bits),
            shape: [batch, targets, sources],
          })),
      });
    },
  );

/** The bytes, so that -0 is not 0 and NaN is itself. */
export function bits({ data }: NDArray): number[] {
  assert(data instanceof Float32Array);
  return [...new Int32Array(data.slice().buffer)];
}

/** Row `at` along the leading axes. */
export function row({ data, shape }: NDArray, at: number): number[] {
  const width = shape.at(-1)!;
  return bits({ data: data.slice(at * width, (at + 1) * width), shape });
}

/** A copy with whole rows overwritten. */
export function withRows(
  { data, shape }: NDArray<Float32Array>,
  isRow: (at: number) => boolean,
  value: (index: number) => number,
): NDArray<Float32Array> {
  const width = shape.at(-1)!;
  return {
    data: data.map((x, at) => isRow(Math.floor(at / width)) ? value(at) : x),
    shape,
  };
}

/** Whether no query of the batch row may attend to a key, by key. */
export function isUnseen({ data, shape }: NDArray): (key: number) => boolean {
  const [, targets, sources] = shape as [number, number, number];
  return (key) => {
    const first = Math.floor(key / sources) * targets * sources + key % sources;
    return Array.from({ length: targets }, (_, t) => data[first + t * sources])
      .every((bit) => bit === 0);
  };
}
