// Where a YAML text mentions its keys.
import { assertEquals } from "@std/assert";
import { locateKeys } from "../../src/runner/yaml_positions.ts";

function placesOf(text: string): Record<string, string> {
  return Object.fromEntries(
    Array.from(
      locateKeys(text),
      ([path, { line, column }]) => [path, `${line}:${column}`],
    ),
  );
}

Deno.test("locateKeys() finds the keys of block mappings", () => {
  assertEquals(placesOf("a:\n  b: 1\n  c:\n    d: 2\n\ne: 3\n"), {
    "a": "1:1",
    "a.b": "2:3",
    "a.c": "3:3",
    "a.c.d": "4:5",
    "e": "6:1",
  });
});

Deno.test("locateKeys() finds the keys of flow mappings, over several lines", () => {
  assertEquals(placesOf("a: { b: 1, c: { d: 2 },\n  e: 3 }\nf: {}\ng: 1"), {
    "a": "1:1",
    "a.b": "1:6",
    "a.c": "1:12",
    "a.c.d": "1:17",
    "a.e": "2:3",
    "f": "3:1",
    "g": "4:1",
  });
  assertEquals(placesOf("{a: {b: 1}, c: 2}"), {
    "a": "1:2",
    "a.b": "1:6",
    "c": "1:13",
  });
});

Deno.test("locateKeys() reads quoted keys and skips quoted values", () => {
  assertEquals(placesOf(`"a": "x: {y: 1}"\n'b':\n  "c d": 'it''s, e: 1'`), {
    "a": "1:1",
    "b": "2:1",
    "b.c d": "3:3",
  });
});

Deno.test("locateKeys() skips comments, and a # that begins none", () => {
  assertEquals(placesOf("# a: 1\nb: 2 # c: 3\nd: {e: x#y, f: 1} # g: {h: 2}"), {
    "b": "2:1",
    "d": "3:1",
    "d.e": "3:5",
    "d.f": "3:13",
  });
});

Deno.test("locateKeys() reads values with colons, commas and apostrophes", () => {
  assertEquals(placesOf("a: http://x:80, b\nc: it's {\nd: 1"), {
    "a": "1:1",
    "c": "2:1",
    "d": "3:1",
  });
});

Deno.test("locateKeys() counts lines ended by CR LF", () => {
  assertEquals(placesOf("a:\r\n  b: 1\r\n"), { "a": "1:1", "a.b": "2:3" });
});

Deno.test("locateKeys() survives text that is not YAML", () => {
  for (const text of ["", "}}}", "{{{", "a: }", "::::", "\t\t:", '"']) {
    locateKeys(text);
  }
});
