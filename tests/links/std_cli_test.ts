// The contract of @std/cli: what weft relies on, whether it is the package
// itself or the adapter in links/. What weft does not use is not its job.

import { assertEquals, assertStrictEquals } from "@std/assert";
import * as cli from "@std/cli";
import { parseArgs } from "@std/cli/parse-args";

Deno.test("parseArgs() reads a value after a space and after =", () => {
  const options = { string: ["config"] as const };
  assertEquals(parseArgs(["--config", "a.yaml"], options).config, "a.yaml");
  assertEquals(parseArgs(["--config=a=b"], options).config, "a=b");
});

Deno.test("parseArgs() keeps the value of a string flag as text", () => {
  const args = parseArgs(["--config", "1", "--seed", "1"], {
    string: ["config"],
  });
  const config: string | undefined = args.config;
  assertEquals(config, "1");
  assertEquals(args.seed, 1);
});

Deno.test("parseArgs() gives a string flag without a value no text", () => {
  for (const args of [["--config"], ["--config="], ["--config", "--help"]]) {
    const { config } = parseArgs(args, {
      string: ["config"],
      boolean: ["help"],
    });
    assertEquals(config, "");
  }
});

Deno.test("parseArgs() does not take - for the value of a flag", () => {
  const args = parseArgs(["--output", "-"], { string: ["output"] });
  assertEquals(args, { _: ["-"], output: "" });
  assertEquals(parseArgs(["--output=-"], { string: ["output"] }).output, "-");
});

Deno.test("parseArgs() has booleans false and strings absent by default", () => {
  const args = parseArgs([], { string: ["config"], boolean: ["help"] });
  const help: boolean = args.help;
  assertEquals(help, false);
  assertEquals(args, { _: [], help: false });
});

Deno.test("parseArgs() has no boolean take the next argument", () => {
  const args = parseArgs(["--help", "x"], { boolean: ["help"] });
  assertEquals(args, { _: ["x"], help: true });
  assertEquals(parseArgs(["--help=false"], { boolean: ["help"] }).help, false);
});

Deno.test("parseArgs() has the last value of a repeated flag count", () => {
  const args = parseArgs(["-c", "a", "--config", "b", "-c=c"], {
    string: ["config"],
    alias: { config: "c" },
  });
  assertEquals(args, { _: [], c: "c", config: "c" });
});

Deno.test("parseArgs() collects the values of a flag where told to", () => {
  const options = { string: ["set"], collect: ["set"] } as const;
  const set: string[] = parseArgs(["--set", "1", "--set=b"], options).set;
  assertEquals(set, ["1", "b"]);
  assertEquals(parseArgs([], options).set, []);
  assertEquals(parseArgs(["--set", "a"], options).set, ["a"]);
});

Deno.test("parseArgs() sets a flag and its aliases alike", () => {
  const args = parseArgs(["-h", "-o", "r.json"], {
    string: ["output"],
    boolean: ["help"],
    alias: { output: "o", help: ["h", "usage"] },
  });
  assertEquals(args, {
    _: [],
    h: true,
    help: true,
    o: "r.json",
    output: "r.json",
    usage: true,
  });
});

Deno.test("parseArgs() reads a cluster of short flags", () => {
  const args = parseArgs(["-ho", "r.json"], {
    string: ["output"],
    boolean: ["help"],
    alias: { output: "o", help: "h" },
  });
  assertEquals([args.help, args.output], [true, "r.json"]);
});

Deno.test("parseArgs() falls back on the defaults", () => {
  const options = {
    string: ["config"],
    boolean: ["color"],
    default: { config: "a.yaml", color: true },
  } as const;
  const config: string = parseArgs([], options).config;
  assertEquals(config, "a.yaml");
  assertEquals(parseArgs([], options).color, true);
  assertEquals(parseArgs(["--config=b.yaml"], options).config, "b.yaml");
});

Deno.test("parseArgs() negates the flags declared so, and no others", () => {
  const unknown: unknown[] = [];
  const args = parseArgs(["--no-color", "--no-help"], {
    boolean: ["color", "help"],
    negatable: ["color"],
    default: { color: true },
    unknown: (_arg, key) => {
      unknown.push(key);
      return false;
    },
  });
  assertEquals(args, { _: [], color: false, help: false });
  assertEquals(unknown, ["no-help"]);
});

Deno.test("parseArgs() keeps what follows -- apart only when asked", () => {
  const args = ["a", "--", "--help", "1"];
  assertEquals(parseArgs(args, { boolean: ["help"] }), {
    _: ["a", "--help", "1"],
    help: false,
  });
  const apart = parseArgs(args, { boolean: ["help"], "--": true });
  const rest: string[] = apart["--"];
  assertEquals(rest, ["--help", "1"]);
  assertEquals(apart._, ["a"]);
});

Deno.test("parseArgs() reports each argument unknown to it, in order", () => {
  const seen: unknown[][] = [];
  const given = ["--cofnig=a", "x", "--dry", "--seed", "5", "-hz", "--help"];
  const args = parseArgs(given, {
    string: ["config"],
    boolean: ["help"],
    alias: { help: "h" },
    unknown: (arg, key, value) => {
      seen.push([arg, key, value]);
      return false;
    },
  });
  assertEquals(seen, [
    ["--cofnig=a", "cofnig", "a"],
    ["x", undefined, undefined],
    ["--dry", "dry", true],
    ["--seed", "seed", "5"],
    ["-hz", "z", true],
  ]);
  assertEquals(args, { _: [], h: true, help: true });
});

Deno.test("parseArgs() keeps an unknown argument unless told false", () => {
  const args = parseArgs(["--dry", "x"], {
    boolean: ["help"],
    unknown: () => undefined,
  });
  assertEquals(args, { _: [], dry: "x", help: false });
});

Deno.test("parseArgs() cannot be made to touch a prototype", () => {
  const hostile = ["--__proto__=1", "--constructor=1", "--__proto__.bad=1"];
  const args = parseArgs(hostile, { boolean: ["help"] });
  assertEquals(args, { _: [], help: false });
  assertEquals(Reflect.get({}, "bad"), undefined);
});

Deno.test("parseArgs() is exported by the package's main module too", () => {
  assertStrictEquals(cli.parseArgs, parseArgs);
});
