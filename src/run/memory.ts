/**
 * The one block of memory that the plans of a model share: variables first
 * come, first served, then every plan's arena. A WebAssembly memory, so that
 * compiled plans and the interpreter work in the same place.
 */
import { describe, type TypedArray } from "../array.ts";
import type { DType } from "../graph/node.ts";
import type { MemoryLimits } from "../wasm/assembler.ts";

/** How wide a float32 node is kept. */
export type Precision = "float32" | "float64";

/** Refuses what is no precision; `action` is what then cannot be done. */
export function checkPrecision(value: unknown, action: string): void {
  if (value === "float32" || value === "float64") return;
  throw new TypeError(
    `Cannot ${action} the precision ${describe(value)}: ` +
      `wanted "float32" or "float64"`,
  );
}

const PAGE = 65_536;
const ALIGN = 16;
/** All that 32-bit addresses reach, in pages: a shared memory must name its most. */
const MOST_PAGES = 65_536;

/** The width of an element in bytes. */
export function widthOf(dtype: DType, precision: Precision): number {
  return dtype === "float32" && precision === "float64" ? 8 : 4;
}

/** How values given for a node are read, so that none loses digits it may keep. */
export function feedType(
  dtype: DType,
  precision: Precision,
): { dtype?: "int32" | "float64" } {
  if (dtype === "int32") return { dtype };
  return precision === "float64" ? { dtype: "float64" } : {};
}

/** A growing memory that is handed out from the bottom and never taken back. */
export class Memory {
  #memory = new WebAssembly.Memory({ initial: 1 });
  #used = 0;
  #isShared = false;

  /** The bytes handed out so far. */
  get used(): number {
    return this.#used;
  }

  /** The memory that modules import; another object once it is shared. */
  get wasm(): WebAssembly.Memory {
    return this.#memory;
  }

  /** The bytes themselves; another object after each growth. */
  get buffer(): ArrayBuffer {
    return this.#memory.buffer as ArrayBuffer;
  }

  /** How modules must declare the memory that they import. */
  get limits(): MemoryLimits {
    return this.#isShared
      ? { initial: 1, maximum: MOST_PAGES, shared: true }
      : { initial: 1 };
  }

  /**
   * Moves to a memory that threads can share, with the same contents at the
   * same places. Modules must be instantiated anew.
   *
   * @throws {RangeError} If there is no such memory to be had.
   */
  share(): void {
    if (this.#isShared) return;
    const initial = this.buffer.byteLength / PAGE;
    const limits = { initial, maximum: MOST_PAGES, shared: true };
    let shared: WebAssembly.Memory;
    try {
      shared = new WebAssembly.Memory(limits);
    } catch (cause) {
      throw new RangeError(
        `Cannot share ${this.#used} bytes between threads: wanted 4 GiB of ` +
          `addresses`,
        { cause },
      );
    }
    new Uint8Array(shared.buffer).set(new Uint8Array(this.buffer));
    this.#memory = shared;
    this.#isShared = true;
  }

  /**
   * Hands out zeroed bytes.
   *
   * @param bytes How many.
   * @returns Their offset, a multiple of 16.
   * @throws {RangeError} If there is no such memory to be had.
   */
  reserve(bytes: number): number {
    const offset = this.#used;
    const end = offset + Math.ceil(bytes / ALIGN) * ALIGN;
    const missing = Math.ceil((end - this.buffer.byteLength) / PAGE);
    if (missing > 0) {
      try {
        this.#memory.grow(missing);
      } catch {
        throw new RangeError(
          `Cannot reserve ${bytes} bytes beside ${offset} in use: ` +
            `wanted at most 4 GiB in all, as the machine allows`,
        );
      }
    }
    this.#used = end;
    return offset;
  }

  /** A view of elements; valid until the next growth. */
  view(
    offset: number,
    size: number,
    dtype: DType,
    precision: Precision,
  ): TypedArray {
    if (dtype === "int32") return new Int32Array(this.buffer, offset, size);
    return precision === "float64"
      ? new Float64Array(this.buffer, offset, size)
      : new Float32Array(this.buffer, offset, size);
  }
}
