/**
 * Movements of data that merge, cancel, or need not be made: reshapes,
 * transposes, repetitions, sums, slices, pads and concatenations.
 */
import { sameShape } from "../../array.ts";
import { broadcast, sum } from "../../graph/broadcast.ts";
import { mul, neg } from "../../graph/elementwise.ts";
import {
  concatenate,
  pad,
  reshape,
  slice,
  transpose,
} from "../../graph/movement.ts";
import type { Graph, Node } from "../../graph/node.ts";
import type { Rule } from "../rewrite.ts";
import { countAlong, repeatedAxes, withoutAxes } from "./patterns.ts";

function input(graph: Graph, shape: readonly number[] = [2, 3]): Node {
  return graph.input("x", shape);
}

/** Rules about two movements in a row. */
const MERGED: readonly Rule[] = [
  {
    name: "reshape of a reshape",
    on: ["reshape"],
    rewrite: ({ inputs: [x], shape }) =>
      x!.op === "reshape" ? reshape(x!.inputs[0]!, shape) : null,
    example: (graph) => reshape(reshape(input(graph), [6]), [3, 2]),
  },
  {
    name: "reshape of a negative",
    on: ["reshape"],
    rewrite: ({ inputs: [x], shape }) =>
      x!.op === "neg" ? neg(reshape(x!.inputs[0]!, shape)) : null,
    example: (graph) => reshape(neg(input(graph)), [6]),
  },
  {
    name: "reshape of one repeated number",
    on: ["reshape"],
    rewrite({ inputs: [x], shape }) {
      if (x!.op !== "broadcast") return null;
      const [source] = x!.inputs as [Node];
      return source.shape.every((extent) => extent === 1)
        ? broadcast(reshape(source, []), shape)
        : null;
    },
    example: (graph) => reshape(broadcast(input(graph, []), [2, 3]), [6]),
  },
  {
    name: "leading axes of size 1 before a broadcast",
    on: ["broadcast"],
    rewrite({ inputs: [x], shape }) {
      if (x!.op !== "reshape") return null;
      const [source] = x!.inputs as [Node];
      const lead = x!.shape.length - source.shape.length;
      const added = lead > 0 && sameShape(x!.shape.slice(lead), source.shape) &&
        x!.shape.slice(0, lead).every((extent) => extent === 1);
      return added ? broadcast(source, shape) : null;
    },
    example: (graph) => broadcast(reshape(input(graph), [1, 2, 3]), [4, 2, 3]),
  },
  {
    name: "transpose of a transpose",
    on: ["transpose"],
    rewrite(node) {
      const [x] = node.inputs as [Node];
      if (node.op !== "transpose" || x.op !== "transpose") return null;
      const order = node.attrs.order.map((axis) => x.attrs.order[axis]!);
      return transpose(x.inputs[0]!, order);
    },
    example: (graph) => transpose(transpose(input(graph))),
  },
  {
    name: "broadcast of a broadcast",
    on: ["broadcast"],
    rewrite: ({ inputs: [x], shape }) =>
      x!.op === "broadcast" ? broadcast(x!.inputs[0]!, shape) : null,
    example: (graph) =>
      broadcast(broadcast(input(graph), [4, 2, 3]), [5, 4, 2, 3]),
  },
  {
    name: "sum of a sum",
    on: ["sum"],
    rewrite(node) {
      const [x] = node.inputs as [Node];
      if (node.op !== "sum" || x.op !== "sum") return null;
      return sum(x.inputs[0]!, [
        ...new Set([...node.attrs.axes, ...x.attrs.axes]),
      ], true);
    },
    example: (graph) => sum(sum(input(graph), [0], true), [1]),
  },
  {
    name: "sum of what is repeated",
    on: ["sum"],
    rewrite: sumOfBroadcast,
    example: (graph) => sum(broadcast(input(graph), [4, 2, 3]), [0]),
  },
];

