/**
 * Places buffers in one arena by their lifetimes. A pure function of numbers:
 * it knows nothing of graphs, kernels or memory.
 */

/** One buffer: its size, and the first and last step at which it is in use. */
export interface Lifetime {
  /** In bytes. */
  readonly size: number;
  /** The step that first writes it. */
  readonly first: number;
  /** The last step that reads it; Infinity keeps it for good. */
  readonly last: number;
}

/** Where the buffers went. */
export interface ArenaPlan {
  /** The offset of each buffer in bytes, in the order given. */
  readonly offsets: readonly number[];
  /** The arena's size in bytes. */
  readonly size: number;
}

/** Options of {@linkcode planArena}. */
export interface ArenaOptions {
  /** What every offset is a multiple of; 16, a whole vector, by default. */
  align?: number;
  /** Whether buffers never alive at once may overlap; so by default. */
  reuse?: boolean;
}

/** Up to here every buffer can afford to look at all others. */
const QUADRATIC_LIMIT = 4096;

/**
 * Finds an offset for every buffer such that no two alive at once overlap. The
 * largest are placed first, each at the lowest offset free for its whole
 * lifetime; thousands of buffers are placed in the order of time, each in the
 * tightest gap, which is nearly as close and takes no quadratic time.
 *
 * @param lifetimes The buffers.
 * @param options Alignment, and whether to reuse space at all.
 * @returns Offsets and total size in bytes.
 */
export function planArena(
  lifetimes: readonly Lifetime[],
  options: ArenaOptions = {},
): ArenaPlan {
  const { align = 16, reuse = true } = options;
  const padded = lifetimes.map(({ size }) => Math.ceil(size / align) * align);
  if (!reuse) return placeApart(padded);
  return lifetimes.length <= QUADRATIC_LIMIT
    ? placeLargestFirst(lifetimes, padded)
    : placeEarliestFirst(lifetimes, padded);
}

function placeApart(padded: readonly number[]): ArenaPlan {
  let size = 0;
  const offsets = padded.map((wanted) => {
    size += wanted;
    return size - wanted;
  });
  return { offsets, size };
}

function placeLargestFirst(
  lifetimes: readonly Lifetime[],
  padded: readonly number[],
): ArenaPlan {
  const order = [...lifetimes.keys()].sort((a, b) =>
    padded[b]! - padded[a]! || lifetimes[a]!.first - lifetimes[b]!.first
  );
  const offsets = new Array<number>(lifetimes.length).fill(0);
  const placed: number[] = []; // sorted by offset
  let size = 0;
  for (const buffer of order) {
    const wanted = padded[buffer]!;
    let offset = 0;
    for (const other of placed) {
      if (offset + wanted <= offsets[other]!) break;
      const alive = overlap(lifetimes[buffer]!, lifetimes[other]!);
      if (alive) offset = Math.max(offset, offsets[other]! + padded[other]!);
    }
    offsets[buffer] = offset;
    const at = placed.findIndex((other) => offsets[other]! > offset);
    placed.splice(at < 0 ? placed.length : at, 0, buffer);
    size = Math.max(size, offset + wanted);
  }
  return { offsets, size };
}

function overlap(a: Lifetime, b: Lifetime): boolean {
  return a.first <= b.last && b.first <= a.last;
}

function placeEarliestFirst(
  lifetimes: readonly Lifetime[],
  padded: readonly number[],
): ArenaPlan {
  const byFirst = [...lifetimes.keys()].sort((a, b) =>
    lifetimes[a]!.first - lifetimes[b]!.first || padded[b]! - padded[a]!
  );
  const byLast = [...lifetimes.keys()].filter((at) =>
    lifetimes[at]!.last < Infinity
  ).sort((a, b) => lifetimes[a]!.last - lifetimes[b]!.last);
  const offsets = new Array<number>(lifetimes.length).fill(0);
  const gaps = new Gaps();
  let released = 0;
  for (const buffer of byFirst) {
    const { first } = lifetimes[buffer]!;
    for (; released < byLast.length; released++) {
      const dead = byLast[released]!;
      if (lifetimes[dead]!.last >= first) break;
      gaps.release(offsets[dead]!, padded[dead]!);
    }
    offsets[buffer] = gaps.take(padded[buffer]!);
  }
  return { offsets, size: gaps.top };
}

/** The free stretches of an arena that can grow at its top. */
class Gaps {
  /** The arena's size so far. */
  top = 0;
  /** Sorted by offset; no two touch. */
  readonly #free: { offset: number; size: number }[] = [];

  /** Takes bytes from the tightest gap, or makes the arena larger. */
  take(size: number): number {
    let best = -1;
    for (const [at, gap] of this.#free.entries()) {
      if (gap.size < size) continue;
      if (best < 0 || gap.size < this.#free[best]!.size) best = at;
    }
    const last = this.#free.at(-1);
    if (best < 0 && last && last.offset + last.size === this.top) {
      this.top = last.offset + size;
      last.size = size;
      best = this.#free.length - 1;
    }
    const gap = this.#free[best];
    if (!gap) {
      this.top += size;
      return this.top - size;
    }
    const { offset } = gap;
    gap.offset += size;
    gap.size -= size;
    if (gap.size === 0) this.#free.splice(best, 1);
    return offset;
  }

  /** Gives bytes back. */
  release(offset: number, size: number): void {
    if (size === 0) return;
    const next = this.#free.findIndex((gap) => gap.offset > offset);
    const at = next < 0 ? this.#free.length : next;
    this.#free.splice(at, 0, { offset, size });
    this.#join(at);
    this.#join(at - 1);
  }

  /** Makes one gap of two that touch. */
  #join(at: number): void {
    const low = this.#free[at];
    const high = this.#free[at + 1];
    if (!low || !high || low.offset + low.size !== high.offset) return;
    low.size += high.size;
    this.#free.splice(at + 1, 1);
  }
}
