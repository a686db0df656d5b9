// The safetensors format: against a file of the reference library, against a
// reading of the format that shares no code, and against whatever is broken.
//
// tests/fixtures/reference.safetensors was written by the Python package
// safetensors 0.8.0: the arrays below, and one text of metadata.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { ArrayLike, NDArray } from "../../src/array.ts";
import { FileError } from "../../src/files/errors.ts";
import {
  openSafetensors,
  readSafetensors,
  writeSafetensors,
} from "../../src/files/safetensors.ts";
import { ROOT, testWith } from "../helpers.ts";

const REFERENCE = new URL("tests/fixtures/reference.safetensors", ROOT);
const REFERENCE_METADATA = {
  made_by: "the reference library, version 0.8.0",
};
const REFERENCE_TENSORS: Record<string, NDArray> = {
  "weight": {
    data: new Float32Array([-0.5, -0.25, 0, 0.25, 0.5, 0.75]),
    shape: [2, 3],
  },
  "scalar": { data: new Int32Array([7]), shape: [] },
  "empty": { data: new Float32Array(), shape: [0, 3] },
  "double": { data: new Float64Array([Math.PI, -0, Infinity]), shape: [3] },
  "a.b": { data: new Int32Array([-1, 2 ** 31 - 1]), shape: [2] },
  'é"\\': { data: new Float32Array([1e-45]), shape: [1] },
  "10": { data: new Float32Array([1.5]), shape: [1, 1] },
  "9": { data: new Float32Array([-1.5]), shape: [1] },
};

testWith(["read"], "readSafetensors() reads what the reference wrote", () => {
  const { tensors, metadata } = readSafetensors(Deno.readFileSync(REFERENCE));
  assertEquals(tensors, REFERENCE_TENSORS);
  assert(Object.is(tensors["double"]!.data[1], -0));
  assertEquals(metadata, REFERENCE_METADATA);
});

testWith(["read"], "writeSafetensors() writes the reference's bytes", () => {
  const bytes = writeSafetensors(REFERENCE_TENSORS, REFERENCE_METADATA);
  assertEquals(bytes, Deno.readFileSync(REFERENCE));
});

/** The format as its description has it, for files that are right. */
function parse(bytes: Uint8Array): Record<string, unknown> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = Number(view.getBigUint64(0, true));
  const text = new TextDecoder().decode(bytes.subarray(8, 8 + length));
  const { __metadata__: metadata = {}, ...infos } = JSON.parse(text);
  const found: Record<string, unknown> = { metadata };
  for (const [name, info] of Object.entries<Record<string, unknown>>(infos)) {
    const [begin, end] = info.data_offsets as [number, number];
    const data: number[] = [];
    for (let at = 8 + length + begin; at < 8 + length + end;) {
      if (info.dtype === "F64") data.push(view.getFloat64(at, true));
      if (info.dtype === "F32") data.push(view.getFloat32(at, true));
      if (info.dtype === "I32") data.push(view.getInt32(at, true));
      at += info.dtype === "F64" ? 8 : 4;
    }
    found[`tensor ${name}`] = { dtype: info.dtype, shape: info.shape, data };
  }
  return found;
}

const text = fc.string({ unit: "grapheme", maxLength: 8 });
const name = text.filter((text) => text !== "__metadata__");
const data = fc.oneof(
  fc.float32Array({ maxLength: 12 }),
  fc.float64Array({ maxLength: 12 }),
  fc.int32Array({ maxLength: 12 }),
);
const tensor: fc.Arbitrary<NDArray> = fc.tuple(data, fc.nat(3)).map(
  ([data, kind]) => {
    const { length } = data;
    if (kind === 0 && length === 1) return { data, shape: [] };
    if (kind === 1) return { data, shape: [1, length, 1] };
    if (kind === 2 && length % 2 === 0) return { data, shape: [2, length / 2] };
    return { data, shape: [length] };
  },
);
const files = fc.record({
  tensors: fc.dictionary(name, tensor, { maxKeys: 5 }),
  metadata: fc.dictionary(text, text, { maxKeys: 3 }),
});

