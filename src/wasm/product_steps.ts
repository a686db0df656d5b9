// Emits the inside of a product's inner loop: what is loaded and multiplied for a few k, in each of the forms
// that product_plan.ts describes. The loop itself is product_block.ts.

import type { Local } from "./assembler.ts";
import type { Form } from "./product_plan.ts";
import { WHEEL, wheelsOf } from "./product_turns.ts";
import type { VectorEmitter } from "./vector_emitter.ts";

type Vector = Local<"v128">;

type Lanes = readonly [number, number, number, number];

/** Accumulators by row, then by vector (in form "dot": by column). */
export type Sums = readonly (readonly Vector[])[];

/** An operand at the current k: pointer and strides in bytes. */
export interface Operand {
  readonly pointer: Local<"i32">;
  /** From one row of A, or vector or column of B, to the next. */
  readonly across: number;
  /** From one k to the next. */
  readonly along: number;
}

/** Emits `count` values of k, without a loop. */
export function emitSteps(
  v: VectorEmitter,
  form: Form,
  a: Operand,
  b: Operand,
  count: number,
  sums: Sums,
): void {
  for (let k = 0; k < count;) {
    const rest = count - k;
    if (form === "dot") dotStep(v, a, b, k, Math.min(4, rest), sums);
    else if (form === "quad" && rest >= 4) quadStep(v, a, b, k, sums);
    else if (form === "turn") turnStep(v, a, b, k, sums);
    else splatStep(v, a, b, k, sums);
    k += form === "dot" || (form === "quad" && rest >= 4) ? 4 : 1;
  }
}

/** One k: elements of A in all lanes, vectors of B. */
function splatStep(
  v: VectorEmitter,
  a: Operand,
  b: Operand,
  k: number,
  sums: Sums,
): void {
  const splat = (row: number) => {
    v.pushAddress(a.pointer, k * a.along + row * a.across);
    v.f.memory("v128.load32_splat");
  };
  holdShorter(v, sums, splat, (vector) => loadVector(v, b, k, vector));
}

/** Four k: a vector of A along k for each row, whose lanes are splat. */
function quadStep(
  v: VectorEmitter,
  a: Operand,
  b: Operand,
  k: number,
  sums: Sums,
): void {
  const quads = hold(v, sums.length, (row) => loadVector(v, a, k, row));
  const [passing] = v.locals(1);
  for (let lane = 0; lane < 4; lane++) {
    const held = hold(
      v,
      sums[0]!.length,
      (vector) => loadVector(v, b, k + lane, vector),
    );
    sums.forEach((line, row) => {
      splatLane(v, quads[row]!, lane);
      v.f.localSet(passing);
      line.forEach((sum, i) => accumulate(v, passing, held[i]!, sum));
    });
    v.f.release(...held);
  }
  v.f.release(...quads, passing);
}

/** One k: rows of a column of A, loaded together, are turned through the lanes. */
function turnStep(
  v: VectorEmitter,
  a: Operand,
  b: Operand,
  k: number,
  sums: Sums,
): void {
  const held = hold(
    v,
    sums[0]!.length,
    (vector) => loadVector(v, b, k, vector),
  );
  const [turning] = v.locals(1);
  for (const { first, rows } of wheelsOf(sums.length)) {
    v.pushAddress(a.pointer, k * a.along);
    v.f.memory(WHEEL[rows].load, first * a.across);
    v.f.localSet(turning);
    for (let turn = 0; turn < rows; turn++) {
      if (turn > 0) {
        v.f.localGet(turning);
        v.f.localGet(turning);
        v.f.shuffle32(...WHEEL[rows].turn);
        v.f.localSet(turning);
      }
      const line = sums[first + turn]!;
      line.forEach((sum, i) => accumulate(v, turning, held[i]!, sum));
    }
  }
  v.f.release(...held, turning);
}

/** Up to four k in the lanes; the lanes of missing ones are zero. */
function dotStep(
  v: VectorEmitter,
  a: Operand,
  b: Operand,
  k: number,
  count: number,
  sums: Sums,
): void {
  const load = (operand: Operand, i: number) =>
    count === 4
      ? loadVector(v, operand, k, i)
      : loadLanes(v, operand, k, i, count);
  holdShorter(v, sums, (row) => load(a, row), (column) => load(b, column));
}

/** Adds products of vectors of A and B to sums: those of the shorter side are held while the others pass. */
function holdShorter(
  v: VectorEmitter,
  sums: Sums,
  pushA: (row: number) => void,
  pushB: (column: number) => void,
): void {
  const columns = sums[0]!.length;
  const holdB = columns <= sums.length;
  const [count, pushHeld] = holdB ? [columns, pushB] : [sums.length, pushA];
  const held = hold(v, count, pushHeld);
  const [passing] = v.locals(1);
  for (let i = 0; i < (holdB ? sums.length : columns); i++) {
    if (holdB) pushA(i);
    else pushB(i);
    v.f.localSet(passing);
    held.forEach((local, j) => {
      const sum = holdB ? sums[i]![j]! : sums[j]![i]!;
      accumulate(v, passing, local, sum);
    });
  }
  v.f.release(...held, passing);
}

/** Emits `push` for each index and keeps the vectors in locals. */
function hold(
  v: VectorEmitter,
  count: number,
  push: (index: number) => void,
): Vector[] {
  const locals = v.vectors(count);
  for (let i = 0; i < count; i++) {
    push(i);
    v.f.localSet(locals[i]!);
  }
  return locals;
}

function accumulate(v: VectorEmitter, x: Vector, y: Vector, sum: Vector): void {
  v.f.localGet(x);
  v.f.localGet(y);
  v.f.localGet(sum);
  v.multiplyAdd();
  v.f.localSet(sum);
}

function loadVector(
  v: VectorEmitter,
  operand: Operand,
  k: number,
  index: number,
): void {
  v.pushAddress(operand.pointer, k * operand.along);
  v.f.memory("v128.load", index * operand.across);
}

/** Loads one to three lanes and zeros, and nothing behind them. */
function loadLanes(
  v: VectorEmitter,
  operand: Operand,
  k: number,
  index: number,
  count: number,
): void {
  const offset = k * operand.along + index * operand.across;
  if (count === 3) v.pushAddress(operand.pointer, offset + 8);
  v.pushAddress(operand.pointer, offset);
  v.f.memory(count === 1 ? "v128.load32_zero" : "v128.load64_zero");
  if (count === 3) v.f.memoryLane("v128.load32_lane", 2);
}

function splatLane(v: VectorEmitter, vector: Vector, lane: number): void {
  v.f.localGet(vector);
  v.f.localGet(vector);
  v.f.shuffle32(lane, lane, lane, lane);
}

/** Pushes the sums of the lanes of up to four vectors as one vector. */
export function transposedSum(
  v: VectorEmitter,
  group: readonly Vector[],
): void {
  const { f } = v;
  // A missing vector may be any: its lane is not stored.
  const [a, b = a, c = a, d = b] = group;
  const addHalves = (x: Vector, y: Vector, low: Lanes, high: Lanes) => {
    f.localGet(x);
    f.localGet(y);
    f.shuffle32(...low);
    f.localGet(x);
    f.localGet(y);
    f.shuffle32(...high);
    f.emit("f32x4.add");
  };
  const pairs = hold(v, 2, (i) => {
    const [x, y] = i === 0 ? [a!, b!] : [c!, d!];
    addHalves(x, y, [0, 4, 1, 5], [2, 6, 3, 7]);
  });
  addHalves(pairs[0]!, pairs[1]!, [0, 1, 4, 5], [2, 3, 6, 7]);
  f.release(...pairs);
}
