// Asks the engine which WebAssembly extensions it has, by validating one tiny module for each. Decides
// nothing: whether an extension is used is the caller's choice.

import { ModuleBuilder } from "./assembler.ts";

/** WebAssembly extensions that the emitters can use or do without. */
export interface WasmFeatures {
  /** Fused multiply-add on vectors, rounded once or twice as the machine likes. */
  readonly relaxedSimd: boolean;
  /** Memory shared between workers. */
  readonly sharedMemory: boolean;
}

let detected: WasmFeatures | undefined;

/** Returns the engine's extensions; asked once, then remembered. */
export function detectFeatures(): WasmFeatures {
  detected ??= {
    relaxedSimd: hasRelaxedSimd(),
    sharedMemory: typeof SharedArrayBuffer === "function" && hasSharedMemory(),
  };
  return detected;
}

function hasRelaxedSimd(): boolean {
  const module = new ModuleBuilder();
  const options = { params: ["v128"], results: ["v128"] } as const;
  module.addFunction("probe", options, (f, x) => {
    for (let i = 0; i < 3; i++) f.localGet(x);
    f.emit("f32x4.relaxed_madd");
  });
  return WebAssembly.validate(module.finish());
}

function hasSharedMemory(): boolean {
  const module = new ModuleBuilder();
  const limits = { initial: 1, maximum: 1, shared: true };
  module.importMemory("env", "memory", limits);
  module.addFunction("probe", {}, (f) => {
    f.i32Const(0);
    f.memory("i32.atomic.load");
    f.drop();
  });
  return WebAssembly.validate(module.finish());
}