Deno.test("readSafetensors() gives back what was written", () => {
  fc.assert(fc.property(files, ({ tensors, metadata }) => {
    const found = readSafetensors(writeSafetensors(tensors, metadata));
    assertEquals(found, { tensors: { ...tensors }, metadata: { ...metadata } });
    for (const { data, shape } of Object.values(found.tensors)) {
      assertEquals(data.length, shape.reduce((a, b) => a * b, 1));
      assertEquals(data.byteLength, data.buffer.byteLength);
    }
  }));
});

Deno.test("writeSafetensors() writes what another reading of the format finds", () => {
  const types = new Map<unknown, string>([
    [Float64Array, "F64"],
    [Float32Array, "F32"],
    [Int32Array, "I32"],
  ]);
  fc.assert(fc.property(files, ({ tensors, metadata }) => {
    const wanted: Record<string, unknown> = { metadata: { ...metadata } };
    for (const [name, { data, shape }] of Object.entries(tensors)) {
      const dtype = types.get(data.constructor);
      wanted[`tensor ${name}`] = { dtype, shape, data: [...data] };
    }
    assertEquals(parse(writeSafetensors(tensors, metadata)), wanted);
  }));
});

Deno.test("writeSafetensors() does not care for the order it is given", () => {
  const x = [1, 2];
  const y = new Int32Array([3]);
  const one = writeSafetensors({ x, y, 1: y }, { a: "1", b: "2" });
  const two = writeSafetensors({ 1: y, y, x }, { b: "2", a: "1" });
  assertEquals(one, two);
  // A part of an array is written, not the whole of its buffer.
  const whole = new Float32Array([9, 1, 2, 9]);
  const part = writeSafetensors({ 1: y, y, x: whole.subarray(1, 3) });
  assertEquals(part, writeSafetensors({ 1: y, y, x }));
});

Deno.test("writeSafetensors() aligns the data to 8 bytes", () => {
  for (const name of ["x", "xy", "xyz", "wxyz", "vwxyz"]) {
    const bytes = writeSafetensors({ [name]: new Float64Array([1]) });
    assertEquals(bytes.length % 8, 0);
    assertEquals(
      new DataView(bytes.buffer).getFloat64(bytes.length - 8, true),
      1,
    );
  }
});

Deno.test("writeSafetensors() refuses what could not be read again", () => {
  const write = (tensors: unknown, metadata?: unknown) =>
    writeSafetensors(
      tensors as Record<string, ArrayLike>,
      metadata as Record<string, string>,
    );
  assertThrows(() => write({ __metadata__: [1] }), RangeError, "that name");
  assertThrows(() => write({ "\ud800": [1] }), TypeError, "well-formed");
  assertThrows(() => write({}, { a: "\udc00" }), TypeError, 'metadata "a"');
  assertThrows(() => write({}, { a: 1 }), TypeError, 'metadata "a" 1');
  assertThrows(() => write({ x: "text" }), TypeError, "Cannot read x");
  const shape = [3];
  const wrong = { data: new Float32Array(2), shape };
  assertThrows(() => write({ x: wrong }), TypeError, "2 elements, wanted 3");
});

/** A file of the given header, as text or bytes, and data. */
function file(header: string | Uint8Array, data = 0): Uint8Array<ArrayBuffer> {
  const head = typeof header === "string"
    ? new TextEncoder().encode(header)
    : header;
  const bytes = new Uint8Array(8 + head.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(head.length), true);
  bytes.set(head, 8);
  return bytes;
}

/** A file whose only array has this in its header. */
function withInfo(info: Record<string, unknown>, data = 8): Uint8Array {
  const whole = { dtype: "F32", shape: [2], data_offsets: [0, 8], ...info };
  return file(JSON.stringify({ x: whole }), data);
}

/** The length of a header and nothing of it. */
function lengthOnly(length: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  return bytes;
}

