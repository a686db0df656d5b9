// Runs steps that threads share without threads: phase by phase, the threads of
// each one after another in any order. Where one touches what another one
// writes in the same phase, some order shows it. It asserts nothing.
import { array, type NDArray, type TypedArray } from "../../src/array.ts";
import { buildKernels } from "../../src/compile/build.ts";
import type { Lowered } from "../../src/compile/kernel.ts";
import type { ThreadPlan } from "../../src/compile/threads/plan.ts";
import { shareStep } from "../../src/compile/threads/share.ts";
import { type Node, reachable } from "../../src/graph/node.ts";
import { recordOf } from "../../src/graph/ops.ts";
import { placeShared } from "../../src/run/placing.ts";
import type { Feeds } from "../../src/run/plan.ts";
import type { Update } from "../../src/run/program.ts";
import { memoryOf, Variables } from "../../src/run/variables.ts";
import { emitThreads } from "../../src/wasm/emit_threads.ts";

/** What is computed, and how it is cut. */
export interface Shared {
  readonly outputs: Readonly<Record<string, Node>>;
  readonly updates?: readonly Update[];
  readonly threads: number;
  readonly tileBytes?: number;
  readonly frozen?: readonly Node[];
  readonly atomic?: boolean;
}

/** In which order the threads of a phase take their turns. */
export type Order = (threads: number[]) => number[];

/** The first thread comes first. */
export const forwards: Order = (threads) => threads;
/** The last thread comes first. */
export const backwards: Order = (threads) => threads.toReversed();

/** A plan whose threads are played by one. */
export class PhaseProgram {
  readonly variables = new Variables();
  readonly lowered: Lowered;
  readonly plan: ThreadPlan;
  readonly #addresses: readonly number[];
  readonly #exports: WebAssembly.Exports;
  readonly #inputs: readonly string[];
  readonly #outputs: readonly string[];

  constructor({ outputs, updates = [], threads, ...options }: Shared) {
    const results = Object.values(outputs);
    for (const node of reachable([...results, ...updates.flat()])) {
      if (node.op !== "variable") continue;
      const { name } = node.attrs;
      const initial = node.graph.initialValue(name);
      this.variables.declare(name, initial, node.dtype);
    }
    const { lowered, inputs, plan } = buildKernels(results, updates, {
      threads,
      ...options,
    });
    this.lowered = lowered;
    this.#inputs = inputs.map(({ attrs }) => attrs.name);
    this.#outputs = Object.keys(outputs);
    this.plan = plan ?? shareStep(lowered, threads);
    const placing = placeShared(lowered, this.plan, this.variables, true);
    this.#addresses = placing.addresses;
    const memory = memoryOf(this.variables);
    const words = memory.reserve(64);
    const bytes = emitThreads(lowered, this.plan, {
      address: ({ id }) => this.#addresses[id]!,
      block: placing.block,
      sums: placing.sums,
      meeting: { arrived: words, round: words, sleepers: words, failed: words },
    }, {
      relaxed: true,
      exportKernels: true,
      memory: memory.limits,
      spins: 1,
    });
    const module = new WebAssembly.Module(bytes);
    const imports = { weft: { memory: memory.wasm } };
    this.#exports = new WebAssembly.Instance(module, imports).exports;
    this.#writeConstants();
  }

  /** Feeds, takes a step and reads, as `Plan.run` does. */
  run(feeds: Feeds, order: Order): Record<string, NDArray> {
    for (const [at, name] of this.#inputs.entries()) {
      const buffer = this.lowered.inputs[at]!;
      const { dtype } = buffer;
      const value = array(feeds[name]!, dtype === "int32" ? { dtype } : {});
      this.#view(buffer.id).set(value.data);
    }
    (this.#exports.prepare as () => void)();
    for (const [phase, threads] of this.plan.phases.entries()) {
      for (const thread of order([...threads.keys()])) {
        (this.#exports[`phase${phase} thread${thread}`] as () => void)();
      }
    }
    return Object.fromEntries(
      this.#outputs.map((name, at) => {
        const buffer = this.lowered.outputs[at]!;
        const data = this.#view(buffer.id).slice();
        return [name, { data, shape: buffer.node.shape }];
      }),
    );
  }

  /** All of the memory, to be kept or put back. */
  bytes(): Uint8Array {
    return new Uint8Array(memoryOf(this.variables).buffer);
  }

  #view(id: number): TypedArray {
    const { size, dtype } = this.lowered.buffers[id]!;
    const address = this.#addresses[id]!;
    return memoryOf(this.variables).view(address, size, dtype, "float32");
  }

  #writeConstants(): void {
    for (const { node, id } of this.lowered.buffers) {
      if (node.op !== "constant" && node.op !== "iota") continue;
      const out = { data: this.#view(id), shape: node.shape };
      recordOf(node).evaluate!([], out, node.attrs as never);
    }
  }
}
