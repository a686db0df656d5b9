/**
 * Addresses within the loops of a kernel. Views that move alike share one
 * pointer: their bases differ by constants, which go into the instructions.
 */
import type { Buffer, View } from "../compile/kernel.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";

/** Where a kernel's function works. */
export interface Place {
  /** The address of a buffer in bytes. */
  readonly address: (buffer: Buffer) => number;
  /** How many batch entries a tile has. */
  readonly tile: number;
  /** The first batch entry of the tile; there in loops over tiles alone. */
  readonly first?: Local<"i32">;
  /** What the thread that runs the kernel has for itself, if several do. */
  readonly own?: OwnPlace;
}

/** Buffers of which every thread has one. */
export interface OwnPlace {
  /** The bytes from the buffers of thread 0 to the running thread's. */
  readonly offset: Local<"i32">;
  /** Which buffers they are. */
  readonly buffers: ReadonlySet<Buffer>;
}

/** Adds to the address on the stack what a thread's own buffer is away. */
export function emitOwn(
  f: FunctionBuilder,
  buffer: Buffer,
  { own }: Pick<Place, "own">,
): void {
  if (!own?.buffers.has(buffer)) return;
  f.localGet(own.offset);
  f.emit("i32.add");
}

/** An address: a local plus a constant. */
export interface Address {
  readonly local: Local<"i32">;
  readonly offset: number;
}

interface Pointer {
  readonly local: Local<"i32">;
  /** Bytes for one iteration of each outer loop. */
  readonly steps: readonly number[];
  /** Bytes for one element along the row. */
  readonly rowStep: number;
  readonly tileStride: number;
  /** Whether it points at what the running thread has for itself. */
  readonly isOwn: boolean;
}

/** Sets buffers to 0. */
export function emitClears(
  f: FunctionBuilder,
  clears: readonly Buffer[],
  place: Pick<Place, "address" | "own">,
): void {
  for (const buffer of clears) {
    if (buffer.size === 0) continue;
    f.i32Const(place.address(buffer));
    emitOwn(f, buffer, place);
    f.i32Const(0);
    f.i32Const(4 * buffer.size);
    f.bulk("memory.fill");
  }
}

/** The pointers of one kernel. */
export class Pointers {
  readonly #f: FunctionBuilder;
  readonly #place: Place;
  readonly #extents: readonly number[];
  readonly #pointers = new Map<string, Pointer>();
  /** Per row: the looked-up index of each distinct lookup. */
  readonly #indices = new Map<string, Local<"i32">>();
  /** Per row: pointer plus looked-up offset. */
  readonly #rows = new Map<string, Local<"i32">>();
  #views: readonly View[] = [];
  #vector: Local<"i32"> | undefined;

  constructor(f: FunctionBuilder, place: Place, extents: readonly number[]) {
    this.#f = f;
    this.#place = place;
    this.#extents = extents;
  }

  /** Makes pointers for the views, at the tile's start. */
  declare(views: readonly View[]): void {
    const f = this.#f;
    this.#views = views;
    for (const view of views) {
      this.#pointerOf(view);
      if (view.lookup) this.#pointerOf(view.lookup.index);
    }
    for (const { local, tileStride, isOwn } of this.#pointers.values()) {
      const { first, own } = this.#place;
      if (first && tileStride !== 0) {
        f.localGet(first);
        f.i32Const(tileStride);
        f.emit("i32.mul");
        if (isOwn) {
          f.localGet(own!.offset);
          f.emit("i32.add");
        }
      } else if (isOwn) f.localGet(own!.offset);
      else f.i32Const(0);
      f.localSet(local);
    }
  }

  /** Emits the outer loops around `body`. */
  loops(body: () => void): void {
    this.#loop(0, body);
  }

  #loop(level: number, body: () => void): void {
    if (level === this.#extents.length) return body();
    const f = this.#f;
    const extent = this.#extents[level]!;
    const inner = (): void => {
      this.#loop(level + 1, body);
      for (const { local, steps } of this.#pointers.values()) {
        // The loops within have moved the pointer over all their iterations.
        const moved = level + 1 < steps.length
          ? steps[level + 1]! * this.#extents[level + 1]!
          : 0;
        this.#advance(local, steps[level]! - moved);
      }
    };
    const counter = f.local("i32");
    f.forRange(counter, 0, extent, 1, inner);
    f.release(counter);
  }

