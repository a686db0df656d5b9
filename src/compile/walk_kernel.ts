/**
 * The kernel walker: carries out kernels as data in plain TypeScript, one tile
 * after another. Slow, and independent of everything that emits code, so that
 * a wrong emitter does not agree with itself.
 */
import type { TypedArray } from "../array.ts";
import type {
  Buffer,
  Kernel,
  LoopKernel,
  Lowered,
  Operand,
  ProductKernel,
  Store,
  Value,
  View,
} from "./kernel.ts";
import { scheduleOf } from "./schedule.ts";
import {
  applyOp,
  type Argument,
  firstRow,
  maxRow,
  sumError,
  sumRow,
} from "./walk_values.ts";

/** Where the contents of buffers are. */
export type Contents = (buffer: Buffer) => TypedArray;

/** The batch entries that a kernel works on. */
export interface Tile {
  /** The first batch entry. */
  readonly first: number;
  /** How many; without meaning for work on whole arrays. */
  readonly count: number;
}

/** How far rounding may take each element of a buffer. */
export type Bounds = Map<Buffer, Float64Array>;

/**
 * Carries out all of a lowered graph: what is prepared, stages, tiles, and the
 * moves at the end.
 *
 * @param lowered What to compute.
 * @param contents The buffers; inputs, constants and variables are filled in.
 */
export function walkLowered(lowered: Lowered, contents: Contents): void {
  const { prepare, stages } = scheduleOf(lowered);
  for (const { stage, calls } of [prepare, ...stages]) {
    for (const buffer of stage.clears) contents(buffer).fill(0);
    for (const call of calls) walkKernel(call.kernel, contents, call);
  }
  for (const { from, to } of lowered.copies) {
    contents(to).set(contents(from));
  }
}

/**
 * Carries out one kernel for one tile.
 *
 * @param kernel The kernel.
 * @param contents The buffers it reads and writes.
 * @param tile Which batch entries, where the kernel goes by tiles.
 * @returns For every buffer written, how far another order of the same
 * arithmetic may be off, element by element.
 * @throws {RangeError} If an index is outside its table.
 */
export function walkKernel(
  kernel: Kernel,
  contents: Contents,
  tile: Tile,
): Bounds {
  for (const buffer of kernel.clears) contents(buffer).fill(0);
  return kernel.kind === "product"
    ? walkProduct(kernel, contents, tile)
    : new LoopWalker(kernel, contents, tile).walk();
}

/** The elements of a buffer that a kernel writes. */
class Cells {
  readonly values: Float64Array;
  readonly errors: Float64Array;
  /** What has been added up, signs left out: sums lose digits by it. */
  readonly #magnitudes: Float64Array;
  /** Its squares, summed over all additions. */
  readonly #squares: Float64Array;

  constructor(contents: TypedArray) {
    this.values = Float64Array.from(contents);
    this.errors = new Float64Array(contents.length);
    this.#magnitudes = this.values.map(Math.abs);
    this.#squares = new Float64Array(contents.length);
  }

  set(at: number, value: number, error: number): void {
    this.values[at] = value;
    this.errors[at] = error;
  }

  add(at: number, value: number, error: number): void {
    this.values[at]! += value;
    this.errors[at]! += error;
    this.#magnitudes[at]! += Math.abs(value);
    this.#squares[at]! += this.#magnitudes[at]! ** 2;
  }

  /** How far each element may be off in the end. */
  bounds(): Float64Array {
    return this.errors.map((error, at) =>
      error + sumError(1) * Math.sqrt(this.#squares[at]!)
    );
  }
}

/** Carries out one loop kernel, row by row. */
class LoopWalker {
  readonly #kernel: LoopKernel;
  readonly #contents: Contents;
  readonly #first: number;
  readonly #extents: readonly number[];
  readonly #row: number;
  readonly #rows: readonly Argument[];
  readonly #cells = new Map<Buffer, Cells>();
  /** Where the outer loops stand. */
  readonly #at: number[];

  constructor(kernel: LoopKernel, contents: Contents, tile: Tile) {
    this.#kernel = kernel;
    this.#contents = contents;
    this.#first = kernel.tiled ? tile.first : 0;
    this.#extents = kernel.tiled
      ? kernel.extents.with(0, tile.count)
      : kernel.extents;
    this.#row = this.#extents.at(-1)!;
    this.#rows = kernel.values.map(({ scalar }) => {
      const size = scalar ? 1 : this.#row;
      return {
        values: new Float64Array(size),
        errors: new Float64Array(size),
        scalar,
      };
    });
    for (const { view: { buffer } } of kernel.stores) {
      if (this.#cells.has(buffer)) continue;
      this.#cells.set(buffer, new Cells(contents(buffer)));
    }
    this.#at = new Array<number>(this.#extents.length - 1).fill(0);
  }