const F32 = '"dtype":"F32","shape":[1]';
const MALFORMED: readonly [what: string, Uint8Array, reason: string][] = [
  ["nothing", new Uint8Array(), "truncated: found 0 bytes, wanted at least 8"],
  ["half a length", new Uint8Array(7), "truncated: found 7 bytes"],
  ["a length of 2^60", lengthOnly(2n ** 60n), "its header is too large"],
  ["a length of 2^64 - 1", lengthOnly(2n ** 64n - 1n), "18446744073709551615"],
  [
    "a header behind the end",
    lengthOnly(9n),
    "truncated: its header has 9 bytes, of which only 0 are there",
  ],
  ["an empty header", file(""), "its header is not JSON"],
  ["a header of zeros", file("\0\0\0\0"), "its header is not JSON"],
  ["half a header", file('{"x":{'), "its header is not JSON"],
  ["two headers", file("{}{}"), "its header is not JSON"],
  ["a header that is a list", file("[]"), "no JSON object"],
  ["a header that is null", file("null"), "no JSON object"],
  ["a header behind a space", file(" {}"), "no JSON object"],
  ["a header behind a byte order mark", file("\ufeff{}"), "not JSON"],
  ["a header in Latin-1", file(new Uint8Array([123, 0xe9, 125])), "not UTF-8"],
  [
    "an array twice",
    file(
      `{"x":{${F32},"data_offsets":[0,4]},"\\u0078":{${F32},` +
        `"data_offsets":[4,8]}}`,
      8,
    ),
    'the key "x" is there twice',
  ],
  [
    "a key twice",
    file(`{"x":{${F32},"data_offsets":[0,4],"dtype":"F32"}}`, 4),
    'the key "dtype" is there twice',
  ],
  ["metadata that are a list", file('{"__metadata__":[]}'), "object of texts"],
  [
    "metadata that are numbers",
    file('{"__metadata__":{"a":1}}'),
    "its __metadata__ is no object of texts",
  ],
  ["an array that is null", file('{"x":null}'), 'array "x" is no object of'],
  ["a foreign key", withInfo({ stride: 1 }), "of exactly dtype, shape and"],
  ["a missing key", withInfo({ shape: undefined }), "of exactly dtype"],
  [
    "a type we do not have",
    withInfo({ dtype: "BF16" }),
    'has a dtype "BF16", wanted F64, F32, I32',
  ],
  ["a type that is none", withInfo({ dtype: "constructor" }), '"constructor"'],
  ["a type that is a number", withInfo({ dtype: 4 }), "that is no text"],
  ["a negative size", withInfo({ shape: [-2] }), "no list of sizes"],
  ["half a size", withInfo({ shape: [0.5] }), "no list of sizes"],
  ["a size as text", withInfo({ shape: ["2"] }), "no list of sizes"],
  ["a size beyond exact numbers", withInfo({ shape: [2 ** 53] }), "no list of"],
  ["a shape that is a number", withInfo({ shape: 2 }), "no list of sizes"],
  ["one offset", withInfo({ data_offsets: [0] }), "no two offsets"],
  ["three offsets", withInfo({ data_offsets: [0, 8, 8] }), "no two offsets"],
  ["a negative offset", withInfo({ data_offsets: [-8, 0] }), "no two offsets"],
  [
    "offsets in the wrong order",
    withInfo({ data_offsets: [8, 0] }),
    "begins at byte 8 and ends at byte 0",
  ],
  [
    "an offset out of range",
    withInfo({ data_offsets: [0, 16], shape: [4] }),
    "ends at byte 16 of the data, which has 8: the file is truncated or",
  ],
  [
    "truncated data",
    withInfo({}, 7),
    "ends at byte 8 of the data, which has 7: the file is truncated or",
  ],
  [
    "a shape too large for its bytes",
    withInfo({ shape: [3] }),
    "has 8 bytes, wanted 12 for F32 (3)",
  ],
  [
    "a shape too small for its bytes",
    withInfo({ shape: [] }),
    "has 8 bytes, wanted 4 for F32 ()",
  ],
  ["a wrong type", withInfo({ dtype: "F64" }), "wanted 16 for F64 (2)"],
  [
    "a shape whose product is beyond exact numbers",
    withInfo({ shape: [2 ** 32, 2 ** 32] }),
    "has 8 bytes, wanted 2^53 or more for F32",
  ],
  [
    "a shape whose product returns to zero",
    withInfo({ shape: [2 ** 52, 2 ** 52, 0], data_offsets: [0, 0] }, 0),
    "wanted 2^53 or more",
  ],
  [
    "a gap in front",
    withInfo({ data_offsets: [4, 12] }, 12),
    'bytes 0 to 4 of the data, before array "x", belong to no array',
  ],
  [
    "bytes behind the last array",
    withInfo({}, 9),
    "bytes 8 to 9 of the data belong to no array",
  ],
  [
    "data without an array",
    file("{}", 4),
    "bytes 0 to 4 of the data belong to no array",
  ],
  [
    "overlapping arrays",
    file(
      `{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},` +
        `"y":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`,
      12,
    ),
    'array "y" begins at byte 4 of the data and overlaps another',
  ],
  [
    "two arrays in one place",
    file(
      `{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},` +
        `"y":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}}`,
      8,
    ),
    'array "y" begins at byte 0 of the data and overlaps another',
  ],
];

