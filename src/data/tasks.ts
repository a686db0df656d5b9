/**
 * The tasks whose data are made up: what the target of a random source is. The
 * sources, and the data of the copy task, are those of copy_task.ts.
 */
import { Random } from "../random.ts";
import {
  type CopyTaskData,
  type CopyTaskOptions,
  generateCopyTaskData,
} from "./copy_task.ts";

/** What a model may learn from data that are made up. */
export type Task = "copy" | "reverse" | "substitute";

/** All tasks. */
export const TASKS: readonly Task[] = ["copy", "reverse", "substitute"];

/** What {@linkcode generateTaskData} makes. */
export interface TaskOptions extends CopyTaskOptions {
  /** What a target is: its source, that backwards, or other tokens for it. */
  readonly task: Task;
  /** Decides which token stands for which in `substitute`, and nothing else. */
  readonly taskSeed: number;
}

/**
 * Generates data for a task: the sources of the copy task, and to each its
 * target, cut to its first `tgtLength` tokens.
 *
 * @param options Task, sizes and seeds.
 * @returns `xSrc` (nSamples, srcLength) and `xTgt` (nSamples, tgtLength).
 * @throws {TypeError | RangeError} If a size or a seed is wrong.
 */
export function generateTaskData(options: TaskOptions): CopyTaskData {
  const { task, taskSeed, srcLength, tgtLength, vocabSize } = options;
  const data = generateCopyTaskData(options);
  const [source, target] = [data.xSrc.data, data.xTgt.data];
  if (task === "substitute") {
    const other = substitution(vocabSize, taskSeed);
    for (let at = 0; at < target.length; at++) target[at] = other[target[at]!]!;
  }
  if (task === "reverse") {
    for (let at = 0; at < target.length; at++) {
      const row = Math.floor(at / tgtLength);
      target[at] = source[(row + 1) * srcLength - 1 - at % tgtLength]!;
    }
  }
  return data;
}

/** Which token stands for each: the same in training and test. */
function substitution(vocabSize: number, seed: number): Int32Array {
  return new Random(seed, "substitution").permutation(vocabSize);
}
