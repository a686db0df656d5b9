// The assembler against the engine's own validator, and its refusals.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type FunctionBuilder,
  ModuleBuilder,
  type Signature,
} from "../../src/wasm/assembler.ts";
import {
  LANE,
  MEMORY,
  MEMORY_LANE,
  PLAIN,
} from "../../src/wasm/instructions.ts";

type Exports = Record<string, (...args: (number | bigint)[]) => number>;

function instantiate(
  module: ModuleBuilder,
  imports: WebAssembly.Imports = {},
): Exports {
  const compiled = new WebAssembly.Module(module.finish());
  return new WebAssembly.Instance(compiled, imports)
    .exports as unknown as Exports;
}

function isValid(
  signature: Signature,
  emit: (f: FunctionBuilder) => void,
): boolean {
  const module = new ModuleBuilder();
  const limits = { initial: 1, maximum: 1, shared: true };
  module.importMemory("env", "memory", limits);
  module.addFunction("probe", signature, (f) => {
    for (const param of f.params) f.localGet(param);
    emit(f);
  });
  return WebAssembly.validate(module.finish());
}

function keys<T extends object>(table: T): (keyof T)[] {
  return Object.keys(table) as (keyof T)[];
}

Deno.test("the engine accepts every instruction with its declared types", () => {
  const refused: string[] = [];
  for (const name of keys(PLAIN)) {
    if (!isValid(PLAIN[name][1], (f) => f.emit(name))) refused.push(name);
  }
  for (const name of keys(MEMORY)) {
    const emit = (f: FunctionBuilder) => f.memory(name, 64);
    if (!isValid(MEMORY[name][1], emit)) refused.push(name);
  }
  for (const name of keys(LANE)) {
    const emit = (f: FunctionBuilder) => f.lane(name, LANE[name][2] - 1);
    if (!isValid(LANE[name][1], emit)) refused.push(name);
  }
  for (const name of keys(MEMORY_LANE)) {
    const emit = (f: FunctionBuilder) => f.memoryLane(name, 1, 200);
    if (!isValid(MEMORY_LANE[name][1], emit)) refused.push(name);
  }
  assertEquals(refused, []);
});

Deno.test("an instruction with wrong types is refused by the engine", () => {
  // Shows that the test above can fail.
  const wrong: Signature = { params: ["i32", "i32"], results: ["v128"] };
  const module = new ModuleBuilder();
  module.addFunction("probe", wrong, (f) => {
    f.i32Const(0);
    f.emit("i32x4.splat");
  });
  const bytes = module.finish();
  assert(WebAssembly.validate(bytes));
  bytes[bytes.lastIndexOf(0x11)] = 0x13;
  assert(!WebAssembly.validate(bytes));
});

Deno.test("constants keep their value at the borders of their encodings", () => {
  const integers = [0, 63, 64, -64, -65, 8191, 8192, 2 ** 31 - 1, -(2 ** 31)];
  const module = new ModuleBuilder();
  integers.forEach((value, i) => {
    const options = { results: ["i32"], export: true } as const;
    module.addFunction(`i${i}`, options, (f) => f.i32Const(value));
  });
  const long = [2n ** 63n - 1n, -(2n ** 63n), 64n, -65n];
  long.forEach((value, i) => {
    const options = { results: ["i64"], export: true } as const;
    module.addFunction(`l${i}`, options, (f) => f.i64Const(value));
  });
  const single = { results: ["f32"], export: true } as const;
  module.addFunction("tenth", single, (f) => f.f32Const(0.1));
  module.addFunction("lane", single, (f) => {
    f.f32x4Const(1, 2, 3, -0);
    f.lane("f32x4.extract_lane", 3);
  });
  const double = { results: ["f64"], export: true } as const;
  module.addFunction("double", double, (f) => f.f64Const(0.1));
  const run = instantiate(module);
  assertEquals(integers.map((_, i) => run[`i${i}`]!()), integers);
  assertEquals(long.map((_, i) => run[`l${i}`]!() as unknown), long);
  assertEquals(run.tenth!(), Math.fround(0.1));
  assert(Object.is(run.lane!(), -0));
  assertEquals(run.double!(), 0.1);
});

Deno.test("control flow, locals, calls and multiple results run as written", () => {
  const module = new ModuleBuilder();
  const seen: number[] = [];
  const log = module.importFunction("env", "log", { params: ["i32"] });
  const pair = module.addFunction(
    "divide",
    { params: ["i32", "i32"], results: ["i32", "i32"] },
    (f, a, b) => {
      for (const op of ["i32.div_s", "i32.rem_s"] as const) {
        f.localGet(a);
        f.localGet(b);
        f.emit(op);
      }
    },
  );
  const options = { params: ["i32"], results: ["i32"], export: true } as const;
  module.addFunction("digits", options, (f, n) => {
    const count = f.local("i32");
    f.block((done) => {
      f.loop((again) => {
        f.localGet(n);
        f.emit("i32.eqz");
        f.brIf(done);
        f.localGet(n);
        f.i32Const(10);
        f.call(pair);
        f.call(log);
        f.localSet(n);
        f.localGet(count);
        f.i32Const(1);
        f.emit("i32.add");
        f.localSet(count);
        f.br(again);
      });
    });
    f.localGet(count);
    f.i32Const(3);
    f.emit("i32.gt_s");
    f.if(() => f.i32Const(-1), () => f.localGet(count), ["i32"]);
  });
  const run = instantiate(module, {
    env: { log: (x: number) => seen.push(x) },
  });
  assertEquals(run.digits!(407), 3);
  assertEquals(seen, [7, 0, 4]);
  assertEquals(run.digits!(12345), -1);
});

