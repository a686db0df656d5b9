/**
 * Emits the values of a loop kernel, one vector at a time. A value is held in
 * a local: floats, integers, or, for conditions, masks of whole lanes.
 */
import type { LoopKernel, Value, View } from "../compile/kernel.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import { MemoryEmitter } from "./emit_memory.ts";
import type { Pointers } from "./pointers.ts";
import { BINARY, functionOf, UNARY } from "./value_instructions.ts";
import type { VectorMath } from "./vector_math.ts";

type Kind = "float" | "int" | "mask";

interface Held {
  readonly local: Local<"v128">;
  readonly kind: Kind;
}

const LARGEST = 2 ** 31 - 1;

/** Emits values into a function. */
export class ValueEmitter {
  readonly #f: FunctionBuilder;
  readonly #kernel: LoopKernel;
  readonly #math: VectorMath;
  readonly #pointers: Pointers;
  readonly #memory: MemoryEmitter;
  readonly #elements = new Map<string, Held>();
  readonly #scalars = new Map<number, Held>();
  readonly #invariant = new Set<number>();
  /** For each maximum: which lanes have met NaN, which a quick maximum loses. */
  readonly #unordered = new Map<number, Local<"v128">>();

  constructor(
    f: FunctionBuilder,
    kernel: LoopKernel,
    math: VectorMath,
    pointers: Pointers,
    row: number,
  ) {
    this.#f = f;
    this.#kernel = kernel;
    this.#math = math;
    this.#pointers = pointers;
    this.#memory = new MemoryEmitter(f, pointers, row);
  }

