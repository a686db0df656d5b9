/**
 * Emits a loop kernel: the loops over rows, and within a row its values, four
 * at a time. What the kernel computes was decided before.
 *
 * Loads at the end of a row may touch up to 12 bytes behind it; their values
 * are not used. Stores never do.
 */
import type { Buffer, LoopKernel, Value, View } from "../compile/kernel.ts";
import type { FunctionBuilder } from "./assembler.ts";
import { emitCopies } from "./emit_copy.ts";
import { ValueEmitter } from "./emit_value.ts";
import { emitClears, type Place, Pointers } from "./pointers.ts";
import type { VectorOptions } from "./vector_emitter.ts";
import { type VectorFunction, VectorMath } from "./vector_math.ts";

/** Rows of up to this many vectors are kept in registers as a whole. */
const UNROLLED_VECTORS = 16;

/** Kernels of at most so many values are unrolled four times, others twice. */
const UNROLLED_VALUES = 8;

/** Emits the body of a kernel's function. */
export function emitLoop(
  f: FunctionBuilder,
  kernel: LoopKernel,
  place: Place,
  options: VectorOptions,
): void {
  emitClears(f, kernel.clears, place);
  const batch = kernel.tiled ? place.tile : kernel.extents[0]!;
  const nest = joinRows({ ...kernel, extents: kernel.extents.with(0, batch) });
  if (nest.extents.includes(0) || emitCopies(f, nest, place)) return;
  const math = new VectorMath(f, functionsOf(nest), options);
  new RowEmitter(f, nest, place, math).emit();
  math.release();
}

/**
 * Makes one long row of rows that follow one another in every view: fewer
 * beginnings and ends of rows. What treats a row as a whole stays as it is.
 */
function joinRows(kernel: LoopKernel): LoopKernel {
  const { extents, values, stores } = kernel;
  const outer = extents.length - 2;
  const row = extents[outer + 1]!;
  const views = stores.map(({ view }) => view);
  for (const value of values) {
    if (value.op === "load") views.push(value.view);
    else if (value.op.startsWith("row") || value.op === "position") {
      return kernel;
    }
  }
  const follows = ({ strides, lookup }: View): boolean =>
    !lookup && strides[outer] === strides[outer + 1]! * row;
  const addsRows = stores.some(({ view, add }) =>
    add && view.strides.at(-1) === 0
  );
  if (outer < 0 || row === 1 || addsRows || !views.every(follows)) {
    return kernel;
  }
  const join = (view: View): View => ({
    ...view,
    strides: view.strides.toSpliced(outer, 1),
  });
  return joinRows({
    ...kernel,
    extents: [...extents.slice(0, outer), extents[outer]! * row],
    values: values.map((value) =>
      value.op === "load" ? { ...value, view: join(value.view) } : value
    ),
    stores: stores.map((store) => ({ ...store, view: join(store.view) })),
  });
}

function functionsOf(kernel: LoopKernel): VectorFunction[] {
  const names: VectorFunction[] = ["exp", "log", "tanh", "sigmoid"];
  return names.filter((name) => kernel.values.some(({ op }) => op === name));
}

/** The values of a kernel, cut where a whole row must be seen first. */
interface Phase {
  /** Values with one element for each of the row's. */
  readonly elements: readonly number[];
  /** Reductions fed by this phase. */
  readonly reductions: readonly number[];
  /** Values with one element a row, known when the phase is over. */
  readonly scalars: readonly number[];
  /** Stores of the phase's elements. */
  readonly stores: readonly number[];
}

class RowEmitter {
  readonly #f: FunctionBuilder;
  readonly #kernel: LoopKernel;
  readonly #row: number;
  readonly #outer: readonly number[];
  readonly #pointers: Pointers;
  readonly #values: ValueEmitter;
  readonly #phases: readonly Phase[];
  readonly #phaseOf: readonly number[];
  readonly #lastUse: readonly number[];

