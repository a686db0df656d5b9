// Reading back what the assembler wrote.
import { assertEquals, assertThrows } from "@std/assert";
import { ModuleBuilder } from "../../src/wasm/assembler.ts";
import { inspectModule } from "../../src/wasm/inspect.ts";
import {
  LANE,
  MEMORY,
  MEMORY_LANE,
  PLAIN,
} from "../../src/wasm/instructions.ts";
import type { FunctionBuilder } from "../../src/wasm/assembler.ts";

/** The instructions of a function, with what stands there in any case. */
function instructionsOf(
  write: (f: FunctionBuilder) => void,
): Record<string, number> {
  const module = new ModuleBuilder();
  module.importMemory("a", "memory", { initial: 1, maximum: 2, shared: true });
  module.addFunction("probe", {}, write);
  const [probe] = inspectModule(module.finish());
  return Object.fromEntries(probe!.instructions);
}

const ANY = { unreachable: 1, end: 1 };

Deno.test("inspectModule() knows every instruction of the assembler", () => {
  // Behind an unreachable instruction operands may be of any type.
  for (const name of Object.keys(PLAIN) as (keyof typeof PLAIN)[]) {
    const found = instructionsOf((f) => {
      f.unreachable();
      f.emit(name);
      f.unreachable();
    });
    assertEquals(found, { ...ANY, unreachable: 2, [name]: 1 });
  }
  for (const name of Object.keys(MEMORY) as (keyof typeof MEMORY)[]) {
    const found = instructionsOf((f) => {
      f.unreachable();
      f.memory(name, 300);
      f.unreachable();
    });
    assertEquals(found, { ...ANY, unreachable: 2, [name]: 1 });
  }
  for (const name of Object.keys(LANE) as (keyof typeof LANE)[]) {
    const found = instructionsOf((f) => {
      f.unreachable();
      f.lane(name, 1);
      f.unreachable();
    });
    assertEquals(found, { ...ANY, unreachable: 2, [name]: 1 });
  }
  const lanes = Object.keys(MEMORY_LANE) as (keyof typeof MEMORY_LANE)[];
  for (const name of lanes) {
    const found = instructionsOf((f) => {
      f.unreachable();
      f.memoryLane(name, 1, 1000);
      f.unreachable();
    });
    assertEquals(found, { ...ANY, unreachable: 2, [name]: 1 });
  }
});

Deno.test("inspectModule() steps over immediates of every kind", () => {
  const found = instructionsOf((f) => {
    const [i, v] = [f.local("i32"), f.local("v128")];
    f.f32x4Const(1, 2, 3, 4);
    f.localTee(v);
    f.localGet(v);
    f.shuffle32(0, 1, 6, 7);
    f.localGet(v);
    f.i32Const(-1_000_000);
    f.select("v128");
    f.drop();
    f.forRange(i, 0, 300, 2, () => {
      f.i64Const(2n ** 40n);
      f.drop();
      f.f64Const(0.1);
      f.drop();
    });
    f.block((label) => f.br(label));
    for (let at = 0; at < 3; at++) f.i32Const(0);
    f.bulk("memory.fill");
    f.fence();
  });
  assertEquals(found, {
    "v128.const": 1,
    "local.tee": 2,
    "local.get": 3,
    "i8x16.shuffle": 1,
    "i32.const": 7,
    select: 1,
    drop: 3,
    "local.set": 1,
    loop: 1,
    "i64.const": 1,
    "f64.const": 1,
    "i32.add": 1,
    "i32.lt_s": 1,
    br_if: 1,
    end: 3,
    block: 1,
    br: 1,
    "memory.fill": 1,
    "atomic.fence": 1,
  });
});

Deno.test("inspectModule() tells names, exports, sizes and calls", () => {
  const module = new ModuleBuilder();
  module.importFunction("a", "log", { params: ["i32"] });
  const inner = module.addFunction("inner", {}, (f) => f.emit("nop"));
  module.addFunction("outer", { export: "run" }, (f) => {
    f.call(inner);
    f.call(inner);
  });
  const functions = inspectModule(module.finish()).map((
    { instructions: _, ...rest },
  ) => rest);
  assertEquals(functions, [
    { index: 1, name: "inner", exported: undefined, bytes: 3, calls: [] },
    { index: 2, name: "outer", exported: "run", bytes: 6, calls: [1] },
  ]);
});

Deno.test("inspectModule() refuses what the assembler cannot have written", () => {
  const module = new ModuleBuilder();
  module.addFunction("probe", {}, (f) => f.emit("nop"));
  const bytes = module.finish();
  const at = bytes.findIndex((byte, i) => byte === 1 && bytes[i + 1] === 0x0b);
  bytes[at] = 0x27;
  assertThrows(() => inspectModule(bytes), Error, "internal: no instruction");
  assertThrows(() => inspectModule(bytes.subarray(0, 20)), Error, "internal");
});
