// Emits one block of a matrix product: accumulators for a few rows and vectors of C held in registers while k
// runs over all of K, then the hooks and the stores. What happens for one k is product_steps.ts.
//
// Addressing. Deno runs WebAssembly with explicit bounds checks: each access compares its index with the
// memory's size less the constant offset. That difference costs an instruction, and is spilled once it is used
// in more than one loop. So k goes into the index, and constant offsets are few: one for each row of A and
// vector of B, computed once before the loops (`touchLimits`).

import type { Local } from "./assembler.ts";
import type { Form, ProductPlan } from "./product_plan.ts";
import type { Cell, Product, ProductAddresses } from "./product_types.ts";
import { emitSteps, type Sums, transposedSum } from "./product_steps.ts";
import { unturn, WHEEL, wheelsOf } from "./product_turns.ts";
import type { VectorEmitter } from "./vector_emitter.ts";

/** A block of C and the addresses of its first elements. */
export interface Block {
  readonly form: Form;
  readonly rows: number;
  readonly vectors: number;
  /** Lanes of the last vector that belong to C. */
  readonly lanes: number;
  readonly a: Local<"i32">;
  readonly b: Local<"i32">;
  readonly c: Local<"i32">;
  readonly streams: readonly Local<"i32">[];
}

/** Emits a block: sums over k, hooks, stores. */
export function emitBlock(
  v: VectorEmitter,
  product: Product,
  unroll: number,
  block: Block,
): void {
  const isDot = block.form === "dot";
  const columns = isDot ? 4 * block.vectors - (4 - block.lanes) : block.vectors;
  const sums = Array.from({ length: block.rows }, () => v.vectors(columns));
  sums.forEach((line, row) =>
    line.forEach((sum, column) => {
      if (!startsAtInitial(product, block)) v.f.i32x4Const(0);
      else pushInitial(v, product, cellOf(product, block, row, column));
      v.f.localSet(sum);
    })
  );
  overK(v, product, unroll, block, sums);
  if (block.form === "turn") unturn(v, sums);
  for (let row = 0; row < block.rows; row++) {
    for (let vector = 0; vector < block.vectors; vector++) {
      const cell = cellOf(product, block, row, vector);
      finishVector(v, product, block, cell, () => {
        if (!isDot) return v.f.localGet(sums[row]![vector]!);
        const first = 4 * vector;
        transposedSum(v, sums[row]!.slice(first, first + cell.lanes));
      });
    }
  }
  v.f.release(...sums.flat());
}

/**
 * Emits one unused load for every constant offset that blocks use, so that V8 computes the limits its bounds
 * checks compare with here and not in each loop.
 */
export function touchLimits(
  v: VectorEmitter,
  product: Product,
  addresses: Pick<ProductAddresses, "a" | "b">,
  plan: ProductPlan,
): void {
  const touch = (base: Local<"i32">, across: number, count: number) => {
    for (let i = 0; i < count; i++) {
      v.f.localGet(base);
      v.f.memory("v128.load", i * across);
      v.f.drop();
    }
  };
  const { form, rows, size, lanes } = plan.panels[0]!;
  const { a, b } = product;
  if (form === "dot") {
    if (product.k < 4) return;
    touch(addresses.a, 4 * a.row, rows[0]!.size);
    touch(addresses.b, 4 * b.column, 4 * (size - 1) + lanes);
  } else {
    if (form === "quad" && product.k >= 4) {
      touch(addresses.a, 4 * a.row, rows[0]!.size);
    }
    touch(addresses.b, 16, size);
    if (form === "turn") {
      for (const { first, rows: turning } of wheelsOf(rows[0]!.size)) {
        v.f.localGet(addresses.a);
        v.f.memory(WHEEL[turning].load, 4 * first * a.row);
        v.f.drop();
      }
    }
  }
}

function cellOf(
  product: Product,
  block: Block,
  row: number,
  vector: number,
): Cell {
  const { streams = [] } = product;
  return {
    c: { address: block.c, offset: 4 * row * product.c.row + 16 * vector },
    streams: block.streams.map((address, i) => {
      const stream = streams[i]!;
      const offset = 4 * row * stream.row + 16 * vector * stream.column;
      return { address, offset };
    }),
    lanes: vector === block.vectors - 1 ? block.lanes : 4,
  };
}

