/**
 * What the model refuses, each with the argument, the place, what was found
 * and what was wanted, before anything is changed.
 */
import {
  array,
  type ArrayLike,
  describe,
  formatIndex,
  formatShape,
  type NDArray,
  sameShape,
} from "../array.ts";
import { checkInteger } from "../checks.ts";
import type { Pairs } from "./batches.ts";
import {
  PARAMETER_NAMES,
  parameterCount,
  type ParameterName,
  type Parameters,
  parameterShapes,
  type Seq2SeqSizes,
  type SpecialTokens,
} from "./seq2seq.ts";

/** Parameters and moments beyond this do not fit the memory of a plan. */
const MAX_PARAMETERS = 2 ** 28;

/** Checks the sizes of a model. */
export function checkSizes(sizes: Seq2SeqSizes): Seq2SeqSizes {
  if (typeof sizes !== "object" || sizes === null) {
    throw new TypeError(
      `Cannot make a model of ${describe(sizes)}: wanted an object with ` +
        `vocabSize, srcLength, tgtLength, dModel, dK and dV`,
    );
  }
  const { vocabSize, srcLength, tgtLength, dModel, dK, dV } = sizes;
  const checked = { vocabSize, srcLength, tgtLength, dModel, dK, dV };
  for (const [name, value] of Object.entries(checked)) {
    checkInteger(value, name, 1, 2 ** 24);
  }
  const count = parameterCount(checked);
  if (count > MAX_PARAMETERS) {
    throw new RangeError(
      `Cannot make a model of ${count} parameters: wanted at most ` +
        `${MAX_PARAMETERS}, so smaller sizes than ${JSON.stringify(checked)}`,
    );
  }
  return checked;
}

/** Checks the special tokens of a model, and leaves out what is not given. */
export function checkSpecialTokens(
  { padToken, eosToken }: SpecialTokens,
  { vocabSize }: Seq2SeqSizes,
): SpecialTokens {
  const checked: { padToken?: number; eosToken?: number } = {};
  if (padToken !== undefined) {
    checked.padToken = checkInteger(padToken, "padToken", 0, vocabSize - 1);
  }
  if (eosToken !== undefined) {
    checked.eosToken = checkInteger(eosToken, "eosToken", 0, vocabSize - 1);
    if (eosToken === padToken) {
      throw new RangeError(
        `Cannot use eosToken = ${eosToken}: wanted another than padToken`,
      );
    }
  }
  return checked;
}

/** What tokens may be. */
export type TokenRules = Pick<Seq2SeqSizes, "vocabSize"> & SpecialTokens;

/** Checks sequences of tokens: (n, length), integers in [0, vocabSize). */
export function checkTokens(
  values: ArrayLike,
  name: string,
  length: number,
  rules: TokenRules,
): NDArray<Int32Array> {
  const tokens = array(values, { dtype: "int32", name });
  const [count] = tokens.shape;
  if (tokens.shape.length !== 2 || tokens.shape[1] !== length) {
    throw new TypeError(
      `Cannot use ${name} of shape ${formatShape(tokens.shape)}: ` +
        `wanted (n, ${length})`,
    );
  }
  if (count === 0) {
    throw new RangeError(
      `Cannot use ${name} of shape ${formatShape(tokens.shape)}: ` +
        `wanted at least one sequence`,
    );
  }
  const data = tokens.data as Int32Array;
  checkTokenValues(data, name, tokens.shape, rules);
  // A copy: between two steps the caller may change what has been checked.
  return { data: data.slice(), shape: tokens.shape };
}

/** Checks that tokens are of the vocabulary, and no sequence is all padding. */
export function checkTokenValues(
  data: Int32Array,
  name: string,
  shape: readonly number[],
  { vocabSize, padToken }: TokenRules,
): void {
  // A plain loop: all tokens of every call pass here.
  for (let at = 0; at < data.length; at++) {
    const token = data[at]!;
    if (token >= 0 && token < vocabSize) continue;
    throw new RangeError(
      `Cannot use ${name}${formatIndex(at, shape)} = ${token}: ` +
        `wanted a token from 0 to ${vocabSize - 1}`,
    );
  }
  if (padToken === undefined) return;
  const length = shape[1]!;
  for (let start = 0; start < data.length; start += length) {
    const row = data.subarray(start, start + length);
    if (row.some((token) => token !== padToken)) continue;
    throw new RangeError(
      `Cannot use ${name}[${start / length}]: all of it is padding (token ` +
        `${padToken}), wanted at least one other token`,
    );
  }
}

/**
 * Checks source and target sequences that belong together; `prefix` is what
 * messages put before `xSrc` and `xTgt`.
 */
export function checkPairs(
  xSrc: ArrayLike,
  xTgt: ArrayLike,
  sizes: Seq2SeqSizes & SpecialTokens,
  prefix = "",
): Pairs {
  const { srcLength, tgtLength } = sizes;
  const source = checkTokens(xSrc, `${prefix}xSrc`, srcLength, sizes);
  const target = checkTokens(xTgt, `${prefix}xTgt`, tgtLength, sizes);
  if (source.shape[0] !== target.shape[0]) {
    throw new TypeError(
      `Cannot pair ${source.shape[0]} sequences of ${prefix}xSrc with ` +
        `${target.shape[0]} of ${prefix}xTgt: wanted as many of each`,
    );
  }
  return { source, target };
}

/** Checks given parameters: all of them, their shapes, finite values. */
export function checkParameters(
  values: Readonly<Record<string, ArrayLike>>,
  sizes: Seq2SeqSizes,
): Parameters<NDArray> {
  if (typeof values !== "object" || values === null) {
    throw new TypeError(
      `Cannot set parameters to ${describe(values)}: wanted an object with ` +
        list(PARAMETER_NAMES),
    );
  }
  const shapes = parameterShapes(sizes);
  const given = Object.keys(values);
  const foreign = given.filter((name) => !Object.hasOwn(shapes, name));
  const missing = PARAMETER_NAMES.filter((name) => !given.includes(name));
  if (foreign.length + missing.length > 0) {
    throw new TypeError(
      `Cannot set parameters: missing ${list(missing)}, unknown ` +
        `${list(foreign)}; wanted ${list(PARAMETER_NAMES)}`,
    );
  }
  const checked = PARAMETER_NAMES.map((name) =>
    [name, checkParameter(values[name]!, name, shapes[name])] as const
  );
  return Object.fromEntries(checked) as unknown as Parameters<NDArray>;
}

function checkParameter(
  values: ArrayLike,
  name: ParameterName,
  wanted: readonly number[],
): NDArray {
  const value = array(values, { name });
  if (!sameShape(value.shape, wanted)) {
    throw new TypeError(
      `Cannot set ${name} to shape ${formatShape(value.shape)}: wanted ` +
        formatShape(wanted),
    );
  }
  const wrong = value.data.findIndex((x) => !Number.isFinite(Math.fround(x)));
  if (wrong >= 0) {
    throw new RangeError(
      `Cannot set ${name}${formatIndex(wrong, wanted)} to ` +
        `${value.data[wrong]}: wanted a finite float32`,
    );
  }
  return value;
}

function list(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ");
}
