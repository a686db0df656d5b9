// Emitted products against a triple loop. Operands are small integers, so that every order of summation is
// exact and results must be equal.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type FunctionBuilder,
  ModuleBuilder,
} from "../../src/wasm/assembler.ts";
import {
  type Cell,
  emitProduct,
  type Product,
  type ProductOptions,
} from "../../src/wasm/product.ts";
import { chooseBlock, chooseTiles } from "../../src/wasm/product_plan.ts";
import { VectorEmitter } from "../../src/wasm/vector_emitter.ts";

type Layout =
  | "rows"
  | "transposed"
  | "strided"
  | "dot"
  /** B, or both, the same for every k. */
  | "repeatedB"
  | "repeated";

interface Case {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly layout: Layout;
  readonly initial: "zero" | "load" | "bias";
  readonly scale: number;
  readonly epilogue: boolean;
  readonly relaxed: boolean;
  readonly padded: boolean;
  readonly options: ProductOptions;
}

const LAYOUTS: readonly Layout[] = [
  "rows",
  "transposed",
  "strided",
  "dot",
  "repeatedB",
  "repeated",
];
/** Columns between rows of C, of which two are never written. */
const GAP = 2;
const CANARY = 777;

function shapeOf({ m, n, k, layout, padded }: Case) {
  const width = padded ? Math.ceil(n / 4) * 4 : n;
  const row = width + GAP;
  const a = {
    rows: { row: k, column: 1 },
    transposed: { row: 1, column: m },
    strided: { row: 2 * k, column: 2 },
    dot: { row: k + 1, column: 1 },
    repeatedB: { row: k, column: 1 },
    repeated: { row: 1, column: 0 },
  }[layout];
  const b = layout === "dot"
    ? { row: 1, column: k }
    : { row: layout.startsWith("repeated") ? 0 : row, column: 1 };
  return { m, n, k, a, b, c: { row }, padded };
}

/** Values of a case: bias in row 0 of the streams' matrix, factors in the rows below, one a row behind them. */
interface Memory {
  readonly floats: Float32Array<ArrayBufferLike>;
  readonly at: Record<"a" | "b" | "c" | "bias" | "factor" | "side", number>;
}

const PART = 4096;

function memoryOf(buffer: ArrayBufferLike): Memory {
  const floats = new Float32Array(buffer);
  const at = { a: 64, b: 0, c: 0, bias: 0, factor: 0, side: 0 };
  at.b = at.a + PART;
  at.c = at.b + PART;
  at.bias = at.c + PART;
  at.factor = at.bias + PART;
  at.side = at.factor + PART;
  for (let i = 0; i < floats.length; i++) floats[i] = (i * 7919) % 9 - 4;
  floats.fill(CANARY, at.c - 16, at.bias);
  return { floats, at };
}

function emitCase(f: FunctionBuilder, test: Case, memory: Memory): void {
  const v = new VectorEmitter(f, { relaxed: test.relaxed });
  const { at } = memory;
  const names = ["a", "b", "c", "bias", "factor", "side"] as const;
  const [a, b, c, bias, factor, side] = names.map((name) => {
    const local = f.local("i32");
    f.i32Const(4 * at[name]);
    f.localSet(local);
    return local;
  });
  const shape = shapeOf(test);
  const read = (cell: Cell, stream: number, splat = false) => {
    const { address, offset } = cell.streams[stream]!;
    f.localGet(address);
    f.memory(splat ? "v128.load32_splat" : "v128.load", offset);
  };
  const product: Product = {
    ...shape,
    scale: test.scale,
    initial: test.initial === "bias" ? (cell) => read(cell, 0) : test.initial,
    epilogue: !test.epilogue ? undefined : (cell) => {
      read(cell, 1);
      f.emit("f32x4.mul");
      read(cell, 2, true);
      f.emit("f32x4.add");
    },
    streams: [
      { base: bias!, row: 0, column: 1 },
      { base: factor!, row: shape.c.row, column: 1 },
      { base: side!, row: 3, column: 0 },
    ],
  };
  emitProduct(v, product, { a: a!, b: b!, c: c! }, test.options);
}

/** What C's part of the memory must hold afterwards; columns of padding are left out of the comparison. */
function expected(test: Case, { floats, at }: Memory): Float32Array {
  const { m, n, k, a, b, c } = shapeOf(test);
  const out = floats.slice(at.c - 16, at.bias);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) {
        sum += floats[at.a + i * a.row + l * a.column]! *
          floats[at.b + l * b.row + j * b.column]!;
      }
      sum *= test.scale;
      if (test.initial === "load") sum += floats[at.c + i * c.row + j]!;
      if (test.initial === "bias") sum += floats[at.bias + j]!;
      if (test.epilogue) {
        sum = sum * floats[at.factor + i * c.row + j]! +
          floats[at.side + 3 * i]!;
      }
      out[16 + i * c.row + j] = sum;
    }
  }
  return out;
}

/** Runs cases, each a function of one module, and compares memory behind, before and between C's rows too. */
function check(cases: readonly Case[]): void {
  const pages = 2;
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", { initial: pages });
  const memory = new WebAssembly.Memory({ initial: pages });
  const values = memoryOf(memory.buffer);
  const start = values.floats.slice();
  cases.forEach((test, i) => {
    module.addFunction(`case${i}`, { export: true }, (f) => {
      emitCase(f, test, values);
    });
  });
  const compiled = new WebAssembly.Module(module.finish());
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  cases.forEach((test, i) => {
    values.floats.set(start);
    (exports[`case${i}`] as () => void)();
    const want = expected(test, { ...values, floats: start });
    const { at, floats } = values;
    const got = floats.slice(at.c - 16, at.bias);
    const { m, n, c, padded } = shapeOf(test);
    for (let row = 0; padded && row < m; row++) {
      const end = 16 + row * c.row + Math.ceil(n / 4) * 4;
      got.fill(CANARY, 16 + row * c.row + n, end);
    }
    const wrong = got.findIndex((x, j) => x !== want[j]);
    const text = JSON.stringify({ ...test, wrong, got: got[wrong] });
    assertEquals(wrong, -1, `${text}, wanted ${want[wrong]}`);
  });
}

