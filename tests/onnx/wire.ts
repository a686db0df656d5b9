// What the tests say to the process of ONNX Runtime and what it answers: one
// line of JSON each. Elements travel as base64, so that NaN survives.
import type { NDArray } from "../../src/array.ts";

/** The version of ONNX Runtime that the tests hold files to. */
export const VERSION = "1.30.0";

/** An array on its way. */
export interface WireTensor {
  readonly type: "float32" | "int32";
  readonly shape: readonly number[];
  readonly data: string;
}

/** The type of an input or output; sizes that are left open have names. */
export interface ValueMetadata {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

/** A model to load, or one to run. */
export type Request =
  | { readonly model: string }
  | {
    readonly session: number;
    readonly feeds: Readonly<Record<string, WireTensor>>;
  };

/** What a model is. */
export interface Opened {
  readonly session: number;
  readonly inputs: readonly ValueMetadata[];
  readonly outputs: readonly ValueMetadata[];
}

/** What a request came to. */
export type Answer =
  | Opened
  | { readonly results: Readonly<Record<string, WireTensor>> }
  | { readonly error: string };

/** Packs an array. */
export function toWire({ data, shape }: NDArray): WireTensor {
  const type = data instanceof Int32Array ? "int32" : "float32";
  const narrow = data instanceof Float64Array ? Float32Array.from(data) : data;
  const { buffer, byteOffset, byteLength } = narrow;
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  return { type, shape: [...shape], data: bytes.toBase64() };
}

/** Unpacks an array. */
export function fromWire({ type, shape, data }: WireTensor): NDArray {
  const { buffer } = Uint8Array.fromBase64(data);
  return {
    data: type === "int32" ? new Int32Array(buffer) : new Float32Array(buffer),
    shape,
  };
}