  walk(): Bounds {
    if (!this.#extents.includes(0)) {
      do {
        for (const [at, value] of this.#kernel.values.entries()) {
          this.#compute(value, this.#rows[at]!);
        }
        for (const store of this.#kernel.stores) this.#store(store);
      } while (this.#advance());
    }
    for (const [buffer, { values }] of this.#cells) {
      this.#contents(buffer).set(values);
    }
    return new Map(
      this.#cells.entries().map(([buffer, cells]) => [buffer, cells.bounds()]),
    );
  }

  /** Goes to the next row. */
  #advance(): boolean {
    for (let loop = this.#at.length - 1; loop >= 0; loop--) {
      if (++this.#at[loop]! < this.#extents[loop]!) return true;
      this.#at[loop] = 0;
    }
    return false;
  }

  /** The element of a view that position `i` of this row is at. */
  #locate(view: View, i: number): number {
    let at = view.offset + this.#first * view.tileStride +
      i * view.strides.at(-1)!;
    for (const [loop, position] of this.#at.entries()) {
      at += position * view.strides[loop]!;
    }
    if (!view.lookup) return at;
    const { index, rows, stride } = view.lookup;
    const row = this.#contents(index.buffer)[this.#locate(index, i)]!;
    if (row < 0 || row >= rows) {
      throw new RangeError(
        `Cannot look up row ${row} in kernel "${this.#kernel.name}": ` +
          `wanted 0 to ${rows - 1}`,
      );
    }
    return at + row * stride;
  }

  #compute(value: Value, out: Argument): void {
    const rows = this.#rows;
    const count = out.values.length;
    switch (value.op) {
      case "load":
        return this.#load(value.view, out);
      case "constant":
        out.values[0] = value.dtype === "float32"
          ? Math.fround(value.value)
          : value.value;
        return;
      case "position":
        for (let i = 0; i < count; i++) out.values[i] = i;
        return;
      case "rowSum":
        return sumRow(rows[value.arg]!, out, this.#row);
      case "rowMax":
        return maxRow(rows[value.arg]!, out, this.#row);
      case "rowFirst": {
        const [arg, max] = [rows[value.arg]!, rows[value.max]!];
        return firstRow(arg, max, out, this.#row);
      }
      default: {
        const args = value.args.map((arg) => rows[arg]!);
        applyOp(value.op, args, out, count, value.dtype === "float32");
      }
    }
  }

  #load(view: View, out: Argument): void {
    const cells = this.#cells.get(view.buffer);
    const data = cells?.values ?? this.#contents(view.buffer);
    for (let i = 0; i < out.values.length; i++) {
      const at = this.#locate(view, i);
      out.values[i] = data[at]!;
      out.errors[i] = cells ? cells.errors[at]! : 0;
    }
  }

  #store({ view, value, add }: Store): void {
    const { values, errors, scalar } = this.#rows[value]!;
    const cells = this.#cells.get(view.buffer)!;
    const still = view.strides.at(-1) === 0 &&
      (view.lookup?.index.strides.at(-1) ?? 0) === 0;
    // One value a row into one element: once, not for every position.
    const count = scalar && still ? 1 : this.#row;
    for (let i = 0; i < count; i++) {
      const at = this.#locate(view, i);
      const from = scalar ? 0 : i;
      if (add) cells.add(at, values[from]!, errors[from]!);
      else cells.set(at, values[from]!, errors[from]!);
    }
  }
}

/** Offsets of an operand under some loops, the last one running fastest. */
function offsetsOf(
  { strides }: Operand,
  extents: readonly number[],
  start: number,
  end: number,
): number[] {
  let offsets = [0];
  for (let loop = start; loop < end; loop++) {
    const stride = strides[loop]!;
    const steps = Array.from({ length: extents[loop]! }, (_, i) => i * stride);
    offsets = offsets.flatMap((offset) => steps.map((step) => offset + step));
  }
  return offsets;
}

function walkProduct(
  kernel: ProductKernel,
  contents: Contents,
  { first, count }: Tile,
): Bounds {
  const { roles, tiledLoop, add } = kernel;
  const extents = kernel.extents.map((extent, loop) =>
    loop === tiledLoop ? count : extent
  );
  const inner = roles.batch + roles.m + roles.n;
  const side = (operand: Operand) => ({
    data: contents(operand.buffer),
    start: operand.offset + (tiledLoop < 0 ? 0 : first * operand.tileStride),
    outer: offsetsOf(operand, extents, 0, inner),
    sum: offsetsOf(operand, extents, inner, extents.length),
  });
  const [a, b, out] = [side(kernel.a), side(kernel.b), side(kernel.out)];
  const errors = new Float64Array(out.data.length);
  const error = sumError(a.sum.length + (add ? 1 : 0));
  for (const [at, offset] of out.outer.entries()) {
    const to = out.start + offset;
    const fromA = a.start + a.outer[at]!;
    const fromB = b.start + b.outer[at]!;
    let sum = add ? out.data[to]! : 0;
    let magnitude = Math.abs(sum);
    for (let k = 0; k < a.sum.length; k++) {
      const term = a.data[fromA + a.sum[k]!]! * b.data[fromB + b.sum[k]!]!;
      sum += term;
      magnitude += Math.abs(term);
    }
    out.data[to] = sum;
    errors[to] = Number.isFinite(sum) ? error * magnitude : 0;
  }
  return new Map([[kernel.out.buffer, errors]]);
}
