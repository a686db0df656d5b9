/**
 * The header of a safetensors file: what it says, once it is found to be true.
 * The arrays themselves stay where they are.
 *
 * Nothing is trusted: whatever a header says is compared with the size of the
 * file before anything is allocated for it.
 */
import { formatShape } from "../array.ts";
import type { ByteSource } from "./byte_source.ts";
import { FileError } from "./errors.ts";
import { isJsonObject, type Json, parseStrictJson } from "./strict_json.ts";

/** The element types of the format that an {@linkcode NDArray} can have. */
export type TensorType = "F64" | "F32" | "I32";

/** What the header of a file says of an array, and what has been checked. */
export interface TensorInfo {
  /** The element type. */
  readonly dtype: TensorType;
  /** The size of every axis. */
  readonly shape: readonly number[];
}

/** In the order in which the reference library lays them out. */
export const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  I32: Int32Array,
} as const;

/** Their names, in that order. */
export const TYPES = Object.keys(ARRAYS) as TensorType[];

/** The key of the header that names no array. */
export const METADATA = "__metadata__";

/** The reference library reads no longer header. */
export const MAX_HEADER = 100_000_000;

/** What is said of a file as a whole: text by name. */
export type Metadata = Readonly<Record<string, string>>;

/** An array and its place within the data. */
export interface Placed extends TensorInfo {
  /** Where its bytes begin. */
  readonly begin: number;
  /** Where they end. */
  readonly end: number;
}

/** What a header says. */
export interface Header {
  /** What is said of the file as a whole. */
  readonly metadata: Metadata;
  /** The arrays, in the order of their data. */
  readonly placed: ReadonlyMap<string, Placed>;
  /** Where in the file the data begin. */
  readonly start: number;
}

/**
 * Reads and checks the header of a file.
 *
 * @param source The file.
 * @returns What it says.
 * @throws {FileError} If the file is anything but what the format allows.
 */
export function readHeader(source: ByteSource): Header {
  const refuse: Refuse = (reason) => {
    throw new FileError(source.name, reason);
  };
  const length = readHeaderLength(source, refuse);
  const start = 8 + length;
  const size = source.size - start;
  const header = parseHeader(source.read(8, length), refuse);
  const found: [string, Placed][] = [];
  let metadata: Metadata = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === METADATA) metadata = checkMetadata(value, refuse);
    else found.push([name, checkInfo(name, value, size, refuse)]);
  }
  found.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  checkLayout(found, size, refuse);
  return { metadata, placed: new Map(found), start };
}

type Refuse = (reason: string) => never;

function readHeaderLength(source: ByteSource, refuse: Refuse): number {
  const { size } = source;
  if (size < 8) {
    refuse(`it is truncated: found ${size} bytes, wanted at least 8`);
  }
  const length = new DataView(source.read(0, 8).buffer).getBigUint64(0, true);
  if (length > MAX_HEADER) {
    refuse(
      `its header is too large: found a length of ${length} bytes, wanted at ` +
        `most ${MAX_HEADER}`,
    );
  }
  if (length > size - 8) {
    refuse(
      `it is truncated: its header has ${length} bytes, of which only ` +
        `${size - 8} are there`,
    );
  }
  return Number(length);
}

function parseHeader(
  bytes: Uint8Array,
  refuse: Refuse,
): { readonly [name: string]: Json } {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return refuse("its header is not UTF-8");
  }
  let header: Json;
  try {
    header = parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return refuse(`its header is not JSON (${error.message})`);
  }
  // JSON allows spaces before a value, this format only behind it.
  if (!isJsonObject(header) || !text.startsWith("{")) {
    return refuse("its header is no JSON object that begins with a brace");
  }
  return header;
}

function checkMetadata(value: Json, refuse: Refuse): Metadata {
  const isSound = isJsonObject(value) &&
    Object.values(value).every((text) => typeof text === "string");
  if (!isSound) refuse(`its ${METADATA} is no object of texts`);
  return value as Metadata;
}

function checkInfo(
  name: string,
  value: Json,
  size: number,
  refuse: Refuse,
): Placed {
  const wrong = (reason: string) => refuse(`array ${quote(name)} ${reason}`);
  const keys = isJsonObject(value) ? Object.keys(value).sort().join() : "";
  if (!isJsonObject(value) || keys !== "data_offsets,dtype,shape") {
    return wrong("is no object of exactly dtype, shape and data_offsets");
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isTensorType(dtype)) {
    const found = typeof dtype === "string" ? quote(dtype) : "that is no text";
    return wrong(`has a dtype ${found}, wanted ${TYPES.join(", ")}`);
  }
  if (!isSizes(shape)) return wrong("has a shape that is no list of sizes");
  if (!isSizes(offsets) || offsets.length !== 2) {
    return wrong("has data_offsets that are no two offsets");
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) wrong(`begins at byte ${begin} and ends at byte ${end}`);
  if (end > size) {
    wrong(
      `ends at byte ${end} of the data, which has ${size}: the file is ` +
        `truncated or the offset is wrong`,
    );
  }
  const wanted = byteLength(shape, ARRAYS[dtype].BYTES_PER_ELEMENT);
  if (end - begin !== wanted) {
    wrong(
      `has ${end - begin} bytes, wanted ${wanted} for ${dtype} ` +
        formatShape(shape.slice(0, 16)),
    );
  }
  return { dtype, shape, begin, end };
}

/** Text where there is no such number: beyond 2^53 products are not exact. */
function byteLength(
  shape: readonly number[],
  width: number,
): number | string {
  let bytes = width;
  for (const extent of shape) {
    bytes *= extent;
    if (!Number.isSafeInteger(bytes)) return "2^53 or more";
  }
  return bytes;
}

/** Arrays that follow one another have neither overlaps nor gaps. */
function checkLayout(
  found: readonly (readonly [string, Placed])[],
  size: number,
  refuse: Refuse,
): void {
  let last = 0;
  for (const [name, { begin, end }] of found) {
    if (begin < last) {
      refuse(
        `array ${quote(name)} begins at byte ${begin} of the data and ` +
          `overlaps another, which ends at byte ${last}`,
      );
    }
    if (begin > last) {
      refuse(
        `bytes ${last} to ${begin} of the data, before array ${quote(name)}, ` +
          `belong to no array`,
      );
    }
    last = end;
  }
  if (last < size) {
    refuse(`bytes ${last} to ${size} of the data belong to no array`);
  }
}

function isTensorType(value: Json | undefined): value is TensorType {
  return TYPES.some((type) => type === value);
}

function isSizes(value: Json | undefined): value is readonly number[] {
  return Array.isArray(value) &&
    value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
