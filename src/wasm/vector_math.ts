// Emits exp, log, tanh and sigmoid of four float32 at a time, over the whole range: infinities, NaN, signed
// zeros and denormal inputs and results included. Loops and loads are the caller's.
//
// Method. With x = n ln 2 + r, |r| <= ln(2) / 2, p = e^r - 1 = r + r^2 q(r). exp: (1 + p) 2^n, scaled such that
// denormal results are rounded once. tanh |x|: with p and n of -2 |x| and s = 2^n, (1 - s - s p) / (1 + s + s p),
// where n is 0 for small |x| and nothing cancels. sigmoid: e = exp(-|x|), h = 1 or, below zero, e; then
// h - h e / (1 + e), whose subtrahend is small where h / (1 + e) would lose a digit.
//
// Coefficients. q is minimax in the relative error of p: Remez's exchange at 50 digits, coefficients rounded to
// float32 one after another from the lowest power, the rest fitted again each time; relative error 2^-26.0.
// vector_log.ts has the method of the logarithm.
//
// Error bound: 2 ulp of float32 with and without fused multiply-add. Measured against Math in float64, fused /
// not: exp 1.06 / 1.03, log 0.90 / 0.91, tanh 1.95 / 1.97 over all 2^32 inputs; sigmoid 1.94 / 1.94 over all
// inputs with 2^-12 <= |x| < 2^8, outside of which it is flat, and 1.79 / 1.90 over every 37th of all.

import type { FunctionBuilder, Local } from "./assembler.ts";
import { emitLog, LN2_HIGH, LN2_LOW, LOG_CONSTANTS } from "./vector_log.ts";
import { VectorEmitter, type VectorOptions } from "./vector_emitter.ts";

/** A function that `VectorMath` emits; "expNotPositive" is exp where no argument is above zero. */
export type VectorFunction =
  | "exp"
  | "expNotPositive"
  | "log"
  | "tanh"
  | "sigmoid";

const Q = [
  0.4999999701976776,
  0.16666539013385773,
  0.04166775569319725,
  0.008367102593183517,
  0.0013835205463692546,
];
const LOG2_E = 1.4426950216293335;
// Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits of the sum.
const ROUNDER = 12582912;
/** Exponents are this much higher until the end where results may be denormal. */
const LIFT = 32;

/**
 * Emits vector functions into one function. Create it before the loop that uses it: its constants are put
 * into locals where it is created, which takes half the time of constants in the loop (measured: exp 3.3 ns
 * against 7.9 ns a vector; an internal function that V8 inlines is as slow as the latter).
 */
export class VectorMath {
  readonly #f: FunctionBuilder;
  readonly #v: VectorEmitter;

  /** Prepares the constants of the functions named. */
  constructor(
    f: FunctionBuilder,
    functions: readonly VectorFunction[],
    options: VectorOptions,
  ) {
    this.#f = f;
    this.#v = new VectorEmitter(f, options);
    for (const name of functions) this.#v.hold(HELD[name]);
  }

  /** Returns the constants' locals to the function. */
  release(): void {
    this.#v.release();
  }

  /** Replaces the vector x on the stack by the function's value. */
  emit(name: VectorFunction): void {
    const x = this.#f.local("v128");
    this.#f.localSet(x);
    if (name === "log") emitLog(this.#v, x);
    else if (name === "tanh") this.#tanh(x);
    else if (name === "exp") this.#exp(x);
    else if (name === "expNotPositive") this.#expNotPositive(x);
    else this.#sigmoid(x);
    this.#f.release(x);
  }

  #exp(x: Local<"v128">): void {
    const f = this.#f;
    const [isZero, scaled] = this.#v.locals(2);
    // 89 is the first integer where it is infinite.
    f.localGet(x);
    this.#v.constant(89);
    f.emit("f32x4.pmin");
    f.localSet(x);
    this.#expOfParts(x, ROUNDER, isZero, scaled);
    this.#scaleTwice(scaled);
    f.localGet(isZero);
    f.emit("v128.andnot");
    f.release(isZero, scaled);
  }

