/**
 * A model as a file: its parameters as arrays, what it is made of and what
 * belongs to it as JSON in the metadata. It builds no model.
 *
 * What a file says must be true and complete: the arrays are exactly the
 * parameters of a model of these sizes, float32 and finite.
 */
import { formatIndex, formatShape, type NDArray, sameShape } from "../array.ts";
import { checkInteger } from "../checks.ts";
import { checkSizes, checkSpecialTokens } from "../nn/checks.ts";
import type { ModelSizes } from "../nn/model.ts";
import {
  PARAMETER_NAMES,
  type Parameters,
  parameterShapes,
} from "../nn/seq2seq.ts";
import { VERSION } from "../version.ts";
import type { ByteSource } from "./byte_source.ts";
import { FileError } from "./errors.ts";
import {
  openSafetensors,
  type TensorFile,
  writeSafetensors,
} from "./safetensors.ts";
import { isJsonObject, type Json, parseStrictJson } from "./strict_json.ts";

/** What a file may say besides the model; anything that JSON can express. */
export interface SaveOptions {
  /** What the tokens stand for. */
  readonly vocabulary?: object | null;
  /** How the model was trained. */
  readonly config?: object | null;
}

/** What a file says. */
export interface ModelContent {
  /** What the model is made of. */
  readonly sizes: ModelSizes;
  /** Its parameters. */
  readonly parameters: Parameters<NDArray>;
  /** What its tokens stand for; null if the file does not say. */
  readonly vocabulary: Json;
  /** How it was trained; null if the file does not say. */
  readonly config: Json;
}

/** What tells a model's file from others. */
const FORMAT = "weft";

/** How the file spells what a model is made of; the last three may be absent. */
const KEYS = {
  vocab_size: "vocabSize",
  src_length: "srcLength",
  tgt_length: "tgtLength",
  d_model: "dModel",
  d_k: "dK",
  d_v: "dV",
  pad_token: "padToken",
  eos_token: "eosToken",
  random_seed: "randomSeed",
} as const satisfies Record<string, keyof ModelSizes>;

/**
 * Writes a model.
 *
 * @param sizes What it is made of.
 * @param parameters Its parameters.
 * @param options What else belongs to it.
 * @returns The content of its file, the same for the same model.
 * @throws {RangeError} If a parameter is not finite.
 */
export function encodeModel(
  sizes: ModelSizes,
  parameters: Parameters<NDArray>,
  options: SaveOptions = {},
): Uint8Array<ArrayBuffer> {
  for (const name of PARAMETER_NAMES) {
    const { data, shape } = parameters[name];
    const wrong = findNonfinite(data);
    if (wrong < 0) continue;
    throw new RangeError(
      `Cannot save a model whose ${name}${formatIndex(wrong, shape)} is ` +
        `${data[wrong]}: wanted a finite number`,
    );
  }
  const entries = Object.entries(KEYS).map(([key, name]) => [key, sizes[name]]);
  const { vocabulary = null, config = null } = options;
  return writeSafetensors({ ...parameters }, {
    format: FORMAT,
    weft: VERSION,
    model: JSON.stringify(Object.fromEntries(entries)),
    ...(vocabulary === null ? {} : { vocabulary: JSON.stringify(vocabulary) }),
    ...(config === null ? {} : { config: JSON.stringify(config) }),
  });
}

/**
 * Reads a model.
 *
 * @param source Its file.
 * @returns What the file says.
 * @throws {FileError} If it is no model's file, or anything in it is wrong.
 */
export function decodeModel(source: ByteSource): ModelContent {
  const file = openSafetensors(source);
  const { metadata } = file;
  if (metadata["format"] !== FORMAT) {
    throw new FileError(
      source.name,
      `it is no model of weft: its metadata have no format "${FORMAT}"`,
    );
  }
  const sizes = readSizes(source.name, metadata["model"]);
  checkArrays(source.name, file, sizes);
  const parameters = PARAMETER_NAMES.map((name) => {
    const { data, shape } = file.read(name);
    const wrong = findNonfinite(data);
    if (wrong >= 0) {
      throw new FileError(
        source.name,
        `${name}${formatIndex(wrong, shape)} is ${data[wrong]}, wanted a ` +
          `finite number`,
      );
    }
    return [name, { data, shape }] as const;
  });
  const jsonOf = (key: string) => readJson(source.name, key, metadata[key]);
  return {
    sizes,
    parameters: Object.fromEntries(parameters) as unknown as Parameters<
      NDArray
    >,
    vocabulary: jsonOf("vocabulary"),
    config: jsonOf("config"),
  };
}

function readJson(file: string, key: string, text: string | undefined): Json {
  if (text === undefined) return null;
  try {
    return parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new FileError(
      file,
      `the "${key}" of its metadata is not JSON (${error.message})`,
    );
  }
}

function readSizes(file: string, text: string | undefined): ModelSizes {
  const json = readJson(file, "model", text);
  const wrong = (reason: string) =>
    new FileError(file, `the "model" of its metadata ${reason}`);
  if (!isJsonObject(json)) throw wrong("is no JSON object");
  const foreign = Object.keys(json).filter((key) => !Object.hasOwn(KEYS, key));
  if (foreign.length > 0) {
    throw wrong(
      `has unknown keys: ${foreign.join(", ")}; wanted ` +
        Object.keys(KEYS).join(", "),
    );
  }
  const given = Object.fromEntries(
    Object.entries(KEYS).map(([key, name]) => [name, json[key]]),
  ) as unknown as ModelSizes;
  try {
    const sizes = checkSizes(given);
    const special = checkSpecialTokens(given, sizes);
    const randomSeed = checkInteger(given.randomSeed, "randomSeed", 0);
    return { ...sizes, ...special, randomSeed };
  } catch (error) {
    throw wrong(`is wrong: ${error instanceof Error ? error.message : error}`);
  }
}

/** Before any of them is read: a shape decides how much is allocated. */
function checkArrays(
  file: string,
  { tensors }: TensorFile,
  sizes: ModelSizes,
): void {
  const shapes = parameterShapes(sizes);
  const missing = PARAMETER_NAMES.filter((name) => !tensors.has(name));
  const foreign = Array.from(tensors.keys()).filter((name) =>
    !Object.hasOwn(shapes, name)
  );
  if (missing.length + foreign.length > 0) {
    const list = (names: readonly string[]) => names.join(", ") || "none";
    throw new FileError(
      file,
      `its arrays are not those of a model: missing ${list(missing)}, ` +
        `foreign ${list(foreign)}`,
    );
  }
  for (const name of PARAMETER_NAMES) {
    const { dtype, shape } = tensors.get(name)!;
    if (dtype === "F32" && sameShape(shape, shapes[name])) continue;
    throw new FileError(
      file,
      `${name} is ${dtype} ${formatShape(shape)}, wanted F32 ` +
        formatShape(shapes[name]),
    );
  }
}

function findNonfinite(data: NDArray["data"]): number {
  return data.findIndex((value) => !Number.isFinite(value));
}
