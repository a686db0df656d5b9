// Vector functions against Math in float64: error in ulp over a sweep of bit patterns, and special values.

import { assert, assertEquals } from "@std/assert";
import { ModuleBuilder } from "../../src/wasm/assembler.ts";
import { type VectorFunction, VectorMath } from "../../src/wasm/vector_math.ts";

const REFERENCE: Record<VectorFunction, (x: number) => number> = {
  exp: Math.exp,
  expNotPositive: Math.exp,
  log: Math.log,
  tanh: Math.tanh,
  sigmoid: (x) => Math.exp(Math.min(x, 0)) / (1 + Math.exp(-Math.abs(x))),
};
const NAMES = Object.keys(REFERENCE) as VectorFunction[];
const COUNT = 1 << 15;
/** Set in every argument that a function promises nothing above zero for. */
const SIGN = (name: VectorFunction): number =>
  name === "expNotPositive" ? 0x80000000 : 0;

interface Runner {
  readonly input: Uint32Array;
  readonly output: Float32Array;
  run(): void;
}

/** A module that applies one function to `COUNT` floats at 0 and writes the results behind them. */
function runner(name: VectorFunction, relaxed: boolean): Runner {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", { initial: COUNT / 8192 });
  module.addFunction("apply", { export: true }, (f) => {
    const math = new VectorMath(f, [name], { relaxed });
    const at = f.local("i32");
    f.forRange(at, 0, 4 * COUNT, 16, () => {
      f.localGet(at);
      f.localGet(at);
      f.memory("v128.load");
      math.emit(name);
      f.memory("v128.store", 4 * COUNT);
    });
    math.release();
  });
  const memory = new WebAssembly.Memory({ initial: COUNT / 8192 });
  const compiled = new WebAssembly.Module(module.finish());
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  return {
    input: new Uint32Array(memory.buffer, 0, COUNT),
    output: new Float32Array(memory.buffer, 4 * COUNT, COUNT),
    run: exports.apply as () => void,
  };
}

const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

/** Distance of float32 numbers at `x`; at infinity that below it. */
function ulp(x: number): number {
  FLOAT[0] = x;
  const exponent = (BITS[0]! >>> 23) & 0xff;
  return 2 ** (Math.min(Math.max(exponent, 1), 254) - 150);
}

/** Error in ulp; infinite when one is NaN or infinite and the other not, or a zero has the wrong sign. */
function errorInUlp(got: number, want: number): number {
  const rounded = Math.fround(want);
  if (!Number.isFinite(got) || !Number.isFinite(rounded)) {
    return Object.is(got, rounded) ? 0 : Infinity;
  }
  if (got === 0 && want === 0 && !Object.is(got, want)) return Infinity;
  return Math.abs(got - want) / ulp(want);
}

/** Largest error over about `samples` bit patterns, evenly spread over all 2^32. */
function sweep(name: VectorFunction, relaxed: boolean, samples: number) {
  const { input, output, run } = runner(name, relaxed);
  const floats = new Float32Array(input.buffer, 0, COUNT);
  const reference = REFERENCE[name];
  const sign = SIGN(name);
  // An odd step meets every low bit pattern.
  const step = Math.floor(2 ** 32 / samples) | 1;
  let worst = { error: 0, x: 0, got: 0, want: 0 };
  let next = 0;
  while (next < 2 ** 32) {
    for (let i = 0; i < COUNT; i++, next += step) input[i] = next | sign;
    run();
    for (let i = 0; i < COUNT; i++) {
      const x = floats[i]!;
      const want = reference(x);
      const got = output[i]!;
      const error = errorInUlp(got, want);
      if (error > worst.error) worst = { error, x, got, want };
    }
  }
  return worst;
}

for (const name of NAMES) {
  Deno.test(`${name} is within 2 ulp over all bit patterns, fused or not`, () => {
    for (const relaxed of [true, false]) {
      const worst = sweep(name, relaxed, 1_500_000);
      assert(worst.error <= 2, JSON.stringify({ relaxed, ...worst }));
      // A sweep that measures nothing would pass as well.
      assert(worst.error > 0.5, JSON.stringify({ relaxed, ...worst }));
    }
  });

  Deno.test(`${name} gives Math's values at special points`, () => {
    const denormal = 2 ** -149;
    const points = [
      0,
      -0,
      Infinity,
      -Infinity,
      NaN,
      1,
      -1,
      denormal,
      -denormal,
    ];
    points.push(2 ** -126, 89, -87.5, -103.5, -104, -150, 3.4e38, -3.4e38, 10);
    for (const relaxed of [true, false]) {
      const { input, output, run } = runner(name, relaxed);
      const floats = new Float32Array(input.buffer, 0, COUNT);
      floats.set(points);
      points.forEach((_, i) => input[i]! |= SIGN(name));
      run();
      points.forEach((x, i) => {
        const want = REFERENCE[name](floats[i]!);
        const error = errorInUlp(output[i]!, want);
        assert(error <= 2, `${name}(${x}) is ${output[i]}, wanted ${want}`);
      });
    }
  });
}

Deno.test("tanh and exp are exact where their value is a float32", () => {
  const { input, output, run } = runner("tanh", true);
  const floats = new Float32Array(input.buffer, 0, COUNT);
  const tiny = [2 ** -140, -(2 ** -149), 2 ** -60, -0];
  floats.set([...tiny, 20, -20, Infinity, -Infinity]);
  run();
  assertEquals([...output.subarray(0, 8)], [...tiny, 1, -1, 1, -1]);
  const exp = runner("exp", true);
  new Float32Array(exp.input.buffer).set([0, -0, -Infinity, -1000]);
  exp.run();
  assertEquals([...exp.output.subarray(0, 4)], [1, 1, 0, 0]);
});
