/**
 * The compiled executor: lowers a graph, places its buffers, emits a module
 * and runs its one exported step.
 */
import { type Lifetime, planArena } from "../compile/arena.ts";
import { buildKernels } from "../compile/build.ts";
import type { Buffer, Lowered } from "../compile/kernel.ts";
import { buffersOf } from "../compile/kernel_buffers.ts";
import { isLeaf } from "../graph/leaves.ts";
import { type Node, reachable } from "../graph/node.ts";
import { recordOf } from "../graph/ops.ts";
import { emitModule } from "../wasm/emit_module.ts";
import { detectFeatures } from "../wasm/features.ts";
import { CheckedProgram } from "./check.ts";
import { DebugReport } from "./debug_report.ts";
import { explainTrap } from "./lookup_error.ts";
import type { Memory } from "./memory.ts";
import { Opened } from "./opened.ts";
import {
  type Binding,
  type Executor,
  type Location,
  locationOf,
  type ProgramOptions,
  type Update,
} from "./program.ts";
import { Truth } from "./truth.ts";
import { memoryOf, type Variables } from "./variables.ts";

/** Loads may touch this many bytes behind the last buffer. */
const SLACK = 64;

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
  /** The size of the module in bytes. */
  readonly moduleBytes: number;
  /** What the module computes. */
  readonly lowered: Lowered;
  readonly #addresses: readonly number[];
  readonly #explain: (error: Error) => Error;
  readonly #step: () => void;
  readonly #prepare: () => void;

  constructor(
    outputs: Readonly<Record<string, Node>>,
    updates: readonly Update[],
    variables: Variables,
    options: CompiledOptions,
  ) {
    const { debug = 0, without = [], frozen = [], tileBytes } = options;
    const report = debug > 0
      ? new DebugReport(outputs, updates, debug, options.onDebug)
      : undefined;
    const results = Object.values(outputs);
    declareVariables([...results, ...updates.flat()], variables);
    this.memory = memoryOf(variables);
    this.#explain = (error) =>
      explainTrap(outputs, updates, this, variables, error);
    const hooks = report?.hooks() ?? {};
    const built = buildKernels(results, updates, {
      without,
      frozen,
      ...(tileBytes === undefined ? {} : { tileBytes }),
      ...hooks,
    });
    this.lowered = built.lowered;
    report?.lap("lower");
    // What is looked at after the step must not be overwritten by then.
    const reuse = debug < 5 && (options.reuse ?? true);
    const arena = planArena(lifetimesOf(this.lowered), { reuse });
    const base = this.memory.reserve(arena.size + SLACK);
    this.arenaBytes = arena.size;
    this.#addresses = this.lowered.buffers.map(({ id, variable }) =>
      variable === undefined
        ? base + arena.offsets[id]!
        : variables.view(variable).byteOffset
    );
    this.inputs = this.#locate(
      built.inputs.map((node) => [node.attrs.name, node]),
      this.lowered.inputs,
    );
    this.outputs = this.#locate(Object.entries(outputs), this.lowered.outputs);
    this.#writeConstants();
    report?.lap("place");
    const bytes = this.#emit(options);
    this.moduleBytes = bytes.length;
    report?.lap("emit");
    const exports = this.#instantiate(bytes);
    report?.lap("instantiate");
    report?.describe(this.lowered, this.arenaBytes, bytes);
    this.#step = exports.step as () => void;
    this.#prepare = exports.prepare as () => void;
    if (!options.check && !report) return;
    const opened = new Opened(this.lowered, {
      memory: this.memory,
      addresses: this.#addresses,
      exports,
    });
    const inner = options.check
      ? new CheckedProgram(opened, new Truth(outputs, updates, this, variables))
      : opened;
    const executor = report?.watch(opened, inner) ?? inner;
    this.#step = () => executor.step();
    this.#prepare = () => executor.prepare();
  }

  #locate(
    nodes: readonly (readonly [name: string, node: Node])[],
    buffers: readonly Buffer[],
  ): Map<string, Location> {
    return new Map(
      nodes.map(([name, node], at) => [
        name,
        locationOf(node, this.#addresses[buffers[at]!.id]!),
      ]),
    );
  }

  #emit(options: CompiledOptions): Uint8Array<ArrayBuffer> {
    const { deterministic = false, check = false, debug = 0 } = options;
    return emitModule(
      this.lowered,
      ({ id }) => this.#addresses[id]!,
      {
        relaxed: !deterministic && detectFeatures().relaxedSimd,
        exportKernels: check || debug >= 2,
      },
    );
  }

  #instantiate(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Exports {
    const module = new WebAssembly.Module(bytes);
    const imports = { weft: { memory: this.memory.wasm } };
    return new WebAssembly.Instance(module, imports).exports;
  }

  /** Computes what frozen variables alone decide. */
  prepare(): void {
    this.#guard(this.#prepare);
  }

  /** Computes outputs and updates from the inputs in memory. */
  step(): void {
    this.#guard(this.#step);
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      // The module traps at an index outside its table.
      throw error instanceof WebAssembly.RuntimeError
        ? this.#explain(error)
        : error;
    }
  }

  #writeConstants(): void {
    for (const { node, id, size, dtype } of this.lowered.buffers) {
      if (node.op !== "constant" && node.op !== "iota") continue;
      const address = this.#addresses[id]!;
      const data = this.memory.view(address, size, dtype, "float32");
      const out = { data, shape: node.shape };
      recordOf(node).evaluate!([], out, node.attrs as never);
    }
  }
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

/** When each buffer is in use, counted in kernels; tiles share one span. */
function lifetimesOf(lowered: Lowered): Lifetime[] {
  const first = new Map<Buffer, number>();
  const last = new Map<Buffer, number>();
  const touch = (buffer: Buffer, at: number): void => {
    first.set(buffer, Math.min(at, first.get(buffer) ?? at));
    last.set(buffer, Math.max(at, last.get(buffer) ?? at));
  };
  // What is prepared stays, from step to step.
  const fixed = new Set(lowered.prepare.kernels.flatMap(buffersOf));
  let clock = 0;
  for (const { kernels, clears, tiled } of lowered.stages) {
    const start = clock;
    const end = start + kernels.length - 1;
    for (const buffer of clears) touch(buffer, start);
    for (const buffer of kernels.flatMap(buffersOf)) {
      if (!tiled || buffer.local) continue;
      // What outlives a tile is in use through the whole loop.
      touch(buffer, start);
      touch(buffer, end);
    }
    for (const kernel of kernels) {
      for (const buffer of buffersOf(kernel)) touch(buffer, clock);
      clock++;
    }
  }
  for (const { from } of lowered.copies) touch(from, clock);
  const kept = new Set(lowered.outputs);
  return lowered.buffers.map((buffer): Lifetime => {
    const leaf = isLeaf(buffer.node.op) || fixed.has(buffer);
    return {
      size: buffer.variable === undefined ? 4 * buffer.size : 0,
      first: leaf ? -1 : first.get(buffer) ?? 0,
      last: leaf || kept.has(buffer) ? Infinity : last.get(buffer) ?? 0,
    };
  });
}
