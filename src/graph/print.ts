/**
 * A graph as text: a numbered listing for people and snapshots, and Graphviz.
 */
import { type Node, type NodeOf, reachable } from "./node.ts";

/** The attributes as the listings show them, large constants cut short. */
function formatAttrs(node: Node): string {
  if (node.op === "constant") {
    const { data } = node.attrs.value;
    const shown = Array.from(data.subarray(0, 4), String).join(", ");
    return ` {${shown}${data.length > 4 ? `, … ${data.length} in all` : ""}}`;
  }
  const entries = Object.entries(node.attrs)
    .map(([key, value]) => `${key}: ${format(value)}`);
  return entries.length === 0 ? "" : ` {${entries.join(", ")}}`;
}

function format(value: unknown): string {
  if (typeof value === "object" && value !== null && "out" in value) {
    const { a, b, out } = value as NodeOf<"einsum">["attrs"]["labels"];
    return `${a},${b}->${out}`;
  }
  return Array.isArray(value) ? `[${value.join(", ")}]` : String(value);
}

/** The type as the listings show it: `float32[64, 10]`. */
export function formatType(node: Node): string {
  return `${node.dtype}[${node.shape.join(", ")}]`;
}

/**
 * Lists what some outputs depend on, a node a line, in topological order:
 * number, operation, operands, attributes, type, and the scope it was made in.
 *
 * @param outputs The nodes to start from.
 * @returns The lines, numbered from 0 whatever else the graph holds.
 *
 * @example A listing
 * ```ts
 * import { add, formatGraph, Graph } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const x = new Graph().input("x", [2]);
 * assertEquals(
 *   formatGraph([add(x, x)]),
 *   "%0 = input {name: x} : float32[2]\n%1 = add(%0, %0) : float32[2]",
 * );
 * ```
 */
export function formatGraph(outputs: readonly Node[]): string {
  const order = reachable(outputs);
  const numbers = new Map(order.map((node, number) => [node, number]));
  return order.map((node, number) => {
    const operands = node.inputs.map((input) => `%${numbers.get(input)}`);
    const call = operands.length === 0 ? "" : `(${operands.join(", ")})`;
    const scope = node.scope === "" ? "" : `  # ${node.scope}`;
    return `%${number} = ${node.op}${call}${formatAttrs(node)} : ` +
      `${formatType(node)}${scope}`;
  }).join("\n");
}

/**
 * Draws what some outputs depend on in the language of Graphviz.
 *
 * @param outputs The nodes to start from.
 * @returns The text of a digraph, for `dot -Tsvg`.
 */
export function toDot(outputs: readonly Node[]): string {
  const order = reachable(outputs);
  const lines = order.flatMap((node) => {
    const label = `${node.op}${formatAttrs(node)}\n${formatType(node)}`;
    const shape = node.inputs.length === 0 ? ", shape=box" : "";
    return [
      `  n${node.id} [label=${JSON.stringify(label)}${shape}];`,
      ...node.inputs.map((input) => `  n${input.id} -> n${node.id};`),
    ];
  });
  return ["digraph weft {", ...lines, "}"].join("\n");
}
