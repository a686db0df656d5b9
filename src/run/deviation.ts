/**
 * How results are compared with what they should be, and the error that names
 * the first that are not.
 */

/** Where results and the truth part, as data. */
export interface Deviation {
  /** The kernel, or undefined where all kernels agree and the graph does not. */
  readonly kernel: string | undefined;
  /** The buffer, output or variable with the wrong elements. */
  readonly buffer: string;
  /** The indices of the worst element. */
  readonly index: readonly number[];
  /** What the module computed there. */
  readonly got: number;
  /** What it should have computed. */
  readonly want: number;
  /** How far rounding may have taken it. */
  readonly bound: number;
  /** How many elements are wrong. */
  readonly count: number;
  /** The indices of the first NaN that should be none. */
  readonly firstNaN: readonly number[] | undefined;
}

/**
 * A compiled plan has computed something else than its graph says: a mistake
 * of the compiler. Thrown by plans compiled with `check: true`; nothing has
 * changed then.
 */
export class DeviationError extends Error {
  /** The error's name, `"DeviationError"`. */
  override name = "DeviationError";
  /** The first deviation. */
  readonly deviation: Deviation;

  /**
   * Describes a deviation.
   *
   * @param deviation What deviates, and where.
   */
  constructor(deviation: Deviation) {
    super(describe(deviation));
    this.deviation = deviation;
  }
}

function describe(deviation: Deviation): string {
  const { kernel, buffer, got, want, bound, count, firstNaN } = deviation;
  const place = (indices: readonly number[]): string =>
    indices.map((index) => `[${index}]`).join("");
  const found = kernel === undefined
    ? "Cannot confirm the plan, whose kernels all do what they say"
    : `Cannot confirm kernel ${kernel}`;
  const nan = firstNaN ? `, the first NaN at ${place(firstNaN) || "it"}` : "";
  return `${found}: ${buffer}${place(deviation.index)} is ${got}, wanted ` +
    `${want} within ${bound.toPrecision(3)} (off by ` +
    `${Math.abs(got - want).toPrecision(3)}; ${count} elements are wrong` +
    `${nan})`;
}

/** What differs between two lists of numbers. */
export interface Difference {
  /** The worst position. */
  readonly worst: number;
  /** How many positions differ. */
  readonly count: number;
  /** The first NaN that should be none; -1 for none. */
  readonly firstNaN: number;
}

/**
 * Compares numbers.
 *
 * @param got What was computed.
 * @param agrees Whether position `at` is as it should be.
 * @param badness How wrong position `at` is; NaN is worst of all.
 * @returns The difference, or null if there is none.
 */
export function compare(
  got: ArrayLike<number>,
  agrees: (at: number) => boolean,
  badness: (at: number) => number,
): Difference | null {
  let worst = -1;
  let most = -1;
  let count = 0;
  let firstNaN = -1;
  for (let at = 0; at < got.length; at++) {
    if (agrees(at)) continue;
    count++;
    if (firstNaN < 0 && Number.isNaN(got[at])) firstNaN = at;
    const share = badness(at);
    const bad = Number.isNaN(share) ? Infinity : share;
    if (bad > most) [most, worst] = [bad, at];
  }
  return count === 0 ? null : { worst, count, firstNaN };
}

/** Equal, or NaN both, or within a bound; a bound that is not finite allows all. */
export function isWithin(got: number, want: number, bound: number): boolean {
  return got === want || !(bound < Infinity) ||
    Math.abs(got - want) <= bound ||
    (Number.isNaN(got) && Number.isNaN(want));
}
