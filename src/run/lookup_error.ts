/**
 * Tells which lookup made a module trap. The module itself only stops: to keep
 * account of where it is would cost every lookup that succeeds, and what it
 * looks up need not be what the graph says. So the graph itself is asked.
 */
import type { Node } from "../graph/node.ts";
import { Oracle } from "./oracle.ts";
import type { Binding, Update } from "./program.ts";
import type { Variables } from "./variables.ts";

/**
 * Finds the first index outside its table.
 *
 * @param outputs The outputs of the plan that trapped.
 * @param updates Its updates.
 * @param binding Where it keeps its inputs, which the trap has left as they
 * were.
 * @param variables Its variables, which the trap has left as they were.
 * @param cause What the module threw.
 * @returns The error to throw; `cause` itself where no index is to blame.
 */
export function explainTrap(
  outputs: Readonly<Record<string, Node>>,
  updates: readonly Update[],
  binding: Binding,
  variables: Variables,
  cause: Error,
): Error {
  const oracle = new Oracle(outputs, updates, "float32");
  oracle.capture(binding, variables);
  try {
    oracle.step();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return new RangeError(error.message, { cause });
  }
  return cause;
}
