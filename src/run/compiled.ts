/**
 * The compiled executor: lowers a graph, places its buffers, emits a module
 * and runs its one exported step.
 */
import { buildKernels } from "../compile/build.ts";
import type { Buffer, Lowered } from "../compile/kernel.ts";
import type { ThreadPlan } from "../compile/threads/plan.ts";
import { type Node, reachable } from "../graph/node.ts";
import { recordOf } from "../graph/ops.ts";
import { emitModule } from "../wasm/emit_module.ts";
import { emitThreads } from "../wasm/emit_threads.ts";
import { detectFeatures } from "../wasm/features.ts";
import type { KernelOptions } from "../wasm/kernel_functions.ts";
import { CheckedProgram } from "./check.ts";
import { DebugReport } from "./debug_report.ts";
import { explainTrap } from "./lookup_error.ts";
import type { Memory } from "./memory.ts";
import { Opened } from "./opened.ts";
import {
  placeAlone,
  placeShared,
  type Placing,
  type SharedPlacing,
} from "./placing.ts";
import {
  type Binding,
  type Executor,
  type Location,
  locationOf,
  type ProgramOptions,
  type Update,
} from "./program.ts";
import { chooseThreads } from "./thread_choice.ts";
import { type SharedProgram, spinsOf, ThreadError } from "./threads.ts";
import { Truth } from "./truth.ts";
import { memoryOf, threadsOf, type Variables } from "./variables.ts";

/** Options of {@linkcode CompiledProgram}. */
export interface CompiledOptions extends ProgramOptions {
  /** Names of rewriting passes that are left out; none by default. */
  without?: readonly string[];
  /**
   * How many bytes the intermediates of one tile of the batch may take: what
   * the machine's caches hold. 262,144 by default.
   */
  tileBytes?: number;
  /**
   * Whether all variables stay as they were before a step in which a lookup
   * fails; true by default. Without, new values are written right to where they
   * belong, and need not be moved there when all lookups have succeeded.
   */
  atomic?: boolean;
  /**
   * How many threads share each step, the caller's included; `"auto"` takes as
   * many as pay. 1, which starts none, by default, and wherever threads cannot
   * share memory or wait: on the main thread of a web page. With `check`, or
   * `debug` above 1, kernels run one by one, in one thread.
   */
  threads?: number | "auto";
  /** The most threads that `"auto"` takes; the machine's cores by default. */
  cores?: number;
  /**
   * Whether only instructions are used whose results are the same on every
   * machine: a multiplication and an addition instead of a fused one, slower
   * by a fifth or so. False by default.
   */
  deterministic?: boolean;
  /**
   * Whether every step is checked: each kernel against a plain walk of what
   * it should do, the whole against the reference interpreter. Slow; false by
   * default.
   */
  check?: boolean;
  /**
   * What is told of the work: 1 counts and times of compiling, 2 and the time
   * of every kernel, 3 and the graph after every pass, 4 and all kernels and
   * functions, 5 and the range of every buffer. 0, nothing, by default.
   */
  debug?: number;
  /** Takes what `debug` tells; by default it goes to standard error. */
  onDebug?: (text: string) => void;
}

/** A graph as a WebAssembly module bound to its memory. */
export class CompiledProgram implements Binding, Executor {
  readonly memory: Memory;
  readonly precision = "float32";
  readonly inputs: ReadonlyMap<string, Location>;
  readonly outputs: ReadonlyMap<string, Location>;
  readonly arenaBytes: number;
  /** What the module computes. */
  readonly lowered: Lowered;
  /** How many threads run a step. */
  readonly threads: number;
  readonly #options: CompiledOptions;
  readonly #variables: Variables;
  readonly #placing: Placing;
  readonly #shared: { plan: ThreadPlan; placing: SharedPlacing } | undefined;
  /** Wraps what the module exports where kernels are looked into. */
  readonly #watch: ((opened: Opened) => Executor) | undefined;
  readonly #explain: (error: Error) => Error;
  /** The memory that the module has been instantiated with. */
  #bound: WebAssembly.Memory | undefined;
  #moduleBytes = 0;
  #exports: WebAssembly.Exports = {};
  #step: (times: number) => void = () => {};
  #prepare: () => void = () => {};

  constructor(
    outputs: Readonly<Record<string, Node>>,
    updates: readonly Update[],
    variables: Variables,
    options: CompiledOptions,
    deferred = false,
  ) {
    const { debug = 0, without = [], frozen = [], tileBytes } = options;
    const { frozenSteps, atomic } = options;
    const report = debug > 0
      ? new DebugReport(outputs, updates, debug, options.onDebug)
      : undefined;
    const results = Object.values(outputs);
    declareVariables([...results, ...updates.flat()], variables);
    this.#options = options;
    this.#variables = variables;
    this.memory = memoryOf(variables);
    this.#explain = (error) =>
      explainTrap(outputs, updates, this, variables, error);
    const built = buildKernels(results, updates, {
      without,
      frozen,
      frozenSteps,
      atomic,
      tileBytes,
      threads: opensKernels(options)
        ? 1
        : chooseThreads(options.threads ?? 1, options.cores),
      ...report?.hooks(),
    });
    this.lowered = built.lowered;
    this.threads = built.plan?.threads ?? 1;
    report?.lap("lower");
    // What is looked at after the step must not be overwritten by then.
    const reuse = debug < 5 && (options.reuse ?? true);
    const { plan } = built;
    if (plan) {
      // Before anything is placed: it moves the memory.
      threadsOf(variables).start(this.threads);
      const placing = placeShared(this.lowered, plan, variables, reuse);
      this.#shared = { plan, placing };
    }
    this.#placing = this.#shared?.placing ??
      placeAlone(this.lowered, variables, reuse);
    this.arenaBytes = this.#placing.arenaBytes;
    this.inputs = this.#locate(
      built.inputs.map((node) => [node.attrs.name, node]),
      this.lowered.inputs,
    );
    this.outputs = this.#locate(Object.entries(outputs), this.lowered.outputs);
    this.#writeConstants();
    report?.lap("place");
    if (report || options.check) {
      const inner = (opened: Opened): Executor =>
        options.check
          ? new CheckedProgram(
            opened,
            new Truth(outputs, updates, this, variables),
          )
          : opened;
      this.#watch = (opened) =>
        report?.watch(opened, inner(opened)) ?? inner(opened);
    }
    if (!deferred || this.#watch) this.#bind(report);
  }