  /** Computes what is the same in every row, before the loops. */
  preload(): void {
    this.#holdConstants();
    const written = new Set(this.#kernel.stores.map(({ view }) => view.buffer));
    for (const [at, value] of this.#kernel.values.entries()) {
      const fixed = value.op === "load"
        ? !value.view.lookup && !written.has(value.view.buffer) &&
          value.view.strides.every((stride) => stride === 0)
        : value.scalar && !value.op.startsWith("row") && "args" in value &&
          value.args.every((arg) =>
            this.#invariant.has(arg) ||
            this.#kernel.values[arg]!.op === "constant"
          );
      if (!fixed) continue;
      this.scalar(at);
      this.#invariant.add(at);
    }
  }

  /**
   * Keeps constants in locals: each built in a loop is three instructions, where
   * one that finds no register is one more operand in memory (measured: Adam
   * takes two thirds of the time). Zero is one instruction.
   */
  #holdConstants(): void {
    for (const [at, { op, dtype }] of this.#kernel.values.entries()) {
      if (op !== "constant" || this.#isZero(at)) continue;
      this.#get(at, 0);
      const kind = dtype === "int32" ? "int" : "float";
      this.#scalars.set(at, this.#hold(kind));
      this.#invariant.add(at);
    }
  }

  /** Gives back what was computed before the loops. */
  release(): void {
    for (const { local } of this.#scalars.values()) this.#f.release(local);
    this.#scalars.clear();
  }

  /** Computes a row's values that no reduction stands behind. */
  startRow(): void {
    for (const [at, value] of this.#kernel.values.entries()) {
      if (!value.scalar || value.op === "constant") continue;
      if (!this.#dependsOnReduction(at)) this.scalar(at);
    }
  }

  #dependsOnReduction(at: number): boolean {
    const value = this.#kernel.values[at]!;
    if (value.op.startsWith("row")) return true;
    return "args" in value &&
      value.args.some((arg) => this.#dependsOnReduction(arg));
  }

  /** Forgets the row's values. */
  endRow(): void {
    for (const [at, { local }] of this.#scalars) {
      if (this.#invariant.has(at)) continue;
      this.#f.release(local);
      this.#scalars.delete(at);
    }
  }

  /** Computes a value that is the same along the row. */
  scalar(at: number): void {
    if (this.#scalars.has(at)) return;
    const value = this.#kernel.values[at]!;
    if (value.op === "constant") return;
    const kind = this.#compute(value, 0);
    this.#scalars.set(at, this.#hold(kind));
  }

  /** Computes a vector of a value's elements. */
  element(at: number, vector: number): void {
    const key = `${at} ${vector}`;
    if (this.#elements.has(key)) return;
    const kind = this.#compute(this.#kernel.values[at]!, vector);
    this.#elements.set(key, this.#hold(kind));
  }

  /** Reads a vector of a value's elements from where they have been put. */
  reload(at: number, vector: number, view: View): void {
    this.#memory.load(view, vector);
    this.#elements.set(`${at} ${vector}`, this.#hold("float"));
  }

  /** Gives back the local of a value's vector. */
  forget(at: number, vector: number): void {
    const key = `${at} ${vector}`;
    const held = this.#elements.get(key);
    if (!held) return;
    this.#f.release(held.local);
    this.#elements.delete(key);
  }

  /** Sets the accumulators of reductions to their neutral element. */
  startReductions(reductions: readonly number[]): void {
    for (const at of reductions) {
      const value = this.#kernel.values[at]!;
      this.#neutral(value);
      const kind = value.dtype === "int32" ? "int" : "float";
      this.#scalars.set(at, this.#hold(kind));
      if (!isFloatMax(value)) continue;
      this.#f.i32x4Const(0);
      this.#unordered.set(at, this.#hold("mask").local);
    }
  }

  #neutral(value: Value): void {
    if (value.op === "rowFirst") this.#f.i32x4Const(LARGEST);
    else if (value.op === "rowSum") this.#f.f32x4Const(0);
    else if (value.dtype === "int32") this.#f.i32x4Const(-LARGEST - 1);
    else this.#f.f32x4Const(-Infinity);
  }

  /** Adds a vector to a reduction. */
  reduce(at: number, vector: number, lanes: number): void {
    const f = this.#f;
    const value = this.#kernel.values[at]!;
    const { local } = this.#scalars.get(at)!;
    f.localGet(local);
    if (value.op === "rowFirst") this.#candidate(value, vector);
    else if ("arg" in value) this.#getStored(value.arg, vector);
    if (lanes < 4) {
      // Lanes behind the row must not count.
      this.#neutral(value);
      f.i32x4Const(-1, ...[1, 2, 3].map((lane) => lane < lanes ? -1 : 0));
      f.emit("v128.bitselect");
    }
    const unordered = this.#unordered.get(at);
    if (unordered) this.#noteUnordered(unordered);
    f.emit(this.#combiner(value));
    f.localSet(local);
  }

  /** Marks the lanes in which the vector on the stack, which stays, is NaN. */
  #noteUnordered(lanes: Local<"v128">): void {
    const f = this.#f;
    const x = f.local("v128");
    f.localTee(x);
    f.localGet(x);
    f.localGet(x);
    f.emit("f32x4.ne");
    f.localGet(lanes);
    f.emit("v128.or");
    f.localSet(lanes);
    f.release(x);
  }

  #combiner(
    value: Value,
  ): "f32x4.add" | "f32x4.pmax" | "i32x4.max_s" | "i32x4.min_s" {
    if (value.op === "rowFirst") return "i32x4.min_s";
    if (value.op === "rowSum") return "f32x4.add";
    return value.dtype === "int32" ? "i32x4.max_s" : "f32x4.pmax";
  }

  /** Pushes the position where the maximum (or NaN) is, else a huge one. */
  #candidate(value: Value & { op: "rowFirst" }, vector: number): void {
    const f = this.#f;
    this.#position(vector);
    f.i32x4Const(LARGEST);
    const float = this.#kernel.values[value.arg]!.dtype === "float32";
    this.#getStored(value.arg, vector);
    this.#getStored(value.max, vector);
    f.emit(float ? "f32x4.eq" : "i32x4.eq");
    if (float) {
      this.#getStored(value.arg, vector);
      this.#getStored(value.arg, vector);
      f.emit("f32x4.ne");
      f.emit("v128.or");
    }
    f.emit("v128.bitselect");
  }

  /** Folds the lanes of finished reductions; every lane holds the result. */
  finishReductions(reductions: readonly number[]): void {
    const f = this.#f;
    for (const at of reductions) {
      const { local } = this.#scalars.get(at)!;
      const combine = this.#combiner(this.#kernel.values[at]!);
      const unordered = this.#unordered.get(at);
      if (unordered) {
        f.localGet(unordered);
        f.emit("v128.any_true");
        f.if(() => {
          f.f32x4Const(NaN);
          f.localSet(local);
        });
        f.release(unordered);
        this.#unordered.delete(at);
      }
      for (const order of [[2, 3, 0, 1], [1, 0, 3, 2]] as const) {
        f.localGet(local);
        f.localGet(local);
        f.localGet(local);
        f.shuffle32(order[0], order[1], order[2], order[3]);
        f.emit(combine);
        f.localSet(local);
      }
    }
  }

  /** Writes one vector. */
  store(
    view: View,
    at: number,
    vector: number,
    lanes: number,
    add: boolean,
  ): void {
    const value = { float: this.#isFloat(at), push: this.#pusher(at, vector) };
    this.#memory.store(view, value, vector, lanes, add);
  }

  /** Writes a value that is the same along the row, once. */
  storeScalar(view: View, at: number, add: boolean): void {
    const value = { float: this.#isFloat(at), push: this.#pusher(at, 0) };
    this.#memory.storeScalar(view, value, add);
  }

  #isFloat(at: number): boolean {
    return this.#kernel.values[at]!.dtype === "float32";
  }

  #pusher(at: number, vector: number): () => void {
    return () => this.#getStored(at, vector);
  }

  #hold(kind: Kind): Held {
    const local = this.#f.local("v128");
    this.#f.localSet(local);
    return { local, kind };
  }

  #kindOf(at: number, vector: number): Kind {
    const value = this.#kernel.values[at]!;
    if (value.op === "constant") {
      return value.dtype === "int32" ? "int" : "float";
    }
    const held = value.scalar
      ? this.#scalars.get(at)
      : this.#elements.get(`${at} ${vector}`);
    return held!.kind;
  }

  /** Pushes a value as it is held. */
  #get(at: number, vector: number): void {
    const value = this.#kernel.values[at]!;
    if (value.op === "constant" && !this.#scalars.has(at)) {
      if (value.dtype === "int32") this.#f.i32x4Const(value.value);
      else this.#f.f32x4Const(value.value);
      return;
    }
    const held = value.scalar
      ? this.#scalars.get(at)
      : this.#elements.get(`${at} ${vector}`);
    this.#f.localGet(held!.local);
  }

