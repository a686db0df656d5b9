// Arguments in, a command or a refusal out. The process is in main_test.ts.
import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  COMMANDS,
  HELP,
  parseCommandLine,
  UsageError,
} from "../../src/runner/command_line.ts";

/** A run without any argument. */
const RUN = {
  config: undefined,
  output: undefined,
  set: [] as string[],
  debug: undefined as string | undefined,
  check: false,
  resume: false,
};

/** The options of a command line, which must be one of `run`. */
function optionsOf(args: readonly string[]): object {
  const parsed = parseCommandLine(args);
  assert(parsed.kind === "command", parsed.kind);
  assertEquals([parsed.command.name, parsed.operands], ["run", []]);
  const { help, version, ...options } = parsed.given;
  assertEquals([help, version ?? false], [false, false]);
  return options;
}

Deno.test("parseCommandLine() understands a run in all spellings", () => {
  const wanted = { ...RUN, config: "a.yaml", output: "b.json" };
  for (
    const line of [
      "--config a.yaml --output b.json",
      "--output=b.json --config=a.yaml",
      "-c a.yaml -o b.json",
      "-o b.json --config a.yaml",
    ]
  ) {
    assertEquals(optionsOf(line.split(" ")), wanted, line);
    assertEquals(optionsOf(["run", ...line.split(" ")]), wanted, line);
  }
});

Deno.test("parseCommandLine() needs no argument", () => {
  assertEquals(optionsOf([]), RUN);
  assertEquals(optionsOf(["run"]), RUN);
});

Deno.test("parseCommandLine() keeps values as they are written", () => {
  const options = optionsOf(["--output", "1e3", "--config=-x=y .yaml"]);
  assertEquals(options, { ...RUN, config: "-x=y .yaml", output: "1e3" });
});

Deno.test("parseCommandLine() understands how closely to look", () => {
  const line = ["--debug", "4", "--check"];
  assertEquals(optionsOf(line), { ...RUN, debug: "4", check: true });
  assertEquals(optionsOf(["--debug=0"]), { ...RUN, debug: "0" });
});

Deno.test("parseCommandLine() keeps every --set, in order", () => {
  const line = ["--set", "a.b=1", "-c", "x", "--set=a.b=", "--set", "c=[d, e]"];
  const set = ["a.b=1", "a.b=", "c=[d, e]"];
  assertEquals(optionsOf(line), { ...RUN, config: "x", set });
});

Deno.test("parseCommandLine() knows --help and --version", () => {
  for (const flag of ["--help", "-h"]) {
    assertEquals(parseCommandLine([flag]), { kind: "help", text: HELP });
  }
  for (const flag of ["--version", "-V"]) {
    assertEquals(parseCommandLine([flag]), { kind: "version" });
  }
  const text = HELP;
  assertEquals(parseCommandLine(["-c", "x", "--help"]), { kind: "help", text });
});

Deno.test("parseCommandLine() refuses what it does not know", () => {
  const cases: [string[], string][] = [
    [["--confg", "a"], 'Unknown option "--confg", did you mean "--config"?'],
    [["--ouptut=a"], 'Unknown option "--ouptut=a", did you mean "--output"?'],
    [["--no-config"], 'Unknown option "--no-config"'],
    [["--quiet"], 'Unknown option "--quiet"\n'],
    [["-x"], 'Unknown option "-x"'],
    [["-config", "a"], 'Unknown option "-config", did you mean "--config"?'],
    [["a.yaml"], 'Unexpected argument "a.yaml", wanted only options'],
    [["--help", "me"], 'Unexpected argument "me"'],
    [["--", "5"], 'Unexpected argument "5"'],
    [["--config"], 'Option "--config" needs a value'],
    [["--config="], 'Option "--config" needs a value'],
    [["--config", "--output", "b"], 'Option "--config" needs a value'],
    [["-o", "a", "--output", "b"], 'Option "--output" was given 2 times'],
    [["chekc"], 'Unknown command "chekc", did you mean "check"?'],
    [["--config", "a", "check"], 'Unexpected argument "check", wanted only'],
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

Deno.test("parseCommandLine() refers to the help of the command", () => {
  const cases: [string[], string][] = [
    [["check", "--confg", "a"], 'Unknown option "--confg", did you mean'],
    [["check", "--version"], 'Unknown option "--version"'],
    [["check", "a"], 'Unexpected argument "a", wanted only options'],
    [["init", "a", "b"], 'Unexpected argument "b", wanted only FILE'],
  ];
  for (const [args, wanted] of cases) {
    const { message } = assertThrows(() => parseCommandLine(args), UsageError);
    assertStringIncludes(message, wanted);
    assertStringIncludes(message, `Run with "${args[0]} --help" to see`);
  }
});

Deno.test("HELP names every command, flag and exit code", () => {
  const flags = [
    "config",
    "output",
    "set",
    "debug",
    "check",
    "version",
    "help",
  ];
  const parts = [...flags.map((flag) => `--${flag}`), "130", "143"];
  for (const part of parts) assertStringIncludes(HELP, part);
  for (const { name, summary } of COMMANDS) {
    assertStringIncludes(HELP, `\n  ${name} `);
    assertStringIncludes(HELP, summary);
  }
});

Deno.test("every help fits a terminal and has an example that parses", () => {
  for (const command of COMMANDS) {
    const invocation = parseCommandLine([command.name, "--help"]);
    assert(invocation.kind === "help");
    const { text } = invocation;
    for (const line of `${text}${HELP}`.split("\n")) {
      assert(line.length <= 80, line);
    }
    for (const flag of Object.keys(command.flags)) {
      assertStringIncludes(text, `--${flag}`);
    }
    assert(command.examples.length > 0, command.name);
    for (const example of command.examples) {
      assertStringIncludes(text, `\n  ${example}\n`);
      const [, args] = example.split(/ mod\.ts ?/);
      const words = args!.replace(/ *[<>|].*/, "").split(" ");
      const parsed = parseCommandLine(words);
      assert(parsed.kind === "command" && parsed.command === command, example);
    }
  }
});
