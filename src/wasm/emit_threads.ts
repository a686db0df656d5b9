/**
 * Emits a step that threads share: for each thread a function that does its
 * tasks, with barriers between the phases, or that takes parts of the only
 * phase as long as there are any. All threads run the same functions of
 * kernels, and tell them where their own buffers are.
 */
import type { Buffer, Kernel, Lowered } from "../compile/kernel.ts";
import type { StageKernels } from "../compile/kernel.ts";
import {
  isDealt,
  privateTo,
  type Task,
  type ThreadPlan,
} from "../compile/threads/plan.ts";
import {
  type FunctionBuilder,
  type FunctionRef,
  type Local,
  type MemoryLimits,
  ModuleBuilder,
} from "./assembler.ts";
import { emitBarrier, type Meeting } from "./emit_barrier.ts";
import { KernelFunctions, type KernelOptions } from "./kernel_functions.ts";
import { emitClears } from "./pointers.ts";

/** Where threads find what they share and what is their own. */
export interface ThreadPlaces {
  /** The address of a buffer; of a thread's own, that of thread 0. */
  readonly address: (buffer: Buffer) => number;
  /** Bytes from what is one thread's own to what is the next one's. */
  readonly block: number;
  /** Where thread 0 has what the tiles of a stage add up. */
  readonly sums: ReadonlyMap<
    StageKernels,
    { readonly address: number; readonly bytes: number }
  >;
  /** Where threads meet. */
  readonly meeting: Meeting;
  /**
   * Where a word counts which of the parts of thread 0 are taken; those of the
   * others are a block apart. All are 0 before a step.
   */
  readonly taken: number;
}

/** How a module for threads is emitted. */
export interface ThreadOptions extends KernelOptions {
  /** The shared memory that it imports. */
  readonly memory: MemoryLimits;
  /** How often a thread looks for others before it sleeps. */
  readonly spins: number;
}

/**
 * Emits the module of a shared step. It exports `prepare`, for one thread, and
 * `step0`, `step1` and so on, one for each, told how many times; with kernels,
 * also every part of every phase: `phase0 part0` and so on, told where the own
 * buffers of who runs it are, in bytes behind those of thread 0.
 */
export function emitThreads(
  lowered: Lowered,
  plan: ThreadPlan,
  places: ThreadPlaces,
  options: ThreadOptions,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory("weft", "memory", options.memory);
  const tasks = new TaskEmitter(module, lowered, plan, places, options);
  const prepare = lowered.prepare.kernels.map((kernel) =>
    tasks.functionOf(kernel, 1)
  );
  module.addFunction("prepare", { export: true }, (f) => {
    emitClears(f, lowered.prepare.clears, places);
    // 0, as nothing of it is anybody's own.
    const own = f.local("i32");
    for (const kernel of prepare) tasks.call(f, kernel, own, 0);
  });
  for (const phase of plan.phases) {
    for (const task of phase.flat()) tasks.declare(task);
  }
  const exported = options.exportKernels ?? false;
  const phases = plan.phases.map((phase, at) =>
    phase.map((part, index) => {
      const name = `phase${at} part${index}`;
      const signature = { params: ["i32"], export: exported } as const;
      return module.addFunction(name, signature, (f, own) => {
        for (const task of part) tasks.emit(f, task, own);
      });
    })
  );
  if (isDealt(plan)) emitTaking(module, phases[0]!, plan, places);
  else emitPhases(module, phases, plan, places, options.spins);
  return module.finish();
}

/** How each thread is told how many steps it makes. */
const STEP = { params: ["i32"], export: true } as const;

/** Steps phase by phase: all threads meet between two phases, and two steps. */
function emitPhases(
  module: ModuleBuilder,
  phases: readonly (readonly FunctionRef[])[],
  { threads, apart }: ThreadPlan,
  { block, meeting }: ThreadPlaces,
  spins: number,
): void {
  const barrier = emitBarrier(module, meeting, { threads, spins });
  for (let thread = 0; thread < threads; thread++) {
    module.addFunction(`step${thread}`, STEP, (f, times) => {
      f.repeat(times, (more) => {
        for (const [at, phase] of phases.entries()) {
          if (at > 0) f.call(barrier);
          f.i32Const(thread * block);
          f.call(phase[thread]!);
        }
        more(() => apart ? returnIfFailed(f, meeting) : f.call(barrier));
      });
    });
  }
}

