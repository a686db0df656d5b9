// Emitted transpositions against two loops, and that nothing else is written.
import { assertEquals } from "@std/assert";
import { ModuleBuilder } from "../../src/wasm/assembler.ts";
import { emitTransposition } from "../../src/wasm/transposition.ts";

const SIZES = [1, 2, 3, 4, 5, 7, 8, 16, 17, 31, 33];
const SOURCE = 16;
const RESULT = 4096;
const CANARY = 777;

for (const padded of [false, true]) {
  const room = padded
    ? "may fill rows up to whole vectors"
    : "fills rows alone";
  Deno.test(`a transposition is right for all sizes, and ${room}`, () => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const floats = new Float32Array(memory.buffer);
    const module = new ModuleBuilder();
    module.importMemory("env", "memory", { initial: 1 });
    const cases = SIZES.flatMap((rows) =>
      SIZES.map((columns) => {
        const width = padded ? 4 * Math.ceil(rows / 4) : rows;
        return { rows, columns, from: columns + 3, to: width + 2, padded };
      })
    );
    for (const [at, transposition] of cases.entries()) {
      module.addFunction(`case${at}`, { export: true }, (f) => {
        const [source, result] = [f.local("i32"), f.local("i32")];
        f.i32Const(4 * SOURCE);
        f.localSet(source);
        f.i32Const(4 * RESULT);
        f.localSet(result);
        emitTransposition(f, transposition, source, result);
      });
    }
    const compiled = new WebAssembly.Module(module.finish());
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
    for (const [at, { rows, columns, from, to }] of cases.entries()) {
      floats.fill(CANARY);
      for (let i = SOURCE; i < RESULT; i++) floats[i] = i;
      const want = floats.slice(RESULT);
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          want[column * to + row] = floats[SOURCE + row * from + column]!;
        }
      }
      (exports[`case${at}`] as () => void)();
      const got = floats.slice(RESULT);
      // What lies between a row's end and its last vector's is free.
      for (let column = 0; padded && column < columns; column++) {
        got.fill(CANARY, column * to + rows, column * to + to - 2);
      }
      assertEquals(got, want, `${rows} by ${columns}`);
    }
  });
}
