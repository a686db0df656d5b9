// Training on several ranks: as in one process, and all or none.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { namesIn, withFolder } from "../helpers.ts";
import { mpiTest, outcomeOf, startRanks } from "./support.ts";
import { type Line, trainCase } from "./train_case.ts";

/** Trains in several ways, one after another, on the same ranks. */
async function train(
  ranks: number,
  ...names: string[]
): Promise<Record<string, Line>> {
  let texts: string[] = [];
  await withFolder(async (folder) => {
    const { code, stderr } = await outcomeOf(
      startRanks(ranks, ["rank_train.ts", folder, ...names]),
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

function assertTrained(line: Line, alone: Line): void {
  assertEquals(line.error, null);
  assertClose(line.losses, alone.losses, 1e-5);
  assertClose(line.parameters, alone.parameters, 1e-4);
  for (const [key, value] of Object.entries(alone.evaluation)) {
    assertClose([line.evaluation[key]!], [value], 1e-4);
  }
  // Once a step, always all of it: more numbers than there are parameters.
  const [size = 0] = line.reduced;
  assert(size > line.parameters.length);
  assertEquals(line.reduced, line.losses.map(() => size));
}

mpiTest("two ranks train as one process does, or not at all", async () => {
  const faults: Record<string, string> = {
    data: "rank 1 has another source data than rank 0",
    rate: "rank 1 has another learning rate than rank 0",
    clip: "rank 1 has another weight decay, clipping or smoothing than rank 0",
    patience: "rank 1 has another early stopping than rank 0",
    snapshot: "rank 1 has another snapshot to resume than rank 0",
    moments: "rank 1 has another adam.m.output_bias in the snapshot to " +
      "resume than rank 0",
  };
  const names = ["partial", "threads", ...Object.keys(faults)];
  const lines = await train(2, ...names);
  const alone = await trainCase("partial");
  assertTrained(lines["partial"]!, alone);
  // Threads within ranks.
  assertTrained(lines["threads"]!, alone);
  for (const [name, message] of Object.entries(faults)) {
    const { error, losses } = lines[name]!;
    assertStringIncludes(error ?? "", message);
    assertEquals(losses, []);
  }
});

mpiTest(
  "three ranks train as one process does, and stop together",
  async () => {
    const { partial, stop } = await train(3, "partial", "stop");
    assertTrained(partial!, await trainCase("partial"));
    // Told after step 3, it tells the others with the gradients of step 4, and
    // all of them, told or not, have a snapshot of that.
    const { error, losses, snapshots } = stop!;
    assertEquals([error, losses.length, snapshots], ["AbortError", 4, [4]]);
  },
);

mpiTest("ranks clip, validate and stop early as one process does", async () => {
  const { options, stop_validating } = await train(
    3,
    "options",
    "stop_validating",
  );
  const [{ history }, alone] = [options!, await trainCase("options")];
  const { stoppedEarly, bestEpoch, validationLoss } = alone.history!;
  assert(stoppedEarly && bestEpoch! + 3 === validationLoss!.length);
  assertEquals([history!.bestEpoch, history!.stoppedEarly], [bestEpoch, true]);
  assertClose(history!.validationLoss!, validationLoss!, 1e-3);
  assertClose(options!.losses, alone.losses, 1e-3);
  assertClose(options!.parameters, alone.parameters, 2e-3);
  // Told at the end of an epoch, by which all have a snapshot as well.
  const { error, losses, snapshots } = stop_validating!;
  assertEquals([error, losses.length, snapshots], ["AbortError", 2, [2]]);
});

mpiTest(
  "ranks without a sequence of a batch train with the others",
  async () => {
    const { empty } = await train(4, "empty");
    assertTrained(empty!, await trainCase("empty"));
  },
);

mpiTest("no rank trains on after one has failed", async () => {
  const { code, stdout, stderr } = await outcomeOf(
    startRanks(2, ["rank_train.ts", ".", "throw"]),
  );
  assertEquals([code, stdout], [1, ""], stderr);
  assertStringIncludes(stderr, "Error: on rank 1");
});
