// What a case of the operation table is, and the ways to draw its inputs.
// It asserts nothing and runs nothing: any executor may be put to the table.
import type { NDArray } from "../../../src/array.ts";
import { sizeOf } from "../../../src/array.ts";
import { sum } from "../../../src/graph/broadcast.ts";
import { mul } from "../../../src/graph/elementwise.ts";
import { grad } from "../../../src/graph/grad.ts";
import { type DType, Graph, type Node } from "../../../src/graph/node.ts";
import type { Shape } from "../../../src/graph/shape.ts";
import { Random } from "../../../src/random.ts";

/** One operand: its type and how its elements are drawn. */
export interface CaseInput {
  readonly shape: Shape;
  readonly dtype: DType;
  /** `sizeOf(shape)` elements, always the same ones from the same generator. */
  readonly fill: (random: Random) => number[];
}

/** One use of an operation or composite. */
export interface OpCase {
  /** The name in OPS, or that of the composite. */
  readonly op: string;
  /** Unique among the cases of `op`. */
  readonly name: string;
  readonly inputs: readonly CaseInput[];
  readonly build: (...operands: Node[]) => Node;
  /** Which inputs a gradient exists for, at the values drawn. */
  readonly differentiable: readonly number[];
}

/** A case as graph, ready to be compiled in any way. */
export interface CaseGraph {
  readonly graph: Graph;
  /** The inputs `x0`, `x1`, … */
  readonly inputs: readonly Node[];
  /**
   * `y`, and where something is differentiable `loss`, a random projection of
   * it, and its gradients `d0`, `d2`, … by input.
   */
  readonly outputs: Readonly<Record<string, Node>>;
  /** Values that a float32 holds exactly, so that every precision sees them. */
  readonly feeds: Readonly<Record<string, NDArray>>;
}

/** Draws the values and builds the graph of a case. */
export function graphOf(opCase: OpCase): CaseGraph {
  const random = new Random(0, `${opCase.op}: ${opCase.name}`);
  const graph = new Graph();
  const feeds: Record<string, NDArray> = {};
  const inputs = opCase.inputs.map(({ shape, dtype, fill }, at) => {
    const values = fill(random);
    const data = dtype === "int32"
      ? Int32Array.from(values)
      : Float64Array.from(values, Math.fround);
    feeds[`x${at}`] = { data, shape };
    return graph.input(`x${at}`, shape, dtype);
  });
  const y = opCase.build(...inputs);
  const outputs: Record<string, Node> = { y };
  if (opCase.differentiable.length > 0) {
    const projection = Float64Array.from(
      { length: sizeOf(y.shape) },
      () => Math.fround(between(random, 0.5, 2) * sign(random)),
    );
    const loss = sum(
      mul(y, graph.constant({ data: projection, shape: y.shape })),
    );
    const targets = opCase.differentiable.map((at) => inputs[at]!);
    outputs.loss = loss;
    for (const [at, gradient] of grad(loss, targets).entries()) {
      outputs[`d${opCase.differentiable[at]}`] = gradient;
    }
  }
  return { graph, inputs, outputs, feeds };
}

/** Makes a case; every float32 input is differentiable unless told. */
export function opCase(
  op: string,
  name: string,
  inputs: readonly CaseInput[],
  build: (...operands: Node[]) => Node,
  differentiable: readonly number[] = inputs.flatMap(({ dtype }, at) =>
    dtype === "float32" ? [at] : []
  ),
): OpCase {
  return { op, name, inputs, build, differentiable };
}

/** Uniform in [low, high). */
export function uniform(shape: Shape, low = -2, high = 2): CaseInput {
  return float(shape, (random) => between(random, low, high));
}

/** Of either sign, magnitude at least `gap`: off the kink or pole at 0. */
export function away(shape: Shape, gap = 0.2): CaseInput {
  return float(shape, (random) => between(random, gap, 2) * sign(random));
}

/**
 * No two elements closer than 0.05, nor any two of inputs whose `offset`
 * differs by 0.1: off the kinks where values are equal.
 */
export function distinct(shape: Shape, offset = 0): CaseInput {
  const size = sizeOf(shape);
  return {
    shape,
    dtype: "float32",
    fill: (random) =>
      Array.from(
        random.permutation(size),
        (rank) =>
          (rank - size / 2) * 0.2 + offset + between(random, -0.02, 0.02),
      ),
  };
}

/** int32, uniform in [low, high). */
export function integers(shape: Shape, low: number, high: number): CaseInput {
  return {
    shape,
    dtype: "int32",
    fill: (random) =>
      Array.from(
        { length: sizeOf(shape) },
        () => low + random.below(high - low),
      ),
  };
}

/** These values and no others. */
export function exactly(
  shape: Shape,
  values: readonly number[],
  dtype: DType = "float32",
): CaseInput {
  return { shape, dtype, fill: () => [...values] };
}

function float(shape: Shape, draw: (random: Random) => number): CaseInput {
  return {
    shape,
    dtype: "float32",
    fill: (random) => Array.from({ length: sizeOf(shape) }, () => draw(random)),
  };
}

function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random.uniform();
}

function sign(random: Random): number {
  return random.below(2) === 0 ? -1 : 1;
}
