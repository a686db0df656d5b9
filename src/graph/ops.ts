/**
 * Every op record, by name. The mapped type makes a missing one a compile
 * error; a test fails for a record without a case of its own.
 */
import { BROADCAST } from "./broadcast.ts";
import { EINSUM } from "./einsum.ts";
import { ELEMENTWISE } from "./elementwise.ts";
import { INDEXING } from "./indexing.ts";
import { LEAVES } from "./leaves.ts";
import { MOVEMENT } from "./movement.ts";
import type { Node, NodeType, OpName } from "./node.ts";
import type { OpDef, OpFamily } from "./op.ts";
import { REDUCE } from "./reduce.ts";

/** The record of every operation. */
export const OPS: OpFamily<OpName> = {
  ...LEAVES,
  ...ELEMENTWISE,
  ...BROADCAST,
  ...MOVEMENT,
  ...REDUCE,
  ...EINSUM,
  ...INDEXING,
};

/** A record as seen by code that treats all operations alike. */
export interface AnyOpDef {
  /** See {@linkcode OpDef}. */
  readonly infer: (inputs: readonly Node[], attrs: Node["attrs"]) => NodeType;
  /** See {@linkcode OpDef}. */
  readonly vjp: ((dy: Node, node: Node) => readonly (Node | null)[]) | null;
  /** See {@linkcode OpDef}. */
  readonly evaluate: OpDef<OpName>["evaluate"];
}

/** The record of a node's operation. */
export function recordOf(node: Node): AnyOpDef {
  // A node always fits its own record; TypeScript cannot follow the pairing.
  return OPS[node.op] as unknown as AnyOpDef;
}
