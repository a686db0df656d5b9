// Cuts sizes into blocks, and emits the loops over them with pointers that walk along. What is done in a block is
// decided elsewhere.

import type { FunctionBuilder, Local } from "./assembler.ts";

/** Blocks of one size next to each other: `size` rows or vectors, `count` times. */
export interface Segment {
  readonly size: number;
  readonly count: number;
}

/** A pointer on its way through blocks, and the bytes that a step along each axis is. */
export type Walker<A extends string> =
  & { readonly base: Local<"i32"> }
  & Readonly<Record<A, number>>;

/** Splits `total` into blocks of `size` and a rest. */
export function split(total: number, size: number): Segment[] {
  const segments: Segment[] = [];
  const count = Math.floor(total / size);
  if (count > 0) segments.push({ size, count });
  if (total % size > 0) segments.push({ size: total % size, count: 1 });
  return segments;
}

/** Emits `body` for each block along one axis, with walkers that stand at the block. */
export function walk<A extends string, W extends Walker<A>, S extends Segment>(
  f: FunctionBuilder,
  segments: readonly S[],
  axis: A,
  walkers: readonly W[],
  body: (segment: S, walkers: readonly W[]) => void,
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
  f.repeat(counter, () => body(false));
  f.release(counter);
}

function bump(f: FunctionBuilder, pointer: Local<"i32">, step: number): void {
  f.localGet(pointer);
  f.i32Const(step);
  f.emit("i32.add");
  f.localSet(pointer);
}
