/**
 * The loops that nodes run in, and what kind of work they are. Pure functions
 * of nodes and shapes.
 */
import type { Node } from "../graph/node.ts";

/** Loops over rows: outer extents, sizes of 1 left out, and that of a row. */
export interface Space {
  readonly outer: readonly number[];
  readonly row: number;
}

/**
 * The strides of a value under a group's loops, or null if its shape is not
 * that of the loops. A value with one element a row has stride 0 along it.
 */
export function loopStrides(
  strides: readonly number[],
  shape: readonly number[],
  { outer, row }: Space,
): number[] | null {
  const axes = [...shape.keys()].filter((axis) => shape[axis] !== 1);
  const extents = axes.map((axis) => shape[axis]!);
  const found = axes.map((axis) => strides[axis]!);
  if (row !== 1 && same(extents, [...outer, row])) return found;
  return same(extents, outer) ? [...found, 0] : null;
}

/** The loops a node runs in by itself. */
export function spaceOf(node: Node, stage: number): Space {
  return spaceOver(iterationShape(node), stage);
}

/** Loops over a shape. */
export function spaceOver(shape: readonly number[], stage: number): Space {
  const extents = withoutOnes(shape);
  // In a loop over tiles the first extent is the batch, never a row.
  const least = stage % 2 === 1 ? 1 : 0;
  if (extents.length <= least) return { outer: extents, row: 1 };
  return { outer: extents.slice(0, -1), row: extents.at(-1)! };
}

/** Reductions and copies run over what they read, others over their result. */
export function iterationShape(node: Node): readonly number[] {
  switch (node.op) {
    case "sum":
    case "max":
    case "argmax":
    case "reshape":
      return node.inputs[0]!.shape;
    case "scatterAdd":
      return node.inputs[1]!.shape;
    default:
      return node.shape;
  }
}

/** Whether a node reduces the last axis alone. */
export function isRowReduction(node: Node): boolean {
  if (node.op !== "sum" && node.op !== "max" && node.op !== "argmax") {
    return false;
  }
  const { shape } = node.inputs[0]!;
  const axes = node.attrs.axes.filter((axis) => shape[axis] !== 1);
  return axes.length === 1 && axes[0] === shape.length - 1;
}

/** Whether a node sums or picks over axes. */
export function isReduction(node: Node): boolean {
  switch (node.op) {
    case "sum":
    case "max":
    case "argmax":
      // Over axes of size 1 they only copy.
      return node.attrs.axes.some((axis) => node.inputs[0]!.shape[axis] !== 1);
    default:
      return node.op === "scatterAdd";
  }
}

/** Whether a node may share loops; products and assemblies stand alone. */
export function isFusable(node: Node): boolean {
  switch (node.op) {
    case "einsum":
    case "concatenate":
    case "pad":
      return false;
    default:
      return true;
  }
}

/** Whether computing a value takes no longer than reading it. */
export function isCheap({ op }: Node): boolean {
  switch (op) {
    case "add":
    case "sub":
    case "mul":
    case "neg":
    case "abs":
    case "maximum":
    case "minimum":
    case "equal":
    case "less":
    case "lessEqual":
    case "select":
    case "cast":
      return true;
    default:
      return false;
  }
}

/** Extents without those of size 1. */
export function withoutOnes(shape: readonly number[]): number[] {
  return shape.filter((extent) => extent !== 1);
}

/** Whether two spaces have the same loops. */
export function sameSpace(a: Space, b: Space): boolean {
  return a.row === b.row && same(a.outer, b.outer);
}

/** Whether two lists of numbers are equal. */
export function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at]);
}
