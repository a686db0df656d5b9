/**
 * A graph of ours as an ONNX file, its batch left open: traces which sizes
 * depend on the batch, names the values, has every node written by its rule.
 */
import { describe, sameShape } from "../array.ts";
import type { Node, NodeOf } from "../graph/node.ts";
import { broadcastShapes } from "../graph/shape.ts";
import type { Variables } from "../run/variables.ts";
import { VERSION } from "../version.ts";
import { encodeModel, type ValueInfo } from "./messages.ts";
import {
  type Inner,
  type Rule,
  RULES,
  type Site,
  withoutBroadcast,
} from "./rules.ts";
import { type Extent, Trace } from "./trace.ts";
import { type BatchAxis, Writer } from "./writer.ts";

/** Options of {@linkcode toOnnx}. */
export interface OnnxOptions {
  /** The name of the graph; `"weft"` by default. */
  readonly name?: string;
  /** Where the variables' values are; by default they are the first ones. */
  readonly variables?: Variables;
  /** Whatever a reader of the file may want to know. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes a graph as an ONNX file (opset 17), for ONNX Runtime and others. The
 * size of the batch is chosen at every run: `build` is called with two sizes,
 * and what differs between the two graphs is what depends on it.
 *
 * Inputs keep their names, variables become initializers under theirs, the
 * outputs are called as `build` calls them. int32 stays int32. Most operations
 * are one operator each; lookups by a negative index count from the end where
 * ours are an error.
 *
 * @param build Makes a fresh graph for a batch of the given size, and gives its
 * outputs by name. A graph without a batch ignores the size.
 * @param options Name, values of variables, metadata.
 * @returns The bytes of the file.
 * @throws {TypeError} If the graphs differ in more than sizes, a size is
 * not in proportion to the batch, or two values want one name.
 * @throws {RangeError} If a variable has no value.
 *
 * @example A layer for batches of any size
 * ```ts
 * import { Graph, matmul, tanh, toOnnx } from "jsr:@weft/seq2seq";
 * import { assertGreater } from "@std/assert";
 *
 * const bytes = toOnnx((batch) => {
 *   const graph = new Graph();
 *   const x = graph.input("x", [batch, 2]);
 *   const weights = graph.variable("weights", [[1, 0, 2], [0, 1, 3]]);
 *   return { y: tanh(matmul(x, weights)) };
 * });
 * // Deno.writeFileSync("layer.onnx", bytes);
 * assertGreater(bytes.length, 24);
 * ```
 */
export function toOnnx(
  build: (batch: number) => Readonly<Record<string, Node>>,
  options: OnnxOptions = {},
): Uint8Array<ArrayBuffer> {
  if (typeof build !== "function") {
    throw new TypeError(
      `Cannot export ${describe(build)}: wanted a function that makes a graph`,
    );
  }
  const { name = "weft", variables, metadata = {} } = options;
  const trace = new Trace(build);
  const inputs = trace.nodes.filter((node) => node.op === "input");
  const given = trace.nodes.filter(isNamed).map(({ attrs }) => attrs.name);
  const results = Object.keys(trace.outputs);
  const batch = findBatch(inputs, trace);
  const writer = new Writer([...given, ...results], batch);
  writeNodes(trace, writer, variables);
  return encodeModel({
    name,
    producer: { name: "weft", version: VERSION },
    inputs: inputs.map((node) => infoOf(node.attrs.name, node, trace)),
    outputs: Object.entries(trace.outputs).map(([name, node]) =>
      infoOf(name, node, trace)
    ),
    ...writer.finish(results),
    metadata,
  });
}

/** An input's axis that is as long as the batch. */
function findBatch(
  inputs: readonly NodeOf<"input">[],
  trace: Trace,
): BatchAxis | undefined {
  for (const node of inputs) {
    const axis = trace.shape(node).findIndex(({ times, plus }) =>
      times === 1 && plus === 0
    );
    if (axis >= 0) return { input: node.attrs.name, axis };
  }
  return undefined;
}

/** Writes every node, and the outputs under the names given to them. */
function writeNodes(
  trace: Trace,
  writer: Writer,
  variables: Variables | undefined,
): void {
  const names = new Map<Node, string>();
  const site: Site = { trace, writer, booleans: new Map() };
  const results = Object.entries(trace.outputs);
  for (const [number, node] of trace.nodes.entries()) {
    const path = node.scope === "" ? "" : `${node.scope}.`;
    const name = writer.begin(`${path}${node.op}.${number}`);
    if (node.op === "input") names.set(node, node.attrs.name);
    else if (node.op === "variable" || node.op === "constant") {
      names.set(node, writeGiven(node, writer, variables));
    } else {
      const inputs = operandsOf(node).map((operand) => names.get(operand)!);
      // A node always fits its own rule; TypeScript cannot follow the pairing.
      const rule = RULES[node.op] as unknown as Rule<Inner>;
      const [wanted] = results.find(([, output]) => output === node) ?? [name];
      names.set(node, writer.rename(rule(site, inputs, node), wanted));
    }
  }
  for (const [name, node] of results) {
    const value = names.get(node)!;
    if (value === name) continue;
    writer.begin(`${name}.result`);
    writer.rename(writer.apply("Identity", [value]), name);
  }
}

/** Operations of ONNX that broadcast their operands themselves. */
const BROADCASTING: ReadonlySet<Node["op"]> = new Set<Node["op"]>([
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
]);

/** The operands, without broadcasts where the operator does them itself. */
function operandsOf(node: Node): readonly Node[] {
  if (!BROADCASTING.has(node.op)) return node.inputs;
  const sources = node.inputs.map(withoutBroadcast);
  const shape = sources.reduce<readonly number[]>(
    (all, source) => broadcastShapes(all, source.shape, node.op),
    [],
  );
  return sameShape(shape, node.shape) ? sources : node.inputs;
}

function isNamed(node: Node): node is NodeOf<"input"> | NodeOf<"variable"> {
  return node.op === "input" || node.op === "variable";
}

function writeGiven(
  { dtype, shape, graph, attrs }: NodeOf<"variable"> | NodeOf<"constant">,
  writer: Writer,
  variables: Variables | undefined,
): string {
  const name = "name" in attrs ? attrs.name : undefined;
  const { data } = "name" in attrs
    ? variables?.get(attrs.name) ?? graph.initialValue(attrs.name)
    : attrs.value;
  return dtype === "int32"
    ? writer.tensor({ type: dtype, shape, data: Int32Array.from(data) }, name)
    : writer.tensor(
      { type: dtype, shape, data: Float32Array.from(data) },
      name,
    );
}

function infoOf(name: string, node: Node, trace: Trace): ValueInfo {
  return { name, type: node.dtype, shape: trace.shape(node).map(formatExtent) };
}

/** A size, or what readers show of one that is not known: `2 * batch + 1`. */
function formatExtent({ times, plus }: Extent): number | string {
  if (times === 0) return plus;
  const batch = times === 1 ? "batch" : `${times} * batch`;
  return plus === 0 ? batch : `${batch} + ${plus}`;
}
