/**
 * A step that is checked: every kernel of the module is compared with the
 * kernel walker on the same inputs, the whole with the graph interpreter.
 */
import type { TypedArray } from "../array.ts";
import type { Buffer, Kernel, StageKernels } from "../compile/kernel.ts";
import { nameOf } from "../compile/kernel.ts";
import {
  buffersOf,
  indicesOf,
  scratchOf,
  writtenBy,
} from "../compile/kernel_buffers.ts";
import type { KernelCall } from "../compile/schedule.ts";
import { walkKernel } from "../compile/walk_kernel.ts";
import { compare, DeviationError, isWithin } from "./deviation.ts";
import type { Opened, StageHooks } from "./opened.ts";
import type { Executor } from "./program.ts";
import type { Truth } from "./truth.ts";

/** Memories up to this size are searched for stray writes after each kernel. */
const SEARCHED_BYTES = 1 << 19;

/** Runs kernel by kernel and compares each. */
export class CheckedProgram implements Executor {
  readonly #opened: Opened;
  readonly #truth: Truth;
  /** The memory as it should be, for the search for stray writes. */
  #expected = new Uint8Array();

  /**
   * @param opened The compiled plan.
   * @param truth The graph beside it.
   */
  constructor(opened: Opened, truth: Truth) {
    this.#opened = opened;
    this.#truth = truth;
  }

  /**
   * Runs and checks what is done once for many steps.
   *
   * @throws {DeviationError} If a kernel computes something else than it
   * should; nothing has changed then.
   */
  prepare(): void {
    this.#guard((check, hooks) => this.#opened.walkPrepare(check, hooks));
  }

  /**
   * Runs and checks so many steps.
   *
   * @throws {DeviationError} If a kernel or the whole computes something else
   * than it should; nothing has changed in that step then.
   */
  step(times: number): void {
    for (let turn = 0; turn < times; turn++) {
      this.#truth.capture();
      this.#guard((check, hooks) => {
        this.#opened.walk(check, hooks);
        this.#truth.compare();
      });
    }
  }

  #guard(
    walk: (check: (call: KernelCall) => void, hooks: StageHooks) => void,
  ): void {
    const before = this.#opened.bytes().slice();
    this.#expected = before.slice();
    const hooks: StageHooks = {
      onStart: ({ clears }) => clears.forEach((b) => this.#accept(b)),
      onEnd: (stage) => this.#searchStage(stage),
    };
    try {
      walk((call) => this.#check(call), hooks);
    } catch (error) {
      this.#opened.bytes().set(before);
      throw error;
    }
  }

  #check(call: KernelCall): void {
    const { kernel } = call;
    const written = writtenBy(kernel);
    const copies = new Map<Buffer, TypedArray>();
    for (const buffer of buffersOf(kernel)) {
      if (copies.has(buffer)) continue;
      copies.set(buffer, this.#opened.contents(buffer).slice());
    }
    this.#opened.run(call);
    const bounds = walkKernel(kernel, (buffer) => copies.get(buffer)!, call);
    for (const buffer of written) {
      const want = copies.get(buffer)!;
      const bound = bounds.get(buffer) ?? new Float64Array(want.length);
      this.#compare(call, buffer, want, bound);
      this.#accept(buffer);
    }
    for (const buffer of scratchOf(kernel)) this.#accept(buffer);
    if (this.#expected.length > SEARCHED_BYTES) return;
    this.#searchStray(nameKernel(kernel, call.at));
  }

  #compare(
    { kernel, at, first }: KernelCall,
    buffer: Buffer,
    want: TypedArray,
    bound: Float64Array,
  ): void {
    const got = this.#opened.contents(buffer);
    const difference = compare(
      got,
      (at) =>
        isWithin(got[at]!, want[at]!, bound[at]!) ||
        indicesOf(buffer, at) === null,
      (at) => Math.abs(got[at]! - want[at]!) / (bound[at]! || 1e-45),
    );
    if (!difference) return;
    const { worst, count, firstNaN } = difference;
    const place = (flat: number): number[] => {
      const indices = indicesOf(buffer, flat)!;
      return buffer.local ? indices.with(0, indices[0]! + first) : indices;
    };
    throw new DeviationError({
      kernel: nameKernel(kernel, at),
      buffer: nameBuffer(buffer),
      index: place(worst),
      got: got[worst]!,
      want: want[worst]!,
      bound: bound[worst]!,
      count,
      firstNaN: firstNaN < 0 ? undefined : place(firstNaN),
    });
  }

  /** Notes what a kernel was right to write. */
  #accept(buffer: Buffer): void {
    const { buffer: bytes, byteOffset, byteLength } = this.#opened
      .contents(buffer);
    const source = new Uint8Array(bytes, byteOffset, byteLength);
    this.#expected.set(source, byteOffset);
  }

  #searchStage({ kernels }: StageKernels): void {
    if (this.#expected.length <= SEARCHED_BYTES) return;
    const names = kernels.map((kernel) => kernel.name).join(", ");
    this.#searchStray(`among ${names}`);
  }

  /** Finds bytes that changed though no kernel had any business there. */
  #searchStray(kernel: string): void {
    const got = new Int32Array(
      this.#opened.bytes().buffer,
      0,
      this.#expected.length >> 2,
    );
    const want = new Int32Array(this.#expected.buffer, 0, got.length);
    let at = 0;
    while (at < got.length && got[at] === want[at]) at++;
    if (at === got.length) return;
    throw new DeviationError({
      kernel,
      buffer: "memory that it does not write",
      index: [4 * at],
      got: got[at]!,
      want: want[at]!,
      bound: 0,
      count: 1,
      firstNaN: undefined,
    });
  }
}

function nameKernel(kernel: Kernel, at: number): string {
  return `${at} "${kernel.name}"`;
}

function nameBuffer({ node, variable }: Buffer): string {
  return variable === undefined ? nameOf(node) : `variable "${variable}"`;
}
