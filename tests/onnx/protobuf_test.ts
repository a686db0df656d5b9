// The wire format against the bytes that its specification gives as examples
// (protobuf.dev, "Encoding"), and what follows from its rules.
import { assertEquals } from "@std/assert";
import {
  bytes,
  encode,
  type Field,
  integer,
  integers,
  message,
  text,
} from "../../src/onnx/protobuf.ts";

function hex(...fields: Field[]): string {
  return encode(fields).toHex();
}

Deno.test("integers are written seven bits a byte, the lowest first", () => {
  assertEquals(hex(integer(1, 150)), "089601");
  assertEquals(hex(integer(1, 0)), "0800");
  assertEquals(hex(integer(1, 127)), "087f");
  assertEquals(hex(integer(1, 128)), "088001");
  assertEquals(hex(integer(1, 2 ** 32)), "088080808010");
  assertEquals(hex(integer(1, 2 ** 53 - 1)), "08ffffffffffffff0f");
});

Deno.test("negative integers are written as 64 bits", () => {
  assertEquals(hex(integer(1, -1)), "08ffffffffffffffffff01");
  assertEquals(hex(integer(1, -2)), "08feffffffffffffffff01");
});

Deno.test("field numbers above 15 take two bytes", () => {
  assertEquals(hex(integer(16, 1)), "800101");
  assertEquals(hex(integer(20, 7)), "a00107");
});

Deno.test("texts, bytes and messages are written with their length", () => {
  assertEquals(hex(text(2, "testing")), "120774657374696e67");
  assertEquals(hex(text(2, "é")), "1202c3a9");
  assertEquals(hex(bytes(3, Uint8Array.of(0, 255))), "1a0200ff");
  assertEquals(hex(message(3, [integer(1, 150)])), "1a03089601");
  assertEquals(hex(message(3, [])), "1a00");
  const nested = message(1, [message(2, [text(1, "a")]), integer(3, 1)]);
  assertEquals(hex(nested), "0a0712030a01611801");
  assertEquals(hex(integers(4, [3, 270])), "2003208e02");
  assertEquals(
    hex(message(1, [bytes(1, new Uint8Array(300))])).slice(0, 12),
    "0aaf020aac02",
  );
});