/** Sums whose lanes are columns of one row can start from the initial value; others get it at the end. */
function startsAtInitial(product: Product, block: Block): boolean {
  const { initial = "zero", scale = 1 } = product;
  return initial !== "zero" && scale === 1 && block.form !== "dot" &&
    block.form !== "turn";
}

function pushInitial(v: VectorEmitter, product: Product, cell: Cell): void {
  if (typeof product.initial === "function") return product.initial(cell);
  v.pushAddress(cell.c.address, cell.c.offset);
  v.f.memory("v128.load");
}

/** Emits the sums over all k: a loop over whole bodies, then the rest. */
function overK(
  v: VectorEmitter,
  { k, a, b }: Product,
  unroll: number,
  block: Block,
  sums: Sums,
): void {
  const { f } = v;
  const isDot = block.form === "dot";
  const body = isDot ? 4 * unroll : unroll;
  const operandA = { across: 4 * a.row, along: 4 * a.column };
  const operandB = { across: isDot ? 4 * b.column : 16, along: 4 * b.row };
  const trips = Math.floor(k / body);
  if (trips < 2) {
    const whole = { pointer: block.a, ...operandA };
    return emitSteps(
      v,
      block.form,
      whole,
      {
        pointer: block.b,
        ...operandB,
      },
      k,
      sums,
    );
  }
  const [pa, pb, end] = [f.local("i32"), f.local("i32"), f.local("i32")];
  f.localGet(block.a);
  f.localSet(pa);
  f.localGet(block.b);
  f.localSet(pb);
  // The end is where B's pointer comes to; one that stands still tells no end,
  // and then trips are counted.
  const moves = operandB.along !== 0;
  if (moves) f.localGet(pb);
  f.i32Const(moves ? trips * body * operandB.along : trips);
  if (moves) f.emit("i32.add");
  f.localSet(end);
  const atA = { pointer: pa, ...operandA };
  const atB = { pointer: pb, ...operandB };
  f.loop((again) => {
    emitSteps(v, block.form, atA, atB, body, sums);
    v.pushAddress(pa, body * operandA.along);
    f.localSet(pa);
    if (moves) {
      v.pushAddress(pb, body * operandB.along);
      f.localTee(pb);
      f.localGet(end);
      f.emit("i32.ne");
    } else {
      f.localGet(end);
      f.i32Const(1);
      f.emit("i32.sub");
      f.localTee(end);
    }
    f.brIf(again);
  });
  emitSteps(v, block.form, atA, atB, k - trips * body, sums);
  f.release(pa, pb, end);
}

/** Scales a sum, adds the initial value where that is still to be done, runs the epilogue and stores. */
function finishVector(
  v: VectorEmitter,
  product: Product,
  block: Block,
  cell: Cell,
  pushSum: () => void,
): void {
  const { f } = v;
  const { initial = "zero", scale = 1 } = product;
  const { address, offset } = cell.c;
  v.pushAddress(address, offset);
  if (cell.lanes === 3) v.pushAddress(address, offset + 8);
  pushSum();
  const isLate = initial !== "zero" && !startsAtInitial(product, block);
  if (scale !== 1) v.constant(scale);
  if (isLate) pushInitial(v, product, cell);
  if (scale !== 1 && isLate) v.multiplyAdd();
  else if (scale !== 1) f.emit("f32x4.mul");
  else if (isLate) f.emit("f32x4.add");
  product.epilogue?.(cell);
  if (cell.lanes === 4) return f.memory("v128.store");
  if (cell.lanes === 1) return f.memoryLane("v128.store32_lane", 0);
  if (cell.lanes === 2) return f.memoryLane("v128.store64_lane", 0);
  const value = f.local("v128");
  f.localTee(value);
  f.memoryLane("v128.store32_lane", 2);
  f.localGet(value);
  f.memoryLane("v128.store64_lane", 0);
  f.release(value);
}