/** A case whose other options are drawn from `seed` like the digits of a number. */
function drawn(
  [m, n, k]: readonly [number, number, number],
  layout: Layout,
  seed: number,
  options: ProductOptions = {},
): Case {
  let rest = seed;
  const draw = <T>(choices: readonly T[]): T => {
    const index = rest % choices.length;
    rest = Math.floor(rest / choices.length);
    return choices[index]!;
  };
  const initial = draw(["zero", "load", "bias"] as const);
  const [scale, epilogue] = [draw([1, 0.5]), draw([false, true])];
  const [relaxed, padded] = [draw([true, false]), draw([false, true])];
  const sizes = { m, n, k, layout };
  return { ...sizes, initial, scale, epilogue, relaxed, padded, options };
}

for (const layout of LAYOUTS) {
  Deno.test(`products with ${layout} operands are right for all sizes from 1 to 9`, () => {
    for (let m = 1; m <= 9; m++) {
      const cases: Case[] = [];
      for (let n = 1; n <= 9; n++) {
        for (let k = 1; k <= 9; k++) {
          for (let i = 0; i < 3; i++) {
            // 48 combinations of options: over all sizes each meets every small m, n and k.
            cases.push(drawn([m, n, k], layout, cases.length + 11 * m));
          }
        }
      }
      check(cases);
    }
  });

  Deno.test(`products with ${layout} operands are right for sizes that need loops`, () => {
    const sizes = [[10, 10, 64], [64, 20, 20], [13, 37, 33], [33, 7, 26]];
    sizes.push([1, 50, 17], [50, 1, 18], [3, 63, 5], [21, 23, 40], [6, 8, 50]);
    const cases = sizes.flatMap(([m, n, k]) =>
      Array.from(
        { length: 48 },
        (_, seed) => drawn([m!, n!, k!], layout, seed),
      )
    );
    check(cases);
  });

  Deno.test(`products with ${layout} operands are right when done in several passes`, () => {
    const cases: Case[] = [];
    for (const m of [4, 5, 8]) {
      for (const k of [4, 8, 16]) {
        for (let seed = 0; seed < 48; seed++) {
          const options = { tiles: { m, k } };
          cases.push(drawn([13, 11, 21], layout, seed, options));
          cases.push(drawn([16, 8, 16], layout, seed, options));
        }
      }
    }
    check(cases);
  });
}

Deno.test("chooseBlock() covers all rows and columns with blocks that fit the registers", () => {
  for (let m = 1; m <= 70; m += 3) {
    for (let n = 1; n <= 70; n++) {
      for (const layout of LAYOUTS) {
        const shape = shapeOf(drawn([m, n, 24], layout, 0));
        const { panels } = chooseBlock(shape);
        const columns = panels.reduce(
          (sum, p) => sum + p.count * p.size * 4 - (4 - p.lanes),
          0,
        );
        assertEquals(columns, n);
        for (const { rows, size, lanes, form } of panels) {
          assertEquals(rows.reduce((sum, r) => sum + r.size * r.count, 0), m);
          const width = form === "dot" ? 4 * size - 4 + lanes : size;
          assert(rows[0]!.size * width <= 13);
        }
      }
    }
  }
});

Deno.test("chooseBlock() picks the blocks that were fastest when measured", () => {
  const plan = (m: number, n: number, k: number, layout: Layout) => {
    const shape = shapeOf(drawn([m, n, k], layout, 0));
    return chooseBlock(shape).panels.map(({ form, rows, size }) =>
      `${form} ${rows[0]!.size}x${size}`
    ).join();
  };
  assertEquals(plan(640, 64, 64, "rows"), "quad 4x2");
  assertEquals(plan(640, 20, 64, "rows"), "splat 2x5");
  assertEquals(plan(256, 256, 64, "transposed"), "turn 6x2");
  assertEquals(plan(32, 32, 256, "dot"), "dot 2x1");
});

Deno.test("chooseTiles() leaves small products whole and cuts large ones", () => {
  const tiles = (m: number, n: number, k: number) =>
    chooseTiles(shapeOf(drawn([m, n, k], "rows", 0)));
  assertEquals(tiles(640, 64, 64), { m: 640, k: 64 });
  assertEquals(tiles(2048, 256, 128), { m: 256, k: 128 });
  assertEquals(tiles(256, 256, 2048), { m: 256, k: 256 });
});

Deno.test("emitProduct() refuses sizes and strides it has no form for", () => {
  const refuse = (change: Partial<Product>, text: string) => {
    const shape = shapeOf(drawn([4, 4, 4], "rows", 0));
    new ModuleBuilder().addFunction("f", { params: ["i32"] }, (f, at) => {
      const v = new VectorEmitter(f, { relaxed: true });
      const addresses = { a: at, b: at, c: at };
      const emit = () => emitProduct(v, { ...shape, ...change }, addresses);
      assertThrows(emit, RangeError, text);
    });
  };
  refuse({ k: 0 }, "k is 0, wanted a positive integer");
  refuse({ m: 1.5 }, "m is 1.5");
  refuse({ b: { row: 8, column: 2 } }, "strides of B are 8 and 2");
  const transposed = { a: { row: 1, column: 4 }, b: { row: 1, column: 4 } };
  refuse(transposed, "A's along k is 4");
});
