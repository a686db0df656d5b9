/**
 * First values for parameters.
 */
import { type NDArray, sizeOf } from "../array.ts";
import type { Random } from "../random.ts";

/**
 * Zeros, as biases start.
 *
 * @param shape The size of every axis.
 * @returns float32.
 */
export function zeros(shape: readonly number[]): NDArray<Float32Array> {
  return { data: new Float32Array(sizeOf(shape)), shape: [...shape] };
}

/**
 * Normally distributed values around 0.
 *
 * @param shape The size of every axis.
 * @param deviation The standard deviation.
 * @param random Where the values come from.
 * @returns float32.
 */
export function normal(
  shape: readonly number[],
  deviation: number,
  random: Random,
): NDArray<Float32Array> {
  const result = zeros(shape);
  for (let i = 0; i < result.data.length; i++) {
    result.data[i] = deviation * random.normal();
  }
  return result;
}

/**
 * Uniform values in ±sqrt(3 / fanIn), so that a product keeps the variance of
 * what it is given (LeCun et al. 1998, section 4.6).
 *
 * @param shape (fanIn, …).
 * @param random Where the values come from.
 * @returns float32.
 */
export function lecunUniform(
  shape: readonly number[],
  random: Random,
): NDArray<Float32Array> {
  const result = zeros(shape);
  const bound = Math.sqrt(3 / shape[0]!);
  for (let i = 0; i < result.data.length; i++) {
    result.data[i] = bound * (2 * random.uniform() - 1);
  }
  return result;
}
