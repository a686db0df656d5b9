/**
 * The work on one row, cut where a whole row must be seen first, as data. Emits
 * nothing.
 */
import type { Buffer, LoopKernel, Value } from "../compile/kernel.ts";

/** The values of a kernel, cut where a whole row must be seen first. */
export interface Phase {
  /** Values with one element for each of the row's. */
  readonly elements: readonly number[];
  /** Reductions fed by this phase. */
  readonly reductions: readonly number[];
  /** Values with one element a row, known when the phase is over. */
  readonly scalars: readonly number[];
  /** Stores of the phase's elements. */
  readonly stores: readonly number[];
}

/** The positions of the values that a value is computed from. */
export function argsOf(value: Value): readonly number[] {
  switch (value.op) {
    case "load":
    case "constant":
    case "position":
      return [];
    case "rowSum":
    case "rowMax":
      return [value.arg];
    case "rowFirst":
      return [value.arg, value.max];
    default:
      return value.args;
  }
}

/** The phase at whose end (for one a row) or in which a value is known. */
export function phasesOf(values: readonly Value[]): number[] {
  const phases: number[] = [];
  for (const value of values) {
    const scalarArgs = argsOf(value).filter((arg) => values[arg]!.scalar);
    const elementArgs = argsOf(value).filter((arg) => !values[arg]!.scalar);
    // Elements may use a row's value only in the phase after it is known;
    // values that no reduction stands behind are known at once.
    const reduced = (arg: number): boolean => phases[arg]! >= 0;
    const after = scalarArgs.filter(reduced).map((arg) => phases[arg]! + 1);
    const beside = elementArgs.map((arg) => phases[arg]!);
    if (!value.scalar) {
      phases.push(Math.max(0, ...after, ...beside));
    } else if (value.op.startsWith("row")) {
      phases.push(Math.max(0, ...after, ...beside));
    } else {
      phases.push(Math.max(-1, ...scalarArgs.map((arg) => phases[arg]!)));
    }
  }
  return phases;
}

export function cut(
  kernel: LoopKernel,
  phaseOf: readonly number[],
  isLong: boolean,
): Phase[] {
  const { values, stores } = kernel;
  const storePhase = stores.map(({ value, view }) => {
    const phase = phaseOf[value]!;
    const alongRow = view.strides.at(-1) !== 0 ||
      (view.lookup?.index.strides.at(-1) ?? 0) !== 0;
    if (!values[value]!.scalar) return phase;
    // One value along the whole row: when it is known.
    return alongRow ? phase + 1 : -1;
  });
  const count = 1 + Math.max(0, ...phaseOf, ...storePhase);
  if (isLong) {
    // Later phases of a long row read anew: what is read is overwritten last.
    for (const [store, { view, value }] of stores.entries()) {
      if (values[value]!.scalar || !isRead(values, view.buffer)) continue;
      storePhase[store] = count - 1;
    }
  }
  return Array.from({ length: count }, (_, at) => {
    const here = [...values.keys()].filter((value) => phaseOf[value] === at);
    const reductions = here.filter((v) => values[v]!.op.startsWith("row"));
    return {
      elements: here.filter((value) => !values[value]!.scalar),
      reductions,
      scalars: here.filter((value) =>
        values[value]!.scalar && !reductions.includes(value)
      ),
      stores: [...stores.keys()].filter((store) => storePhase[store] === at),
    };
  });
}

function isRead(values: readonly Value[], buffer: Buffer): boolean {
  return values.some((value) =>
    value.op === "load" && value.view.buffer === buffer
  );
}

/** The last phase that needs an element. */
export function lastUses(
  kernel: LoopKernel,
  phaseOf: readonly number[],
): number[] {
  const last = [...phaseOf];
  for (const [at, value] of kernel.values.entries()) {
    for (const arg of argsOf(value)) {
      last[arg] = Math.max(last[arg]!, phaseOf[at]!);
    }
  }
  return last;
}

/** All elements that a phase's stores and reductions are computed from, but for those given. */
export function closureOf(
  { values, stores }: LoopKernel,
  { reductions, stores: written }: Pick<Phase, "reductions" | "stores">,
  given: readonly number[] = [],
): number[] {
  return closure(values, [
    ...reductions.flatMap((value) => argsOf(values[value]!)),
    ...written.map((store) => stores[store]!.value),
  ], given);
}

function closure(
  values: readonly Value[],
  wanted: readonly number[],
  given: readonly number[],
): number[] {
  const needed = new Set<number>();
  const pending = [...wanted];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const value = values[at]!;
    if (value.scalar || needed.has(at) || given.includes(at)) continue;
    needed.add(at);
    pending.push(...argsOf(value));
  }
  return [...needed].sort((a, b) => a - b);
}

/** A value of a long row that waits for later phases where a store will write at last. */
export interface Waiting {
  readonly value: number;
  /** The store whose place it takes. */
  readonly store: number;
  /** The phase that computes it. */
  readonly from: number;
  /** The last phase that reads it: no later than the store's own. */
  readonly until: number;
}

/** What writing a value once and reading it again must save, in operations. */
const WAITING_COST = 8;

/**
 * Finds values that several phases of a long row would compute, and where each
 * can wait: the costliest first.
 */
export function findWaiting(
  kernel: LoopKernel,
  phases: readonly Phase[],
): Waiting[] {
  const { values } = kernel;
  const needs = phases.map((phase) => new Set(closureOf(kernel, phase)));
  const places = placesOf(kernel, phases);
  const wishes = [...values.keys()].map((value) => {
    const phases = [...needs.keys()].filter((at) => needs[at]!.has(value));
    const cost = closure(values, [value], [])
      .reduce((sum, at) => sum + operationsOf(values[at]!), 0);
    return { value, phases, saved: cost * (phases.length - 1) };
  });
  const found: Waiting[] = [];
  for (
    const { value, phases, saved } of wishes.toSorted((a, b) =>
      b.saved - a.saved
    )
  ) {
    const [from, until] = [phases[0]!, phases.at(-1)!];
    if (saved < WAITING_COST || !isFloat(values[value]!)) continue;
    const at = places.findIndex(({ phase }) => phase >= until);
    if (at < 0) continue;
    const { store } = places.splice(at, 1)[0]!;
    found.push({ value, store, from, until });
  }
  return found;
}

/** Stores that write whole rows of floats, to where nothing else is read or written. */
function placesOf(
  { values, stores }: LoopKernel,
  phases: readonly Phase[],
): { store: number; phase: number }[] {
  return phases.flatMap((phase, at) =>
    phase.stores.filter((store) => {
      const { view, value, add } = stores[store]!;
      const shared = stores.some((other, i) =>
        i !== store && other.view.buffer === view.buffer
      );
      return !add && !shared && !view.lookup && view.strides.at(-1) === 1 &&
        !values[value]!.scalar && isFloat(values[value]!) &&
        !isRead(values, view.buffer);
    }).map((store) => ({ store, phase: at }))
  );
}

function isFloat({ dtype }: Value): boolean {
  return dtype === "float32";
}

/** About how many instructions a vector of a value takes. */
function operationsOf({ op }: Value): number {
  switch (op) {
    case "exp":
    case "log":
    case "tanh":
    case "sigmoid":
      return 20;
    case "div":
    case "sqrt":
      return 6;
    case "load":
      return 2;
    default:
      return 1;
  }
}