/** Summing n copies is multiplying by n. */
function sumOfBroadcast(node: Node): Node | null {
  if (node.op !== "sum") return null;
  const [x] = node.inputs as [Node];
  const repeated = repeatedAxes(x).filter((axis) =>
    node.attrs.axes.includes(axis)
  );
  if (repeated.length === 0) return null;
  const once = withoutAxes(x, repeated)!;
  const rest = sum(once, node.attrs.axes, true);
  return mul(rest, countAlong(x.shape, repeated));
}

/** Rules about slices, pads and concatenations. */
const BLOCKS: readonly Rule[] = [
  {
    name: "slice of a slice",
    on: ["slice"],
    rewrite(node) {
      const [x] = node.inputs as [Node];
      if (node.op !== "slice" || x.op !== "slice") return null;
      const { start } = x.attrs;
      return slice(
        x.inputs[0]!,
        start.map((from, axis) => from + node.attrs.start[axis]!),
        start.map((from, axis) => from + node.attrs.end[axis]!),
      );
    },
    example: (graph) => slice(slice(input(graph), [0, 1]), [1, 0], [2, 1]),
  },
  {
    name: "slice inside what was padded",
    on: ["slice"],
    rewrite(node) {
      const [x] = node.inputs as [Node];
      if (node.op !== "slice" || x.op !== "pad") return null;
      const [source] = x.inputs as [Node];
      const { before } = x.attrs;
      const start = node.attrs.start.map((at, axis) => at - before[axis]!);
      const end = node.attrs.end.map((at, axis) => at - before[axis]!);
      const inside = start.every((at, axis) =>
        at >= 0 && end[axis]! <= source.shape[axis]!
      );
      return inside ? slice(source, start, end) : null;
    },
    example: (graph) =>
      slice(pad(input(graph), [1, 0], [0, 2]), [1, 1], [3, 3]),
  },
  {
    name: "pad of a pad",
    on: ["pad"],
    rewrite(node) {
      const [x] = node.inputs as [Node];
      if (node.op !== "pad" || x.op !== "pad") return null;
      const { before, after } = node.attrs;
      return pad(
        x.inputs[0]!,
        before.map((count, axis) => count + x.attrs.before[axis]!),
        after.map((count, axis) => count + x.attrs.after[axis]!),
      );
    },
    example: (graph) => pad(pad(input(graph), [1, 0], [0, 0]), [0, 1], [1, 0]),
  },
  {
    name: "slice of one part of a concatenation",
    on: ["slice"],
    rewrite: sliceOfPart,
    example(graph) {
      const x = input(graph);
      return slice(concatenate([x, x]), [0, 3], [2, 5]);
    },
  },
  {
    name: "concatenation of concatenations",
    on: ["concatenate"],
    rewrite(node) {
      if (node.op !== "concatenate") return null;
      const { axis } = node.attrs;
      const nested = (x: Node): boolean =>
        x.op === "concatenate" && x.attrs.axis === axis;
      if (!node.inputs.some(nested)) return null;
      const parts = node.inputs.flatMap((x) => nested(x) ? x.inputs : [x]);
      return concatenate(parts, axis);
    },
    example(graph) {
      const x = input(graph);
      return concatenate([concatenate([x, x]), x]);
    },
  },
];

function sliceOfPart(node: Node): Node | null {
  const [x] = node.inputs as [Node];
  if (node.op !== "slice" || x.op !== "concatenate") return null;
  const { axis } = x.attrs;
  const { start, end } = node.attrs;
  let at = 0;
  for (const part of x.inputs) {
    const next = at + part.shape[axis]!;
    if (start[axis]! >= at && end[axis]! <= next) {
      return slice(
        part,
        start.with(axis, start[axis]! - at),
        end.with(axis, end[axis]! - at),
      );
    }
    at = next;
  }
  return null;
}

/** Rules that merge and cancel movements. */
export const MOVEMENT_RULES: readonly Rule[] = [...MERGED, ...BLOCKS];
