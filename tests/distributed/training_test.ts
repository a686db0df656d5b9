// Training on several ranks: as in one process, and all or none.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { namesIn, ROOT, withFolder } from "../helpers.ts";
import { mpiTest, outcomeOf, startRanks } from "./support.ts";

interface Line {
  readonly stopped: string | null;
  readonly steps: readonly number[];
  readonly evaluation: Readonly<Record<string, number>>;
  readonly parameters: readonly number[];
}

async function train(
  ranks: number,
  name: string,
  ...faults: string[]
): Promise<Line> {
  let texts: string[] = [];
  await withFolder(async (folder) => {
    const { code, stderr } = await outcomeOf(
      startRanks(ranks, ["rank_train.ts", name, folder, ...faults]),
    );
    assertEquals(code, 0, stderr);
    texts = namesIn(folder).map((file) =>
      Deno.readTextFileSync(`${folder}/${file}`)
    );
  });
  assertEquals(texts.length, ranks);
  // Every rank has the same numbers, to the last bit.
  for (const text of texts) assert(text === texts[0]);
  return JSON.parse(texts[0]!);
}

async function trainAlone(name: string): Promise<Line> {
  const program = new URL("tests/distributed/rank_train.ts", ROOT);
  let text = "";
  await withFolder(async (folder) => {
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", fileURLToPath(program), name, folder, "alone"],
    }).output();
    assert(success);
    text = Deno.readTextFileSync(`${folder}/0.json`);
  });
  return JSON.parse(text);
}

function assertClose(
  got: readonly number[],
  want: readonly number[],
  tolerance: number,
): void {
  assertEquals(got.length, want.length);
  const scale = Math.max(...want.map(Math.abs));
  for (const [at, value] of want.entries()) {
    const error = Math.abs(got[at]! - value);
    assert(error <= tolerance * scale, `${got[at]} at ${at}, wanted ${value}`);
  }
}

mpiTest("several ranks train as one process does", async () => {
  for (const [name, counts] of [["partial", [2, 3]], ["empty", [4]]] as const) {
    const alone = await trainAlone(name);
    for (const ranks of counts) {
      const line = await train(ranks, name);
      assertClose(line.steps, alone.steps, 1e-5);
      assertClose(line.parameters, alone.parameters, 1e-4);
      for (const [key, value] of Object.entries(alone.evaluation)) {
        assertClose([line.evaluation[key]!], [value], 1e-4);
      }
    }
  }
});

mpiTest("all ranks stop after the same step when one is told to", async () => {
  const line = await train(3, "partial", "stop");
  // Told after step 3, it tells the others with the gradients of step 4.
  assertEquals([line.stopped, line.steps.length], ["AbortError", 4]);
});

const FAULTS = [
  ["data", "rank 1 has another source data than rank 0"],
  ["rate", "rank 1 has another learning rate than rank 0"],
  ["throw", "Error: on rank 1"],
] as const;
for (const [fault, message] of FAULTS) {
  mpiTest(`no rank trains on alone after a fault: ${fault}`, async () => {
    const { code, stdout, stderr } = await outcomeOf(
      startRanks(2, ["rank_train.ts", "partial", ".", fault]),
    );
    assertEquals([code, stdout], [1, ""], stderr);
    assertStringIncludes(stderr, message);
  });
}
