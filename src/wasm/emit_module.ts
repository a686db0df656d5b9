/**
 * Emits a whole plan as one module: a function a kernel, and one exported step
 * that runs the stages in order, as many times as it is told. What frozen
 * variables alone decide is another export, `prepare`.
 */
import type { Buffer, Lowered, StageKernels } from "../compile/kernel.ts";
import { type FunctionBuilder, ModuleBuilder } from "./assembler.ts";
import type { FunctionRef, Local, MemoryLimits } from "./assembler.ts";
import { KernelFunctions, type KernelOptions } from "./kernel_functions.ts";
import { emitClears, emitOwn, type Place } from "./pointers.ts";

/** A stage's functions: for whole tiles, and for a last smaller one. */
interface StageFunctions {
  readonly stage: StageKernels;
  readonly whole: readonly FunctionRef[];
  readonly rest: readonly FunctionRef[];
}

/** How a module is emitted. */
export interface ModuleOptions extends KernelOptions {
  /** What memory it imports; by default one that is not shared. */
  readonly memory?: MemoryLimits;
}

/** Emits the module of a lowered graph. */
export function emitModule(
  lowered: Lowered,
  address: (buffer: Buffer) => number,
  options: ModuleOptions,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory("weft", "memory", options.memory ?? { initial: 1 });
  emitProgram(module, { lowered, address, options, export: true });
  return module.finish();
}

/** A lowered graph, and how it becomes a part of a module. */
export interface ProgramParts {
  /** The graph. */
  readonly lowered: Lowered;
  /** The address of a buffer; of a thread's own, that of the first thread. */
  readonly address: (buffer: Buffer) => number;
  /** How its kernels are emitted. */
  readonly options: KernelOptions;
  /** What each thread has for itself, where several run all of the program. */
  readonly own?: ReadonlySet<Buffer>;
  /** Whether its functions are exported; not by default. */
  readonly export?: boolean;
}

/** What runs a program. */
export interface ProgramFunctions {
  /** Takes nothing, and writes to nothing that is a thread's own. */
  readonly prepare: FunctionRef;
  /**
   * Takes how many steps are made and, if threads have buffers of their own,
   * how many bytes those of the thread that calls are behind the first one's.
   */
  readonly step: FunctionRef;
}

/** Emits the functions of a lowered graph into a module. */
export function emitProgram(
  module: ModuleBuilder,
  { lowered, address, options, own, export: exported = false }: ProgramParts,
): ProgramFunctions {
  const { batch, tile } = lowered;
  const rest = batch % tile;
  const kernels = new KernelFunctions(module, address, options);
  const functionsOf = (
    stage: StageKernels,
    own?: ReadonlySet<Buffer>,
  ): StageFunctions => ({
    stage,
    whole: stage.kernels.map((kernel) =>
      kernels.emit(kernel, stage.tiled ? tile : 1, own)
    ),
    rest: stage.tiled && rest > 0
      ? stage.kernels.map((kernel) => kernels.emit(kernel, rest, own))
      : [],
  });
  const prepared = functionsOf(lowered.prepare);
  const functions = lowered.stages.map((stage) => functionsOf(stage, own));
  const prepare = module.addFunction("prepare", { export: exported }, (f) => {
    emitStage(f, prepared, lowered, { address });
  });
  const params = own ? ["i32", "i32"] as const : ["i32"] as const;
  const signature = { params, export: exported };
  const step = module.addFunction("step", signature, (f, ...locals) => {
    const [times, offset] = locals;
    const place = {
      address,
      ...(own && offset ? { own: { offset, buffers: own } } : {}),
    };
    f.repeat(times, () => {
      for (const stage of functions) emitStage(f, stage, lowered, place);
      for (const { from, to } of lowered.copies) {
        for (const buffer of [to, from]) {
          f.i32Const(address(buffer));
          emitOwn(f, buffer, place);
        }
        f.i32Const(4 * to.size);
        f.bulk("memory.copy");
      }
    });
  });
  return { prepare, step };
}

function emitStage(
  f: FunctionBuilder,
  { stage, whole, rest }: StageFunctions,
  { batch, tile }: Lowered,
  place: Pick<Place, "address" | "own">,
): void {
  emitClears(f, stage.clears, place);
  const call = (functions: readonly FunctionRef[], push: () => void): void => {
    for (const kernel of functions) {
      push();
      if (place.own) f.localGet(place.own.offset);
      f.call(kernel);
    }
  };
  if (!stage.tiled) return call(whole, () => f.i32Const(0));
  const first: Local<"i32"> = f.local("i32");
  const full = batch - batch % tile;
  f.forRange(first, 0, full, tile, () => call(whole, () => f.localGet(first)));
  call(rest, () => f.i32Const(full));
  f.release(first);
}
