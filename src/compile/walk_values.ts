/**
 * The arithmetic of the kernel walker: every value with a bound on what
 * rounding may change about it. Another order of sums, a fused multiply-add or
 * a vector function within its stated error stays inside the bound; a wrong
 * instruction does not.
 */
import type { ValueOp } from "./kernel.ts";

/** A row of values and how far each may be off. */
export interface Row {
  /** What the walker computes; int32 are held as they are. */
  readonly values: Float64Array;
  /** Absolute; not finite where nothing can be said. */
  readonly errors: Float64Array;
}

/** Half a unit in the last place of float32, as a share of the value. */
const ROUNDING = 2 ** -24;
/** The vector functions are within 2 units, sigmoid is made of two of them. */
const FUNCTION_ERROR = 16 * ROUNDING;
/** Beneath this float32 has fewer digits. */
const TINY = 2 ** -146;

/** Roundings go either way: many together are seldom off by more. */
const SPREAD = 4 * ROUNDING;

/** What sums of `count` values may lose, as a share of their magnitudes. */
export function sumError(count: number): number {
  return SPREAD * Math.sqrt(count);
}

type Compute = (x: number, y: number, z: number) => number;

const FLOAT: Record<ValueOp, Compute> = {
  neg: (x) => -x,
  abs: Math.abs,
  exp: Math.exp,
  log: Math.log,
  tanh: Math.tanh,
  sqrt: Math.sqrt,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  maximum: (x, y) => Math.max(x, y),
  minimum: (x, y) => Math.min(x, y),
  equal: (x, y) => x === y ? 1 : 0,
  less: (x, y) => x < y ? 1 : 0,
  lessEqual: (x, y) => x <= y ? 1 : 0,
  select: (x, y, z) => x ? y : z,
  toFloat: (x) => x,
  toInt: (x) => Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(x) || 0)),
};

const INTEGER: Partial<Record<ValueOp, Compute>> = {
  neg: (x) => -x | 0,
  add: (x, y) => x + y | 0,
  sub: (x, y) => x - y | 0,
  mul: Math.imul,
};

/** A value of a row: one for each element, or the same one for all. */
export interface Argument extends Row {
  /** Whether there is one for the whole row. */
  readonly scalar: boolean;
}

const NONE: Argument = {
  values: new Float64Array(1),
  errors: new Float64Array(1),
  scalar: true,
};

/** Applies an operation to `count` elements. */
export function applyOp(
  op: ValueOp,
  args: readonly Argument[],
  out: Row,
  count: number,
  isFloat: boolean,
): void {
  const compute = isFloat ? FLOAT[op] : INTEGER[op] ?? FLOAT[op];
  const [a = NONE, b = NONE, c = NONE] = args;
  for (let i = 0; i < count; i++) {
    const [ia, ib, ic] = [
      a.scalar ? 0 : i,
      b.scalar ? 0 : i,
      c.scalar ? 0 : i,
    ];
    const [x, y, z] = [a.values[ia]!, b.values[ib]!, c.values[ic]!];
    const value = compute(x, y, z);
    const rounded = isFloat ? Math.fround(value) : value;
    out.values[i] = rounded;
    const [ex, ey, ez] = [a.errors[ia]!, b.errors[ib]!, c.errors[ic]!];
    // Both sides round, and not always the same way.
    const rounding = isFloat ? 2 * ROUNDING * Math.abs(rounded) : 0;
    out.errors[i] = op === "select"
      ? ex === 0 ? (x ? ey : ez) : spread(y, ey, z, ez)
      : errorOf(op, rounded, rounding, [x, ex], [y, ey]);
  }
}

/** The error of a choice that rounding decides. */
function spread(y: number, ey: number, z: number, ez: number): number {
  return y === z ? ey + ez : bounded(Math.abs(y - z) + ey + ez);
}

type Uncertain = readonly [value: number, error: number];

