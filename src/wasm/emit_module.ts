/**
 * Emits a whole plan as one module: a function a kernel, and one exported step
 * that runs the stages in order, as many times as it is told. What frozen
 * variables alone decide is another export, `prepare`.
 */
import type { Buffer, Lowered, StageKernels } from "../compile/kernel.ts";
import { type FunctionBuilder, ModuleBuilder } from "./assembler.ts";
import type { FunctionRef, Local, MemoryLimits } from "./assembler.ts";
import { KernelFunctions, type KernelOptions } from "./kernel_functions.ts";
import { emitClears } from "./pointers.ts";

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
  const { batch, tile } = lowered;
  const rest = batch % tile;
  const kernels = new KernelFunctions(module, address, options);
  const functionsOf = (stage: StageKernels): StageFunctions => ({
    stage,
    whole: stage.kernels.map((kernel) =>
      kernels.emit(kernel, stage.tiled ? tile : 1)
    ),
    rest: stage.tiled && rest > 0
      ? stage.kernels.map((kernel) => kernels.emit(kernel, rest))
      : [],
  });
  const prepare = functionsOf(lowered.prepare);
  const functions = lowered.stages.map(functionsOf);
  module.addFunction("prepare", { export: true }, (f) => {
    emitStage(f, prepare, lowered, address);
  });
  const step = { params: ["i32"], export: true } as const;
  module.addFunction("step", step, (f, times) => {
    f.repeat(times, () => {
      for (const stage of functions) emitStage(f, stage, lowered, address);
      for (const { from, to } of lowered.copies) {
        f.i32Const(address(to));
        f.i32Const(address(from));
        f.i32Const(4 * to.size);
        f.bulk("memory.copy");
      }
    });
  });
  return module.finish();
}

function emitStage(
  f: FunctionBuilder,
  { stage, whole, rest }: StageFunctions,
  { batch, tile }: Lowered,
  address: (buffer: Buffer) => number,
): void {
  emitClears(f, stage.clears, { address });
  const call = (functions: readonly FunctionRef[], push: () => void): void => {
    for (const kernel of functions) {
      push();
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
