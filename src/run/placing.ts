/**
 * Decides where the buffers of a lowered graph lie in the memory that plans
 * share.
 */
import { type Lifetime, planArena } from "../compile/arena.ts";
import type { Buffer, Lowered, StageKernels } from "../compile/kernel.ts";
import { buffersOf } from "../compile/kernel_buffers.ts";
import { sumsOf, type ThreadPlan } from "../compile/threads/plan.ts";
import { rangesOfTask } from "../compile/threads/tasks.ts";
import { isLeaf } from "../graph/leaves.ts";
import { LINE } from "./threads.ts";
import { memoryOf, type Variables } from "./variables.ts";

/** Loads may touch this many bytes behind the last buffer. */
const SLACK = 64;

/** Consecutive bytes. */
export interface Span {
  readonly address: number;
  readonly bytes: number;
}

/** Where buffers lie. */
export interface Placing {
  /** The address of every buffer, by id; of a thread's own, that of thread 0. */
  readonly addresses: readonly number[];
  /** The size in bytes of all but the variables. */
  readonly arenaBytes: number;
}

/** Where buffers lie, those that each thread has for itself included. */
export interface SharedPlacing extends Placing {
  /** Bytes from what is one thread's own to what is the next one's. */
  readonly block: number;
  /** Where thread 0 has what the tiles of a stage add up. */
  readonly sums: ReadonlyMap<StageKernels, Span>;
}

/**
 * Places the buffers of a step that one thread runs.
 *
 * @param lowered The step.
 * @param variables What they share a memory with.
 * @param reuse Whether buffers that are never in use at once may overlap.
 */
export function placeAlone(
  lowered: Lowered,
  variables: Variables,
  reuse: boolean,
): Placing {
  const lifetimes = lifetimesAlone(lowered);
  const arena = planArena(lifetimes, { reuse });
  const base = memoryOf(variables).reserve(arena.size + SLACK);
  return {
    addresses: lowered.buffers.map(({ id, variable }) =>
      variable === undefined
        ? base + arena.offsets[id]!
        : variables.view(variable).byteOffset
    ),
    arenaBytes: arena.size,
  };
}

/**
 * Places some buffers of a step that one thread runs: those it has for itself.
 *
 * @param lowered The step.
 * @param own Which buffers; variables among them are passed over.
 * @returns The offset of each of them, by id, and the bytes they take together.
 */
export function placeOwn(
  lowered: Lowered,
  own: ReadonlySet<Buffer>,
): { offsets: readonly number[]; size: number } {
  const lifetimes = lifetimesAlone(lowered).map((lifetime, id) =>
    own.has(lowered.buffers[id]!) ? lifetime : { ...lifetime, size: 0 }
  );
  return planArena(lifetimes, { reuse: true });
}

/**
 * Places the buffers of a step that threads share. What all of them see keeps
 * its place for whole phases; what is each thread's own lies in blocks alike.
 *
 * @param lowered The step.
 * @param plan Who does what of it.
 * @param variables What they share a memory with.
 * @param reuse Whether buffers that are never in use at once may overlap.
 */
export function placeShared(
  lowered: Lowered,
  plan: ThreadPlan,
  variables: Variables,
  reuse: boolean,
): SharedPlacing {
  const { buffers, stages } = lowered;
  const memory = memoryOf(variables);
  const added = new Set(stages.flatMap(sumsOf));
  const common = lifetimesShared(lowered, plan).map((lifetime, id) =>
    buffers[id]!.local || added.has(buffers[id]!)
      ? { ...lifetime, size: 0 }
      : lifetime
  );
  const own = lifetimesAlone(lowered).map((lifetime, id) =>
    buffers[id]!.local ? lifetime : { ...lifetime, size: 0 }
  );
  const arena = planArena(common, { reuse });
  const locals = planArena(own, { reuse });
  const spans = spansOf(stages, locals.size);
  // With a line that keeps threads apart.
  const block = spans.end + LINE;
  const base = memory.reserve(arena.size + SLACK);
  const first = align(memory.reserve(plan.threads * block + SLACK + LINE));
  const addresses = buffers.map(({ id, variable, local }) => {
    if (variable !== undefined) return variables.view(variable).byteOffset;
    return local ? first + locals.offsets[id]! : base + arena.offsets[id]!;
  });
  for (const [buffer, offset] of spans.offsets) {
    addresses[buffer.id] = first + offset;
  }
  const sums = new Map(
    [...spans.of].map(([stage, { address, bytes }]) => [
      stage,
      { address: first + address, bytes },
    ]),
  );
  const arenaBytes = arena.size + plan.threads * block;
  return { addresses, arenaBytes, block, sums };
}

