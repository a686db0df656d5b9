// The table of operation cases: every operation and composite, in every way it
// can be used. Tests of gradients and of executors alike go through it.
import { COMPOSITE_CASES } from "./cases/composite.ts";
import type { OpCase } from "./cases/case.ts";
import { ELEMENTWISE_CASES } from "./cases/elementwise.ts";
import { STRUCTURE_CASES } from "./cases/structure.ts";

export {
  type CaseGraph,
  type CaseInput,
  graphOf,
  type OpCase,
} from "./cases/case.ts";

/** All cases. */
export const OP_CASES: readonly OpCase[] = [
  ...ELEMENTWISE_CASES,
  ...STRUCTURE_CASES,
  ...COMPOSITE_CASES,
];

/** The cases of each operation or composite, in the order of the table. */
export function casesByOp(): Map<string, OpCase[]> {
  return Map.groupBy(OP_CASES, ({ op }) => op);
}
