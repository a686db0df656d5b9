// Emits exp, log, tanh and sigmoid of four float32 at a time, over the whole range: infinities, NaN, signed
// zeros and denormal inputs and results included. Loops and loads are the caller's.
//
// Method. exp: x = n ln 2 + r with |r| <= ln(2) / 2, e^r = 1 + r + r^2 q(r), scaled by 2^n in two steps so that
// denormal results are rounded once. tanh: with S(r^2) = r coth(r) = 1 + r^2 s(r^2), tanh r = r / S near zero;
// elsewhere |x| = n ln(2) / 2 + r, e^2r = (S + r) / (S - r), tanh |x| = 1 - 2 / (2^n e^2r + 1). sigmoid:
// e = exp(-|x|), h = 1 or, below zero, e; then h - h e / (1 + e), whose subtrahend is small where h / (1 + e)
// would lose a digit.
//
// Coefficients. q and s are minimax in the relative error of e^r - 1 and S: Remez's exchange at 50 digits,
// coefficients rounded to float32 one after another from the lowest power, the rest fitted again each time;
// relative error 2^-26.0 (q) and 2^-26.0 (s, up to r = 0.55). vector_log.ts has the method of the logarithm.
//
// Error bound: 2 ulp of float32 with and without fused multiply-add. Measured against Math in float64, fused /
// not: exp 1.06 / 1.03, log 0.90 / 0.91, tanh 1.68 / 1.75 over all 2^32 inputs; sigmoid 1.94 / 1.94 over all
// inputs with 2^-12 <= |x| < 2^8, outside of which it is flat, and 1.79 / 1.90 over every 37th of all.

import type { FunctionBuilder, Local } from "./assembler.ts";
import { emitLog, LN2_HIGH, LN2_LOW, LOG_CONSTANTS } from "./vector_log.ts";
import { VectorEmitter, type VectorOptions } from "./vector_emitter.ts";

/** A function that `VectorMath` emits. */
export type VectorFunction = "exp" | "log" | "tanh" | "sigmoid";

const Q = [
  0.4999999701976776,
  0.16666539013385773,
  0.04166775569319725,
  0.008367102593183517,
  0.0013835205463692546,
];
const S = [0.333332359790802, -0.02220219559967518, 0.0019992843735963106];
const TANH_SMALL = 0.55;
const LOG2_E = 1.4426950216293335;
// Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits of the sum.
const ROUNDER = 12582912;

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
    else this.#sigmoid(x);
    this.#f.release(x);
  }

  #exp(x: Local<"v128">): void {
    const f = this.#f;
    f.localGet(x);
    this.#v.constant(89);
    f.emit("f32x4.pmin");
    f.localSet(x);
    this.#expBelow89(x);
  }

  /** Pushes exp(x) for x up to 89, the first integer where it is infinite; changes x. */
  #expBelow89(x: Local<"v128">): void {
    const f = this.#f;
    const [isZero, scaled, n] = this.#v.locals(3);
    // Lanes whose result is zero run as exp(0): a multiplication that underflows costs 150 cycles.
    f.localGet(x);
    f.localGet(x);
    this.#v.constant(-104);
    f.emit("f32x4.lt");
    f.localTee(isZero);
    f.emit("v128.andnot");
    f.localSet(x);
    this.#round(x, LOG2_E, scaled);
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
    this.#v.polynomial(Q, r);
    f.localGet(r);
    f.emit("f32x4.mul");
    f.localGet(r);
    f.localGet(r);
    this.#v.multiplyAdd();
    this.#v.constant(1);
    f.emit("f32x4.add");
    this.#scaleTwice(scaled);
    f.localGet(isZero);
    f.emit("v128.andnot");
    f.release(isZero, scaled, n);
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
    const [a, scaled, n, isSmall] = this.#v.locals(4);
    f.localGet(x);
    f.emit("f32x4.abs");
    // From |x| = 10 on the result is 1.
    this.#v.constant(10);
    f.emit("f32x4.pmin");
    f.localSet(a);
    this.#round(a, 2 * LOG2_E, scaled);
    // Small lanes keep n = 0 and r = |x|.
    f.localGet(a);
    this.#v.constant(TANH_SMALL);
    f.emit("f32x4.lt");
    f.localTee(isSmall);
    f.emit("v128.andnot");
    f.localSet(n);
    const r = a;
    f.localGet(n);
    this.#v.constant(-Math.LN2 / 2);
    f.localGet(a);
    this.#v.multiplyAdd();
    f.localSet(r);
    this.#tanhOfParts(r, scaled, isSmall);
    f.localGet(x);
    this.#v.constant(-0);
    f.emit("v128.and");
    f.emit("v128.or");
    f.release(a, scaled, n, isSmall);
  }

  /** Pushes r / S(r^2) in small lanes and 1 - 2 (S - r) / (2^n (S + r) + S - r) in the others. */
  #tanhOfParts(
    r: Local<"v128">,
    scaled: Local<"v128">,
    isSmall: Local<"v128">,
  ): void {
    const f = this.#f;
    const [square, s, difference] = this.#v.locals(3);
    this.#v.constant(1);
    f.localGet(isSmall);
    f.emit("v128.andnot");
    f.localGet(r);
    f.localGet(r);
    f.localGet(r);
    f.emit("f32x4.mul");
    f.localSet(square);
    this.#v.polynomial([1, ...S], square);
    f.localTee(s);
    f.emit("f32x4.sub");
    f.localSet(difference);
    f.localGet(r);
    f.localGet(difference);
    f.localGet(difference);
    f.emit("f32x4.add");
    f.localGet(isSmall);
    this.#v.select();
    f.localGet(s);
    f.localGet(s);
    f.localGet(r);
    f.emit("f32x4.add");
    this.#exponent(scaled);
    f.emit("i32x4.add");
    f.localGet(difference);
    f.emit("f32x4.sub");
    f.localGet(isSmall);
    this.#v.select();
    f.emit("f32x4.div");
    f.emit("f32x4.add");
    f.release(square, s, difference);
  }

  #sigmoid(x: Local<"v128">): void {
    const f = this.#f;
    const [e, high] = this.#v.locals(2);
    f.localGet(x);
    this.#v.constant(-0);
    f.emit("v128.or");
    f.localSet(e);
    this.#expBelow89(e);
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

  /** Pushes n = x factor, rounded; `scaled` gets n in its low bits, to be shifted into an exponent. */
  #round(x: Local<"v128">, factor: number, scaled: Local<"v128">): void {
    const f = this.#f;
    f.localGet(x);
    this.#v.constant(factor);
    this.#v.constant(ROUNDER);
    this.#v.multiplyAdd();
    f.localTee(scaled);
    this.#v.constant(ROUNDER);
    f.emit("f32x4.sub");
  }

  /** Pushes n, found in the low bits of `scaled`, in the place of a float's exponent. */
  #exponent(scaled: Local<"v128">): void {
    this.#f.localGet(scaled);
    this.#f.i32Const(23);
    this.#f.emit("i32x4.shl");
  }
}

const EXP = [...Q, LOG2_E, ROUNDER, -LN2_HIGH, -LN2_LOW, 1];

/** Constants worth a local, by function. */
const HELD: Record<VectorFunction, readonly number[]> = {
  exp: [...EXP, 89, -104],
  sigmoid: [...EXP, -104, -0],
  tanh: [
    ...[...S, 2 * LOG2_E, ROUNDER, -Math.LN2 / 2],
    ...[1, 10, TANH_SMALL, -0],
  ],
  log: LOG_CONSTANTS,
};
