/**
 * How each of our operations is said in ONNX: one rule an operation, most of
 * them one operator. What is not computed has no rule: it is fed at every run,
 * or part of the file.
 *
 * Conditions are int32 with us and bool in ONNX: a comparison gives a bool and
 * a cast of it; whoever can takes the bool, and casts nobody needs are not
 * written.
 */
import { sizeOf } from "../array.ts";
import { rolesOf } from "../graph/einsum.ts";
import type { Node, NodeOf, OpName } from "../graph/node.ts";
import { ELEMENT } from "./messages.ts";
import type { Trace } from "./trace.ts";
import type { Writer } from "./writer.ts";

/** What a rule works with. */
export interface Site {
  /** The file being written. */
  readonly writer: Writer;
  /** What of the graph depends on the batch. */
  readonly trace: Trace;
  /** The bool behind a condition, where there is one. */
  readonly booleans: Map<Node, string>;
}

/** Writes a node, given the names of its operands; gives that of its value. */
export type Rule<K extends OpName> = (
  site: Site,
  inputs: readonly string[],
  node: NodeOf<K>,
) => string;

/** The operations that are computed; the others are given. */
export type Inner = Exclude<OpName, "input" | "variable" | "constant">;

/** The rule of every operation; a missing one is a type error. */
export const RULES: { readonly [K in Inner]: Rule<K> } = {
  iota({ writer, trace }, _, node) {
    if (trace.shape(node)[0]!.times === 0) {
      const data = Int32Array.from({ length: node.attrs.size }, (_, at) => at);
      const { shape } = node;
      return writer.tensor({ type: "int32", shape, data });
    }
    const size = writer.extents(trace.shape(node));
    const limit = writer.apply("Cast", [
      writer.apply("Squeeze", [size]),
    ], { to: ELEMENT.int32 });
    const [from, step] = [0, 1].map((each) => writer.scalar("int32", each));
    return writer.apply("Range", [from!, limit, step!]);
  },
  neg: one("Neg"),
  abs: one("Abs"),
  exp: one("Exp"),
  log: one("Log"),
  tanh: one("Tanh"),
  sqrt: one("Sqrt"),
  sigmoid: one("Sigmoid"),
  add: one("Add"),
  sub: one("Sub"),
  mul: one("Mul"),
  div: one("Div"),
  maximum: one("Max"),
  minimum: one("Min"),
  equal: comparison("Equal"),
  less: comparison("Less"),
  lessEqual: comparison("LessOrEqual"),
  select({ writer, booleans }, [condition, a, b], { inputs }) {
    // What broadcasts a condition broadcasts its bool as well.
    const source = withoutBroadcast(inputs[0]!);
    const bool = booleans.get(source) ??
      writer.apply("Cast", [condition!], { to: ELEMENT.bool });
    return writer.apply("Where", [bool, a!, b!]);
  },
  cast({ writer }, [x], { attrs: { dtype }, inputs: [from] }) {
    const to = { to: ELEMENT[dtype] };
    if (dtype === "float32" || from!.dtype === "int32") {
      return writer.apply("Cast", [x!], to);
    }
    // ONNX leaves open what becomes of NaN and of what no int32 can hold.
    const high = writer.scalar("float32", 2 ** 31 - 128);
    const low = writer.scalar("float32", -(2 ** 31));
    const nan = writer.apply("IsNaN", [x!]);
    const number = writer.apply("Where", [
      nan,
      writer.scalar("float32", 0),
      x!,
    ]);
    const above = writer.apply("Greater", [number, high]);
    const inside = writer.apply("Clip", [number, low, high]);
    const integer = writer.apply("Cast", [inside], to);
    const largest = writer.scalar("int32", 2 ** 31 - 1);
    return writer.apply("Where", [above, largest, integer]);
  },
  stopGradient: (_, [x]) => x!,
  reshape({ writer, trace }, [x], node) {
    const extents = trace.shape(node);
    const varying = extents.filter(({ times }) => times !== 0).length;
    // One unknown size can be left to the reader, unless there is a size 0,
    // which otherwise would stand for the operand's own size.
    if (varying <= 1 && !node.shape.includes(0)) {
      const shape = extents.map(({ times, plus }) => times === 0 ? plus : -1);
      return writer.apply("Reshape", [x!, writer.list(shape)]);
    }
    const shape = writer.extents(extents);
    return writer.apply("Reshape", [x!, shape], { allowzero: 1 });
  },
  transpose: ({ writer }, [x], { attrs: { order } }) =>
    writer.apply("Transpose", [x!], { perm: order }),
  slice({ writer, trace }, [x], node) {
    const { inputs: [from] } = node;
    const start = trace.extents(node, ({ attrs }) => attrs.start);
    const end = trace.extents(node, ({ attrs }) => attrs.end);
    const axes = [...node.shape.keys()].filter((axis) =>
      node.shape[axis] !== from!.shape[axis]
    );
    const among = <T>(values: readonly T[]): T[] =>
      axes.map((axis) => values[axis]!);
    return writer.apply("Slice", [
      x!,
      writer.extents(among(start)),
      writer.extents(among(end)),
      writer.list(axes),
    ]);
  },
  pad({ writer, trace }, [x], node) {
    const counts = trace.extents(
      node,
      ({ attrs }) => [...attrs.before, ...attrs.after],
    );
    return writer.apply("Pad", [x!, writer.extents(counts)]);
  },
  concatenate: ({ writer }, inputs, { attrs: { axis } }) =>
    writer.apply("Concat", inputs, { axis }),
  broadcast: ({ writer, trace }, [x], node) =>
    writer.apply("Expand", [x!, writer.extents(trace.shape(node))]),
  sum: ({ writer }, [x], { attrs: { axes } }) =>
    writer.apply("ReduceSum", [x!, writer.list(axes)]),
  max: ({ writer }, [x], { attrs: { axes } }) =>
    writer.apply("ReduceMax", [x!], { axes }),
  argmax({ writer, trace }, [x], node) {
    const { attrs: { axes }, inputs: [from] } = node;
    const cast = { to: ELEMENT.int32 };
    if (axes.length === 1) {
      const at = writer.apply("ArgMax", [x!], { axis: axes[0]! });
      return writer.apply("Cast", [at], cast);
    }
    // Several axes become one, the last, in the order in which they count.
    const kept = [...from!.shape.keys()].filter((axis) => !axes.includes(axis));
    const sizes = trace.shape(from!);
    const order = { perm: [...kept, ...axes] };
    const moved = writer.apply("Transpose", [x!], order);
    const count = trace.extents(
      node,
      ({ inputs }) => [sizeOf(axes.map((axis) => inputs[0]!.shape[axis]!))],
    );
    const lead = writer.extents([
      ...kept.map((axis) => sizes[axis]!),
      ...count,
    ]);
    const flat = writer.apply("Reshape", [moved, lead], { allowzero: 1 });
    const at = writer.apply("ArgMax", [flat], { axis: kept.length });
    const shape = writer.extents(trace.shape(node));
    const placed = writer.apply("Reshape", [at, shape], { allowzero: 1 });
    return writer.apply("Cast", [placed], cast);
  },
  einsum({ writer }, [a, b], { attrs: { labels } }) {
    const { batch, m, n, k } = rolesOf(labels);
    // MatMul wants a = (batch, m, k) and b = (batch, k, n); where the batch is
    // empty, m may be several axes.
    const isProduct = k.length === 1 && n.length === 1 &&
      (batch === "" ? m !== "" : m.length === 1) &&
      labels.a === batch + m + k && labels.out === batch + m + n;
    if (!isProduct || labels.b.length !== batch.length + 2) {
      const equation = `${labels.a},${labels.b}->${labels.out}`;
      return writer.apply("Einsum", [a!, b!], { equation });
    }
    const perm = Array.from(batch + k + n, (label) => labels.b.indexOf(label));
    const right = perm.every((axis, at) => axis === at)
      ? b!
      : writer.apply("Transpose", [b!], { perm });
    return writer.apply("MatMul", [a!, right]);
  },
  gather: ({ writer }, [table, indices]) =>
    writer.apply("Gather", [table!, indices!], { axis: 0 }),
  scatterAdd({ writer, trace }, [indices, updates], node) {
    const shape = writer.extents(trace.shape(node));
    // Its value is 0 unless told.
    const zeros = writer.apply("ConstantOfShape", [shape]);
    const wide = writer.apply("Cast", [indices!], { to: ELEMENT.int64 });
    const rows = writer.apply("Unsqueeze", [wide, writer.list([-1])]);
    const reduction = "add";
    return writer.apply("ScatterND", [zeros, rows, updates!], { reduction });
  },
};

/** What is repeated to give this node, the node itself if nothing is. */
export function withoutBroadcast(node: Node): Node {
  return node.op === "broadcast" ? node.inputs[0]! : node;
}

function one(type: string): Rule<Inner> {
  return ({ writer }, inputs) => writer.apply(type, inputs);
}

function comparison(type: string): Rule<Inner> {
  return ({ writer, booleans }, inputs, node) => {
    const bool = writer.apply(type, inputs);
    booleans.set(node as Node, bool);
    return writer.apply("Cast", [bool], { to: ELEMENT.int32 });
  };
}
