// Emits matrix products C = epilogue(initial + scale A B) of sizes known at compile time into a function:
// the loops over blocks of C. The inside of a block is product_block.ts, its choice product_plan.ts.
//
// Loads may touch up to 12 bytes behind the end of B and of the streams, and their values are not used;
// nothing is written outside of C. Legend: C[m, n], A[m, k], B[k, n].

import {
  type Segment,
  split,
  walk,
  type Walker as WalkerAlong,
} from "./blocks.ts";
import { emitBlock, touchLimits } from "./product_block.ts";
import {
  chooseBlock,
  chooseTiles,
  type ProductPlan,
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

/** One operand's pointer on its way through the blocks. */
type Walker = WalkerAlong<"rows" | "columns" | "depth">;

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
