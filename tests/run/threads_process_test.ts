// Programs whose plans have threads: how they end.
import { assertEquals } from "@std/assert";
import { testWith } from "../helpers.ts";

const PROGRAM = new URL("threads_program.ts", import.meta.url).href;

/** With no more permissions than the command line needs. */
function start(...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "-R", "-W", PROGRAM, ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

testWith(["run"], "a program with threads ends when it returns", async () => {
  const { code, stdout } = await start().output();
  const text = new TextDecoder().decode(stdout);
  assertEquals([code, text], [0, "2 threads: 1024\n"]);
});

testWith(["run"], "a program with threads can be interrupted", async () => {
  const program = start("forever");
  const reader = program.stdout.getReader();
  await reader.read();
  program.kill("SIGINT");
  while (!(await reader.read()).done);
  assertEquals((await program.status).signal, "SIGINT");
});
