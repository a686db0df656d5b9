/**
 * Emits a loop kernel: the loops over rows, and within a row its values, four
 * at a time. What the kernel computes was decided before.
 *
 * Loads at the end of a row may touch up to 12 bytes behind it; their values
 * are not used. Stores never do.
 */
import type { LoopKernel, View } from "../compile/kernel.ts";
import type { FunctionBuilder } from "./assembler.ts";
import { emitCopies } from "./emit_copy.ts";
import { ValueEmitter } from "./emit_value.ts";
import { emitClears, type Place, Pointers } from "./pointers.ts";
import {
  closureOf,
  cut,
  findWaiting,
  lastUses,
  type Phase,
  phasesOf,
  type Waiting,
} from "./row_phases.ts";
import type { VectorOptions } from "./vector_emitter.ts";
import { functionOf } from "./value_instructions.ts";
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

function functionsOf({ values }: LoopKernel): VectorFunction[] {
  const functions = values.map((value) => functionOf(values, value));
  return [...new Set(functions)].filter((name) => name !== null);
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
  /** Of long rows: the elements that each phase computes, and which wait where. */
  readonly #anew: readonly (readonly number[])[];
  readonly #waiting: readonly Waiting[];

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
    this.#waiting = isLong ? findWaiting(kernel, this.#phases) : [];
    this.#anew = this.#phases.map((phase, at) =>
      closureOf(kernel, phase, this.#waitingIn(at).map(({ value }) => value))
    );
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

  /** Rows too long for registers: a loop, values of other phases computed anew or read from where they wait. */
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
    const needed = anew ? this.#anew[at]! : phase.elements;
    const lanes = Math.min(4, this.#row - 4 * vector);
    const { stores } = this.#kernel;
    for (const { value, store } of this.#waitingIn(at)) {
      this.#values.reload(value, vector, stores[store]!.view);
    }
    for (const value of needed) this.#values.element(value, vector);
    for (const { value, store, from } of this.#waiting) {
      if (from !== at) continue;
      this.#values.store(stores[store]!.view, value, vector, lanes, false);
    }
    for (const value of phase.reductions) {
      this.#values.reduce(value, vector, lanes);
    }
    for (const store of phase.stores) {
      const { view, value, add } = stores[store]!;
      this.#values.store(view, value, vector, lanes, add);
    }
    // A value nobody needs any more gives its register back.
    const dead = anew
      ? [...needed, ...this.#waitingIn(at).map(({ value }) => value)]
      : this.#kernel.values.keys().filter((value) =>
        !this.#kernel.values[value]!.scalar && this.#lastUse[value] === at
      );
    for (const value of dead) this.#values.forget(value, vector);
  }

  /** The values that a phase reads where an earlier one has put them. */
  #waitingIn(phase: number): Waiting[] {
    return this.#waiting.filter(({ from, until }) =>
      from < phase && phase <= until
    );
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