/** Steps in which threads take parts as long as there are any. */
function emitTaking(
  module: ModuleBuilder,
  parts: readonly FunctionRef[],
  plan: ThreadPlan,
  places: ThreadPlaces,
): void {
  const { threads } = plan;
  const queues = emitQueues(module, parts, plan, places);
  for (let thread = 0; thread < threads; thread++) {
    module.addFunction(`step${thread}`, STEP, (f, times) => {
      // Its own parts first: what it has written in the last step is near.
      for (const at of queues.keys()) {
        f.localGet(times);
        f.i32Const(thread * places.block);
        f.call(queues[(thread + at) % threads]!);
      }
    });
  }
}

/** Who need not meet the others does not wait for them, but stops with them. */
function returnIfFailed(f: FunctionBuilder, { failed }: Meeting): void {
  f.i32Const(failed);
  f.memory("i32.load");
  f.if(() => f.return());
}

/**
 * For each thread's share of the parts a function of how many steps are made
 * and where the own buffers of the thread that calls are: it takes parts as long
 * as there are any. Of a part it makes all steps, while what they read is still
 * in the cache.
 */
function emitQueues(
  module: ModuleBuilder,
  parts: readonly FunctionRef[],
  { threads }: ThreadPlan,
  { taken, block, meeting }: ThreadPlaces,
): FunctionRef[] {
  const start = (thread: number): number =>
    Math.floor(parts.length * thread / threads);
  return Array.from({ length: threads }, (_, thread) => {
    const queue = parts.slice(start(thread), start(thread + 1));
    const own = taken + thread * block;
    return emitQueue(module, `queue${thread}`, queue, own, meeting);
  });
}

function emitQueue(
  module: ModuleBuilder,
  name: string,
  parts: readonly FunctionRef[],
  taken: number,
  meeting: Meeting,
): FunctionRef {
  const params = ["i32", "i32"] as const;
  return module.addFunction(name, { params }, (f, times, own) => {
    const [part, left] = [f.local("i32"), f.local("i32")];
    f.loop((again) => {
      returnIfFailed(f, meeting);
      f.i32Const(taken);
      f.i32Const(1);
      f.memory("i32.atomic.rmw.add");
      f.localSet(part);
      for (const [index, run] of parts.entries()) {
        f.localGet(part);
        f.i32Const(index);
        f.emit("i32.eq");
        f.if(() => {
          f.localGet(times);
          f.localSet(left);
          f.repeat(left, (more) => {
            f.localGet(own);
            f.call(run);
            more(() => returnIfFailed(f, meeting));
          });
        });
      }
      f.localGet(part);
      f.i32Const(parts.length - 1);
      f.emit("i32.lt_s");
      f.brIf(again);
    });
  });
}

/** Emits tasks; all functions they call must be there before. */
class TaskEmitter {
  readonly #module: ModuleBuilder;
  readonly #lowered: Lowered;
  readonly #threads: number;
  readonly #places: ThreadPlaces;
  readonly #kernels: KernelFunctions;
  readonly #own: (stage: StageKernels | undefined) => ReadonlySet<Buffer>;
  readonly #functions = new Map<string, FunctionRef>();
  readonly #ids = new Map<unknown, number>();

  constructor(
    module: ModuleBuilder,
    lowered: Lowered,
    { threads }: ThreadPlan,
    places: ThreadPlaces,
    options: ThreadOptions,
  ) {
    this.#module = module;
    this.#lowered = lowered;
    this.#threads = threads;
    this.#places = places;
    this.#own = privateTo(lowered);
    this.#kernels = new KernelFunctions(module, places.address, options);
  }