Deno.test("forRange() runs from start below end, also for one trip and none", () => {
  const cases = [[0, 10, 1], [3, 10, 4], [5, 6, 3], [4, 4, 1], [8, 2, 1]];
  const module = new ModuleBuilder();
  cases.forEach(([start, end, step], i) => {
    const options = { results: ["i32"], export: true } as const;
    module.addFunction(`sum${i}`, options, (f) => {
      const index = f.local("i32");
      const sum = f.local("i32");
      f.forRange(index, start!, end!, step!, () => {
        f.localGet(sum);
        f.i32Const(100);
        f.emit("i32.add");
        f.localGet(index);
        f.emit("i32.add");
        f.localSet(sum);
      });
      f.localGet(sum);
    });
  });
  const run = instantiate(module);
  const sums = cases.map((_, i) => run[`sum${i}`]!());
  assertEquals(sums, [1045, 210, 105, 0, 0]);
  assertThrows(
    () =>
      new ModuleBuilder().addFunction("f", {}, (f) => {
        f.forRange(f.local("i32"), 0, 4, 0, () => {});
      }),
    RangeError,
    "step is 0",
  );
});

Deno.test("a released local is given again for its own type only", () => {
  new ModuleBuilder().addFunction("f", { params: ["i32"] }, (f) => {
    const first = f.local("v128");
    f.release(first);
    assert(f.local("i32").index !== first.index);
    assertEquals(f.local("v128").index, first.index);
    f.release(first);
    assertThrows(() => f.release(first), RangeError, "twice");
  });
});

Deno.test("data, memory accesses, lanes and shuffles reach the right bytes", () => {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", { initial: 1 });
  module.addData(16, new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer));
  module.addFunction("reverse", { params: ["i32"], export: true }, (f, at) => {
    f.localGet(at);
    f.localGet(at);
    f.memory("v128.load", 8);
    f.localGet(at);
    f.memory("v128.load", 8);
    f.shuffle32(3, 2, 5, 4);
    f.memory("v128.store", 200);
    f.localGet(at);
    f.localGet(at);
    f.memory("v128.load32_splat", 12);
    f.memoryLane("v128.store32_lane", 2, 216);
    f.i32Const(300);
    f.i32Const(200);
    f.i32Const(8);
    f.bulk("memory.copy");
  });
  const memory = new WebAssembly.Memory({ initial: 1 });
  const run = instantiate(module, { env: { memory } });
  run.reverse!(8);
  const floats = new Float32Array(memory.buffer, 208, 5);
  assertEquals([...floats], [4, 3, 2, 1, 2]);
  assertEquals([...new Float32Array(memory.buffer, 300, 2)], [0, 0]);
});

Deno.test("the name section names functions in stack traces", () => {
  const module = new ModuleBuilder();
  module.addFunction("softmax rows", { export: "run" }, (f) => f.unreachable());
  const trap = assertThrows(instantiate(module).run!, WebAssembly.RuntimeError);
  assert(trap.stack?.includes("softmax rows"));
});

Deno.test("wrong programs are refused where they are written", () => {
  const refuse = (text: string, body: (f: FunctionBuilder) => void) => {
    const module = new ModuleBuilder();
    const add = () => module.addFunction("kernel", { params: ["i32"] }, body);
    assertThrows(add, TypeError, text);
  };
  const head = 'in function "kernel": found';
  refuse(`"f32x4.add" ${head} [v128, i32], wanted [v128, v128]`, (f) => {
    f.f32x4Const(1);
    f.i32Const(1);
    f.emit("f32x4.add");
  });
  refuse(`"i32.add" ${head} [i32], wanted [i32, i32]`, (f) => {
    f.i32Const(1);
    f.emit("i32.add");
  });
  refuse(`"local.set" ${head} [f32], wanted [i32]`, (f) => {
    f.f32Const(1);
    f.localSet(f.params[0]!);
  });
  refuse(`"end" ${head} [i32] left over`, (f) => f.i32Const(1));
  refuse(`"end" ${head} [], wanted [f32]`, (f) => f.block(() => {}, ["f32"]));
  refuse(`"i32.eqz" ${head} [], wanted [i32]`, (f) => {
    f.i32Const(1);
    f.block(() => f.emit("i32.eqz"));
  });
  refuse(`"br" ${head} a label of another block`, (f) => {
    let outer;
    f.block((label) => outer = label);
    f.block(() => f.br(outer!));
  });
  refuse(`"f32x4.extract_lane" ${head} lane 4, wanted 0 to 3`, (f) => {
    f.f32x4Const(1);
    f.lane("f32x4.extract_lane", 4);
  });
});

Deno.test("code after a branch may leave the stack as it likes", () => {
  const module = new ModuleBuilder();
  const options = { results: ["i32"], export: true } as const;
  module.addFunction("f", options, (f) => {
    f.block((label) => {
      f.i32Const(7);
      f.br(label);
      f.emit("i32.add");
    }, ["i32"]);
    f.return();
    f.drop();
  });
  assertEquals(instantiate(module).f!(), 7);
});

Deno.test("module builders refuse late imports and unbounded shared memory", () => {
  const module = new ModuleBuilder();
  assertThrows(
    () => module.importMemory("env", "m", { initial: 1, shared: true }),
    TypeError,
    "needs a maximum",
  );
  module.addFunction("first", {}, () => {});
  assertThrows(
    () => module.importFunction("env", "log"),
    TypeError,
    'wanted before function "first"',
  );
});
