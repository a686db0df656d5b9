/**
 * Emits product kernels: the outer loops, and within them the blocked matrix
 * product. Products of one shape share a function, which is told addresses.
 */
import type { Operand, ProductKernel } from "../compile/kernel.ts";
import {
  type Axis,
  type Nest,
  nestOf,
  scratchStride,
} from "../compile/products.ts";
import type {
  FunctionBuilder,
  FunctionRef,
  Local,
  ModuleBuilder,
} from "./assembler.ts";
import { emitClears, emitOwn, type Place } from "./pointers.ts";
import { emitProduct, type ProductShape } from "./product.ts";
import { emitTransposition } from "./transposition.ts";
import { VectorEmitter, type VectorOptions } from "./vector_emitter.ts";

const SIDES = ["a", "b", "out"] as const;

/** The matrices of a product, and how its left operand is copied before. */
interface Inner {
  readonly nest: Nest;
  readonly shape: ProductShape;
  /** Elements from one k to the next in the copy; 0 for none. */
  readonly stride: number;
  readonly add: boolean;
}

/** The functions of a module's products, by shape. */
export class ProductFunctions {
  readonly #module: ModuleBuilder;
  readonly #options: VectorOptions;
  readonly #functions = new Map<string, FunctionRef>();

  constructor(module: ModuleBuilder, options: VectorOptions) {
    this.#module = module;
    this.#options = options;
  }

  /** The function for a kernel, made unless one of its shape is there. */
  of(kernel: ProductKernel, tile: number): FunctionRef {
    const nest = nestOf(kernel, tile);
    const shape = productShapeOf(kernel, nest);
    const { add } = kernel;
    const stride = strideOf(kernel, nest);
    const key = JSON.stringify([nest, shape.padded, stride, add]);
    const known = this.#functions.get(key);
    if (known) return known;
    const made = this.#module.addFunction(
      nameOf(nest, kernel),
      { params: ["i32", "i32", "i32", "i32"] },
      (f, a, b, out, scratch) => {
        const inner = { nest, shape, stride, add };
        emitNest(f, inner, { a, b, out }, scratch, this.#options);
      },
    );
    this.#functions.set(key, made);
    return made;
  }
}

/** Emits the body of a kernel's function: a call of its shape's. */
export function emitProductCall(
  f: FunctionBuilder,
  kernel: ProductKernel,
  shape: FunctionRef,
  place: Place,
): void {
  emitClears(f, kernel.clears, place);
  for (const side of SIDES) {
    pushStart(f, kernel[side], kernel.tiledLoop >= 0, place);
  }
  f.i32Const(kernel.scratch ? place.address(kernel.scratch) : 0);
  if (kernel.scratch) emitOwn(f, kernel.scratch, place);
  f.call(shape);
}

function nameOf({ outer, m, n, k }: Nest, { add }: ProductKernel): string {
  const sizes = [...outer, m, n, k].map(({ extent }) => extent).join("x");
  return `product ${sizes}${add ? " added" : ""}`;
}

/** The elements from one k to the next in the left operand's copy; 0 for none. */
function strideOf({ scratch }: ProductKernel, nest: Nest): number {
  // A last, smaller tile may do without.
  return scratch ? scratchStride(nest) : 0;
}

/** The sizes and strides of the matrices within a product's outer loops. */
export function productShapeOf(
  kernel: ProductKernel,
  nest: Nest,
): ProductShape {
  const { m, n, k } = nest;
  const rowForm = n.b === 1 || n.extent === 1;
  const stride = strideOf(kernel, nest);
  const a = stride > 0
    ? { row: 1, column: stride }
    : { row: m.a, column: k.extent === 1 ? 1 : k.a };
  return {
    m: m.extent,
    n: n.extent,
    k: k.extent,
    a,
    b: rowForm ? { row: k.b, column: 1 } : { row: 1, column: n.b },
    c: { row: m.out },
    padded: isPadded(kernel.out, n.extent),
  };
}

type Pointers = Readonly<Record<(typeof SIDES)[number], Local<"i32">>>;

function emitNest(
  f: FunctionBuilder,
  { nest, shape, stride, add }: Inner,
  pointers: Pointers,
  scratch: Local<"i32">,
  options: VectorOptions,
): void {
  const vectors = new VectorEmitter(f, options);
  const { outer, m, k } = nest;
  const multiply = (): void => {
    if (stride > 0) {
      const [rows, columns] = [m.extent, k.extent];
      const copy = { rows, columns, from: m.a, to: stride, padded: true };
      emitTransposition(f, copy, pointers.a, scratch);
    }
    emitProduct(vectors, { ...shape, initial: add ? "load" : "zero" }, {
      a: stride > 0 ? scratch : pointers.a,
      b: pointers.b,
      c: pointers.out,
    });
  };
  const loop = (level: number): void => {
    const axis = outer[level];
    if (!axis) return multiply();
    const counter = f.local("i32");
    f.forRange(counter, 0, axis.extent, 1, () => {
      loop(level + 1);
      for (const side of SIDES) {
        const bytes = 4 * (axis[side] - moved(outer[level + 1], side));
        if (bytes === 0) continue;
        f.localGet(pointers[side]);
        f.i32Const(bytes);
        f.emit("i32.add");
        f.localSet(pointers[side]);
      }
    });
    f.release(counter);
  };
  loop(0);
  vectors.release();
}

/** What a loop within has moved a pointer by when it is over. */
function moved(axis: Axis | undefined, side: (typeof SIDES)[number]): number {
  return axis ? axis.extent * axis[side] : 0;
}

/** Whether a row of the result ends in room for a whole vector. */
function isPadded({ buffer }: Operand, row: number): boolean {
  const width = buffer.strides.at(-2) ?? buffer.size;
  return buffer.strides.at(-1) === 1 && width % 4 === 0 && width > row &&
    row === buffer.node.shape.at(-1);
}

function pushStart(
  f: FunctionBuilder,
  operand: Operand,
  tiled: boolean,
  place: Place,
): void {
  const { address, first } = place;
  f.i32Const(address(operand.buffer) + 4 * operand.offset);
  emitOwn(f, operand.buffer, place);
  if (!tiled || !first || operand.tileStride === 0) return;
  f.localGet(first);
  f.i32Const(4 * operand.tileStride);
  f.emit("i32.mul");
  f.emit("i32.add");
}
