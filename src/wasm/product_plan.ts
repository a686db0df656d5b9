// Chooses how a matrix product is cut into register blocks, as plain data, from its sizes and strides and a
// small model of the processor's time. Emits nothing.

import { type Segment, split } from "./blocks.ts";
import type { ProductShape } from "./product_types.ts";

/**
 * What the lanes of vectors hold in the inner loop.
 *
 * - "splat": columns of C; elements of A are loaded into all lanes.
 * - "quad": columns of C; four k of a row of A are loaded at once and splat from there.
 * - "turn": columns of C; four rows of a column of A are loaded at once and turned through the lanes, so that
 *   each lane of a sum belongs to another row. At the end lanes are exchanged.
 * - "dot": k; sums are transposed into columns of C at the end.
 */
export type Form = "splat" | "quad" | "turn" | "dot";

/** Panels of columns of one width, and how each is cut into rows. */
export interface Panel extends Segment {
  readonly form: Form;
  readonly rows: readonly Segment[];
  /** Lanes of the panel's last vector that belong to C. */
  readonly lanes: number;
}

/** How a product is cut. */
export interface ProductPlan {
  readonly panels: readonly Panel[];
  /** Steps of k in the body of the inner loop. */
  readonly unroll: number;
}

/** How much of a product is done in one pass, so that it stays in the second-level cache. */
export interface Tiles {
  readonly m: number;
  readonly k: number;
}

/** Floats that a pass may touch beside B. */
const PASS_FLOATS = 1 << 17;
const PASS_DEPTH = 256;

/** Chooses passes: whole products where they are small. */
export function chooseTiles({ m, n, k }: ProductShape): Tiles {
  const depth = k <= 2 * PASS_DEPTH ? k : PASS_DEPTH;
  const most = Math.max(64, Math.floor(PASS_FLOATS / (n + depth)));
  if (m <= 2 * most) return { m, k: depth };
  // Passes of equal size need no further code for a rest.
  for (let rows = most; rows >= most / 2; rows--) {
    if (m % rows === 0 && rows % 4 === 0) return { m: rows, k: depth };
  }
  return { m: most - most % 12, k: depth };
}

/** Vector registers that V8 hands out on x64; the sixteenth is its own. */
const REGISTERS = 15;
/** Widest panels in vectors: one row of them still fits. */
const WIDEST = 6;
const WIDEST_DOT = 3;
/** Below this many steps of k a block has no loop. */
const SHORT = 12;
/** Share of the time that one more kind of block must save to be worth its code. */
const CODE = 0.02;

/** Chooses blocks for a product: the cheapest by the estimate of `blockCycles`. */
export function chooseBlock(shape: ProductShape): ProductPlan {
  const count = Math.ceil(shape.n / 4);
  const lanes = shape.padded ? 4 : shape.n - 4 * (count - 1);
  const isDot = formsOf(shape)[0] === "dot";
  const widest = Math.min(isDot ? WIDEST_DOT : WIDEST, count);
  const cuts = new Map<number, Cut>();
  const cutOf = (panel: Segment & { lanes: number }): Cut => {
    const key = 4 * panel.size + panel.lanes;
    const cut = cuts.get(key) ?? cheapestCut(shape, panel);
    cuts.set(key, cut);
    return { ...cut, count: panel.count };
  };
  let found: { cost: number; panels: Cut[] } | undefined;
  for (let width = 1; width <= widest; width++) {
    for (const widths of coverings(count, width)) {
      const panels = withPartial(widths, lanes).map(cutOf);
      const kinds = panels.reduce((sum, p) => sum + p.rows.length, 0);
      const cycles = panels.reduce((sum, p) => sum + p.count * p.cycles, 0);
      const cost = cycles * (1 + CODE * kinds);
      if (found === undefined || cost < found.cost) found = { cost, panels };
    }
  }
  const steps = isDot ? Math.ceil(shape.k / 4) : shape.k;
  const { panels } = found!;
  return { panels, unroll: steps <= SHORT ? steps : 4 };
}

/** Sets apart the last panel when it has fewer lanes. */
function withPartial(
  segments: readonly Segment[],
  lanes: number,
): (Segment & { lanes: number })[] {
  const panels = segments.map((segment) => ({ ...segment, lanes: 4 }));
  if (lanes === 4) return panels;
  const last = panels.pop()!;
  if (last.count > 1) panels.push({ ...last, count: last.count - 1 });
  return [...panels, { ...last, count: 1, lanes }];
}