  /**
   * Pushes exp(x) for x that are not positive, or NaN; changes x. As n is not either, 2^n is a power that is
   * no less than 2^-118 by a constant, and results are rounded once all the same.
   */
  #expNotPositive(x: Local<"v128">): void {
    const f = this.#f;
    const [isZero, scaled] = this.#v.locals(2);
    this.#expOfParts(x, ROUNDER + LIFT, isZero, scaled);
    this.#exponent(scaled);
    this.#v.constant(1);
    f.emit("i32x4.add");
    f.emit("f32x4.mul");
    this.#v.constant(2 ** -LIFT);
    f.emit("f32x4.mul");
    f.localGet(isZero);
    f.emit("v128.andnot");
    f.release(isZero, scaled);
  }

  /**
   * Pushes e^r of x = n ln 2 + r, or 1 where e^x is zero, which `isZero` tells; changes x. `scaled` gets n, and
   * what `rounder` has beyond ROUNDER, in its low bits.
   */
  #expOfParts(
    x: Local<"v128">,
    rounder: number,
    isZero: Local<"v128">,
    scaled: Local<"v128">,
  ): void {
    const f = this.#f;
    const n = f.local("v128");
    // Lanes whose result is zero run as exp(0): a multiplication that underflows costs 150 cycles.
    f.localGet(x);
    f.localGet(x);
    this.#v.constant(-104);
    f.emit("f32x4.lt");
    f.localTee(isZero);
    f.emit("v128.andnot");
    f.localSet(x);
    this.#round(x, rounder, scaled);
    f.localSet(n);
    const r = x;
    f.localGet(n);
    this.#v.constant(-LN2_LOW);
    f.localGet(n);
    this.#v.constant(-LN2_HIGH);
    f.localGet(x);
    this.#v.multiplyAdd();
    this.#v.multiplyAdd();
    f.localSet(r);
    // 1 + (r + r (r q)) loses less than Horner's last two steps.
    this.#pushGrowth(r);
    this.#v.constant(1);
    f.emit("f32x4.add");
    f.release(n);
  }

  /** Pushes e^r - 1 = r + r (r q) for |r| up to ln(2) / 2. */
  #pushGrowth(r: Local<"v128">): void {
    const f = this.#f;
    this.#v.polynomial(Q, r);
    f.localGet(r);
    f.emit("f32x4.mul");
    f.localGet(r);
    f.localGet(r);
    this.#v.multiplyAdd();
  }

  /** Multiplies the vector on the stack by 2^n = 2^half 2^(n - half), n from -150 to 128. */
  #scaleTwice(scaled: Local<"v128">): void {
    const f = this.#f;
    const half = f.local("v128");
    f.localGet(scaled);
    f.i32Const(1);
    f.emit("i32x4.shr_u");
    f.i32Const(23);
    f.emit("i32x4.shl");
    f.localTee(half);
    this.#v.constant(1);
    f.emit("i32x4.add");
    f.emit("f32x4.mul");
    this.#exponent(scaled);
    f.localGet(half);
    f.emit("i32x4.sub");
    this.#v.constant(1);
    f.emit("i32x4.add");
    f.emit("f32x4.mul");
    f.release(half);
  }

  #tanh(x: Local<"v128">): void {
    const f = this.#f;
    const [t, scaled, n, p] = this.#v.locals(4);
    f.localGet(x);
    f.localGet(x);
    f.emit("f32x4.add");
    this.#v.constant(-0);
    f.emit("v128.or");
    // From |x| = 10 on the result is 1.
    this.#v.constant(-20);
    f.emit("f32x4.pmax");
    f.localSet(t);
    this.#round(t, ROUNDER, scaled);
    f.localSet(n);
    f.localGet(n);
    this.#v.constant(-Math.LN2);
    f.localGet(t);
    this.#v.multiplyAdd();
    f.localSet(t);
    // p = e^t - 1; then with s = 2^n: ((1 - s) - s p) / ((1 + s) + s p), in which s p is exact.
    this.#pushGrowth(t);
    this.#exponent(scaled);
    this.#v.constant(1);
    f.emit("i32x4.add");
    f.localTee(n);
    f.emit("f32x4.mul");
    f.localSet(p);
    this.#v.constant(1);
    f.localGet(n);
    f.emit("f32x4.sub");
    f.localGet(p);
    f.emit("f32x4.sub");
    this.#v.constant(1);
    f.localGet(n);
    f.emit("f32x4.add");
    f.localGet(p);
    f.emit("f32x4.add");
    f.emit("f32x4.div");
    f.localGet(x);
    this.#v.constant(-0);
    f.emit("v128.and");
    f.emit("v128.or");
    f.release(t, scaled, n, p);
  }

  #sigmoid(x: Local<"v128">): void {
    const f = this.#f;
    const [e, high] = this.#v.locals(2);
    f.localGet(x);
    this.#v.constant(-0);
    f.emit("v128.or");
    f.localSet(e);
    this.#expNotPositive(e);
    f.localTee(e);
    this.#v.constant(1);
    f.localGet(x);
    f.i32x4Const(0);
    f.emit("f32x4.lt");
    this.#v.select();
    f.localTee(high);
    f.localGet(high);
    f.localGet(e);
    f.emit("f32x4.mul");
    f.localGet(e);
    this.#v.constant(1);
    f.emit("f32x4.add");
    f.emit("f32x4.div");
    f.emit("f32x4.sub");
    f.release(e, high);
  }

  /** Pushes n = x / ln 2, rounded; `scaled` gets n plus `rounder`, which ends in zeros or a small integer. */
  #round(x: Local<"v128">, rounder: number, scaled: Local<"v128">): void {
    const f = this.#f;
    f.localGet(x);
    this.#v.constant(LOG2_E);
    this.#v.constant(rounder);
    this.#v.multiplyAdd();
    f.localTee(scaled);
    this.#v.constant(rounder);
    f.emit("f32x4.sub");
  }

  /** Pushes n, found in the low bits of `scaled`, in the place of a float's exponent. */
  #exponent(scaled: Local<"v128">): void {
    this.#f.localGet(scaled);
    this.#f.i32Const(23);
    this.#f.emit("i32x4.shl");
  }
}

const GROWTH = [...Q, LOG2_E, 1];
const EXP = [...GROWTH, -LN2_HIGH, -LN2_LOW, -104];
const NOT_POSITIVE = [...EXP, ROUNDER + LIFT, 2 ** -LIFT];

/** Constants worth a local, by function. */
const HELD: Record<VectorFunction, readonly number[]> = {
  exp: [...EXP, ROUNDER, 89],
  expNotPositive: NOT_POSITIVE,
  sigmoid: [...NOT_POSITIVE, -0],
  tanh: [...GROWTH, ROUNDER, -Math.LN2, -20, -0],
  log: LOG_CONSTANTS,
};
