// Emits matrix products C = epilogue(initial + scale A B) of sizes known at compile time into a function:
// the loops over blocks of C. The inside of a block is product_block.ts, its choice product_plan.ts.
//
// Loads may touch up to 12 bytes behind the end of B and of the streams, and their values are not used;
// nothing is written outside of C. Legend: C[m, n], A[m, k], B[k, n].

import type { FunctionBuilder, Local } from "./assembler.ts";
import { emitBlock, touchLimits } from "./product_block.ts";
import {
  chooseBlock,
  chooseTiles,
  type ProductPlan,
  type Segment,
  split,
  type Tiles,
} from "./product_plan.ts";
import type {
  Hooks,
  Product,
  ProductAddresses,
  ProductShape,
} from "./product_types.ts";
import type { VectorEmitter } from "./vector_emitter.ts";

export type {
  Cell,
  Hooks,
  Place,
  Product,
  ProductAddresses,
  ProductShape,
  Stream,
} from "./product_types.ts";

/** How a product is emitted. */
export interface ProductOptions {
  /** Rows and depth done in one pass, `chooseTiles` unless given. */
  readonly tiles?: Tiles;
  /** The cut of one pass, `chooseBlock` unless given. */
  readonly choose?: (shape: ProductShape) => ProductPlan;
}

type Axis = "rows" | "columns" | "depth";

/** One operand's pointer on its way through the blocks: its steps are bytes. */
type Walker = { readonly base: Local<"i32"> } & Readonly<Record<Axis, number>>;

/**
 * Emits a product.
 *
 * @throws {RangeError} When a size is not a positive integer, or strides fit none of the forms.
 */
export function emitProduct(
  v: VectorEmitter,
  product: Product,
  addresses: ProductAddresses,
  options: ProductOptions = {},
): void {
  const { f } = v;
  const { a, b, c, streams = [] } = product;
  checkShape(product);
  const { tiles = chooseTiles(product), choose = chooseBlock } = options;
  const walkers: Walker[] = [
    { base: addresses.a, rows: 4 * a.row, columns: 0, depth: 4 * a.column },
    { base: addresses.b, rows: 0, columns: 16 * b.column, depth: 4 * b.row },
    { base: addresses.c, rows: 4 * c.row, columns: 16, depth: 0 },
    ...streams.map(({ base, row, column }) => ({
      base,
      rows: 4 * row,
      columns: 16 * column,
      depth: 0,
    })),
  ];
  walk(f, split(product.m, tiles.m), "rows", walkers, (rows, atRows) => {
    walk(f, passes(product, tiles.k), "depth", atRows, (pass, here) => {
      const { size: k, initial, epilogue } = pass;
      const part = { ...product, m: rows.size, k, initial, epilogue };
      emitPass(v, part, choose(part), here);
    });
  });
}

function checkShape({ m, n, k, a, b }: ProductShape): void {
  for (const [name, size] of Object.entries({ m, n, k })) {
    if (Number.isInteger(size) && size > 0) continue;
    throw new RangeError(
      `Cannot emit a product: ${name} is ${size}, wanted a positive integer`,
    );
  }
  if (b.column === 1 || (b.row === 1 && a.column === 1)) return;
  throw new RangeError(
    `Cannot emit a product: strides of B are ${b.row} and ${b.column}, and A's along k is ${a.column}; ` +
      `wanted B's along n to be 1, or both along k`,
  );
}

/** Part of a product along k: only the first starts from the initial value, only the last has the epilogue. */
interface Pass extends Segment, Hooks {}

function passes(product: Product, depth: number): Pass[] {
  const { initial, epilogue } = product;
  const segments = split(product.k, depth);
  const isPlain = initial === "load" && epilogue === undefined;
  const total = segments.reduce((sum, { count }) => sum + count, 0);
  if (isPlain || total === 1) {
    return segments.map((segment) => ({ ...segment, initial, epilogue }));
  }
  const between: Hooks = { initial: "load", epilogue: undefined };
  const parts: Pass[] = [];
  segments.forEach(({ size, count }, i) => {
    const isFirst = i === 0;
    const isLast = i === segments.length - 1;
    const middle = count - (isFirst ? 1 : 0) - (isLast ? 1 : 0);
    if (isFirst) parts.push({ size, count: 1, ...between, initial });
    if (middle > 0) parts.push({ size, count: middle, ...between });
    if (isLast) parts.push({ size, count: 1, ...between, epilogue });
  });
  return parts;
}

function emitPass(
  v: VectorEmitter,
  product: Product,
  plan: ProductPlan,
  walkers: readonly Walker[],
): void {
  const [a, b] = walkers.map(({ base }) => base);
  touchLimits(v, product, { a: a!, b: b! }, plan);
  walk(v.f, plan.panels, "columns", walkers, (panel, atPanel) => {
    walk(v.f, panel.rows, "rows", atPanel, (rows, atBlock) => {
      const [blockA, blockB, blockC, ...rest] = atBlock.map((w) => w.base);
      emitBlock(v, product, plan.unroll, {
        form: panel.form,
        rows: rows.size,
        vectors: panel.size,
        lanes: panel.lanes,
        a: blockA!,
        b: blockB!,
        c: blockC!,
        streams: rest,
      });
    });
  });
}

/** Emits `body` for each block along one axis, with walkers that stand at the block. */
function walk<S extends Segment>(
  f: FunctionBuilder,
  segments: readonly S[],
  axis: Axis,
  walkers: readonly Walker[],
  body: (segment: S, walkers: readonly Walker[]) => void,
): void {
  const isSingle = segments.length === 1 && segments[0]!.count === 1;
  const moving = isSingle ? [] : walkers.filter((w) => w[axis] !== 0);
  const copies = new Map(moving.map((w) => [w, f.local("i32")]));
  for (const [walker, copy] of copies) {
    f.localGet(walker.base);
    f.localSet(copy);
  }
  const here = walkers.map((w) => ({ ...w, base: copies.get(w) ?? w.base }));
  segments.forEach((segment, i) => {
    const isLast = i === segments.length - 1;
    repeat(f, segment.count, (isLastTrip) => {
      body(segment, here);
      if (isLast && isLastTrip) return;
      for (const [walker, copy] of copies) {
        bump(f, copy, walker[axis] * segment.size);
      }
    });
  });
  f.release(...copies.values());
}

/** Emits `body` in a loop, or once; it is told whether it is known to be the last trip. */
function repeat(
  f: FunctionBuilder,
  count: number,
  body: (isLastTrip: boolean) => void,
): void {
  if (count === 1) return body(true);
  const counter = f.local("i32");
  f.i32Const(count);
  f.localSet(counter);
  f.loop((again) => {
    body(false);
    bump(f, counter, -1);
    f.localGet(counter);
    f.brIf(again);
  });
  f.release(counter);
}

function bump(f: FunctionBuilder, pointer: Local<"i32">, step: number): void {
  f.localGet(pointer);
  f.i32Const(step);
  f.emit("i32.add");
  f.localSet(pointer);
}
