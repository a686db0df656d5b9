/**
 * The safetensors format: named arrays in one file, as many programs read and
 * write them. It takes the element types that an {@linkcode NDArray} can have,
 * and knows of no model.
 *
 * A file is the length of its header (8 bytes, little-endian), the header (JSON:
 * `{ "__metadata__": { ... }, name: { dtype, shape, data_offsets } }`, spaces
 * behind it) and the data: the arrays one after another, without a gap.
 */
import {
  array,
  type ArrayLike,
  describe,
  type NDArray,
  type TypedArray,
} from "../array.ts";
import { type ByteSource, sourceOfBytes } from "./byte_source.ts";
import { FileError } from "./errors.ts";
import {
  ARRAYS,
  MAX_HEADER,
  METADATA,
  type Metadata,
  readHeader,
  type TensorInfo,
  type TensorType,
  TYPES,
} from "./safetensors_header.ts";

/** A file whose header has been checked; its arrays are read when needed. */
export interface TensorFile {
  /** What is said of the file as a whole. */
  readonly metadata: Metadata;
  /** The arrays, in the order of their data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /**
   * Reads an array.
   *
   * @param name One of `tensors`.
   * @returns A copy.
   * @throws {FileError} If there is no such array, or it cannot be read.
   */
  read(name: string): NDArray;
}

/** What {@linkcode readSafetensors} finds. */
export interface Safetensors {
  /** The arrays by name. */
  readonly tensors: Readonly<Record<string, NDArray>>;
  /** What is said of the file as a whole. */
  readonly metadata: Metadata;
}

/**
 * Writes arrays in the safetensors format, laid out as the reference library
 * does it: the same arrays and metadata give the same bytes, in whatever order
 * they come.
 *
 * @param tensors The arrays by name.
 * @param metadata What is said of the file as a whole.
 * @returns The content of the file.
 * @throws {TypeError} If a value is no array or no text, or a text is not
 * well-formed Unicode.
 * @throws {RangeError} If an array is called `__metadata__`, or the header is
 * longer than readers take.
 *
 * @example There and back
 * ```ts
 * import { array, readSafetensors, writeSafetensors } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = writeSafetensors({ x: [[1, 2], [3, 4]] }, { made: "by hand" });
 * const { tensors, metadata } = readSafetensors(bytes);
 * assertEquals(tensors.x, array([[1, 2], [3, 4]]));
 * assertEquals(metadata, { made: "by hand" });
 * ```
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, ArrayLike>>,
  metadata: Metadata = {},
): Uint8Array<ArrayBuffer> {
  const entries = Object.entries(tensors).map(([name, tensor]) => {
    checkName(name);
    const { data, shape } = array(tensor, { name });
    return { name, data, shape, dtype: typeOf(data) };
  });
  entries.sort((a, b) =>
    TYPES.indexOf(a.dtype) - TYPES.indexOf(b.dtype) || compare(a.name, b.name)
  );
  let size = 0;
  const infos = entries.map(({ name, data, shape, dtype }): JsonEntry => {
    const data_offsets = [size, size += data.byteLength];
    return [name, JSON.stringify({ dtype, shape, data_offsets })];
  });
  const head = encodeHeader(formatMetadata(metadata), infos);
  const bytes = new Uint8Array(head.length + size);
  bytes.set(head);
  let at = head.length;
  // As they are: every machine that Deno runs on is little-endian too.
  for (const { data: { buffer, byteOffset, byteLength } } of entries) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  return bytes;
}

/** A name and its value as JSON: an object would put `"1"` before `"a"`. */
type JsonEntry = readonly [name: string, json: string];

function checkName(name: string): void {
  if (name === METADATA) {
    throw new RangeError(
      `Cannot write an array called "${METADATA}": the format uses that name`,
    );
  }
  checkText(name, "a name");
}

function checkText(text: unknown, what: string): void {
  if (typeof text === "string" && text.isWellFormed()) return;
  throw new TypeError(
    `Cannot write ${what} ${
      describe(text)
    }: wanted text of well-formed Unicode`,
  );
}

function typeOf(data: TypedArray): TensorType {
  return TYPES.find((type) => data instanceof ARRAYS[type])!;
}

function formatMetadata(
  metadata: Metadata,
): JsonEntry[] {
  const entries = Object.entries(metadata);
  if (entries.length === 0) return [];
  for (const [name, text] of entries) {
    checkText(name, "a name of the metadata");
    checkText(text, `metadata ${JSON.stringify(name)}`);
  }
  entries.sort(([a], [b]) => compare(a, b));
  const texts = entries.map(([name, text]): JsonEntry => [
    name,
    JSON.stringify(text),
  ]);
  return [[METADATA, formatObject(texts)]];
}

function formatObject(entries: readonly JsonEntry[]): string {
  const members = entries.map(([name, json]) =>
    `${JSON.stringify(name)}:${json}`
  );
  return `{${members.join(",")}}`;
}

/** The header and its length; spaces make the data begin at a multiple of 8. */
function encodeHeader(
  metadata: readonly JsonEntry[],
  infos: readonly JsonEntry[],
): Uint8Array {
  const json = new TextEncoder().encode(formatObject([...metadata, ...infos]));
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER) {
    throw new RangeError(
      `Cannot write a header of ${length} bytes: wanted at most ${MAX_HEADER}, ` +
        `so shorter names and metadata`,
    );
  }
  const head = new Uint8Array(8 + length).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true);
  head.set(json, 8);
  return head;
}

/** By UTF-16 code units, which no setting of the machine changes. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Reads all arrays of a file.
 *
 * @param bytes The content of the file.
 * @param name What messages call it; `"safetensors"` by default.
 * @returns Arrays and metadata.
 * @throws {FileError} If the bytes are anything but what the format allows, or
 * an array has an element type that an {@linkcode NDArray} cannot have.
 *
 * @example A file that is none
 * ```ts
 * import { FileError, readSafetensors } from "jsr:@weft/seq2seq";
 * import { assertThrows } from "@std/assert";
 *
 * const bytes = new TextEncoder().encode("a text");
 * assertThrows(() => readSafetensors(bytes), FileError, "it is truncated");
 * ```
 */
export function readSafetensors(
  bytes: Uint8Array,
  name = "safetensors",
): Safetensors {
  const file = openSafetensors(sourceOfBytes(bytes, name));
  const tensors = Array.from(
    file.tensors.keys(),
    (key) => [key, file.read(key)] as const,
  );
  return { tensors: Object.fromEntries(tensors), metadata: file.metadata };
}

/**
 * Reads and checks the header of a file, and leaves its arrays where they are.
 *
 * @param source The file.
 * @returns What is in it.
 * @throws {FileError} If it is anything but what the format allows.
 */
export function openSafetensors(source: ByteSource): TensorFile {
  const { metadata, placed, start } = readHeader(source);
  return {
    metadata,
    tensors: placed,
    read(name: string): NDArray {
      const tensor = placed.get(name);
      if (tensor === undefined) {
        throw new FileError(source.name, `it has no array "${name}"`);
      }
      const { dtype, shape, begin, end } = tensor;
      const { buffer } = source.read(start + begin, end - begin);
      return { data: new ARRAYS[dtype](buffer), shape };
    },
  };
}