/** How far the result of an operation may be off. */
function errorOf(
  op: ValueOp,
  v: number,
  rounding: number,
  [x, ex]: Uncertain,
  [y, ey]: Uncertain,
): number {
  switch (op) {
    case "neg":
    case "abs":
      return ex;
    case "exp":
    case "log":
    case "tanh":
    case "sigmoid":
    case "sqrt":
      return ofFunction(FLOAT[op], v, x, ex);
    case "add":
    case "sub":
      if (Number.isFinite(v)) return bounded(ex + ey + rounding);
      // An infinite operand outweighs whatever the other one may be.
      return ex + ey === 0 || isSurelyInfinite(x, ex, ey) ||
          isSurelyInfinite(y, ey, ex)
        ? 0
        : Infinity;
    case "mul":
      if (!Number.isFinite(v)) return ex + ey === 0 ? 0 : Infinity;
      return bounded(Math.abs(x) * ey + Math.abs(y) * ex + ex * ey + rounding) +
        TINY;
    case "div":
      if (!Number.isFinite(v)) return ex + ey === 0 ? 0 : Infinity;
      if (ex + ey === 0) return rounding + TINY;
      return Math.abs(y) > ey
        ? bounded(
          (ex + Math.abs(v) * ey) / (Math.abs(y) - ey) + rounding + TINY,
        )
        : Infinity;
    case "equal":
    case "less":
    case "lessEqual":
      return ex + ey === 0 || Math.abs(x - y) > ex + ey ? 0 : 1;
    case "toInt":
      return ex === 0 ||
          Math.trunc(Math.fround(x - ex)) === Math.trunc(Math.fround(x + ex))
        ? 0
        : bounded(ex + 1);
    case "toFloat":
      return bounded(ex + rounding);
    case "select":
    case "maximum":
    case "minimum":
      return bounded(Math.max(ex, ey));
  }
}

function isSurelyInfinite(x: number, ex: number, other: number): boolean {
  return Math.abs(x) === Infinity && ex === 0 && other < Infinity;
}

/** All functions here rise, so the ends of the operand's range tell. */
function ofFunction(
  f: Compute,
  v: number,
  x: number,
  ex: number,
): number {
  if (ex === 0) {
    return Number.isFinite(v) ? FUNCTION_ERROR * Math.abs(v) + TINY : 0;
  }
  const low = f(x - ex, 0, 0);
  const high = f(x + ex, 0, 0);
  const own = FUNCTION_ERROR * Math.max(Math.abs(low), Math.abs(high));
  return bounded(Math.max(v - low, high - v) + own + TINY);
}

/** What is not a number says nothing. */
function bounded(error: number): number {
  return Number.isNaN(error) ? Infinity : error;
}

/** The sum of a row. */
export function sumRow(arg: Argument, out: Row, count: number): void {
  let sum = 0;
  let magnitude = 0;
  let error = 0;
  for (let i = 0; i < count; i++) {
    const at = arg.scalar ? 0 : i;
    sum += arg.values[at]!;
    magnitude += Math.abs(arg.values[at]!);
    error += arg.errors[at]!;
  }
  out.values[0] = Math.fround(sum);
  out.errors[0] = Number.isFinite(sum)
    ? bounded(error + sumError(count) * magnitude)
    : error === 0
    ? 0
    : Infinity;
}

/** The largest of a row; NaN if there is one. */
export function maxRow(arg: Argument, out: Row, count: number): void {
  let most = -Infinity;
  let error = 0;
  for (let i = 0; i < count; i++) {
    const at = arg.scalar ? 0 : i;
    most = Math.max(most, arg.values[at]!);
    error = Math.max(error, arg.errors[at]!);
  }
  out.values[0] = most;
  out.errors[0] = bounded(error);
}

/** The first position that holds the maximum, or NaN. */
export function firstRow(
  arg: Argument,
  max: Argument,
  out: Row,
  count: number,
): void {
  const most = max.values[0]!;
  let found = -1;
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < count; i++) {
    const at = arg.scalar ? 0 : i;
    const value = arg.values[at]!;
    if (found < 0 && (value === most || Number.isNaN(value))) found = i;
    const error = arg.errors[at]! + max.errors[0]!;
    if (value === most || !(Math.abs(value - most) > error)) {
      low = Math.min(low, i);
      if (error > 0) high = Math.max(high, i);
    }
  }
  out.values[0] = found < 0 ? 2 ** 31 - 1 : found;
  out.errors[0] = high > low ? high - low : 0;
}