/** Ways to cover vectors or rows by parts of one size and a rest, which may share those of the last part. */
function coverings(total: number, width: number): Segment[][] {
  const plain = split(total, width);
  const both = width + total % width;
  if (plain.length < 2 || both < 4) return [plain];
  const half = Math.floor(both / 2);
  const rest = both % 2 === 0
    ? [{ size: half, count: 2 }]
    : [{ size: half + 1, count: 1 }, { size: half, count: 1 }];
  const main = plain[0]!.count - 1;
  return [plain, main === 0 ? rest : [{ size: width, count: main }, ...rest]];
}

/** A panel and the estimated cycles of one such. */
interface Cut extends Panel {
  readonly cycles: number;
}

/** The cheapest form and rows for panels of a width. */
function cheapestCut(
  shape: ProductShape,
  panel: Segment & { lanes: number },
): Cut {
  let found: Cut | undefined;
  let least = Infinity;
  const isAcross = shape.a.column !== 1;
  for (const form of formsOf(shape)) {
    const columns = form === "dot"
      ? 4 * (panel.size - 1) + panel.lanes
      : panel.size;
    let tallest = 1;
    while (
      tallest < shape.m && registers(form, tallest + 1, columns) <= REGISTERS
    ) tallest++;
    // Blocks of less than half the sums lose: each sum takes four cycles.
    for (let height = tallest; 2 * height >= tallest; height--) {
      for (const rows of coverings(shape.m, height)) {
        const cycles = rows.reduce(
          (sum, { size, count }) =>
            sum + count * blockCycles(shape.k, form, size, columns, isAcross),
          0,
        );
        const cost = cycles * (1 + CODE * rows.length);
        if (cost >= least) continue;
        least = cost;
        found = { ...panel, form, rows, cycles };
      }
    }
  }
  return found!;
}

function formsOf({ a, b }: ProductShape): Form[] {
  if (b.column !== 1) return ["dot"];
  if (a.column === 1) return ["quad", "splat"];
  return a.row === 1 ? ["turn", "splat"] : ["splat"];
}

/** Vector registers in use at once in the inner loop; `columns` are vectors of C, or columns in form "dot". */
function registers(form: Form, rows: number, columns: number): number {
  const sums = rows * columns;
  if (form === "quad") return sums + rows + columns + 1;
  if (form === "turn") return sums + columns + 1;
  return sums + Math.min(rows, columns) + 1;
}

/**
 * Estimated cycles of one block on an x64 core, fitted to measurements: nearly two multiply-adds a cycle, fewer
 * where there are few sums, since each takes four cycles; or five operations a cycle. A checked access is two
 * operations, and one more where its index is a sum. Of two blocks as fast the one with fewer operations
 * is better: it loses less where the core is shared. Where A is read across its rows, each k is another cache
 * line of A and of B.
 */
function blockCycles(
  k: number,
  form: Form,
  rows: number,
  columns: number,
  isAcross: boolean,
): number {
  const products = rows * columns;
  const loadA = loadOperations(form, rows);
  const operations = products + loadA + 2 * columns + 2;
  // Lanes are exchanged at the end.
  const exchange = form === "turn" ? products : 0;
  const multiplying = (Math.max(products / 2, 4) + 0.3) / 0.93;
  const lines = isAcross ? 1 + Math.ceil(columns / 4) : 0;
  const step = Math.max(multiplying, operations / 5) +
    0.05 * operations + 0.3 * lines;
  const steps = form === "dot" ? Math.ceil(k / 4) : k;
  return steps * step + 1.5 * products + exchange + 15;
}

/** Operations that bring rows of A into registers for one k. */
function loadOperations(form: Form, rows: number): number {
  switch (form) {
    case "splat":
      return 3 * rows;
    case "quad":
      return 1.5 * rows;
    case "dot":
      return 2 * rows;
    case "turn":
      // One index for all; each wheel is loaded, checked and turned once less than it has rows.
      return 1 + rows + Math.floor(rows / 4) + [0, 1, 1, 2][rows % 4]!;
  }
}
