/**
 * Kinds of values that keys of a configuration may have. Each is described by
 * what completes the sentence "wanted ...".
 */
import { z } from "zod";

/** An integer within bounds. */
export function integer(least: number, most: number): z.ZodType<number> {
  return z.int().min(least).max(most)
    .describe(`an integer from ${least} to ${most}`);
}

/** An integer within bounds, or null, which means something of its own. */
export function integerOrNull(
  least: number,
  most: number,
  meaning: string,
): z.ZodType<number | null> {
  return z.int().min(least).max(most).nullable()
    .describe(`an integer from ${least} to ${most}, or null for ${meaning}`);
}

/** How many there are of something: at least one. */
export function size(most: number): z.ZodType<number> {
  return integer(1, most);
}

const POSITIVE = "a positive number in the range of float32";

/** A number that is still one, and above 0, where the model computes. */
export function positive(): z.ZodType<number> {
  return z.number().positive().refine(isPositive).describe(POSITIVE);
}

/** The same, or null for what there is none of. */
export function positiveOrNull(): z.ZodType<number | null> {
  return z.number().positive().refine(isPositive).nullable()
    .describe(`${POSITIVE}, or null for none`);
}

/** A number that is still one where the model computes, and not below 0. */
export function fromZero(): z.ZodType<number> {
  return z.number().min(0)
    .refine((value) => Number.isFinite(Math.fround(value)))
    .describe("a number from 0 in the range of float32");
}

/** A share that is not the whole. */
export function share(): z.ZodType<number> {
  return z.number().min(0).lt(1).describe("a number from 0 to below 1");
}

/** A share that is neither nothing nor the whole. */
export function fraction(): z.ZodType<number> {
  return z.number().gt(0).lt(1).describe("a number between 0 and 1");
}

/** Yes or no. */
export function flag(): z.ZodType<boolean> {
  return z.boolean().describe("true or false");
}

/** The path of a file, or null. */
export function file(): z.ZodType<string | null> {
  return pathOf("a file");
}

/** The path of a folder, or null. */
export function folder(): z.ZodType<string | null> {
  return pathOf("a folder");
}

/** One of some words. */
export function oneOf<const T extends string>(
  ...values: readonly T[]
): z.ZodEnum<{ readonly [Value in T]: Value }> {
  return z.enum(values).describe(`one of ${values.join(", ")}`);
}

function pathOf(what: string): z.ZodType<string | null> {
  return z.string().min(1).nullable()
    .describe(`the path of ${what}, or null for none`);
}

function isPositive(value: number): boolean {
  const rounded = Math.fround(value);
  return rounded > 0 && Number.isFinite(rounded);
}