  constructor(
    f: FunctionBuilder,
    kernel: LoopKernel,
    place: Place,
    math: VectorMath,
  ) {
    this.#f = f;
    this.#kernel = kernel;
    this.#row = kernel.extents.at(-1)!;
    this.#outer = kernel.extents.slice(0, -1);
    this.#phaseOf = phasesOf(kernel.values);
    const isLong = Math.ceil(this.#row / 4) > UNROLLED_VECTORS;
    this.#phases = cut(kernel, this.#phaseOf, isLong);
    this.#lastUse = lastUses(kernel, this.#phaseOf);
    this.#pointers = new Pointers(f, place, this.#outer);
    this.#values = new ValueEmitter(f, kernel, math, this.#pointers, this.#row);
  }

  emit(): void {
    const { values, stores } = this.#kernel;
    const views: View[] = stores.map(({ view }) => view);
    for (const value of values) if (value.op === "load") views.push(value.view);
    this.#pointers.declare(views);
    this.#values.preload();
    this.#pointers.loops(() => this.#emitRow());
    this.#values.release();
  }

  #emitRow(): void {
    const vectors = Math.ceil(this.#row / 4);
    this.#pointers.enterRow();
    this.#values.startRow();
    this.#storeScalars(-1);
    for (const [at, phase] of this.#phases.entries()) {
      this.#values.startReductions(phase.reductions);
      if (vectors <= UNROLLED_VECTORS) {
        for (let vector = 0; vector < vectors; vector++) {
          this.#emitVector(phase, at, vector, false);
        }
      } else this.#emitLongPhase(phase, at, vectors);
      this.#values.finishReductions(phase.reductions);
      for (const value of phase.scalars) this.#values.scalar(value);
      this.#storeScalars(at);
    }
    this.#values.endRow();
    this.#pointers.leaveRow();
  }

  /** Rows too long for registers: a loop, values of other phases computed anew. */
  #emitLongPhase(phase: Phase, at: number, vectors: number): void {
    const busy = phase.stores.length + phase.reductions.length > 0;
    if (!busy) return;
    const full = Math.floor(this.#row / 4);
    const unroll = this.#kernel.values.length <= UNROLLED_VALUES ? 4 : 2;
    const looped = full - full % unroll;
    const offset = this.#pointers.startVectors();
    this.#f.forRange(offset, 0, 16 * looped, 16 * unroll, () => {
      for (let vector = 0; vector < unroll; vector++) {
        this.#emitVector(phase, at, vector, true);
      }
    });
    this.#pointers.endVectors();
    for (let vector = looped; vector < vectors; vector++) {
      this.#emitVector(phase, at, vector, true);
    }
  }

  #emitVector(phase: Phase, at: number, vector: number, anew: boolean): void {
    const needed = anew ? this.#closure(phase) : phase.elements;
    for (const value of needed) this.#values.element(value, vector);
    const lanes = Math.min(4, this.#row - 4 * vector);
    for (const value of phase.reductions) {
      this.#values.reduce(value, vector, lanes);
    }
    for (const store of phase.stores) {
      const { view, value, add } = this.#kernel.stores[store]!;
      this.#values.store(view, value, vector, lanes, add);
    }
    // A value nobody needs any more gives its register back.
    const dead = anew
      ? needed
      : this.#kernel.values.keys().filter((value) =>
        !this.#kernel.values[value]!.scalar && this.#lastUse[value] === at
      );
    for (const value of dead) this.#values.forget(value, vector);
  }

  /** All elements that a phase's stores and reductions are computed from. */
  #closure(phase: Phase): number[] {
    const { values, stores } = this.#kernel;
    const needed = new Set<number>();
    const pending = [
      ...phase.reductions.flatMap((value) => argsOf(values[value]!)),
      ...phase.stores.map((store) => stores[store]!.value),
    ];
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      const value = values[at]!;
      if (value.scalar || needed.has(at)) continue;
      needed.add(at);
      pending.push(...argsOf(value));
    }
    return [...needed].sort((a, b) => a - b);
  }

  #storeScalars(phase: number): void {
    for (const { view, value, add } of this.#kernel.stores) {
      const { scalar } = this.#kernel.values[value]!;
      if (!scalar || view.strides.at(-1) !== 0) continue;
      if (view.lookup && view.lookup.index.strides.at(-1) !== 0) continue;
      if (this.#phaseOf[value] === phase) {
        this.#values.storeScalar(view, value, add);
      }
    }
  }
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
function phasesOf(values: readonly Value[]): number[] {
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

function cut(
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
function lastUses(kernel: LoopKernel, phaseOf: readonly number[]): number[] {
  const last = [...phaseOf];
  for (const [at, value] of kernel.values.entries()) {
    for (const arg of argsOf(value)) {
      last[arg] = Math.max(last[arg]!, phaseOf[at]!);
    }
  }
  return last;
}
