// Emits the natural logarithm of four float32 at a time, over the whole range. Used through vector_math.ts.
//
// x = 2^n (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); log(1 + f) = f - f^2 / 2 + f^3 g(f) with g minimax in the
// relative error of log(1 + f), found as vector_math.ts says: relative error 2^-26.5. Vectors with a lane that
// is zero, negative, denormal, infinite or NaN take two rarely run branches.

import type { FunctionBuilder, Local } from "./assembler.ts";
import type { VectorEmitter } from "./vector_emitter.ts";

const G = [
  0.3333333134651184,
  -0.250008225440979,
  0.20001259446144104,
  -0.16623350977897644,
  0.14200997352600098,
  -0.1315823346376419,
  0.12778154015541077,
  -0.07678452879190445,
];
// ln 2 in two parts: products of the first with exponents up to 2^15 are exact.
export const LN2_HIGH = 0.693359375;
export const LN2_LOW = -0.00021219444170128554;
const SQRT_HALF_BITS = 0x3f3504f3;
const SMALLEST_NORMAL = 2 ** -126;

/** Constants worth holding before a loop that takes logarithms. */
export const LOG_CONSTANTS: readonly number[] = [
  ...[...G, LN2_HIGH, LN2_LOW, 1],
  ...[-0.5, SMALLEST_NORMAL, Infinity],
];

/** Pushes log(x); changes x. */
export function emitLog(v: VectorEmitter, x: Local<"v128">): void {
  const { f } = v;
  const isUsual = f.local("i32");
  const special = f.local("v128");
  const n = f.local("v128");
  f.localGet(x);
  f.localSet(special);
  f.localGet(x);
  v.constant(SMALLEST_NORMAL);
  f.emit("f32x4.ge");
  f.localGet(x);
  v.constant(Infinity);
  f.emit("f32x4.lt");
  f.emit("v128.and");
  f.emit("i32x4.bitmask");
  f.i32Const(15);
  f.emit("i32.eq");
  f.localSet(isUsual);
  f.i32x4Const(0);
  f.localSet(n);
  unless(f, isUsual, () => normaliseDenormals(v, x, n));
  splitExponent(v, x, n);
  logOfParts(v, x, n);
  f.localSet(x);
  unless(f, isUsual, () => logOfSpecials(v, special, x));
  f.localGet(x);
  f.release(isUsual, special, n);
}

/** Denormal lanes of x become x 2^149, which their bits read as an integer are; n becomes -149 there. */
function normaliseDenormals(
  v: VectorEmitter,
  x: Local<"v128">,
  n: Local<"v128">,
): void {
  const { f } = v;
  const isSmall = f.local("v128");
  f.localGet(x);
  f.emit("f32x4.convert_i32x4_s");
  f.localGet(x);
  f.localGet(x);
  v.constant(SMALLEST_NORMAL);
  f.emit("f32x4.lt");
  f.localTee(isSmall);
  v.select();
  f.localSet(x);
  f.localGet(isSmall);
  f.f32x4Const(-149);
  f.emit("v128.and");
  f.localSet(n);
  f.release(isSmall);
}

/** Adds to n the exponent of x = 2^n (1 + f) and leaves f in x. */
function splitExponent(
  v: VectorEmitter,
  x: Local<"v128">,
  n: Local<"v128">,
): void {
  const { f } = v;
  const exponent = f.local("v128");
  f.localGet(x);
  f.i32x4Const(SQRT_HALF_BITS);
  f.emit("i32x4.sub");
  f.i32Const(23);
  f.emit("i32x4.shr_s");
  f.localSet(exponent);
  f.localGet(exponent);
  f.emit("f32x4.convert_i32x4_s");
  f.localGet(n);
  f.emit("f32x4.add");
  f.localSet(n);
  f.localGet(x);
  f.localGet(exponent);
  f.i32Const(23);
  f.emit("i32x4.shl");
  f.emit("i32x4.sub");
  v.constant(1);
  f.emit("f32x4.sub");
  f.localSet(x);
  f.release(exponent);
}

/** Pushes n ln 2 + log(1 + f), smallest terms first. */
function logOfParts(
  v: VectorEmitter,
  fraction: Local<"v128">,
  n: Local<"v128">,
): void {
  const { f } = v;
  const square = f.local("v128");
  f.localGet(n);
  f.localGet(fraction);
  f.localGet(fraction);
  f.emit("f32x4.mul");
  f.localTee(square);
  f.localGet(fraction);
  f.emit("f32x4.mul");
  v.polynomial(G, fraction);
  f.localGet(n);
  v.constant(LN2_LOW);
  f.emit("f32x4.mul");
  v.multiplyAdd();
  const rest = f.local("v128");
  f.localSet(rest);
  f.localGet(square);
  v.constant(-0.5);
  f.localGet(rest);
  v.multiplyAdd();
  f.localGet(fraction);
  f.emit("f32x4.add");
  f.localSet(rest);
  v.constant(LN2_HIGH);
  f.localGet(rest);
  v.multiplyAdd();
  f.release(square, rest);
}

/** Puts the logarithms of zeros, negatives, infinity and NaN in x into `result`. */
function logOfSpecials(
  v: VectorEmitter,
  x: Local<"v128">,
  result: Local<"v128">,
): void {
  const { f } = v;
  // Zero: minus infinity; below zero: NaN, which the root gives; infinity and NaN: their own root.
  f.localGet(result);
  f.f32x4Const(-Infinity);
  f.localGet(x);
  f.emit("f32x4.sqrt");
  f.localGet(x);
  f.i32x4Const(0);
  f.emit("f32x4.eq");
  v.select();
  f.localGet(x);
  f.i32x4Const(0);
  f.emit("f32x4.gt");
  f.localGet(x);
  v.constant(Infinity);
  f.emit("f32x4.lt");
  f.emit("v128.and");
  v.select();
  f.localSet(result);
}

function unless(
  f: FunctionBuilder,
  condition: Local<"i32">,
  body: () => void,
): void {
  f.localGet(condition);
  f.emit("i32.eqz");
  f.if(body);
}
