/**
 * What a graph costs to evaluate: multiply-adds, elementwise work, elements
 * moved. The rewriting passes compare graphs by it; it predicts no times.
 */
import { sizeOf } from "../array.ts";
import { multiplyAdds } from "../graph/einsum.ts";
import { type Node, reachable } from "../graph/node.ts";
import { fixedBelow, type Frozen, NOTHING_FROZEN } from "./frozen.ts";

/** The unit: one multiply-add inside a register-blocked product. */
export const MULTIPLY_ADD = 1;
/**
 * One element through one elementwise operation. Products run near the peak of
 * the vector unit, everything else at a fraction of it.
 */
export const ELEMENT = 2;
/** One element added into a sum: read where it has just been computed. */
export const SUMMED = 1;
/** One row looked up or scattered: its index read and its address worked out. */
export const ROW = 32;
/** One element stored by a product, read again later. */
export const STORED = 2;
/** One element copied or added by a lookup, scatter or another data movement. */
export const MOVED = 4;
/** One element through exp, log, tanh and their like: a polynomial each. */
export const TRANSCENDENTAL = 16;
/** One division or square root, which vector units do not pipeline. */
export const DIVISION = 6;

/** The work of a graph, every node counted once however often it is used. */
export interface Cost {
  /** How many nodes there are, inputs and constants included. */
  readonly nodes: number;
  /** Multiplications with their additions in products. */
  readonly multiplyAdds: number;
  /** Bytes that products, lookups and movements write. */
  readonly bytes: number;
  /** Everything weighted together; what the passes lower. */
  readonly total: number;
}

/** The weighted work of one node, its operands not included. */
export function costOf(node: Node): number {
  const size = sizeOf(node.shape);
  switch (node.op) {
    case "input":
    case "variable":
    case "constant":
    case "iota":
    // Index maps: whoever reads them reads their operand.
    case "broadcast":
    case "reshape":
    case "stopGradient":
      return 0;
    case "einsum":
      return MULTIPLY_ADD * multiplyAdds(node) + STORED * size;
    case "gather":
      return MOVED * size + ROW * sizeOf(node.inputs[1]!.shape);
    case "transpose":
    case "slice":
    case "pad":
    case "concatenate":
      return MOVED * size;
    case "scatterAdd":
      return MOVED * sizeOf(node.inputs[1]!.shape) + STORED * size +
        ROW * sizeOf(node.inputs[0]!.shape);
    case "sum":
      return SUMMED * sizeOf(node.inputs[0]!.shape);
    case "max":
    case "argmax":
      return ELEMENT * sizeOf(node.inputs[0]!.shape);
    case "exp":
    case "log":
    case "tanh":
    case "sigmoid":
      return TRANSCENDENTAL * size;
    case "div":
    case "sqrt":
      return DIVISION * size;
    default:
      return ELEMENT * size;
  }
}

/**
 * The work of everything that some outputs depend on.
 *
 * @param outputs The outputs.
 * @param frozen Variables that stay for many steps: in the total, what they
 * alone decide counts once for so many.
 */
export function graphCost(
  outputs: readonly Node[],
  frozen: Frozen = NOTHING_FROZEN,
): Cost {
  const order = reachable(outputs);
  const fixed = fixedBelow(outputs, frozen);
  let products = 0;
  let elements = 0;
  let total = 0;
  for (const node of order) {
    total += costOf(node) / (fixed.has(node) ? frozen.steps : 1);
    products += multiplyAdds(node);
    if (WRITERS.has(node.op)) elements += sizeOf(node.shape);
  }
  return {
    nodes: order.length,
    multiplyAdds: products,
    bytes: 4 * elements,
    total,
  };
}

/** Operations whose results are written even where all else is fused. */
const WRITERS: ReadonlySet<Node["op"]> = new Set([
  "einsum",
  "gather",
  "scatterAdd",
  "transpose",
  "slice",
  "pad",
  "concatenate",
]);
