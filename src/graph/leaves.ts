/**
 * Nodes without operands. Where their values come from is the run's business;
 * only constants and iota have one of their own.
 */
import type { Node, NodeType, OpName } from "./node.ts";
import type { OpFamily } from "./op.ts";
import { ShapeError } from "./shape.ts";

/** The op records of this family. */
export const LEAVES: OpFamily<"input" | "variable" | "constant" | "iota"> = {
  input: { infer: given, vjp: null, evaluate: null },
  variable: { infer: given, vjp: null, evaluate: null },
  constant: {
    infer: (_, { value }) => ({
      shape: value.shape,
      dtype: value.data instanceof Int32Array ? "int32" : "float32",
    }),
    vjp: null,
    evaluate: (_, out, { value }) => out.data.set(value.data),
  },
  iota: {
    infer: (_, { size }) => ({ shape: [size], dtype: "int32" }),
    vjp: null,
    evaluate(_, out) {
      for (let i = 0; i < out.data.length; i++) out.data[i] = i;
    },
  },
};

/** Shape and dtype of these are declared, not derived. */
function given(): NodeType {
  throw new Error("internal: inputs and variables have no shape rule");
}

/** Whether nodes of this operation have no operands. */
export function isLeaf(op: OpName): op is keyof typeof LEAVES {
  return op in LEAVES;
}

/** The integers 0 to size - 1 along one axis, int32, in the graph of `like`. */
export function iota(like: Node, size: number): Node {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new ShapeError(
      `Cannot count to ${size}: wanted a non-negative integer`,
    );
  }
  const attrs = { size };
  return like.graph.intern("iota", [], attrs, LEAVES.iota.infer([], attrs));
}