  /** The function that runs so many iterations of a kernel's cut loop. */
  functionOf(
    kernel: Kernel,
    count: number,
    stage?: StageKernels,
  ): FunctionRef {
    return this.#once(
      kernel,
      count,
      () => this.#kernels.emit(kernel, count, this.#own(stage)),
    );
  }

  /** Calls a kernel's function for a thread. */
  call(
    f: FunctionBuilder,
    kernel: FunctionRef,
    own: Local<"i32">,
    first: number,
  ): void {
    f.i32Const(first);
    f.localGet(own);
    f.call(kernel);
  }

  /** Makes the functions that a task calls. */
  declare(task: Task): void {
    if (task.kind === "kernel") this.functionOf(task.kernel, task.count);
    if (task.kind === "sum") this.#sumOf(task.stage);
    if (task.kind === "tiles") this.#tilesOf(task.stage, task);
  }

  /** Emits a task, for a thread whose own buffers are so far from the first's. */
  emit(f: FunctionBuilder, task: Task, own: Local<"i32">): void {
    const { address, sums } = this.#places;
    switch (task.kind) {
      case "kernel": {
        const kernel = this.functionOf(task.kernel, task.count);
        return this.call(f, kernel, own, task.first);
      }
      case "clear":
        return emitClears(f, task.buffers, { address });
      case "tiles": {
        const span = sums.get(task.stage);
        if (span) {
          f.localGet(own);
          f.i32Const(span.address);
          f.emit("i32.add");
          f.i32Const(0);
          f.i32Const(span.bytes);
          f.bulk("memory.fill");
        }
        return this.#emitTiles(f, task, own);
      }
      case "sum": {
        const { address, bytes } = sums.get(task.stage)!;
        const vectors = bytes / VECTORS_BYTES;
        const bound = (slice: number): number =>
          address +
          VECTORS_BYTES * Math.floor(vectors * slice / this.#threads);
        f.i32Const(bound(task.slice));
        f.i32Const(bound(task.slice + 1));
        return f.call(this.#sumOf(task.stage));
      }
      case "copy": {
        const { from, to, first, count } = task;
        f.i32Const(address(to) + 4 * first);
        f.i32Const(address(from) + 4 * first);
        f.i32Const(4 * count);
        return f.bulk("memory.copy");
      }
    }
  }

  #once(
    what: unknown,
    count: number,
    make: () => FunctionRef,
  ): FunctionRef {
    const id = this.#ids.get(what) ?? this.#ids.size;
    this.#ids.set(what, id);
    const key = `${id} ${count}`;
    const known = this.#functions.get(key);
    if (known) return known;
    const made = make();
    this.#functions.set(key, made);
    return made;
  }

  /** How the tiles of a thread begin and end: whole ones, then a smaller one. */
  #cut({ first, end }: { first: number; end: number }): {
    full: number;
    rest: number;
  } {
    const { tile } = this.#lowered;
    const rest = (end - first) % tile;
    return { full: end - rest, rest };
  }

  #tilesOf(
    stage: StageKernels,
    range: { first: number; end: number },
  ): { whole: FunctionRef[]; rest: FunctionRef[] } {
    const { tile } = this.#lowered;
    const { full, rest } = this.#cut(range);
    const functions = (count: number): FunctionRef[] =>
      stage.kernels.map((kernel) => this.functionOf(kernel, count, stage));
    return {
      whole: full > range.first ? functions(tile) : [],
      rest: rest > 0 ? functions(rest) : [],
    };
  }

  #emitTiles(
    f: FunctionBuilder,
    task: Task & { kind: "tiles" },
    own: Local<"i32">,
  ): void {
    const { whole, rest } = this.#tilesOf(task.stage, task);
    const { full } = this.#cut(task);
    const first = f.local("i32");
    const call = (kernels: readonly FunctionRef[], push: () => void): void => {
      for (const kernel of kernels) {
        push();
        f.localGet(own);
        f.call(kernel);
      }
    };
    f.forRange(first, task.first, full, this.#lowered.tile, () => {
      call(whole, () => f.localGet(first));
    });
    call(rest, () => f.i32Const(full));
    f.release(first);
  }

  /** A function of two addresses: adds up there what all threads have. */
  #sumOf(stage: StageKernels): FunctionRef {
    return this.#once(stage, 0, () => {
      const params = ["i32", "i32"] as const;
      return this.#module.addFunction("sum", { params }, (f, at, end) => {
        f.block((done) => {
          f.loop((again) => {
            f.localGet(at);
            f.localGet(end);
            f.emit("i32.ge_u");
            f.brIf(done);
            this.#addVectors(f, at);
            f.localGet(at);
            f.i32Const(VECTORS_BYTES);
            f.emit("i32.add");
            f.localSet(at);
            f.br(again);
          });
        });
      });
    });
  }

  #addVectors(f: FunctionBuilder, at: ReturnType<FunctionBuilder["local"]>) {
    for (let byte = 0; byte < VECTORS_BYTES; byte += 16) {
      f.localGet(at);
      for (let thread = 0; thread < this.#threads; thread++) {
        f.localGet(at);
        f.memory("v128.load", byte + thread * this.#places.block);
        if (thread > 0) f.emit("f32x4.add");
      }
      f.memory("v128.store", byte);
    }
  }
}

/** What is added up in one turn of a loop: a line of the cache. */
const VECTORS_BYTES = 64;
