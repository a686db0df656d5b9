/**
 * The wire format of Protocol Buffers, writing alone: fields of integers,
 * texts and bytes, and messages made of them. Which fields there are is the
 * business of whoever writes a format.
 *
 * A message is a list of chunks, joined once at the end, so that weights are
 * not copied at every level of nesting.
 */

/** A part of a message; the parts of a message follow one another. */
export type Field = readonly Uint8Array[];

/** How the value after a field's number is to be read. */
const VARINT = 0;
const LENGTH_DELIMITED = 2;

const encoder = new TextEncoder();

/**
 * A field of type int64, int32, bool or enum.
 *
 * @param number The field's number.
 * @param value A safe integer.
 * @returns The field.
 */
export function integer(number: number, value: number): Field {
  return [varint(number * 8 + VARINT), varint(value)];
}

/** A repeated field of integers, one by one. */
export function integers(number: number, values: readonly number[]): Field {
  return values.flatMap((value) => integer(number, value));
}

/** A field of type string. */
export function text(number: number, value: string): Field {
  return bytes(number, encoder.encode(value));
}

/** A repeated field of type string. */
export function texts(number: number, values: readonly string[]): Field {
  return values.flatMap((value) => text(number, value));
}

/** A field of type bytes. */
export function bytes(number: number, value: Uint8Array): Field {
  return message(number, [[value]]);
}

/**
 * A field that holds a message, or nothing but bytes.
 *
 * @param number The field's number.
 * @param fields What the message consists of.
 * @returns The field.
 */
export function message(number: number, fields: readonly Field[]): Field {
  const chunks = fields.flat();
  const length = lengthOf(chunks);
  return [varint(number * 8 + LENGTH_DELIMITED), varint(length), ...chunks];
}

/** The bytes of an outermost message. */
export function encode(fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  const chunks = fields.flat();
  const result = new Uint8Array(lengthOf(chunks));
  let at = 0;
  for (const chunk of chunks) {
    result.set(chunk, at);
    at += chunk.length;
  }
  return result;
}

function lengthOf(chunks: Field): number {
  return chunks.reduce((length, chunk) => length + chunk.length, 0);
}

/** Seven bits a byte, the lowest first; negative numbers as 64 bits. */
function varint(value: number): Uint8Array {
  const result: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) result.push(Number(rest & 127n) | 128);
  result.push(Number(rest));
  return Uint8Array.from(result);
}