for (const [what, bytes, reason] of MALFORMED) {
  Deno.test(`readSafetensors() refuses ${what}`, () => {
    const read = () => readSafetensors(bytes, "m.safetensors");
    const { message } = assertThrows(read, FileError, reason);
    assert(message.startsWith('Cannot read "m.safetensors": '), message);
  });
}

Deno.test("readSafetensors() takes spaces behind a header, and strange names", () => {
  const header = '{"__proto__":{"dtype":"I32","shape":[1],' +
    '"data_offsets":[0,4]}, "constructor":{"dtype":"F32","shape":[0],' +
    '"data_offsets":[4,4]}}   ';
  const { tensors } = readSafetensors(file(header, 4));
  assertEquals(Object.keys(tensors), ["__proto__", "constructor"]);
  assertEquals(Object.getPrototypeOf(tensors), Object.prototype);
});

Deno.test("openSafetensors() reads nothing before it has been checked", () => {
  const claims: [size: number, header: Uint8Array][] = [
    [2 ** 52, lengthOnly(2n ** 60n)],
    [2 ** 52, lengthOnly(2n ** 51n)],
    [1000, lengthOnly(993n)],
    // A small header that claims large data.
    [1000, withInfo({ shape: [2 ** 40], data_offsets: [0, 2 ** 42] }, 0)],
  ];
  for (const [size, header] of claims) {
    let most = 0;
    const source = {
      name: "claims",
      size,
      read(offset: number, length: number) {
        most = Math.max(most, offset + length);
        return new Uint8Array(header.subarray(offset, offset + length));
      },
    };
    assertThrows(() => openSafetensors(source), FileError);
    assert(most <= header.length, `read up to byte ${most}`);
  }
});

Deno.test("openSafetensors() refuses an array that is not there", () => {
  const bytes = writeSafetensors({ x: [1] });
  const read = (offset: number, length: number) =>
    bytes.slice(offset, offset + length);
  const opened = openSafetensors({ name: "f", size: bytes.length, read });
  assertThrows(() => opened.read("y"), FileError, 'it has no array "y"');
});

/** Bytes with a few mistakes in them. */
function corrupt(
  bytes: Uint8Array,
  mistakes: readonly { kind: number; at: number; byte: number }[],
): Uint8Array {
  const broken = Array.from(bytes);
  for (const { kind, at, byte } of mistakes) {
    const place = at % (broken.length + 1);
    if (kind === 0) broken[place] = byte;
    if (kind === 1) broken.splice(place, 1);
    if (kind === 2) broken.splice(place, 0, byte);
    if (kind === 3) broken.length = place;
    if (kind === 4) broken.splice(place, 4, ...broken.slice(0, 4));
  }
  return Uint8Array.from(broken);
}

Deno.test("readSafetensors() survives every corruption", () => {
  const mistake = fc.record({
    kind: fc.nat(4),
    at: fc.nat(),
    // Characters that matter in a header, or any byte.
    byte: fc.oneof(
      fc.constantFrom(...new TextEncoder().encode('{}[]":,0123456789-e \\')),
      fc.nat(255),
    ),
  });
  const mistakes = fc.array(mistake, { minLength: 1, maxLength: 4 });
  let refused = 0;
  fc.assert(
    fc.property(files, mistakes, ({ tensors, metadata }, mistakes) => {
      const broken = corrupt(writeSafetensors(tensors, metadata), mistakes);
      try {
        const found = readSafetensors(broken);
        // What is taken in spite of it is as sound as any file: the mistake
        // was in values, in text, or made no difference.
        const again = writeSafetensors(found.tensors, found.metadata);
        assertEquals(readSafetensors(again), found);
      } catch (error) {
        assert(error instanceof FileError, String(error));
        refused++;
      }
    }),
    { numRuns: 1000 },
  );
  assert(refused > 300, `refused ${refused} of 1000`);
});
