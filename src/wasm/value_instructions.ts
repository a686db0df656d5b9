/** Which instruction or vector function computes which value. */
import type { Value } from "../compile/kernel.ts";
import type { VectorFunction } from "./vector_math.ts";

/** Instructions for two operands: of floats, of integers. */
export const BINARY = {
  add: ["f32x4.add", "i32x4.add"],
  sub: ["f32x4.sub", "i32x4.sub"],
  mul: ["f32x4.mul", "i32x4.mul"],
  div: ["f32x4.div", "i32x4.mul"],
  maximum: ["f32x4.max", "i32x4.max_s"],
  minimum: ["f32x4.min", "i32x4.min_s"],
  equal: ["f32x4.eq", "i32x4.eq"],
  less: ["f32x4.lt", "i32x4.lt_s"],
  lessEqual: ["f32x4.le", "i32x4.le_s"],
} as const;

/** Instructions for one float. */
export const UNARY = {
  neg: "f32x4.neg",
  abs: "f32x4.abs",
  sqrt: "f32x4.sqrt",
} as const;

/** The vector function that computes a value of a kernel, or null where none does. */
export function functionOf(
  values: readonly Value[],
  value: Value,
): VectorFunction | null {
  switch (value.op) {
    case "exp":
      return isBelowMaximum(values, values[value.args[0]!]!)
        ? "expNotPositive"
        : "exp";
    case "log":
    case "tanh":
    case "sigmoid":
      return value.op;
    default:
      return null;
  }
}

/** Whether a value is x - max(x) of a row, as it is in every softmax. */
function isBelowMaximum(values: readonly Value[], value: Value): boolean {
  if (value.op !== "sub") return false;
  const [x, largest] = value.args;
  const max = values[largest!]!;
  return max.op === "rowMax" && max.arg === x;
}
