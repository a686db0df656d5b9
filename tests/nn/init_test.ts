// First values: their distributions, and that a seed fixes them.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertLess,
} from "@std/assert";
import { lecunUniform, normal, zeros } from "../../src/nn/init.ts";
import { initialParameters, parameterShapes } from "../../src/nn/seq2seq.ts";
import { Random } from "../../src/random.ts";
import { ODD } from "./model_cases.ts";

function moment(data: Float32Array, power: number): number {
  return data.reduce((total, x) => total + x ** power, 0) / data.length;
}

Deno.test("zeros() are zeros of the shape, the scalar's included", () => {
  assertEquals(zeros([2, 3]), { data: new Float32Array(6), shape: [2, 3] });
  assertEquals(zeros([]), { data: new Float32Array(1), shape: [] });
  const shape = [2];
  assert(zeros(shape).shape !== shape, "the caller's array is kept");
});

Deno.test("normal() has the moments of a normal distribution", () => {
  const { data, shape } = normal([100, 400], 0.5, new Random(1));
  assertEquals(shape, [100, 400]);
  // Four standard errors each.
  assertAlmostEquals(moment(data, 1), 0, 4 * 0.5 / 200);
  assertAlmostEquals(moment(data, 2), 0.25, 4 * 0.25 * Math.SQRT2 / 200);
  assertAlmostEquals(moment(data, 3) / 0.5 ** 3, 0, 4 * Math.sqrt(15) / 200);
  assertAlmostEquals(moment(data, 4) / 0.5 ** 4, 3, 4 * Math.sqrt(96) / 200);
});

Deno.test("lecunUniform() is uniform and keeps the variance of a product", () => {
  const fanIn = 12;
  const bound = Math.sqrt(3 / fanIn);
  const { data, shape } = lecunUniform([fanIn, 3000], new Random(2));
  assertEquals(shape, [fanIn, 3000]);
  assertLess(data.reduce((a, b) => Math.max(a, Math.abs(b)), 0), bound);
  assertGreater(Math.max(...data), 0.99 * bound);
  assertLess(Math.min(...data), -0.99 * bound);
  const error = 1 / Math.sqrt(data.length);
  assertAlmostEquals(moment(data, 1), 0, 4 * error);
  assertAlmostEquals(moment(data, 2) * fanIn, 1, 4 * error);
  assertAlmostEquals(moment(data, 4) / bound ** 4, 1 / 5, 4 * error);
  // A row of ones times the matrix: sums of fanIn values, of variance 1.
  const sums = Float32Array.from({ length: 3000 }, (_, column) => {
    let total = 0;
    for (let row = 0; row < fanIn; row++) total += data[row * 3000 + column]!;
    return total;
  });
  assertAlmostEquals(moment(sums, 2), 1, 4 * Math.sqrt(2 / 3000));
});

Deno.test("values come from the generator in order, so a seed fixes them", () => {
  const random = new Random(3);
  const wanted = Float32Array.from({ length: 5 }, () => 2 * random.normal());
  assertEquals(normal([5], 2, new Random(3)).data, wanted);
  const uniform = new Random(3);
  const values = Array.from({ length: 6 }, () => uniform.uniform());
  assertEquals(
    lecunUniform([3, 2], new Random(3)).data,
    Float32Array.from(values, (x) => 2 * x - 1),
  );
});

Deno.test("first parameters have their shapes, and biases are 0", () => {
  const parameters = initialParameters(ODD, new Random(0, "init"));
  const shapes = parameterShapes(ODD);
  assertEquals(Object.keys(parameters), Object.keys(shapes));
  for (const [name, { data, shape }] of Object.entries(parameters)) {
    assertEquals(shape, shapes[name as keyof typeof shapes]);
    assertEquals(data.every((x) => x === 0), name.endsWith("bias"), name);
  }
  assertEquals(parameters, initialParameters(ODD, new Random(0, "init")));
});
