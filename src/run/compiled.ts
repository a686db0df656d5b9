/**
 * The compiled executor: lowers a graph, places its buffers, emits a module
 * and runs its one exported step.
 */
import { formatIndex } from "../array.ts";
import { type Lifetime, planArena } from "../compile/arena.ts";
import type { Buffer, Kernel, Lowered, View } from "../compile/kernel.ts";
import { lower } from "../compile/lower.ts";
import { rewrite } from "../compile/pipeline.ts";
import { isLeaf } from "../graph/leaves.ts";
import { type Node, reachable } from "../graph/node.ts";
import { recordOf } from "../graph/ops.ts";
import { emitModule } from "../wasm/emit_module.ts";
import { detectFeatures } from "../wasm/features.ts";
import type { Memory } from "./memory.ts";
import {
  type Binding,
  type Executor,
  type Location,
  locationOf,
  type ProgramOptions,
  type Update,
} from "./program.ts";
import { memoryOf, type Variables } from "./variables.ts";

/** Loads may touch this many bytes behind the last buffer. */
const SLACK = 64;

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
  readonly #step: () => void;
  readonly #prepare: () => void;

  constructor(
    outputs: Readonly<Record<string, Node>>,
    updates: readonly Update[],
    variables: Variables,
    options: ProgramOptions,
  ) {
    const results = Object.values(outputs);
    const order = reachable([...results, ...updates.flat()]);
    for (const node of order) {
      if (node.op !== "variable") continue;
      const { name } = node.attrs;
      variables.declare(name, node.graph.initialValue(name), node.dtype);
    }
    this.memory = memoryOf(variables);
    const inputs = order.filter((node) => node.op === "input");
    this.lowered = rewriteAndLower(
      results,
      updates,
      inputs,
      options.frozen ?? [],
    );
    const lifetimes = lifetimesOf(this.lowered);
    const arena = planArena(lifetimes, { reuse: options.reuse ?? true });
    const base = this.memory.reserve(arena.size + SLACK);
    this.arenaBytes = arena.size;
    this.#addresses = this.lowered.buffers.map(({ id, variable }) =>
      variable === undefined
        ? base + arena.offsets[id]!
        : variables.view(variable).byteOffset
    );
    const locate = (node: Node, buffer: Buffer): Location =>
      locationOf(node, this.#addresses[buffer.id]!);
    this.inputs = new Map(
      inputs.map((node, at) => [
        node.attrs.name,
        locate(node, this.lowered.inputs[at]!),
      ]),
    );
    this.outputs = new Map(
      Object.entries(outputs).map(([name, node], at) => [
        name,
        locate(node, this.lowered.outputs[at]!),
      ]),
    );
    this.#writeConstants();
    const { relaxedSimd } = detectFeatures();
    const bytes = emitModule(
      this.lowered,
      (buffer) => this.#addresses[buffer.id]!,
      { relaxed: relaxedSimd },
    );
    this.moduleBytes = bytes.length;
    const module = new WebAssembly.Module(bytes);
    const { exports } = new WebAssembly.Instance(module, {
      weft: { memory: this.memory.wasm },
    });
    this.#step = exports.step as () => void;
    this.#prepare = exports.prepare as () => void;
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

  /** Finds the index that was outside its table. */
  #explain(error: Error): Error {
    const { prepare, stages } = this.lowered;
    const kernels = [prepare, ...stages].flatMap(({ kernels }) => kernels);
    for (const { lookup } of kernels.flatMap(viewsOf)) {
      if (!lookup) continue;
      const { buffer } = lookup.index;
      const address = this.#addresses[buffer.id]!;
      const indices = this.memory.view(
        address,
        buffer.size,
        "int32",
        "float32",
      );
      const wrong = indices.findIndex((index) =>
        index < 0 || index >= lookup.rows
      );
      if (wrong < 0) continue;
      return new RangeError(
        `Cannot look up row ${indices[wrong]} at index ` +
          `${formatIndex(wrong, buffer.node.shape)}: wanted 0 to ` +
          `${lookup.rows - 1}`,
        { cause: error },
      );
    }
    return error;
  }
}

function rewriteAndLower(
  outputs: readonly Node[],
  updates: readonly Update[],
  inputs: readonly Node[],
  frozen: readonly Node[],
): Lowered {
  const values = updates.map(([, value]) => value);
  const rewritten = rewrite([...outputs, ...values]);
  const next = rewritten.slice(outputs.length);
  return lower(
    rewritten.slice(0, outputs.length),
    updates.map(([variable], at) => [variable, next[at]!]),
    inputs,
    frozen,
  );
}

/** Everywhere a loop kernel reads and writes. */
function viewsOf(kernel: Kernel): View[] {
  if (kernel.kind === "product") return [];
  const views = kernel.stores.map(({ view }) => view);
  for (const value of kernel.values) {
    if (value.op === "load") views.push(value.view);
  }
  return views;
}

function buffersOf(kernel: Kernel): Buffer[] {
  if (kernel.kind === "product") {
    const { a, b, out, clears } = kernel;
    return [...clears, a.buffer, b.buffer, out.buffer];
  }
  return [
    ...kernel.clears,
    ...viewsOf(kernel).flatMap(({ buffer, lookup }) =>
      lookup ? [buffer, lookup.index.buffer] : [buffer]
    ),
  ];
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
