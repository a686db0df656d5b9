/**
 * The invariants of a graph, checked from outside: what the builders promise
 * and every later stage relies on.
 */
import { formatShape, sameShape } from "../array.ts";
import { isLeaf } from "./leaves.ts";
import { type Node, reachable } from "./node.ts";
import { recordOf } from "./ops.ts";

/**
 * Checks everything the outputs depend on: one graph, inputs before users, and
 * shape and dtype as the operation's own rule gives them.
 *
 * @param outputs The nodes to start from.
 * @returns How many nodes were checked.
 * @throws {Error} With the first violation; it is a bug of this package.
 */
export function verify(outputs: readonly Node[]): number {
  const order = reachable(outputs);
  for (const node of order) {
    const where = `${node.op} (node ${node.id})`;
    for (const input of node.inputs) {
      if (input.graph !== node.graph || input.id >= node.id) {
        throw new Error(`internal: ${where} does not come after its inputs`);
      }
    }
    if (node.graph.nodes[node.id] !== node) {
      throw new Error(`internal: ${where} is not in its graph`);
    }
    if (isLeaf(node.op)) continue;
    const type = recordOf(node).infer(node.inputs, node.attrs);
    if (!sameShape(type.shape, node.shape) || type.dtype !== node.dtype) {
      throw new Error(
        `internal: ${where} is ${node.dtype} ${formatShape(node.shape)}, ` +
          `its rule gives ${type.dtype} ${formatShape(type.shape)}`,
      );
    }
  }
  return order.length;
}
