/**
 * The one array type of the public interface, and its conversions from and to
 * nested JavaScript arrays. It holds data and a shape; it computes nothing.
 */

/** The typed arrays an {@linkcode NDArray} can hold. */
export type TypedArray = Float32Array | Float64Array | Int32Array;

/** A dense, row-major array: `data.length` is the product of `shape`. */
export interface NDArray<T extends TypedArray = TypedArray> {
  /** The elements, the last axis varying fastest. */
  readonly data: T;
  /** The size of every axis; `[]` for a scalar. */
  readonly shape: readonly number[];
}

/** A number, or arrays of equal length nested to any depth. */
export type Nested = number | boolean | readonly Nested[];

/** What every function that takes an array accepts. */
export type ArrayLike = NDArray | TypedArray | Nested;

/** The number of elements of an array of this shape. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

/** Shapes as messages print them: `(2, 3)`. */
export function formatShape(shape: readonly number[]): string {
  return `(${shape.join(", ")})`;
}

/** Whether two shapes are the same, axis by axis. */
export function sameShape(
  a: readonly number[],
  b: readonly number[],
): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** The indices of element `flat`, as messages print them: `[1][0]`. */
export function formatIndex(flat: number, shape: readonly number[]): string {
  const indices: number[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const extent = shape[axis]!;
    indices.unshift(flat % extent);
    flat = Math.floor(flat / extent);
  }
  return indices.map((index) => `[${index}]`).join("");
}

/** Names a value in an error message without ever printing pages of it. */
export function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) {
    return `a value of type ${value.constructor?.name ?? "object"}`;
  }
  return String(value);
}

function isTypedArray(value: unknown): value is TypedArray {
  return value instanceof Float32Array || value instanceof Float64Array ||
    value instanceof Int32Array;
}

function isNDArray(value: unknown): value is NDArray {
  return typeof value === "object" && value !== null && "data" in value &&
    "shape" in value;
}

/** Options of {@linkcode array}. */
export interface ArrayOptions {
  /** The wanted shape; by default that of the nesting. */
  shape?: readonly number[];
  /** The element type; by default that of a typed array, else float32. */
  dtype?: "float32" | "float64" | "int32";
  /** What error messages call the value; `"array"` by default. */
  name?: string;
}

/**
 * Builds an {@linkcode NDArray} from nested arrays, a typed array or another
 * array. Nothing is copied where type and layout already fit.
 *
 * @param values Nested arrays of numbers, a typed array, or an NDArray.
 * @param options Shape, element type, and the name used in messages.
 * @returns The array.
 * @throws {TypeError} If nesting is ragged, a leaf is no number, the shape does
 * not fit the number of elements, or there is no such element type.
 * @throws {RangeError} If an int32 array is asked for and a value is no 32-bit
 * integer.
 *
 * @example Nested arrays
 * ```ts
 * import { array } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(array([[1, 2, 3], [4, 5, 6]]).shape, [2, 3]);
 * ```
 */
export function array(values: ArrayLike, options: ArrayOptions = {}): NDArray {
  const name = options.name ?? "array";
  let data: TypedArray | number[];
  let shape: readonly number[];
  if (isTypedArray(values)) {
    data = values;
    shape = options.shape ?? [values.length];
  } else if (isNDArray(values)) {
    if (!isTypedArray(values.data) || !Array.isArray(values.shape)) {
      throw new TypeError(
        `Cannot read ${name}: data is ${describe(values.data)}, ` +
          `wanted a Float32Array, Float64Array or Int32Array`,
      );
    }
    checkElementCount(values.data.length, values.shape, name);
    data = values.data;
    shape = options.shape ?? values.shape;
  } else {
    const nested = flatten(values, name);
    data = nested.data;
    shape = options.shape ?? nested.shape;
  }
  checkElementCount(data.length, shape, name);
  const typed = convert(data, options.dtype, shape, name);
  return { data: typed, shape: [...shape] };
}

function checkElementCount(
  length: number,
  shape: readonly number[],
  name: string,
): void {
  if (shape.some((extent) => !Number.isSafeInteger(extent) || extent < 0)) {
    throw new TypeError(
      `Cannot shape ${name} as ${formatShape(shape)}: ` +
        `wanted non-negative integers`,
    );
  }
  if (sizeOf(shape) !== length) {
    throw new TypeError(
      `Cannot shape ${name} as ${formatShape(shape)}: it has ${length} ` +
        `elements, wanted ${sizeOf(shape)}`,
    );
  }
}

function flatten(
  values: Nested,
  name: string,
): { data: number[]; shape: number[] } {
  const shape: number[] = [];
  let probe: unknown = values;
  while (Array.isArray(probe)) {
    shape.push(probe.length);
    probe = probe[0];
  }
  const data: number[] = [];
  const path: number[] = [];
  const visit = (value: unknown): void => {
    const depth = path.length;
    const where = () => `${name}${path.map((index) => `[${index}]`).join("")}`;
    if (depth === shape.length) {
      if (typeof value !== "number" && typeof value !== "boolean") {
        throw new TypeError(
          `Cannot read ${where()}: found ${describe(value)}, wanted a number`,
        );
      }
      data.push(Number(value));
      return;
    }
    if (!Array.isArray(value) || value.length !== shape[depth]) {
      throw new TypeError(
        `Cannot read ${where()}: found ${
          describe(value)
        }, wanted an array of ` +
          `${shape[depth]} like its neighbours`,
      );
    }
    for (let index = 0; index < value.length; index++) {
      path.push(index);
      visit(value[index]);
      path.pop();
    }
  };
  visit(values);
  return { data, shape };
}

function convert(
  data: TypedArray | number[],
  dtype: ArrayOptions["dtype"],
  shape: readonly number[],
  name: string,
): TypedArray {
  switch (dtype) {
    case undefined:
      return isTypedArray(data) ? data : Float32Array.from(data);
    case "float32":
      return data instanceof Float32Array ? data : Float32Array.from(data);
    case "float64":
      return data instanceof Float64Array ? data : Float64Array.from(data);
    case "int32": {
      if (data instanceof Int32Array) return data;
      const integers = Int32Array.from(data);
      const wrong = integers.findIndex((value, at) => value !== data[at]);
      if (wrong >= 0) {
        throw new RangeError(
          `Cannot read ${name}${formatIndex(wrong, shape)}: found ` +
            `${data[wrong]}, wanted a 32-bit integer`,
        );
      }
      return integers;
    }
    default:
      throw new TypeError(
        `Cannot read ${name} as ${describe(dtype)}: wanted "float32", ` +
          `"float64" or "int32"`,
      );
  }
}

/**
 * Converts an array to nested JavaScript arrays; a scalar becomes a number.
 *
 * @param value The array, of any rank.
 * @returns Numbers nested as deep as the array has axes.
 *
 * @example Round trip
 * ```ts
 * import { array, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(toNested(array([[1, 2], [3, 4]])), [[1, 2], [3, 4]]);
 * ```
 */
export function toNested(value: NDArray): Nested {
  const { data, shape } = value;
  let next = 0;
  const build = (axis: number): Nested => {
    if (axis === shape.length) return data[next++]!;
    return Array.from({ length: shape[axis]! }, () => build(axis + 1));
  };
  return build(0);
}
