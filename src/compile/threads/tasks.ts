/** What the tasks of threads touch, and what time they may take. */
import { estimateKernel, MOVED } from "./estimate.ts";
import { sumsOf, type Task } from "./plan.ts";
import { looksUp, type Range, rangesOf, wholeOf } from "./ranges.ts";

/** What a task touches and others may touch too: not what is its thread's own. */
export function rangesOfTask(task: Task): Range[] {
  return everything(task).filter(({ buffer }) => !buffer.local);
}

function everything(task: Task): Range[] {
  switch (task.kind) {
    case "kernel":
      return rangesOf(task.kernel, task.first, task.count);
    case "clear":
      return task.buffers.map((buffer) => wholeOf(buffer, true));
    case "tiles": {
      const { stage, first, end } = task;
      // Cleared even where a thread has no tile.
      const sums = sumsOf(stage).map((buffer) => wholeOf(buffer, true));
      if (first === end) return sums;
      return stage.kernels.reduce(
        (all, kernel) => all.concat(rangesOf(kernel, first, end - first)),
        sums,
      );
    }
    case "sum":
      return sumsOf(task.stage).map((buffer) => wholeOf(buffer, true));
    case "copy": {
      const { from, to, first, count } = task;
      const range = { from: first, end: first + count };
      return [
        { buffer: from, ...range, writes: false },
        { buffer: to, ...range, writes: true },
      ];
    }
  }
}

/** Whether a task may find an index outside its table, and trap. */
export function mayTrap(task: Task): boolean {
  switch (task.kind) {
    case "kernel":
      return looksUp(task.kernel);
    case "tiles":
      return task.stage.kernels.some(looksUp);
    default:
      return false;
  }
}

/** Whether a task writes to variables. */
export function changesVariables(ranges: readonly Range[]): boolean {
  return ranges.some(({ buffer, writes }) =>
    writes && buffer.variable !== undefined
  );
}

/** In nanoseconds; a tile has so many batch entries. */
export function timeOf(task: Task, tile: number): number {
  switch (task.kind) {
    case "kernel":
      return estimateKernel(task.kernel, task.count);
    case "clear":
      return MOVED * sizeOf(task.buffers);
    case "tiles": {
      const { stage, first, end } = task;
      const tiles = (end - first) / tile;
      return stage.kernels.reduce(
        (time, kernel) => time + tiles * estimateKernel(kernel, tile),
        MOVED * sizeOf(sumsOf(stage)),
      );
    }
    case "sum":
      // A slice of what every thread has.
      return MOVED * sizeOf(sumsOf(task.stage));
    case "copy":
      return MOVED * task.count;
  }
}

/** Of one task after another. */
export function timeOfAll(tasks: readonly Task[], tile: number): number {
  return tasks.reduce((sum, task) => sum + timeOf(task, tile), 0);
}

function sizeOf(buffers: readonly { readonly size: number }[]): number {
  return buffers.reduce((sum, { size }) => sum + size, 0);
}
