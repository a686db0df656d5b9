/**
 * Emits product kernels: the outer loops, and within them the blocked matrix
 * product. Products of one shape share a function, which is told addresses.
 */
import type { Operand, ProductKernel } from "../compile/kernel.ts";
import { type Axis, type Nest, nestOf } from "../compile/products.ts";
import type {
  FunctionBuilder,
  FunctionRef,
  Local,
  ModuleBuilder,
} from "./assembler.ts";
import { emitClears, type Place } from "./pointers.ts";
import { emitProduct, type ProductShape } from "./product.ts";
import { VectorEmitter, type VectorOptions } from "./vector_emitter.ts";

const SIDES = ["a", "b", "out"] as const;

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
    const key = JSON.stringify([nest, shape.padded, kernel.add]);
    const known = this.#functions.get(key);
    if (known) return known;
    const made = this.#module.addFunction(
      nameOf(nest, kernel),
      { params: ["i32", "i32", "i32"] },
      (f, a, b, out) => {
        emitNest(f, nest, { a, b, out }, shape, kernel.add, this.#options);
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
  f.call(shape);
}

function nameOf({ outer, m, n, k }: Nest, { add }: ProductKernel): string {
  const sizes = [...outer, m, n, k].map(({ extent }) => extent).join("x");
  return `product ${sizes}${add ? " added" : ""}`;
}

/** The sizes and strides of the matrices within a product's outer loops. */
export function productShapeOf(
  { out }: ProductKernel,
  { m, n, k }: Nest,
): ProductShape {
  const rowForm = n.b === 1 || n.extent === 1;
  return {
    m: m.extent,
    n: n.extent,
    k: k.extent,
    a: { row: m.a, column: k.extent === 1 ? 1 : k.a },
    b: rowForm ? { row: k.b, column: 1 } : { row: 1, column: n.b },
    c: { row: m.out },
    padded: isPadded(out, n.extent),
  };
}

type Pointers = Readonly<Record<(typeof SIDES)[number], Local<"i32">>>;

function emitNest(
  f: FunctionBuilder,
  { outer }: Nest,
  pointers: Pointers,
  shape: ProductShape,
  add: boolean,
  options: VectorOptions,
): void {
  const vectors = new VectorEmitter(f, options);
  const loop = (level: number): void => {
    const axis = outer[level];
    if (!axis) {
      emitProduct(vectors, { ...shape, initial: add ? "load" : "zero" }, {
        a: pointers.a,
        b: pointers.b,
        c: pointers.out,
      });
      return;
    }
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
  { address, first }: Place,
): void {
  const base = address(operand.buffer) + 4 * operand.offset;
  if (!tiled || !first || operand.tileStride === 0) return f.i32Const(base);
  f.localGet(first);
  f.i32Const(4 * operand.tileStride);
  f.emit("i32.mul");
  f.i32Const(base);
  f.emit("i32.add");
}
