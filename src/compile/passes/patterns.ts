/**
 * Questions that several rules ask about nodes. Rewrites nothing.
 */
import { sizeOf } from "../../array.ts";
import { broadcast } from "../../graph/broadcast.ts";
import type { Node } from "../../graph/node.ts";
import { reduceShape, type Shape } from "../../graph/shape.ts";

/** The number that every element is, if it is known and all are the same. */
export function uniformValue(node: Node): number | null {
  let source = node;
  while (source.op === "broadcast" || source.op === "reshape") {
    source = source.inputs[0]!;
  }
  if (source.op !== "constant") return null;
  const { data } = source.attrs.value;
  const [first] = data;
  if (first === undefined) return null;
  return data.every((value) => Object.is(value, first)) ? first : null;
}

/** Whether every element is that number. */
export function isUniform(node: Node, value: number): boolean {
  return uniformValue(node) === value;
}

/** The smallest node whose broadcast this is; the node itself if it is none. */
export function sourceOf(node: Node): Node {
  return node.op === "broadcast" ? node.inputs[0]! : node;
}

/** The axes along which a broadcast repeats its source. */
export function repeatedAxes(node: Node): readonly number[] {
  if (node.op !== "broadcast") return [];
  const { shape } = node.inputs[0]!;
  const offset = node.shape.length - shape.length;
  return [...node.shape.keys()].filter((axis) =>
    node.shape[axis] !== 1 && (axis < offset || shape[axis - offset] === 1)
  );
}

/**
 * A value repeated along some axes at least, with these axes of size 1 instead;
 * null if it is not.
 */
export function withoutAxes(
  node: Node,
  axes: readonly number[],
): Node | null {
  const repeated = repeatedAxes(node);
  if (
    !axes.every((axis) => repeated.includes(axis) || node.shape[axis] === 1)
  ) {
    return null;
  }
  const shape = reduceShape(node.shape, axes);
  const source = sourceOf(node);
  // The source may lack leading axes; broadcasting supplies them.
  return broadcast(source, shape);
}

/** How often the elements along some axes are repeated. */
export function countAlong(shape: Shape, axes: readonly number[]): number {
  return sizeOf(axes.map((axis) => shape[axis]!));
}

/** Operations that work element by element on operands of one shape. */
export const ELEMENTWISE_OPS = [
  "neg",
  "abs",
  "exp",
  "log",
  "tanh",
  "sqrt",
  "sigmoid",
  "cast",
  "add",
  "sub",
  "mul",
  "div",
  "maximum",
  "minimum",
  "equal",
  "less",
  "lessEqual",
  "select",
] as const;
