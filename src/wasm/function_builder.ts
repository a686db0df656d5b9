// Builds the body of one WebAssembly function: bytes go out as methods are called, while a simulated type
// stack refuses a wrong program where it is written. Sections and indices of a module belong to assembler.ts.

import { ByteWriter } from "./bytes.ts";
import {
  LANE,
  MEMORY,
  MEMORY_LANE,
  PLAIN,
  type Signature,
  TYPE_CODE,
  type ValueType,
} from "./instructions.ts";
import { type Label, TypeStack } from "./type_stack.ts";

export type { Label } from "./type_stack.ts";

/** A parameter or local variable of one function. */
export interface Local<T extends ValueType = ValueType> {
  readonly index: number;
  readonly type: T;
}

/** A function of a module that can be called. */
export interface FunctionRef extends Signature {
  readonly index: number;
  readonly name: string;
}

const NO_TYPES: readonly ValueType[] = [];
const SHUFFLE: Signature = { params: ["v128", "v128"], results: ["v128"] };
const FILL_OR_COPY: readonly ValueType[] = ["i32", "i32", "i32"];

/** Writes one function: instructions, structured control and locals, checked while they are written. */
export class FunctionBuilder {
  /** Name of the function, as errors and V8's profiler show it. */
  readonly name: string;
  readonly #results: readonly ValueType[];
  readonly #internType: (signature: Signature) => number;
  readonly #code = new ByteWriter(512);
  readonly #stack: TypeStack;
  readonly #whole: Label;
  readonly #params: readonly Local[];
  readonly #locals: Local[] = [];
  readonly #free = new Map<ValueType, Local[]>();

  /** Used by the module builder, which knows how to intern a type. */
  constructor(
    name: string,
    signature: Signature,
    internType: (signature: Signature) => number,
  ) {
    this.name = name;
    this.#results = signature.results;
    this.#internType = internType;
    this.#params = signature.params.map((type, index) => ({ index, type }));
    this.#stack = new TypeStack(name);
    this.#whole = this.#stack.open(signature.results, signature.results);
  }

  /** The function's parameters. */
  get params(): readonly Local[] {
    return this.#params;
  }

  /** Emits an instruction without immediates, named as in the specification. */
  emit(name: keyof typeof PLAIN): void {
    const [code, signature] = PLAIN[name];
    this.#stack.apply(name, signature.params, signature.results);
    this.#opcode(code);
  }

  /** Emits a memory access at the address on the stack plus `offset` bytes. */
  memory(
    name: keyof typeof MEMORY,
    offset = 0,
    options: { alignment?: number } = {},
  ): void {
    const [code, signature, alignment] = MEMORY[name];
    this.#stack.apply(name, signature.params, signature.results);
    this.#opcode(code);
    this.#code.unsigned(options.alignment ?? alignment);
    this.#code.unsigned(offset);
  }

  /** Emits an instruction on one lane of a vector. */
  lane(name: keyof typeof LANE, lane: number): void {
    const [code, signature, count] = LANE[name];
    this.#checkLane(name, lane, count);
    this.#stack.apply(name, signature.params, signature.results);
    this.#opcode(code);
    this.#code.byte(lane);
  }

  /** Emits a load or store of one lane: address and vector are on the stack. */
  memoryLane(name: keyof typeof MEMORY_LANE, lane: number, offset = 0): void {
    const [code, signature, size] = MEMORY_LANE[name];
    this.#checkLane(name, lane, 16 >> size);
    this.#stack.apply(name, signature.params, signature.results);
    this.#opcode(code);
    this.#code.unsigned(size);
    this.#code.unsigned(offset);
    this.#code.byte(lane);
  }

  /** Emits a shuffle of 32-bit lanes: 0..3 are the first operand's, 4..7 the second's. */
  shuffle32(a: number, b: number, c: number, d: number): void {
    this.#stack.apply("i8x16.shuffle", SHUFFLE.params, SHUFFLE.results);
    this.#opcode(0xfd000d);
    for (const lane of [a, b, c, d]) {
      this.#checkLane("i8x16.shuffle", lane, 8);
      for (let i = 0; i < 4; i++) this.#code.byte(4 * lane + i);
    }
  }

  /** Emits `memory.copy` (operands: to, from, bytes) or `memory.fill` (operands: to, byte, bytes). */
  bulk(name: "memory.copy" | "memory.fill"): void {
    this.#stack.apply(name, FILL_OR_COPY, NO_TYPES);
    const isCopy = name === "memory.copy";
    this.#opcode(isCopy ? 0xfc000a : 0xfc000b);
    this.#code.byte(0);
    if (isCopy) this.#code.byte(0);
  }

