/**
 * Emits a step that threads share: for each thread a function that does its
 * tasks, with barriers between the phases. All threads run the same functions
 * of kernels, and tell them where their own buffers are.
 */
import type { Buffer, Kernel, Lowered } from "../compile/kernel.ts";
import type { StageKernels } from "../compile/kernel.ts";
import {
  privateTo,
  type Task,
  type ThreadPlan,
} from "../compile/threads/plan.ts";
import {
  type FunctionBuilder,
  type FunctionRef,
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
 * also every thread's part of every phase: `phase0 thread0` and so on.
 */
export function emitThreads(
  lowered: Lowered,
  plan: ThreadPlan,
  places: ThreadPlaces,
  options: ThreadOptions,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory("weft", "memory", options.memory);
  const { threads, apart } = plan;
  const { spins } = options;
  const barrier = emitBarrier(module, places.meeting, { threads, spins });
  const tasks = new TaskEmitter(module, lowered, plan, places, options);
  const prepare = lowered.prepare.kernels.map((kernel) =>
    tasks.functionOf(kernel, 1)
  );
  module.addFunction("prepare", { export: true }, (f) => {
    emitClears(f, lowered.prepare.clears, places);
    for (const kernel of prepare) tasks.call(f, kernel, 0, 0);
  });
  for (const phase of plan.phases) {
    for (const task of phase.flat()) tasks.declare(task);
  }
  const phases = plan.phases.map((phase, at) =>
    phase.map((own, thread) => {
      const name = `phase${at} thread${thread}`;
      const signature = { export: options.exportKernels ?? false };
      return module.addFunction(name, signature, (f) => {
        for (const task of own) tasks.emit(f, task, thread);
      });
    })
  );
  for (let thread = 0; thread < threads; thread++) {
    const signature = { params: ["i32"], export: true } as const;
    module.addFunction(`step${thread}`, signature, (f, times) => {
      f.repeat(times, (more) => {
        for (const [at, phase] of phases.entries()) {
          if (at > 0) f.call(barrier);
          f.call(phase[thread]!);
        }
        // All meet between two steps as well, unless nobody needs to.
        more(() => apart ? returnIfFailed(f, places.meeting) : f.call(barrier));
      });
    });
  }
  return module.finish();
}

/** Who need not meet the others does not wait for them, but stops with them. */
function returnIfFailed(f: FunctionBuilder, { failed }: Meeting): void {
  f.i32Const(failed);
  f.memory("i32.load");
  f.if(() => f.return());
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
    thread: number,
    first: number,
  ): void {
    f.i32Const(first);
    f.i32Const(thread * this.#places.block);
    f.call(kernel);
  }

  /** Makes the functions that a task calls. */
  declare(task: Task): void {
    if (task.kind === "kernel") this.functionOf(task.kernel, task.count);
    if (task.kind === "sum") this.#sumOf(task.stage);
    if (task.kind === "tiles") this.#tilesOf(task.stage, task);
  }

  /** Emits a task of a thread. */
  emit(f: FunctionBuilder, task: Task, thread: number): void {
    const { address, block, sums } = this.#places;
    switch (task.kind) {
      case "kernel": {
        const kernel = this.functionOf(task.kernel, task.count);
        return this.call(f, kernel, thread, task.first);
      }
      case "clear":
        return emitClears(f, task.buffers, { address });
      case "tiles": {
        const span = sums.get(task.stage);
        if (span) {
          f.i32Const(span.address + thread * block);
          f.i32Const(0);
          f.i32Const(span.bytes);
          f.bulk("memory.fill");
        }
        return this.#emitTiles(f, task, thread);
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
    thread: number,
  ): void {
    const { whole, rest } = this.#tilesOf(task.stage, task);
    const { full } = this.#cut(task);
    const own = thread * this.#places.block;
    const first = f.local("i32");
    const call = (kernels: readonly FunctionRef[], push: () => void): void => {
      for (const kernel of kernels) {
        push();
        f.i32Const(own);
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