/** Puts what each stage adds up side by side, behind the first `start` bytes. */
function spansOf(
  stages: readonly StageKernels[],
  start: number,
): { of: Map<StageKernels, Span>; offsets: Map<Buffer, number>; end: number } {
  const of = new Map<StageKernels, Span>();
  const offsets = new Map<Buffer, number>();
  let end = align(start);
  for (const stage of stages) {
    const address = end;
    for (const buffer of sumsOf(stage)) {
      offsets.set(buffer, end);
      end += 16 * Math.ceil(buffer.size / 4);
    }
    end = align(end);
    if (end > address) of.set(stage, { address, bytes: end - address });
  }
  return { of, offsets, end };
}

function align(bytes: number): number {
  return LINE * Math.ceil(bytes / LINE);
}

/** When each buffer that all threads see is in use, counted in phases. */
function lifetimesShared(
  lowered: Lowered,
  { phases }: ThreadPlan,
): Lifetime[] {
  const uses = new Uses();
  for (const [phase, threads] of phases.entries()) {
    for (const { buffer } of threads.flat().flatMap(rangesOfTask)) {
      uses.touch(buffer, phase);
    }
  }
  return uses.lifetimes(lowered);
}

/** When each buffer is in use, counted in kernels; tiles share one span. */
function lifetimesAlone(lowered: Lowered): Lifetime[] {
  const uses = new Uses();
  let clock = 0;
  for (const { kernels, clears, tiled } of lowered.stages) {
    const start = clock;
    const end = start + kernels.length - 1;
    for (const buffer of clears) uses.touch(buffer, start);
    for (const buffer of kernels.flatMap(buffersOf)) {
      if (!tiled || buffer.local) continue;
      // What outlives a tile is in use through the whole loop.
      uses.touch(buffer, start);
      uses.touch(buffer, end);
    }
    for (const kernel of kernels) {
      for (const buffer of buffersOf(kernel)) uses.touch(buffer, clock);
      clock++;
    }
  }
  for (const { from } of lowered.copies) uses.touch(from, clock);
  return uses.lifetimes(lowered);
}

/** When buffers are first and last in use. */
class Uses {
  readonly #first = new Map<Buffer, number>();
  readonly #last = new Map<Buffer, number>();

  touch(buffer: Buffer, at: number): void {
    this.#first.set(buffer, Math.min(at, this.#first.get(buffer) ?? at));
    this.#last.set(buffer, Math.max(at, this.#last.get(buffer) ?? at));
  }

  lifetimes({ buffers, prepare, outputs }: Lowered): Lifetime[] {
    // What is prepared stays, from step to step.
    const fixed = new Set(prepare.kernels.flatMap(buffersOf));
    const kept = new Set(outputs);
    return buffers.map((buffer): Lifetime => {
      const leaf = isLeaf(buffer.node.op) || fixed.has(buffer);
      return {
        size: buffer.variable === undefined ? 4 * buffer.size : 0,
        first: leaf ? -1 : this.#first.get(buffer) ?? 0,
        last: leaf || kept.has(buffer) ? Infinity : this.#last.get(buffer) ?? 0,
      };
    });
  }
}
