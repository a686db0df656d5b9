// Emits the transposition of a matrix, four rows by four columns at a time. Which products or copies want one is
// decided elsewhere.
//
// Loads may touch up to 12 bytes behind a row of the source; their values are not used.

import type { FunctionBuilder, Local } from "./assembler.ts";
import { split, walk, type Walker } from "./blocks.ts";

/** What is transposed: to[column, row] = from[row, column]. */
export interface Transposition {
  /** Rows of the source. */
  readonly rows: number;
  /** Columns of the source, one element from each to the next. */
  readonly columns: number;
  /** Elements from one row of the source to the next. */
  readonly from: number;
  /** Elements from one row of the result, a column of the source, to the next. */
  readonly to: number;
  /** Whether rows of the result may be written up to a multiple of four elements. */
  readonly padded: boolean;
}

type Vector = Local<"v128">;

/** Rows of the source done together: as many elements as a line of a cache has. */
const TALL = 16;

/** Emits a transposition between two addresses, of elements (0, 0); they are left as they are. */
export function emitTransposition(
  f: FunctionBuilder,
  { rows, columns, from, to, padded }: Transposition,
  source: Local<"i32">,
  result: Local<"i32">,
): void {
  const walkers: Walker<"rows" | "columns">[] = [
    { base: source, rows: 4 * from, columns: 4 },
    { base: result, rows: 4, columns: 4 * to },
  ];
  walk(f, split(rows, TALL), "rows", walkers, (tall, atTall) => {
    walk(f, split(columns, 4), "columns", atTall, ({ size: wide }, atWide) => {
      walk(f, split(tall.size, 4), "rows", atWide, ({ size: high }, here) => {
        const [a, b] = here.map(({ base }) => base);
        const lines = Array.from({ length: high }, (_, row) => {
          const line = f.local("v128");
          f.localGet(a!);
          f.memory("v128.load", 4 * row * from);
          f.localSet(line);
          return line;
        });
        emitBlock(f, lines, wide, (column, vector) => {
          const offset = 4 * column * to;
          storeLanes(f, b!, offset, vector, padded ? 4 : high);
        });
        f.release(...lines);
      });
    });
  });
}

/** Pairs of lanes of two vectors: the lower two of each, the upper two; then the halves of such pairs. */
const PAIRS = [[0, 4, 1, 5], [2, 6, 3, 7]] as const;
const HALVES = [[0, 1, 4, 5], [2, 3, 6, 7]] as const;

/** Calls `store` with each column of up to four lines. */
function emitBlock(
  f: FunctionBuilder,
  lines: readonly Vector[],
  columns: number,
  store: (column: number, vector: Vector) => void,
): void {
  // A missing line may be any: its lane is not used.
  const [a, b = a, c = a, d = c] = lines;
  const shuffled = (
    x: Vector,
    y: Vector,
    [i, j, k, l]: readonly [number, number, number, number],
  ): Vector => {
    const local = f.local("v128");
    f.localGet(x);
    f.localGet(y);
    f.shuffle32(i, j, k, l);
    f.localSet(local);
    return local;
  };
  for (const [half, pair] of PAIRS.entries()) {
    if (2 * half >= columns) return;
    const upper = shuffled(a!, b!, pair);
    const lower = shuffled(c!, d!, pair);
    for (const [place, lanes] of HALVES.entries()) {
      if (2 * half + place >= columns) break;
      const column = shuffled(upper, lower, lanes);
      store(2 * half + place, column);
      f.release(column);
    }
    f.release(upper, lower);
  }
}

/** Stores the first lanes of a vector. */
function storeLanes(
  f: FunctionBuilder,
  address: Local<"i32">,
  offset: number,
  vector: Vector,
  lanes: number,
): void {
  const push = (): void => {
    f.localGet(address);
    f.localGet(vector);
  };
  if (lanes === 4) {
    push();
    return f.memory("v128.store", offset);
  }
  if (lanes >= 2) {
    push();
    f.memoryLane("v128.store64_lane", 0, offset);
  }
  if (lanes % 2 === 1) {
    push();
    f.memoryLane("v128.store32_lane", lanes - 1, offset + 4 * (lanes - 1));
  }
}
