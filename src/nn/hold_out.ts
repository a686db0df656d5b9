/**
 * Which sequences are held out of the training to measure it: chosen by seed,
 * so that every training with the seed holds out the same.
 */
import { Random } from "../random.ts";

/** Row numbers, each kind ascending. */
export interface HeldOut {
  /** What is trained on. */
  readonly training: Int32Array;
  /** What is held out. */
  readonly validation: Int32Array;
}

/**
 * How many sequences are held out.
 *
 * @param sequences How many there are.
 * @param fraction The share to hold out, in [0, 1).
 * @returns The nearest whole number.
 */
export function countHeldOut(sequences: number, fraction: number): number {
  return Math.round(sequences * fraction);
}

/**
 * Chooses the sequences to hold out.
 *
 * @param sequences How many there are.
 * @param fraction The share to hold out, in (0, 1).
 * @param randomSeed Decides which.
 * @returns The rows of both parts, in their own order.
 * @throws {RangeError} If one of the parts would be empty.
 */
export function holdOut(
  sequences: number,
  fraction: number,
  randomSeed: number,
): HeldOut {
  const count = countHeldOut(sequences, fraction);
  if (count < 1 || count >= sequences) {
    throw new RangeError(
      `Cannot use validationFraction = ${fraction} on ${sequences} sequences: ` +
        `it holds out ${count}, wanted at least 1 to hold out and 1 to train on`,
    );
  }
  const order = new Random(randomSeed, "validation").permutation(sequences);
  return {
    validation: order.slice(0, count).sort(),
    training: order.slice(count).sort(),
  };
}