  /** Emits `atomic.fence`. */
  fence(): void {
    this.#opcode(0xfe0003);
    this.#code.byte(0);
  }

  /** Pushes a 32-bit integer. */
  i32Const(value: number): void {
    this.#stack.push("i32");
    this.#code.byte(0x41);
    this.#code.signed(value);
  }

  /** Pushes a 64-bit integer. */
  i64Const(value: bigint): void {
    this.#stack.push("i64");
    this.#code.byte(0x42);
    this.#code.signed64(value);
  }

  /** Pushes a float32. */
  f32Const(value: number): void {
    this.#stack.push("f32");
    this.#code.byte(0x43);
    this.#code.float32(value);
  }

  /** Pushes a float64. */
  f64Const(value: number): void {
    this.#stack.push("f64");
    this.#code.byte(0x44);
    this.#code.float64(value);
  }

  /** Pushes a vector of four float32; one argument fills all lanes. */
  f32x4Const(x: number, y = x, z = x, w = x): void {
    this.#stack.push("v128");
    this.#opcode(0xfd000c);
    for (const lane of [x, y, z, w]) this.#code.float32(lane);
  }

  /** Pushes a vector of four 32-bit integers; one argument fills all lanes. */
  i32x4Const(x: number, y = x, z = x, w = x): void {
    this.#stack.push("v128");
    this.#opcode(0xfd000c);
    for (const lane of [x, y, z, w]) this.#code.word(lane);
  }

  /** Gives a local of the wanted type: a released one where there is one. Its value is unspecified. */
  local<T extends ValueType>(type: T): Local<T> {
    const released = this.#free.get(type)?.pop();
    if (released !== undefined) return released as Local<T>;
    const index = this.#params.length + this.#locals.length;
    const local: Local<T> = { index, type };
    this.#locals.push(local);
    return local;
  }

  /** Returns locals to the pool that `local` draws from: fewer locals make V8 compile faster. */
  release(...locals: readonly Local[]): void {
    for (const local of locals) {
      const pool = this.#free.get(local.type);
      if (pool === undefined) this.#free.set(local.type, [local]);
      else if (pool.includes(local)) {
        throw new RangeError(
          `Cannot release local ${local.index} of "${this.name}" twice`,
        );
      } else pool.push(local);
    }
  }

  /** Pushes the value of a local. */
  localGet(local: Local): void {
    this.#stack.push(local.type);
    this.#code.byte(0x20);
    this.#code.unsigned(local.index);
  }

  /** Pops a value into a local. */
  localSet(local: Local): void {
    this.#stack.pop("local.set", local.type);
    this.#code.byte(0x21);
    this.#code.unsigned(local.index);
  }

  /** Copies the value on top of the stack into a local. */
  localTee(local: Local): void {
    this.#stack.pop("local.tee", local.type);
    this.#stack.push(local.type);
    this.#code.byte(0x22);
    this.#code.unsigned(local.index);
  }

  /** Discards the value on top of the stack. */
  drop(): void {
    this.#stack.popAny("drop");
    this.#code.byte(0x1a);
  }

  /** Takes two values and an i32; leaves the first when the i32 is not 0, else the second. */
  select(type: "i32" | "i64" | "f32" | "f64" | "v128"): void {
    this.#stack.apply("select", [type, type, "i32"], [type]);
    // A vector select must name its type; the short form is for numbers.
    this.#code.byte(type === "v128" ? 0x1c : 0x1b);
    if (type === "v128") {
      this.#code.byte(1);
      this.#code.byte(TYPE_CODE.v128);
    }
  }

  /** Calls a function. */
  call(callee: FunctionRef): void {
    this.#stack.apply(`call ${callee.name}`, callee.params, callee.results);
    this.#code.byte(0x10);
    this.#code.unsigned(callee.index);
  }

  /** Returns from the function with the results on the stack. */
  return(): void {
    this.#stack.apply("return", this.#results, NO_TYPES);
    this.#code.byte(0x0f);
    this.#stack.markUnreachable();
  }

  /** Traps. */
  unreachable(): void {
    this.#code.byte(0x00);
    this.#stack.markUnreachable();
  }

  /** A block: a branch to its label goes to its end. */
  block(
    body: (label: Label) => void,
    results: readonly ValueType[] = NO_TYPES,
  ): void {
    this.#enter(0x02, results, results, body);
  }

