/**
 * Emits the loads and stores of a loop kernel: whole vectors where elements lie
 * side by side, lane by lane where they do not.
 */
import type { View } from "../compile/kernel.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Pointers } from "./pointers.ts";

/** A value to be written. */
export interface Stored {
  /** Whether its elements are float32, not int32. */
  readonly float: boolean;
  /** Pushes its vector, as memory holds it. */
  readonly push: () => void;
}

/** Emits accesses to memory into a function. */
export class MemoryEmitter {
  readonly #f: FunctionBuilder;
  readonly #pointers: Pointers;
  readonly #row: number;

  constructor(f: FunctionBuilder, pointers: Pointers, row: number) {
    this.#f = f;
    this.#pointers = pointers;
    this.#row = row;
  }

  /** Writes one vector. */
  store(
    view: View,
    value: Stored,
    vector: number,
    lanes: number,
    add: boolean,
  ): void {
    const indexStep = view.lookup?.index.strides.at(-1) ?? 0;
    if (view.strides.at(-1) === 1 && indexStep === 0) {
      return this.#storeVector(view, value, vector, lanes, add);
    }
    for (let lane = 0; lane < lanes; lane++) {
      this.#storeLane(view, value, vector, lane, add);
    }
  }

  #storeVector(
    view: View,
    value: Stored,
    vector: number,
    lanes: number,
    add: boolean,
  ): void {
    const f = this.#f;
    const full = lanes === 4 || this.#isPadded(view);
    const result = this.#sum(view, value, vector, add);
    if (full) {
      const offset = this.#pointers.push(view, vector);
      f.localGet(result);
      f.memory("v128.store", offset);
    } else {
      const pair = lanes >= 2;
      if (pair) {
        const offset = this.#pointers.push(view, vector);
        f.localGet(result);
        f.memoryLane("v128.store64_lane", 0, offset);
      }
      if (lanes % 2 === 1) {
        const offset = this.#pointers.push(view, vector, lanes - 1);
        f.localGet(result);
        f.memoryLane("v128.store32_lane", lanes - 1, offset);
      }
    }
    f.release(result);
  }

  /** Whether rows end in room for a whole vector that nobody else uses. */
  #isPadded({ buffer, offset }: View): boolean {
    const { strides, node } = buffer;
    const width = strides.at(-2) ?? buffer.size;
    return offset === 0 && this.#row === node.shape.at(-1) &&
      width % 4 === 0 && width > this.#row && strides.at(-1) === 1;
  }

  #sum(
    view: View,
    value: Stored,
    vector: number,
    add: boolean,
  ): Local<"v128"> {
    const f = this.#f;
    if (add) {
      const offset = this.#pointers.push(view, vector);
      f.memory("v128.load", offset);
    }
    value.push();
    if (add) f.emit("f32x4.add");
    const local = f.local("v128");
    f.localSet(local);
    return local;
  }

  #storeLane(
    view: View,
    value: Stored,
    vector: number,
    lane: number,
    add: boolean,
  ): void {
    const f = this.#f;
    const address = f.local("i32");
    const offset = this.#laneAddress(view, vector, lane);
    f.localSet(address);
    f.localGet(address);
    value.push();
    const { float } = value;
    f.lane(float ? "f32x4.extract_lane" : "i32x4.extract_lane", lane);
    if (add) {
      f.localGet(address);
      f.memory("f32.load", offset);
      f.emit("f32.add");
    }
    f.memory(float ? "f32.store" : "i32.store", offset);
    f.release(address);
  }

  /** Pushes the address of one element, looked up by itself where need be. */
  #laneAddress(view: View, vector: number, lane: number): number {
    const f = this.#f;
    const offset = this.#pointers.push(view, vector, lane);
    const { lookup } = view;
    if (!lookup || lookup.index.strides.at(-1) === 0) return offset;
    const index = f.local("i32");
    const at = this.#pointers.push(lookup.index, vector, lane);
    f.memory("i32.load", at);
    f.localSet(index);
    this.#pointers.checkIndex(index, lookup.rows);
    f.localGet(index);
    f.i32Const(4 * lookup.stride);
    f.emit("i32.mul");
    f.emit("i32.add");
    f.release(index);
    return offset;
  }

  /** Writes a value that is the same along the row, once. */
  storeScalar(view: View, value: Stored, add: boolean): void {
    const f = this.#f;
    const { float } = value;
    const offset = this.#pointers.push(view, 0);
    value.push();
    f.lane(float ? "f32x4.extract_lane" : "i32x4.extract_lane", 0);
    if (add) {
      this.#pointers.push(view, 0);
      f.memory("f32.load", offset);
      f.emit("f32.add");
    }
    f.memory(float ? "f32.store" : "i32.store", offset);
  }

  /** Pushes the vector of a view. */
  load(view: View, vector: number): void {
    const f = this.#f;
    const step = view.strides.at(-1)!;
    const indexStep = view.lookup?.index.strides.at(-1) ?? 0;
    if (step <= 1 && indexStep === 0) {
      const offset = this.#pointers.push(view, vector);
      f.memory(step === 0 ? "v128.load32_splat" : "v128.load", offset);
      return;
    }
    const result = f.local("v128");
    f.i32x4Const(0);
    f.localSet(result);
    for (let lane = 0; lane < this.#lanesOf(vector); lane++) {
      const offset = this.#laneAddress(view, vector, lane);
      f.localGet(result);
      f.memoryLane("v128.load32_lane", lane, offset);
      f.localSet(result);
    }
    f.localGet(result);
    f.release(result);
  }

  /** Elements looked up one by one must not go beyond the row. */
  #lanesOf(vector: number): number {
    return this.#pointers.vectorBytes ? 4 : Math.min(4, this.#row - 4 * vector);
  }
}
