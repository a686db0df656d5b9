/**
 * Kernels as plain data: what lowering hands on, and all that an emitter or a
 * walker needs to know. Everything is in elements, not bytes.
 */
import type { DType, Node } from "../graph/node.ts";

/** A piece of memory that kernels read and write. */
export interface Buffer {
  /** Position in the list of buffers. */
  readonly id: number;
  /** The node whose value it holds. */
  readonly node: Node;
  /** The element type. */
  readonly dtype: DType;
  /** How many elements it has: those of one tile where it is local to tiles. */
  readonly size: number;
  /** The strides of the node's axes. */
  readonly strides: readonly number[];
  /** Whether it holds one tile alone and is written anew by each. */
  readonly local: boolean;
  /** Whether it must keep its contents from run to run. */
  readonly pinned: boolean;
  /** Set where one kernel alone writes and reads it, each time anew. */
  readonly scratch?: true;
  /** Set where the buffer is a variable's own place. */
  readonly variable?: string;
}

/** Elements of a buffer under a kernel's loops. */
export interface View {
  /** The buffer. */
  readonly buffer: Buffer;
  /** The first element. */
  readonly offset: number;
  /** One stride for every loop. */
  readonly strides: readonly number[];
  /** What the next tile is away; 0 in buffers local to tiles. */
  readonly tileStride: number;
  /** A further offset that is looked up: index times stride. */
  readonly lookup?: {
    readonly index: View;
    readonly stride: number;
    readonly rows: number;
  };
}

/** Operations on one or more values of the same loop iteration. */
export type ValueOp =
  | "neg"
  | "abs"
  | "exp"
  | "log"
  | "tanh"
  | "sqrt"
  | "sigmoid"
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "maximum"
  | "minimum"
  | "equal"
  | "less"
  | "lessEqual"
  | "select"
  | "toFloat"
  | "toInt";

/** One value of a loop kernel; `args` are positions of earlier values. */
export type Value =
  & {
    /** The element type. */
    readonly dtype: DType;
    /** Whether there is one for the whole row instead of one an element. */
    readonly scalar: boolean;
  }
  & (
    | { readonly op: "load"; readonly view: View }
    | { readonly op: "constant"; readonly value: number }
    | { readonly op: "position" }
    | { readonly op: "rowSum" | "rowMax"; readonly arg: number }
    /** The first position at which the row holds `max`, or NaN. */
    | { readonly op: "rowFirst"; readonly arg: number; readonly max: number }
    | { readonly op: ValueOp; readonly args: readonly number[] }
  );

/** Writes a value: in place of what is there, or on top of it. */
export interface Store {
  /** Where to. */
  readonly view: View;
  /** The position of the value. */
  readonly value: number;
  /** Whether it is added to what is there. */
  readonly add: boolean;
}

/** Loops over rows; every row is computed as a whole. */
export interface LoopKernel {
  readonly kind: "loop";
  /** Shown by profilers and listings. */
  readonly name: string;
  /** The extents of the loops; the last one runs along the row. */
  readonly extents: readonly number[];
  /** Whether the first loop is the batch, cut into tiles. */
  readonly tiled: boolean;
  /** What is computed, in order. */
  readonly values: readonly Value[];
  /** What is written. */
  readonly stores: readonly Store[];
  /** Buffers set to 0 before the loops. */
  readonly clears: readonly Buffer[];
}

/** One operand or the result of a product: a stride for every loop. */
export interface Operand {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly strides: readonly number[];
  readonly tileStride: number;
}

/** out[batch, m, n] (+)= sum over k of a[batch, m, k] b[batch, k, n]. */
export interface ProductKernel {
  readonly kind: "product";
  /** Shown by profilers and listings. */
  readonly name: string;
  /** The extents of all loops: batch, then m, n, k. */
  readonly extents: readonly number[];
  /** How many of the loops are batch, m, n and k. */
  readonly roles: {
    readonly batch: number;
    readonly m: number;
    readonly n: number;
    readonly k: number;
  };
  /** Which loop is the batch cut into tiles; -1 for none. */
  readonly tiledLoop: number;
  readonly a: Operand;
  readonly b: Operand;
  readonly out: Operand;
  /** Whether the result is added to what is there. */
  readonly add: boolean;
  /**
   * Where rows of `a` are copied to lie side by side, if they are; what it
   * holds before and after means nothing.
   */
  readonly scratch?: Buffer;
  /** Buffers set to 0 before the loops. */
  readonly clears: readonly Buffer[];
}

/** A unit of work. */
export type Kernel = LoopKernel | ProductKernel;

/** One stage: kernels on whole arrays, or a loop over tiles. */
export interface StageKernels {
  /** Whether the kernels run once for every tile. */
  readonly tiled: boolean;
  /** Buffers set to 0 before the stage. */
  readonly clears: readonly Buffer[];
  /** In order. */
  readonly kernels: readonly Kernel[];
}

/** A lowered graph. */
export interface Lowered {
  /** Every buffer, by id. */
  readonly buffers: readonly Buffer[];
  /** What is done once, after frozen variables have changed. */
  readonly prepare: StageKernels;
  /** In order. */
  readonly stages: readonly StageKernels[];
  /** Whether no variable changes before the last lookup, which may fail. */
  readonly atomic: boolean;
  /** The size of the batch axis. */
  readonly batch: number;
  /** How many batch entries a tile has. */
  readonly tile: number;
  /** Moved into variables after all stages. */
  readonly copies: readonly { readonly from: Buffer; readonly to: Buffer }[];
  /** Where the inputs are written, in the order given. */
  readonly inputs: readonly Buffer[];
  /** Where the outputs are read, in the order given. */
  readonly outputs: readonly Buffer[];
}

/** What profilers and listings call a node's kernel. */
export function nameOf(node: Node): string {
  return node.scope === "" ? node.op : `${node.scope}.${node.op}`;
}