  /** A loop: a branch to its label starts it again; without one it is left at its end. */
  loop(
    body: (label: Label) => void,
    results: readonly ValueType[] = NO_TYPES,
  ): void {
    this.#enter(0x03, NO_TYPES, results, body);
  }

  /** Takes an i32 and runs `then` when it is not 0, otherwise `otherwise`. */
  if(
    then: (label: Label) => void,
    otherwise?: (label: Label) => void,
    results: readonly ValueType[] = NO_TYPES,
  ): void {
    if (otherwise === undefined && results.length > 0) {
      throw this.#stack.error(
        "if",
        "a condition without else branch",
        "no results",
      );
    }
    this.#stack.pop("if", "i32");
    this.#enter(0x04, results, results, then, otherwise);
  }

  /** Branches to a label. */
  br(label: Label): void {
    const depth = this.#stack.branch("br", label);
    this.#code.byte(0x0c);
    this.#code.unsigned(depth);
    this.#stack.markUnreachable();
  }

  /** Takes an i32 and branches to a label when it is not 0. */
  brIf(label: Label): void {
    this.#stack.pop("br_if", "i32");
    const depth = this.#stack.branchIf("br_if", label);
    this.#code.byte(0x0d);
    this.#code.unsigned(depth);
  }

  /**
   * Runs `body` with `index` at start, start + step, ... below `end`. The bounds are known here, so that one
   * trip costs no loop and no trip no code. Afterwards the value of `index` is unspecified.
   */
  forRange(
    index: Local<"i32">,
    start: number,
    end: number,
    step: number,
    body: () => void,
  ): void {
    if (!(step > 0)) {
      throw new RangeError(
        `Cannot emit a loop in "${this.name}": step is ${step}, wanted above 0`,
      );
    }
    if (start >= end) return;
    this.i32Const(start);
    this.localSet(index);
    if (start + step >= end) return body();
    this.loop((again) => {
      body();
      this.localGet(index);
      this.i32Const(step);
      this.emit("i32.add");
      this.localTee(index);
      this.i32Const(end);
      this.emit("i32.lt_s");
      this.brIf(again);
    });
  }

  /**
   * Runs `body` as often as a counter says, at least once, and counts it down
   * to 0. What the body gives to `more` is done only where a turn follows.
   */
  repeat(
    counter: Local<"i32">,
    body: (more: (between: () => void) => void) => void,
  ): void {
    this.loop((again) => {
      body((between) => {
        this.localGet(counter);
        this.i32Const(1);
        this.emit("i32.gt_s");
        this.if(between);
      });
      this.localGet(counter);
      this.i32Const(1);
      this.emit("i32.sub");
      this.localTee(counter);
      this.brIf(again);
    });
  }

  /** Ends the function and returns its code entry: locals, instructions, end. Called by the module builder. */
  finish(): Uint8Array {
    this.#stack.close(this.#whole);
    this.#code.byte(0x0b);
    const entry = new ByteWriter(this.#code.length + 64);
    const runs: { type: ValueType; count: number }[] = [];
    for (const { type } of this.#locals) {
      const last = runs.at(-1);
      if (last?.type === type) last.count++;
      else runs.push({ type, count: 1 });
    }
    entry.unsigned(runs.length);
    for (const { type, count } of runs) {
      entry.unsigned(count);
      entry.byte(TYPE_CODE[type]);
    }
    entry.raw(this.#code.view());
    return entry.view();
  }

  #opcode(code: number): void {
    if (code < 0x100) return this.#code.byte(code);
    this.#code.byte(code >>> 16);
    this.#code.unsigned(code & 0xffff);
  }

  #enter(
    code: number,
    branch: readonly ValueType[],
    results: readonly ValueType[],
    body: (label: Label) => void,
    otherwise?: (label: Label) => void,
  ): void {
    const stack = this.#stack;
    this.#code.byte(code);
    if (results.length === 0) this.#code.byte(0x40);
    else if (results.length === 1) this.#code.byte(TYPE_CODE[results[0]!]);
    else this.#code.signed(this.#internType({ params: NO_TYPES, results }));
    let label = stack.open(branch, results);
    body(label);
    stack.close(label);
    if (otherwise !== undefined) {
      stack.apply("else", results, NO_TYPES);
      this.#code.byte(0x05);
      label = stack.open(branch, results);
      otherwise(label);
      stack.close(label);
    }
    this.#code.byte(0x0b);
  }

  #checkLane(name: string, lane: number, count: number): void {
    if (Number.isInteger(lane) && lane >= 0 && lane < count) return;
    throw this.#stack.error(name, `lane ${lane}`, `0 to ${count - 1}`);
  }
}
