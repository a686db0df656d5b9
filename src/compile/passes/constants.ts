/**
 * Constant folding, and elementwise work on repeated values done once before
 * they are repeated.
 */
import { type NDArray, sizeOf } from "../../array.ts";
import { broadcast } from "../../graph/broadcast.ts";
import { add, exp, mul } from "../../graph/elementwise.ts";
import type { Node } from "../../graph/node.ts";
import { recordOf } from "../../graph/ops.ts";
import { broadcastShapes, type Shape } from "../../graph/shape.ts";
import type { Rule } from "../rewrite.ts";
import { ELEMENTWISE_OPS, sourceOf } from "./patterns.ts";

/** Larger results stay computed: a module should not carry whole tables. */
const MAX_FOLDED = 256;

/** Rules that evaluate what is known and share what is repeated. */
export const CONSTANT_RULES: readonly Rule[] = [
  {
    name: "operation on constants",
    on: [
      ...ELEMENTWISE_OPS,
      "reshape",
      "transpose",
      "slice",
      "pad",
      "concatenate",
      "sum",
      "max",
      "argmax",
      "einsum",
      "gather",
    ],
    rewrite: foldConstants,
    example: (graph) => add(graph.constant([1, 2]), graph.constant([3, 4])),
  },
  {
    name: "elementwise operation on repeated values",
    on: ELEMENTWISE_OPS,
    rewrite: hoistBroadcast,
    example(graph) {
      const x = broadcast(graph.input("x", [3]), [4, 3]);
      return mul(exp(x), 2);
    },
  },
];

function foldConstants(node: Node): Node | null {
  const values: NDArray[] = [];
  for (const input of node.inputs) {
    if (input.op !== "constant") return null;
    values.push(input.attrs.value);
  }
  const size = sizeOf(node.shape);
  if (size > MAX_FOLDED) return null;
  const data = node.dtype === "int32"
    ? new Int32Array(size)
    : new Float64Array(size);
  const out: NDArray = { data, shape: node.shape };
  // Constants are kept as doubles, and rounded when they are used.
  recordOf(node).evaluate!(values, out, node.attrs as never);
  return node.graph.constant(out, node.dtype);
}

function hoistBroadcast(node: Node): Node | null {
  const { inputs } = node;
  if (!inputs.every(({ op }) => op === "broadcast")) return null;
  const sources = inputs.map(sourceOf);
  const shape = sources.reduce<Shape>(
    (all, source) => broadcastShapes(all, source.shape, "combine"),
    [],
  );
  if (sizeOf(shape) >= sizeOf(node.shape)) return null;
  const operands = sources.map((source) => broadcast(source, shape));
  const small = node.graph.intern(node.op, operands, node.attrs as never, {
    shape,
    dtype: node.dtype,
  });
  return broadcast(small, node.shape);
}
