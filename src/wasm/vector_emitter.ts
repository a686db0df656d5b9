// Emits small idioms on vectors into one function: constants kept in locals, multiply-add with or without
// fusing, selection by lanes, polynomials. Knows no particular function or kernel.

import type { FunctionBuilder, Local } from "./assembler.ts";

/** How arithmetic on vectors is emitted. */
export interface VectorOptions {
  /** Use relaxed instructions (fused multiply-add); otherwise a multiplication and an addition. */
  readonly relaxed: boolean;
}

/** N values, counted by the type where they are taken apart. */
type Tuple<T, N extends number, R extends readonly T[] = []> =
  R["length"] extends N ? R : Tuple<T, N, readonly [...R, T]>;

/** Writes idioms on v128 into a function. */
export class VectorEmitter {
  /** The function that is written. */
  readonly f: FunctionBuilder;
  /** Whether relaxed instructions are used. */
  readonly relaxed: boolean;
  readonly #held = new Map<number, Local<"v128">>();

  /** Creates an emitter that holds no constants. */
  constructor(f: FunctionBuilder, options: VectorOptions) {
    this.f = f;
    this.relaxed = options.relaxed;
  }

  /** Puts constants, the same in all lanes, into locals here, so that loops to come need not build them. */
  hold(values: readonly number[]): void {
    for (const value of values) {
      const bits = bitsOf(value);
      if (this.#held.has(bits)) continue;
      const local = this.f.local("v128");
      this.f.i32x4Const(bits);
      this.f.localSet(local);
      this.#held.set(bits, local);
    }
  }

  /** Gives the locals of held constants back to the function. */
  release(): void {
    this.f.release(...this.#held.values());
    this.#held.clear();
  }

  /** Pushes a constant, the same in all lanes. */
  constant(value: number): void {
    const bits = bitsOf(value);
    const local = this.#held.get(bits);
    if (local === undefined) this.f.i32x4Const(bits);
    else this.f.localGet(local);
  }

  /** Gives vector locals, as many as wanted where they are taken apart. */
  locals<N extends number>(count: N): Tuple<Local<"v128">, N> {
    return this.vectors(count) as Tuple<Local<"v128">, N>;
  }

  /** Gives `count` vector locals. */
  vectors(count: number): Local<"v128">[] {
    const locals: Local<"v128">[] = [];
    for (let i = 0; i < count; i++) locals.push(this.f.local("v128"));
    return locals;
  }

  /** Pushes an address in a local plus a constant number of bytes. */
  pushAddress(base: Local<"i32">, offset: number): void {
    this.f.localGet(base);
    if (offset === 0) return;
    this.f.i32Const(offset);
    this.f.emit("i32.add");
  }

  /** Replaces a, b, c on the stack by a b + c. */
  multiplyAdd(): void {
    const { f } = this;
    if (this.relaxed) return f.emit("f32x4.relaxed_madd");
    const c = f.local("v128");
    f.localSet(c);
    f.emit("f32x4.mul");
    f.localGet(c);
    f.emit("f32x4.add");
    f.release(c);
  }

  /** Replaces a, b and a mask of whole lanes on the stack by a where the mask is set, else b. */
  select(): void {
    this.f.emit(
      this.relaxed ? "i32x4.relaxed_laneselect" : "v128.bitselect",
    );
  }

  /** Pushes the value at x of the polynomial with these coefficients, lowest power first. */
  polynomial(coefficients: readonly number[], x: Local<"v128">): void {
    this.constant(coefficients.at(-1)!);
    for (let i = coefficients.length - 2; i >= 0; i--) {
      this.f.localGet(x);
      this.constant(coefficients[i]!);
      this.multiplyAdd();
    }
  }
}

const FLOAT = new Float32Array(1);
const BITS = new Int32Array(FLOAT.buffer);

/** The bits tell 0 from -0, which a Map of numbers does not. */
function bitsOf(value: number): number {
  FLOAT[0] = value;
  return BITS[0]!;
}