  #advance(local: Local<"i32">, bytes: number): void {
    if (bytes === 0) return;
    const f = this.#f;
    f.localGet(local);
    f.i32Const(bytes);
    f.emit("i32.add");
    f.localSet(local);
  }

  /** Looks up what is looked up once a row. */
  enterRow(): void {
    for (const view of this.#views) {
      if (!view.lookup || view.lookup.index.strides.at(-1) !== 0) continue;
      const key = this.#rowKey(view);
      if (this.#rows.has(key)) continue;
      const { lookup } = view;
      const f = this.#f;
      f.localGet(this.#pointerOf(view).local);
      f.localGet(this.#index(lookup));
      f.i32Const(4 * lookup.stride);
      f.emit("i32.mul");
      f.emit("i32.add");
      const local = f.local("i32");
      f.localSet(local);
      this.#rows.set(key, local);
    }
  }

  #index(lookup: NonNullable<View["lookup"]>): Local<"i32"> {
    const key = `${lookup.rows} ${viewKey(lookup.index)}`;
    const known = this.#indices.get(key);
    if (known) return known;
    const f = this.#f;
    const local = f.local("i32");
    const at = this.#addressOf(lookup.index);
    f.localGet(at.local);
    f.memory("i32.load", at.offset);
    f.localSet(local);
    this.checkIndex(local, lookup.rows);
    this.#indices.set(key, local);
    return local;
  }

  /** Traps if an index is outside its table; negative ones look huge. */
  checkIndex(index: Local<"i32">, rows: number): void {
    const f = this.#f;
    f.localGet(index);
    f.i32Const(rows);
    f.emit("i32.ge_u");
    f.if(() => f.unreachable());
  }

  /** Gives back the locals of a row. */
  leaveRow(): void {
    this.#f.release(...this.#indices.values(), ...this.#rows.values());
    this.#indices.clear();
    this.#rows.clear();
  }

  /** Begins a loop over vectors; returns the local that counts their bytes. */
  startVectors(): Local<"i32"> {
    this.#vector = this.#f.local("i32");
    return this.#vector;
  }

  /** Ends the loop over vectors. */
  endVectors(): void {
    this.#f.release(this.#vector!);
    this.#vector = undefined;
  }

  /** The local with the loop's position along the row, in bytes of floats. */
  get vectorBytes(): Local<"i32"> | undefined {
    return this.#vector;
  }

  /**
   * Pushes the address of a view's element 4 * vector of the row, and returns
   * the constant to add; within a loop over vectors, that of the loop.
   */
  push(view: View, vector: number, lane = 0): number {
    const f = this.#f;
    const { local, offset } = this.#addressOf(view);
    const { rowStep } = this.#pointerOf(view);
    f.localGet(local);
    if (this.#vector && rowStep !== 0) {
      f.localGet(this.#vector);
      if (rowStep !== 4) {
        f.i32Const(rowStep / 4);
        f.emit("i32.mul");
      }
      f.emit("i32.add");
    }
    return offset + rowStep * (4 * vector + lane);
  }

  #addressOf(view: View): Address {
    const base = this.#place.address(view.buffer) + 4 * view.offset;
    const row = view.lookup && this.#rows.get(this.#rowKey(view));
    return { local: row ?? this.#pointerOf(view).local, offset: base };
  }

  #pointerOf(view: View): Pointer {
    const steps = view.strides.slice(0, -1).map((stride) => 4 * stride);
    const rowStep = 4 * view.strides.at(-1)!;
    const tileStride = this.#place.first ? 4 * view.tileStride : 0;
    const isOwn = this.#isOwn(view);
    const key = `${steps} ${tileStride} ${isOwn}`;
    const known = this.#pointers.get(key);
    if (known) return { ...known, rowStep };
    const local = this.#f.local("i32");
    const pointer = { local, steps, rowStep, tileStride, isOwn };
    this.#pointers.set(key, pointer);
    return pointer;
  }

  #isOwn({ buffer }: View): boolean {
    return this.#place.own?.buffers.has(buffer) ?? false;
  }

  #rowKey(view: View): string {
    const { index, stride } = view.lookup!;
    return `${view.strides.slice(0, -1)} ${view.tileStride} ${stride} ` +
      `${this.#isOwn(view)} ${viewKey(index)}`;
  }
}

function viewKey(view: View): string {
  return `${view.buffer.id} ${view.offset} ${view.strides}`;
}
