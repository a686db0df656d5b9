// What the tests of rewriting need: values for any graph, and a comparison of
// two graphs by the interpreter in float64.
import { assert, assertEquals } from "@std/assert";
import { type NDArray, sizeOf } from "../../src/array.ts";
import { multiplyAdds } from "../../src/graph/einsum.ts";
import { Graph, type Node, reachable } from "../../src/graph/node.ts";
import { mean } from "../../src/graph/reduce.ts";
import { adam } from "../../src/nn/adam.ts";
import {
  declareParameters,
  parameterShapes,
  score,
  teacherForced,
} from "../../src/nn/seq2seq.ts";
import { Random } from "../../src/random.ts";
import { compile, type Feeds } from "../../src/run/plan.ts";

/** Random numbers off 0. */
export function draw(random: Random, shape: readonly number[]): NDArray {
  const data = Float64Array.from({ length: sizeOf(shape) }, () => {
    const magnitude = 0.1 + random.uniform();
    return random.below(2) === 0 ? magnitude : -magnitude;
  });
  return { data, shape };
}

/** A value for every input; integers are 0 or 1. */
export function feedsFor(outputs: readonly Node[], seed = 1): Feeds {
  const random = new Random(seed);
  const feeds: Record<string, NDArray> = {};
  for (const node of reachable(outputs)) {
    if (node.op !== "input") continue;
    feeds[node.attrs.name] = node.dtype === "float32"
      ? draw(random, node.shape)
      : {
        data: Int32Array.from(
          { length: sizeOf(node.shape) },
          () => random.below(2),
        ),
        shape: node.shape,
      };
  }
  return feeds;
}

/** The values of some nodes in float64; an input may not matter any more. */
export function valuesOf(outputs: readonly Node[], feeds: Feeds): NDArray[] {
  const names = new Set(
    reachable(outputs).flatMap((node) =>
      node.op === "input" ? [node.attrs.name] : []
    ),
  );
  const plan = compile({
    outputs: Object.fromEntries(outputs.map((node, at) => [at, node])),
    precision: "float64",
  });
  const needed = Object.entries(feeds).filter(([name]) => names.has(name));
  return Object.values(plan.run(Object.fromEntries(needed)));
}

/** Within 1e-9 of max(1, the largest); infinities equal. */
export function assertSameValues(
  before: readonly Node[],
  after: readonly Node[],
  feeds: Feeds,
  name: string,
): void {
  const wanted = valuesOf(before, feeds);
  for (const [at, got] of valuesOf(after, feeds).entries()) {
    const want = wanted[at]!;
    assertEquals(got.shape, want.shape, name);
    let scale = 1;
    for (const x of want.data) {
      if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
    }
    for (const [i, x] of want.data.entries()) {
      const y = got.data[i]!;
      assert(
        Object.is(x, y) || x === y || Math.abs(x - y) <= 1e-9 * scale,
        `${name}: output ${at}, element ${i} is ${y}, wanted ${x}`,
      );
    }
  }
}

/** The sizes of one training step of the model. */
export interface Shape {
  readonly batch: number;
  readonly srcLength: number;
  readonly tgtLength: number;
  readonly vocabSize: number;
  readonly dModel: number;
  readonly dK: number;
  readonly dV: number;
}

/** Equal lengths and widths, as the benchmarks have them. */
export function square(
  batch: number,
  length: number,
  vocabSize: number,
  width: number,
): Shape {
  return {
    batch,
    srcLength: length,
    tgtLength: length,
    vocabSize,
    dModel: width,
    dK: width,
    dV: width,
  };
}

/** The four shapes that are measured. */
export const SHAPES: Readonly<Record<string, Shape>> = {
  TINY: square(32, 8, 12, 32),
  SMALL: square(64, 10, 20, 64),
  MEDIUM: square(64, 20, 64, 128),
  LARGE: square(64, 32, 128, 256),
};

/** Loss, accuracy and all updates of one training step. */
export function trainingStep(shape: Shape): Node[] {
  const shapes = parameterShapes(shape);
  const random = new Random(1);
  const graph = new Graph();
  const parameters = declareParameters(graph, (name) =>
    // Large tables are counted, never evaluated.
    shape.vocabSize > 1000
      ? { data: new Float32Array(sizeOf(shapes[name])), shape: shapes[name] }
      : draw(random, shapes[name]));
  const { batch, srcLength, tgtLength } = shape;
  const source = graph.input("source", [batch, srcLength], "int32");
  const target = graph.input("target", [batch, tgtLength], "int32");
  const learningRate = graph.input("learning_rate", []);
  const { logits } = teacherForced(parameters, source, target);
  const perToken = score(logits, target);
  const loss = mean(perToken.loss);
  const updates = adam(loss, Object.values(parameters), { learningRate });
  return [loss, mean(perToken.correct), ...updates.map(([, value]) => value)];
}

/** All multiply-adds of a graph. */
export function totalMultiplyAdds(outputs: readonly Node[]): number {
  return reachable(outputs).reduce((sum, node) => sum + multiplyAdds(node), 0);
}

/** Sums of float32 in another order differ by a few units in the last place. */
const TOLERANCE = 1e-5;

/** Within 1e-5 of the largest; infinities and NaN in the same places. */
export function assertAgree(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  name: string,
  tolerance: number = TOLERANCE,
): void {
  assertEquals(got.length, want.length, name);
  let scale = 1e-3;
  for (let i = 0; i < want.length; i++) {
    const size = Math.abs(want[i]!);
    if (Number.isFinite(size)) scale = Math.max(scale, size);
  }
  for (let i = 0; i < want.length; i++) {
    const [x, y] = [got[i]!, want[i]!];
    assert(
      Object.is(x, y) || x === y || Math.abs(x - y) <= tolerance * scale,
      `${name}[${i}] is ${x}, wanted ${y}`,
    );
  }
}
