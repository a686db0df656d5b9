// Describes a matrix product to be emitted: sizes, strides, operands and the code around the sums. Only types.

import type { Local } from "./assembler.ts";

/** Sizes and strides of C[m, n] = A[m, k] B[k, n]; strides in elements. */
export interface ProductShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Strides of A along m and k. */
  readonly a: { readonly row: number; readonly column: number };
  /** Strides of B along k and n; one of them is 1. */
  readonly b: { readonly row: number; readonly column: number };
  /** Stride of C along m; along n it is 1. */
  readonly c: { readonly row: number };
  /** Rows of C may be written up to a multiple of four columns. */
  readonly padded?: boolean;
}

/** A further operand that hooks read at the place of the element of C they work on. */
export interface Stream {
  /** Address of its element (0, 0). */
  readonly base: Local<"i32">;
  /** Elements from one row to the next; 0 for a bias. */
  readonly row: number;
  /** Elements from one column to the next: 1, or 0 for one value a row. */
  readonly column: 0 | 1;
}

/** Where a hook finds an operand: at the address in the local plus the offset in bytes. */
export interface Place {
  readonly address: Local<"i32">;
  readonly offset: number;
}

/** The vector of C a hook works on. */
export interface Cell {
  /** Place of the vector in C. */
  readonly c: Place;
  /** Places in the streams, in their order. */
  readonly streams: readonly Place[];
  /** Lanes that belong to C: 4, or fewer at the end of a row. */
  readonly lanes: number;
}

/** Code around the sums. */
export interface Hooks {
  /** What the sum starts from: zero (default), what C holds, or a vector that a hook pushes. */
  readonly initial?: "zero" | "load" | ((cell: Cell) => void) | undefined;
  /** Replaces the vector on the stack before it is stored. */
  readonly epilogue?: ((cell: Cell) => void) | undefined;
}

/** What is multiplied and what becomes of the result. */
export interface Product extends ProductShape, Hooks {
  /** Factor of A B, 1 by default. */
  readonly scale?: number;
  /** Operands of the hooks. */
  readonly streams?: readonly Stream[];
}

/** Locals with the addresses of element (0, 0); they are left as they are. */
export interface ProductAddresses {
  readonly a: Local<"i32">;
  readonly b: Local<"i32">;
  readonly c: Local<"i32">;
}
