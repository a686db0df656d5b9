// A run on a file of any size takes bounded memory: the file grows tenfold,
// and what is resident does not grow with it.
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { processTest, withFolder } from "../helpers.ts";

const PROGRAM = fileURLToPath(new URL("memory_process.ts", import.meta.url));

/** In MiB. The semi-space is V8's young generation. */
const SMALL_HEAP =
  "--v8-flags=--max-old-space-size=24,--max-semi-space-size=1,--semi-space-growth-factor=1";

/** A thousand pairs in a megabyte: long words, of which there are few. */
const MEGABYTE = Array.from({ length: 1000 }, (_, line) => {
  const words = Array.from({ length: 9 }, (_, at) => {
    const word = `w${(line * 31 + at * at * 7) % 300}`;
    return word + "-".repeat(55 - word.length);
  });
  return `${words.join(" ")}\t${words.toReversed().join(" ")}\n`;
}).join("");

interface Outcome {
  readonly most: number;
  readonly train_sequences: number;
  readonly test_sequences: number;
  readonly vocab_size: number;
  readonly loss: number;
}

async function runOn(path: string): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    // What a run on the command line has, nothing more; and a small heap, as
    // garbage that V8 has not collected yet is not what the run keeps.
    args: ["run", "-R", "-W", "--no-prompt", SMALL_HEAP, PROGRAM, path],
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

processTest("memory stays while the file grows tenfold", async () => {
  await withFolder(async (folder) => {
    const outcomes: Outcome[] = [];
    for (const megabytes of [6, 60]) {
      const path = `${folder}/${megabytes}.tsv`;
      using file = Deno.openSync(path, { write: true, createNew: true });
      const bytes = new TextEncoder().encode(MEGABYTE);
      for (let at = 0; at < megabytes; at++) file.writeSync(bytes);
      const outcome = await runOn(path);
      const { train_sequences, test_sequences, vocab_size } = outcome;
      assertEquals(train_sequences + test_sequences, 1000 * megabytes);
      assertEquals(vocab_size, 303);
      outcomes.push(outcome);
    }
    const [small, large] = outcomes.map(({ most }) => most / 2 ** 20);
    // 54 MiB more of text; more than a third of it is not even passing through.
    assert(large! - small! < 20, `from ${small} to ${large} MiB`);
  });
});