  /** Pushes a value as memory holds it: conditions as 0 and 1. */
  #getStored(at: number, vector: number): void {
    this.#get(at, vector);
    if (this.#kindOf(at, vector) !== "mask") return;
    this.#f.i32x4Const(1);
    this.#f.emit("v128.and");
  }

  /** Pushes a condition as a mask. */
  #getMask(at: number, vector: number): void {
    this.#get(at, vector);
    if (this.#kindOf(at, vector) === "mask") return;
    this.#f.i32x4Const(0);
    this.#f.emit("i32x4.ne");
  }

  #position(vector: number): void {
    const f = this.#f;
    const first = 4 * vector;
    f.i32x4Const(first, first + 1, first + 2, first + 3);
    const bytes = this.#pointers.vectorBytes;
    if (!bytes) return;
    f.localGet(bytes);
    f.i32Const(2);
    f.emit("i32.shr_u");
    f.emit("i32x4.splat");
    f.emit("i32x4.add");
  }

  /** Pushes a value computed from those held; tells how it is to be held. */
  #compute(value: Value, vector: number): Kind {
    const f = this.#f;
    const plain: Kind = value.dtype === "int32" ? "int" : "float";
    switch (value.op) {
      case "load":
        this.#memory.load(value.view, vector);
        return plain;
      case "position":
        this.#position(vector);
        return "int";
      case "select": {
        const [condition, a, b] = value.args as [number, number, number];
        if (this.#isZero(a) || this.#isZero(b)) {
          // Zeros are what a mask leaves of anything: one instruction.
          this.#getStored(this.#isZero(a) ? b : a, vector);
          this.#getMask(condition, vector);
          f.emit(this.#isZero(a) ? "v128.andnot" : "v128.and");
          return plain;
        }
        this.#getStored(a, vector);
        this.#getStored(b, vector);
        this.#getMask(condition, vector);
        f.emit("v128.bitselect");
        return plain;
      }
      case "toFloat":
      case "toInt":
        this.#cast(value.args[0]!, vector, value.op);
        return plain;
      case "neg":
      case "abs":
      case "sqrt":
        this.#get(value.args[0]!, vector);
        f.emit(UNARY[value.op]);
        return plain;
      case "exp":
      case "log":
      case "tanh":
      case "sigmoid":
        this.#get(value.args[0]!, vector);
        this.#math.emit(functionOf(this.#kernel.values, value)!);
        return plain;
      case "constant":
      case "rowSum":
      case "rowMax":
      case "rowFirst":
        throw new Error(`internal: ${value.op} is not computed by vectors`);
      default: {
        const [a, b] = value.args as [number, number];
        const int = this.#kernel.values[a]!.dtype === "int32";
        this.#getStored(a, vector);
        this.#getStored(b, vector);
        f.emit(BINARY[value.op][int ? 1 : 0]);
        const compares = value.op === "equal" || value.op === "less" ||
          value.op === "lessEqual";
        return compares ? "mask" : plain;
      }
    }
  }

  /** Whether a value is the constant 0, and not -0. */
  #isZero(at: number): boolean {
    const value = this.#kernel.values[at]!;
    return value.op === "constant" && Object.is(value.value, 0);
  }

  #cast(arg: number, vector: number, op: "toFloat" | "toInt"): void {
    const f = this.#f;
    const kind = this.#kindOf(arg, vector);
    this.#get(arg, vector);
    if (op === "toInt") {
      if (kind === "float") f.emit("i32x4.trunc_sat_f32x4_s");
    } else if (kind === "mask") {
      f.f32x4Const(1);
      f.emit("v128.and");
    } else if (kind === "int") f.emit("f32x4.convert_i32x4_s");
  }
}

function isFloatMax({ op, dtype }: Value): boolean {
  return op === "rowMax" && dtype === "float32";
}
