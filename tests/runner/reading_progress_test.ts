// Signs of life while a large file is read.
import { assertEquals } from "@std/assert";
import { ReadingProgress } from "../../src/runner/reading_progress.ts";
import { StatusConsole } from "../../src/runner/status_console.ts";

/** What is written, with a clock that is set by hand. */
function watch(isTerminal: boolean) {
  let written = "";
  let now = 0;
  const write = (text: string) => void (written += text);
  const console = new StatusConsole({ isTerminal, write, columns: () => 60 });
  const progress = new ReadingProgress(console, () => now);
  return {
    progress,
    at(time: number, done: number): string {
      now = time;
      written = "";
      progress.show("a.tsv", done, 80e6);
      return written;
    },
    end(): string {
      written = "";
      progress.end();
      return written;
    },
  };
}

Deno.test("reading is shown in lines, five seconds apart", () => {
  const { at, end } = watch(false);
  assertEquals(at(4999, 1e6), "");
  assertEquals(at(5000, 20e6), 'Reading "a.tsv": 25 % of 80 MB\n');
  assertEquals(at(9999, 40e6), "");
  assertEquals(at(10_000, 79.9e6), 'Reading "a.tsv": 99 % of 80 MB\n');
  assertEquals(end(), "");
});

Deno.test("reading is shown in one line of a terminal, and leaves none", () => {
  const { at, end } = watch(true);
  assertEquals(at(200, 1e6), "");
  assertEquals(at(300, 40e6), '\r\x1b[KReading "a.tsv": 50 % of 80 MB');
  assertEquals(end(), "\r\x1b[K");
});
