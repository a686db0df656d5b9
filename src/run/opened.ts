/**
 * A compiled program opened up: its kernels can be run one by one, on the
 * memory of the plan. For checking and measuring; a plan itself makes one call.
 */
import type { TypedArray } from "../array.ts";
import type { Buffer, Lowered, StageKernels } from "../compile/kernel.ts";
import {
  type KernelCall,
  type Schedule,
  scheduleOf,
  type StageCalls,
} from "../compile/schedule.ts";
import type { Memory } from "./memory.ts";
import type { Executor } from "./program.ts";

/** Where a program's buffers lie, and what its module exports. */
export interface OpenedParts {
  /** The memory that the module works in. */
  readonly memory: Memory;
  /** The address of every buffer, by id. */
  readonly addresses: readonly number[];
  /** What the module exports: the step, and every kernel. */
  readonly exports: WebAssembly.Exports;
}

/** Who is told of stages. */
export interface StageHooks {
  /** Called when the stage's buffers are cleared. */
  readonly onStart?: (stage: StageKernels) => void;
  /** Called after the stage's kernels. */
  readonly onEnd?: (stage: StageKernels) => void;
}

/** A compiled program whose kernels can be run one by one. */
export class Opened implements Executor {
  /** What the module computes. */
  readonly lowered: Lowered;
  readonly #parts: OpenedParts;
  readonly #schedule: Schedule;

  /** Opens a program up. */
  constructor(lowered: Lowered, parts: OpenedParts) {
    this.lowered = lowered;
    this.#parts = parts;
    this.#schedule = scheduleOf(lowered);
  }

  /** All of the memory that plans and variables use. */
  bytes(): Uint8Array {
    const { memory } = this.#parts;
    return new Uint8Array(memory.buffer, 0, memory.used);
  }

  /** The address of a buffer. */
  addressOf({ id }: Buffer): number {
    return this.#parts.addresses[id]!;
  }

  /** The contents of a buffer, in place. */
  contents(buffer: Buffer): TypedArray {
    const { size, dtype } = buffer;
    const { memory } = this.#parts;
    return memory.view(this.addressOf(buffer), size, dtype, "float32");
  }

  /** The module's preparation as a whole. */
  prepare(): void {
    (this.#parts.exports.prepare as () => void)();
  }

  /** The module's step as a whole. */
  step(times: number): void {
    (this.#parts.exports.step as (times: number) => void)(times);
  }

  /** Does what the preparation does, one kernel at a time. */
  walkPrepare(run: (call: KernelCall) => void, hooks: StageHooks = {}): void {
    this.#walkStage(this.#schedule.prepare, run, hooks);
  }

  /** Does what the step does, one kernel at a time, each run by `run`. */
  walk(run: (call: KernelCall) => void, hooks: StageHooks = {}): void {
    for (const stage of this.#schedule.stages) {
      this.#walkStage(stage, run, hooks);
    }
    for (const { from, to } of this.lowered.copies) {
      this.contents(to).set(this.contents(from));
    }
  }

  #walkStage(
    { stage, calls }: StageCalls,
    run: (call: KernelCall) => void,
    hooks: StageHooks,
  ): void {
    for (const buffer of stage.clears) this.contents(buffer).fill(0);
    hooks.onStart?.(stage);
    for (const call of calls) run(call);
    hooks.onEnd?.(stage);
  }

  /** Runs one kernel of the module. */
  run({ name, first }: KernelCall): void {
    (this.#parts.exports[name] as (first: number) => void)(first);
  }
}
