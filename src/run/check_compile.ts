/**
 * Checks of what `compile` is given, before anything is done with it.
 */
import { describe, sameShape } from "../array.ts";
import { checkInteger, checkThreads } from "../checks.ts";
import type { Node } from "../graph/node.ts";
import { formatType } from "../graph/print.ts";
import { checkPrecision } from "./memory.ts";
import type { CompileOptions } from "./plan.ts";
import type { Update } from "./program.ts";
import type { Variables } from "./variables.ts";

/** Options that are integers, with the least and the most of each. */
const INTEGERS = [
  ["cores", [1]],
  ["debug", [0, 5]],
  ["frozenSteps", [1]],
  ["tileBytes", [1]],
] as const;

/** Options that are on or off. */
const SWITCHES = [
  "atomic",
  "check",
  "deterministic",
  "poison",
  "reuse",
] as const;

/** Refuses options that are none. */
export function checkOptions(options: CompileOptions): void {
  const { precision, executor, onDebug, without = [] } = options;
  if (precision !== undefined) checkPrecision(precision, "compile for");
  if (
    executor !== undefined && executor !== "compiled" &&
    executor !== "interpreter"
  ) {
    throw new TypeError(
      `Cannot compile for the executor ${describe(executor)}: ` +
        `wanted "compiled" or "interpreter"`,
    );
  }
  checkThreads(options.threads);
  for (const [name, [least, most]] of INTEGERS) {
    const value = options[name];
    if (value !== undefined) checkInteger(value, name, least, most);
  }
  for (const name of SWITCHES) {
    const value = options[name];
    if (value === undefined || typeof value === "boolean") continue;
    throw new TypeError(
      `Cannot use ${name} = ${describe(value)}: wanted true or false`,
    );
  }
  if (onDebug !== undefined && typeof onDebug !== "function") {
    throw new TypeError(
      `Cannot use onDebug = ${describe(onDebug)}: wanted a function`,
    );
  }
  if (!Array.isArray(without)) {
    throw new TypeError(
      `Cannot use without = ${describe(without)}: ` +
        `wanted an array of names of passes`,
    );
  }
}

/** Whether the interpreter runs the plan, and whether it can. */
export function usesInterpreter(
  options: CompileOptions,
  { precision }: Variables,
): boolean {
  const { executor, poison = false, check = false, debug = 0 } = options;
  const { threads = 1 } = options;
  const interprets = poison || precision === "float64";
  if (executor === "compiled" && interprets) {
    throw new TypeError(
      `Cannot compile to WebAssembly ` +
        (poison ? "with poisoned buffers" : `in ${precision}`) +
        `: wanted the executor "interpreter"`,
    );
  }
  const used = interprets || executor === "interpreter";
  if (used && (check || debug > 0)) {
    throw new TypeError(
      `Cannot ${check ? "check" : "debug"} the interpreter: ` +
        `wanted the executor "compiled", in float32`,
    );
  }
  if (used && threads !== 1) {
    throw new TypeError(
      `Cannot share the interpreter among threads: ` +
        `wanted the executor "compiled", in float32`,
    );
  }
  return used;
}

/** Refuses outputs and updates that are no nodes of one graph. */
export function checkNodes(
  outputs: Readonly<Record<string, Node>>,
  updates: readonly Update[],
): void {
  const named: (readonly [string, Node])[] = [
    ...Object.entries(outputs).map(([k, v]) => [`output "${k}"`, v] as const),
    ...updates.flatMap(([target, value], at) => [
      [`the target of update ${at}`, target] as const,
      [`the value of update ${at}`, value] as const,
    ]),
  ];
  if (named.length === 0) {
    throw new TypeError("Cannot compile nothing: wanted outputs or updates");
  }
  for (const [name, node] of named) {
    if (typeof node !== "object" || node === null || !("graph" in node)) {
      throw new TypeError(
        `Cannot compile ${name}: found ${describe(node)}, wanted a node`,
      );
    }
    if (node.graph !== named[0]![1].graph) {
      throw new TypeError(
        `Cannot compile ${name}: it belongs to another graph than ` +
          named[0]![0],
      );
    }
  }
}

/** Refuses updates of what is no variable, or with what does not fit it. */
export function checkUpdates(updates: readonly Update[]): void {
  const seen = new Set<Node>();
  for (const [target, value] of updates) {
    if (target.op !== "variable") {
      throw new TypeError(
        `Cannot update ${target.op} (node ${target.id}): wanted a variable`,
      );
    }
    const { name } = target.attrs;
    if (seen.has(target)) {
      throw new TypeError(`Cannot update variable "${name}" twice in one run`);
    }
    seen.add(target);
    if (
      target.dtype !== value.dtype || !sameShape(target.shape, value.shape)
    ) {
      throw new TypeError(
        `Cannot update variable "${name}", ${formatType(target)}, with ` +
          formatType(value),
      );
    }
  }
}

/** Refuses to freeze what is no variable, or is updated. */
export function checkFrozen(
  frozen: readonly Node[],
  updates: readonly Update[],
): void {
  for (const node of frozen) {
    if (node.op !== "variable") {
      throw new TypeError(
        `Cannot freeze ${node.op} (node ${node.id}): wanted a variable`,
      );
    }
    if (updates.some(([target]) => target === node)) {
      throw new TypeError(
        `Cannot freeze variable "${node.attrs.name}": the plan updates it`,
      );
    }
  }
}
