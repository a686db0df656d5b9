// Arguments in, a command or a refusal out. The process is in main_test.ts.
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  type Command,
  HELP,
  parseCommandLine,
  UsageError,
} from "../../src/runner/command_line.ts";

/** A run without any argument. */
const RUN: Command = {
  kind: "run",
  config: undefined,
  output: undefined,
  debug: 0,
  check: false,
};

Deno.test("parseCommandLine() understands a run in all spellings", () => {
  const wanted: Command = { ...RUN, config: "a.yaml", output: "b.json" };
  for (
    const line of [
      "--config a.yaml --output b.json",
      "--output=b.json --config=a.yaml",
      "-c a.yaml -o b.json",
      "-o b.json --config a.yaml",
    ]
  ) {
    assertEquals(parseCommandLine(line.split(" ")), wanted, line);
  }
});

Deno.test("parseCommandLine() needs no argument", () => {
  assertEquals(parseCommandLine([]), RUN);
});

Deno.test("parseCommandLine() keeps values as they are written", () => {
  const command = parseCommandLine(["--output", "1e3", "--config=-x=y .yaml"]);
  assertEquals(command, { ...RUN, config: "-x=y .yaml", output: "1e3" });
});

Deno.test("parseCommandLine() understands how closely to look", () => {
  const line = ["--debug", "4", "--check"];
  assertEquals(parseCommandLine(line), { ...RUN, debug: 4, check: true });
  assertEquals(parseCommandLine(["--debug=0"]), RUN);
});

Deno.test("parseCommandLine() knows --help and --version", () => {
  for (const flag of ["--help", "-h"]) {
    assertEquals(parseCommandLine([flag]), { kind: "help" });
  }
  for (const flag of ["--version", "-V"]) {
    assertEquals(parseCommandLine([flag]), { kind: "version" });
  }
  assertEquals(parseCommandLine(["-c", "x", "--help"]), { kind: "help" });
});

Deno.test("parseCommandLine() refuses what it does not know", () => {
  const cases: [string[], string][] = [
    [["--confg", "a"], 'Unknown option "--confg", did you mean "--config"?'],
    [["--ouptut=a"], 'Unknown option "--ouptut=a", did you mean "--output"?'],
    [["--no-config"], 'Unknown option "--no-config"'],
    [["--resume"], 'Unknown option "--resume"\n'],
    [["-x"], 'Unknown option "-x"'],
    [["-config", "a"], 'Unknown option "-config", did you mean "--config"?'],
    [["a.yaml"], 'Unexpected argument "a.yaml", wanted only options'],
    [["--help", "me"], 'Unexpected argument "me"'],
    [["--", "5"], 'Unexpected argument "5"'],
    [["--config"], 'Option "--config" needs a value'],
    [["--config="], 'Option "--config" needs a value'],
    [["--config", "--output", "b"], 'Option "--config" needs a value'],
    [["-o", "a", "--output", "b"], 'Option "--output" was given 2 times'],
    [["--debug", "6"], 'Option "--debug" is "6", wanted a number from 0 to 5'],
    [["--debug", "high"], 'Option "--debug" is "high", wanted'],
    [["--debug"], 'Option "--debug" needs a value'],
    [["--chek"], 'Unknown option "--chek", did you mean "--check"?'],
  ];
  for (const [args, wanted] of cases) {
    const { message } = assertThrows(() => parseCommandLine(args), UsageError);
    assertStringIncludes(message, wanted);
    assertStringIncludes(message, "Run with --help to see the usage");
  }
});

Deno.test("parseCommandLine() reports all unknown arguments at once", () => {
  const { message } = assertThrows(
    () => parseCommandLine(["--confg", "--verbose", "--help"]),
    UsageError,
  );
  assertStringIncludes(message, "--confg");
  assertStringIncludes(message, "--verbose");
});

Deno.test("HELP fits a terminal and names every flag and exit code", () => {
  for (const line of HELP.split("\n")) {
    assertEquals(line.length <= 80, true, line);
  }
  const flags = ["config", "output", "debug", "check", "help", "version"];
  const parts = [...flags.map((flag) => `--${flag}`), "130", "143"];
  for (const part of parts) assertStringIncludes(HELP, part);
});
