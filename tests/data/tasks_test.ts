// What the targets of made-up data are; the sources are the copy task's.
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { generateCopyTaskData } from "../../src/data/copy_task.ts";
import { generateTaskData, type Task } from "../../src/data/tasks.ts";

const SIZES = {
  nSamples: 40,
  srcLength: 5,
  tgtLength: 3,
  vocabSize: 9,
  randomSeed: 3,
};

function generate(task: Task, more: Partial<typeof SIZES> = {}, taskSeed = 1) {
  return generateTaskData({ ...SIZES, ...more, task, taskSeed });
}

function* rowsOf({ xSrc, xTgt }: ReturnType<typeof generate>) {
  const [S, T] = [xSrc.shape[1]!, xTgt.shape[1]!];
  for (let row = 0; row < xSrc.shape[0]!; row++) {
    yield {
      source: [...xSrc.data.subarray(row * S, (row + 1) * S)],
      target: [...xTgt.data.subarray(row * T, (row + 1) * T)],
    };
  }
}

Deno.test("copy has the bytes of the copy task, whatever its own seed", () => {
  assertEquals(generate("copy"), generateCopyTaskData(SIZES));
  assertEquals(generate("copy", {}, 7), generateCopyTaskData(SIZES));
});

Deno.test("the target of reverse is the end of its source, backwards", () => {
  const data = generate("reverse");
  assertEquals(data.xSrc, generateCopyTaskData(SIZES).xSrc);
  for (const { source, target } of rowsOf(data)) {
    assertEquals(target, source.toReversed().slice(0, 3));
  }
});

Deno.test("substitute puts the same other token for each, each once", () => {
  const data = generate("substitute");
  const other = new Map<number, number>();
  for (const { source, target } of rowsOf(data)) {
    target.forEach((token, at) => {
      assertEquals(other.get(source[at]!) ?? token, token);
      other.set(source[at]!, token);
    });
  }
  assertEquals(new Set(other.values()).size, 9);
  assert([...other].some(([token, put]) => token !== put));
  // Test data have another seed and the same alphabet.
  for (
    const { source, target } of rowsOf(
      generate("substitute", { randomSeed: 4 }),
    )
  ) {
    assertEquals(target, source.slice(0, 3).map((token) => other.get(token)));
  }
  assertNotEquals(generate("substitute", {}, 2).xTgt, data.xTgt);
});
