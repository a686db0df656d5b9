// Lines above a status line, character by character.
import { assertEquals } from "@std/assert";
import {
  StatusConsole,
  type StatusConsoleOptions,
} from "../../src/runner/status_console.ts";

/** A console that keeps what it writes. */
function record(options: StatusConsoleOptions): [StatusConsole, string[]] {
  const written: string[] = [];
  const write = (text: string): void => void written.push(text);
  return [new StatusConsole({ ...options, write }), written];
}

Deno.test("StatusConsole shows no status where there is no terminal", () => {
  const [console, written] = record({ isTerminal: false });
  console.status("half way");
  console.line("done");
  console.status("");
  assertEquals(written, ["done\n"]);
});

Deno.test("StatusConsole keeps the status below the lines", () => {
  const [console, written] = record({ isTerminal: true, columns: () => 80 });
  console.status("one");
  console.line("line");
  console.status("two");
  console.status("");
  console.line("end");
  assertEquals(written, [
    "\r\x1b[Kone",
    "\r\x1b[Kline\none",
    "\r\x1b[Ktwo",
    "\r\x1b[K",
    "end\n",
  ]);
});

Deno.test("StatusConsole cuts a status that would wrap", () => {
  const [console, written] = record({ isTerminal: true, columns: () => 5 });
  console.status("123456789");
  assertEquals(written, ["\r\x1b[K1234"]);
});

Deno.test("StatusConsole writes an unchanged status once", () => {
  const [console, written] = record({ isTerminal: true, columns: () => 80 });
  console.status("same");
  console.status("same");
  assertEquals(written.length, 1);
});

Deno.test("StatusConsole.paint() colours only where colours are welcome", () => {
  const [plain] = record({ isTerminal: true, hasColor: false });
  assertEquals(plain.paint("oh", "red"), "oh");
  const [coloured] = record({ isTerminal: true, hasColor: true });
  assertEquals(coloured.paint("oh", "red"), "\x1b[31moh\x1b[0m");
});

Deno.test("StatusConsole has no colours by default where there is no terminal", () => {
  const [console] = record({ isTerminal: false });
  assertEquals(console.paint("oh", "yellow"), "oh");
});