  /** The size of the module in bytes. */
  get moduleBytes(): number {
    this.#rebind();
    return this.#moduleBytes;
  }

  /** Makes the module for the memory as it is now. */
  #bind(report?: DebugReport): void {
    const bytes = this.#emit();
    report?.lap("emit");
    this.#exports = this.#instantiate(bytes);
    this.#bound = this.memory.wasm;
    report?.lap("instantiate");
    report?.describe(
      this.lowered,
      this.arenaBytes,
      bytes,
      this.#shared?.plan,
    );
    this.#prepare = this.#exports.prepare as () => void;
    if (this.#shared) {
      const run = this.#exports.step0 as (times: number) => void;
      const program: SharedProgram = {
        bytes,
        threads: this.threads,
        run,
      };
      const threads = threadsOf(this.#variables);
      this.#step = (times) => threads.run(program, times);
    } else this.#step = this.#exports.step as (times: number) => void;
    if (this.#watch && !this.#shared) {
      const executor = this.#watch(
        new Opened(this.lowered, {
          memory: this.memory,
          addresses: this.#placing.addresses,
          exports: this.#exports,
        }),
      );
      this.#step = (times) => executor.step(times);
      this.#prepare = () => executor.prepare();
    }
    this.#moduleBytes = bytes.length;
  }

  #locate(
    nodes: readonly (readonly [name: string, node: Node])[],
    buffers: readonly Buffer[],
  ): Map<string, Location> {
    return new Map(
      nodes.map(([name, node], at) => [
        name,
        locationOf(node, this.#placing.addresses[buffers[at]!.id]!),
      ]),
    );
  }

  /** Whether a step runs as a whole, and nobody looks into it. */
  get isClosed(): boolean {
    return !opensKernels(this.#options);
  }

  /** How kernels are emitted. */
  get kernelOptions(): KernelOptions {
    const { deterministic = false } = this.#options;
    return {
      relaxed: !deterministic && detectFeatures().relaxedSimd,
      exportKernels: opensKernels(this.#options),
    };
  }

  /** Where a buffer lies; what each thread has for itself, for the first one. */
  addressOf({ id }: Buffer): number {
    return this.#placing.addresses[id]!;
  }

  #emit(): Uint8Array<ArrayBuffer> {
    const address = (buffer: Buffer): number => this.addressOf(buffer);
    const options = { ...this.kernelOptions, memory: this.memory.limits };
    if (!this.#shared) return emitModule(this.lowered, address, options);
    const { plan, placing: { block, sums } } = this.#shared;
    const { meeting } = threadsOf(this.#variables);
    const spins = spinsOf(this.threads);
    const places = { address, block, sums, meeting };
    return emitThreads(this.lowered, plan, places, { ...options, spins });
  }

  #instantiate(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Exports {
    const module = new WebAssembly.Module(bytes);
    const imports = { weft: { memory: this.memory.wasm } };
    return new WebAssembly.Instance(module, imports).exports;
  }

  /** Computes what frozen variables alone decide. */
  prepare(): void {
    this.#rebind();
    this.#guard(this.#prepare, 1);
  }

  /** Computes outputs and updates from the inputs in memory, so many times. */
  step(times: number): void {
    this.#rebind();
    this.#guard(this.#step, times);
  }

  /** Resolves when the threads of the plan have started. */
  async ready(): Promise<void> {
    if (this.#shared) await threadsOf(this.#variables).ready(this.threads);
  }

  /** Another plan may have moved the memory, to share it with threads. */
  #rebind(): void {
    if (this.#bound !== this.memory.wasm) this.#bind();
  }

  #guard(run: (times: number) => void, times: number): void {
    try {
      run(times);
    } catch (error) {
      // The module traps at an index outside its table.
      throw error instanceof WebAssembly.RuntimeError ||
          error instanceof ThreadError
        ? this.#explain(error)
        : error;
    }
  }

  #writeConstants(): void {
    for (const { node, id, size, dtype } of this.lowered.buffers) {
      if (node.op !== "constant" && node.op !== "iota") continue;
      const address = this.#placing.addresses[id]!;
      const data = this.memory.view(address, size, dtype, "float32");
      const out = { data, shape: node.shape };
      recordOf(node).evaluate!([], out, node.attrs as never);
    }
  }
}

/** Whether kernels are run one by one. */
export function opensKernels(
  { check = false, debug = 0 }: Pick<CompiledOptions, "check" | "debug">,
): boolean {
  return check || debug >= 2;
}

function declareVariables(
  roots: readonly Node[],
  variables: Variables,
): void {
  for (const node of reachable(roots)) {
    if (node.op !== "variable") continue;
    const { name } = node.attrs;
    variables.declare(name, node.graph.initialValue(name), node.dtype);
  }
}
