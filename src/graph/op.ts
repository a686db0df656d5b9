/**
 * The shape of an op record: what one operation is, in one place. The records
 * themselves stand beside their builders, one family a file; `ops.ts` collects
 * them.
 */
import type { NDArray } from "../array.ts";
import type { Node, NodeOf, NodeType, OpAttrs, OpName } from "./node.ts";

/** One operation: its shape rule, its gradient and its reference evaluation. */
export interface OpDef<K extends OpName> {
  /** Decides shape and dtype, or throws a ShapeError or TypeError. */
  readonly infer: (inputs: readonly Node[], attrs: OpAttrs[K]) => NodeType;
  /**
   * The vector-Jacobian product: from the gradient of the output, the gradient
   * of each input, as nodes; null where none flows. `node` is the output, so
   * that rules such as tanh's can reuse it. A record without a rule stops
   * gradients altogether.
   */
  readonly vjp:
    | ((dy: Node, node: NodeOf<K>) => readonly (Node | null)[])
    | null;
  /** Writes the operation's value into `out`; the truth all else is held to. */
  readonly evaluate:
    | ((inputs: readonly NDArray[], out: NDArray, attrs: OpAttrs[K]) => void)
    | null;
}

/** Some of the op records, keyed by operation. */
export type OpFamily<K extends OpName> = { readonly [P in K]: OpDef<P> };

/** Makes the node of an operation from its own record. */
export function apply<K extends OpName>(
  family: OpFamily<K>,
  op: K,
  inputs: readonly Node[],
  attrs: OpAttrs[K],
): Node {
  const def: OpDef<K> = family[op];
  return inputs[0]!.graph.intern(op, inputs, attrs, def.infer(inputs, attrs));
}
