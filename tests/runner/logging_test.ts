// Which message goes where, and a log file that fails.
import {
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { ConfigError, type LogLevel } from "../../src/runner/config_types.ts";
import { Logger } from "../../src/runner/logging.ts";
import { StatusConsole } from "../../src/runner/status_console.ts";
import { namesIn, testWith, withFolder } from "../helpers.ts";

/** A logger whose console keeps what it writes. */
function record(level: LogLevel, file: string | null): [Logger, string[]] {
  const written: string[] = [];
  const console = new StatusConsole({
    isTerminal: false,
    write: (text) => void written.push(text),
  });
  return [new Logger({ level, file }, console), written];
}

function logAll(log: Logger): void {
  log.debug("one");
  log.info("two");
  log.warn("three");
  log.error("four");
}

Deno.test("Logger sends on what is important enough for its level", () => {
  const lines = ["debug: one\n", "two\n", "warning: three\n", "error: four\n"];
  const levels = ["debug", "info", "warn", "error", "silent"] as const;
  for (const [omitted, level] of levels.entries()) {
    const [log, written] = record(level, null);
    logAll(log);
    assertEquals(written, lines.slice(omitted), level);
    assertEquals(log.includes("info"), omitted <= 1);
  }
});

testWith(
  ["read", "write"],
  "Logger appends to its file, with time and level",
  async () => {
    await withFolder((folder) => {
      const file = `${folder}/run.log`;
      Deno.writeTextFileSync(file, "before\n");
      const [log, written] = record("info", file);
      logAll(log);
      log.record("info", "five");
      log.record("debug", "six");
      const lines = Deno.readTextFileSync(file).trimEnd().split("\n");
      assertEquals(lines.map((line) => line.replace(/^\S+Z /, "")), [
        "before",
        "info  two",
        "warn  three",
        "error four",
        "info  five",
      ]);
      assertMatch(lines[1]!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info/);
      assertEquals(written.length, 3);
    });
  },
);

testWith(
  ["read", "write"],
  "Logger creates its file before the first message",
  async () => {
    await withFolder((folder) => {
      record("silent", `${folder}/run.log`);
      assertEquals(namesIn(folder), ["run.log"]);
    });
  },
);

testWith(
  ["read", "write"],
  "Logger refuses a file that cannot be written",
  async () => {
    await withFolder((folder) => {
      const cases = [
        [`${folder}/missing/run.log`, "no such file or folder"],
        [folder, "it is a folder"],
      ] as const;
      for (const [file, reason] of cases) {
        const error = assertThrows(() => record("info", file), ConfigError);
        assertEquals(error.problems[0]!.path, "logging.file");
        assertStringIncludes(error.message, reason);
        assertStringIncludes(error.message, file);
      }
      assertEquals(namesIn(folder), []);
    });
  },
);

testWith(
  ["read", "write"],
  "Logger survives the loss of its file and says so once",
  async () => {
    await withFolder((folder) => {
      Deno.mkdirSync(`${folder}/logs`);
      const [log, written] = record("info", `${folder}/logs/run.log`);
      Deno.removeSync(`${folder}/logs`, { recursive: true });
      log.info("one");
      log.info("two");
      assertEquals(written, [
        "one\n",
        "warning: Cannot write the log file any more: no such file or folder\n",
        "two\n",
      ]);
    });
  },
);
