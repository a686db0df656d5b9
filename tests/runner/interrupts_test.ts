// Signals, sent to a process of its own.
import { assertEquals } from "@std/assert";
import { processTest } from "../helpers.ts";

const INTERRUPTS = new URL(
  "../../src/runner/interrupts.ts",
  import.meta.url,
).href;

/** Sends signals to a process that waits for ever, each once it is ready. */
async function send(
  signals: readonly Deno.Signal[],
): Promise<{ code: number; signal: string | null; lines: string[] }> {
  const script = `
    import { Interrupts } from ${JSON.stringify(INTERRUPTS)};
    const interrupts = new Interrupts((name) => console.log(name));
    interrupts.signal.onabort = () => console.log("abort");
    setTimeout(() => {}, 60_000);
    console.log("ready");
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", script],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const lines: string[] = [];
  const waiting = [...signals];
  let rest = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) {
      lines.push(line);
      if (line !== "ready" && line !== "abort") continue;
      const signal = waiting.shift();
      if (signal !== undefined) child.kill(signal);
    }
  }
  const { code, signal } = await child.status;
  return { code, signal, lines };
}

processTest(
  "Interrupts aborts at the first signal and exits at the second",
  async () => {
    if (Deno.build.os === "windows") return;
    const cases = [["SIGINT", "SIGINT", 130], ["SIGTERM", "SIGINT", 130], [
      "SIGINT",
      "SIGTERM",
      143,
    ]] as const;
    for (const [first, second, code] of cases) {
      const outcome = await send([first, second]);
      assertEquals(outcome, {
        code,
        signal: null,
        lines: ["ready", first, "abort"],
      });
    }
  },
);
