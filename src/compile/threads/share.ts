/**
 * Shares a lowered step among threads: cuts what is large, keeps small work
 * together, and finds the fewest phases in which nobody touches what another
 * thread writes.
 */
import type { Buffer, Kernel, Lowered, StageKernels } from "../kernel.ts";
import { boundsOf, cutKernel } from "./cut.ts";
import { AWAY, BARRIER, MEETING } from "./estimate.ts";
import { sumsOf, type Task, type ThreadPlan } from "./plan.ts";
import { conflicts, type Range } from "./ranges.ts";
import { changesVariables, mayTrap, rangesOfTask, timeOf } from "./tasks.ts";

/** What one thread would do of an item of work. */
interface Part {
  readonly thread: number;
  readonly task: Task;
  readonly ranges: readonly Range[];
  /** In nanoseconds. */
  readonly time: number;
}

/** One way of doing an item of work: parts for some threads or for all. */
type Way = readonly Part[];

/** A range that is in use in a phase. */
interface Use extends Range {
  readonly phase: number;
  readonly thread: number;
}

/**
 * Shares a step.
 *
 * @param lowered The step, its tiles chosen for as many threads.
 * @param threads How many.
 * @returns Who does what and when.
 */
export function shareStep(lowered: Lowered, threads: number): ThreadPlan {
  const plans = AWAY.map((away) => new Sharing(lowered, threads, away).plan());
  return plans.reduce((best, plan) =>
    plan.estimate < best.estimate ? plan : best
  );
}

/** What a step takes by itself, in nanoseconds, on the scale of plans. */
export function estimateAlone(lowered: Lowered): number {
  return new Sharing(lowered, 1, 0).plan().estimate;
}

/** Puts work into phases, one item after another. */
class Sharing {
  readonly #lowered: Lowered;
  readonly #threads: number;
  readonly #away: number;
  readonly #phases: Task[][][] = [];
  /** By phase, then by thread, in nanoseconds. */
  readonly #loads: number[][] = [];
  readonly #uses = new Map<Buffer, Use[]>();
  /** The last phase in which a thread may find an index outside its table. */
  readonly #lookups: number[];

  constructor(lowered: Lowered, threads: number, away: number) {
    this.#lowered = lowered;
    this.#threads = threads;
    this.#away = away;
    this.#lookups = new Array<number>(threads).fill(-1);
  }

  plan(): ThreadPlan {
    for (const stage of this.#lowered.stages) {
      if (stage.tiled) this.#addTiles(stage);
      else this.#addWhole(stage);
    }
    for (const { from, to } of this.#lowered.copies) this.#addCopy(from, to);
    const busy = this.#loads.reduce((sum, p) => sum + Math.max(...p), 0);
    const waiting = this.#threads === 1
      ? 0
      : MEETING + BARRIER * Math.max(0, this.#phases.length - 1);
    return {
      threads: this.#threads,
      phases: this.#phases,
      apart: this.#isApart(),
      estimate: busy + waiting,
    };
  }

  #addWhole({ clears, kernels }: StageKernels): void {
    for (const buffer of clears) this.#addClear(buffer);
    for (const kernel of kernels) {
      const ways = this.#alone({ kind: "kernel", kernel, first: 0, count: 1 });
      const parts = this.#inParts(kernel);
      this.#place(parts.length > 1 ? [parts, ...ways] : ways);
    }
  }

  #addClear(buffer: Buffer): void {
    this.#place(this.#alone({ kind: "clear", buffers: [buffer] }));
  }

  /** A task as a whole, by any of the threads. */
  #alone(task: Task): Way[] {
    const part = this.#partOf(0, task);
    return Array.from(
      { length: this.#threads },
      (_, thread) => [{ ...part, thread }],
    );
  }

  #inParts(whole: Kernel): Way {
    const cut = this.#threads > 1 ? cutKernel(whole) : null;
    if (cut === null) return [];
    const { kernel, extent } = cut;
    return this.#cut(extent, (first, count) => {
      return { kind: "kernel", kernel, first, count };
    });
  }

  /** One task for each thread, of a loop of so many iterations. */
  #cut(extent: number, make: (first: number, count: number) => Task): Way {
    const bounds = boundsOf(extent, this.#threads);
    return this.#shared((thread) => {
      const first = bounds[thread]!;
      const count = bounds[thread + 1]! - first;
      return count > 0 ? make(first, count) : null;
    });
  }

  #shared(make: (thread: number) => Task | null): Way {
    return Array.from({ length: this.#threads }, (_, thread): Part[] => {
      const task = make(thread);
      return task === null ? [] : [this.#partOf(thread, task)];
    }).flat();
  }

  #partOf(thread: number, task: Task): Part {
    const ranges = rangesOfTask(task);
    return { thread, task, ranges, time: timeOf(task, this.#lowered.tile) };
  }

  /** The batch entries at which the tiles of each thread begin, and the end. */
  #tileBounds(): number[] {
    const { batch, tile } = this.#lowered;
    const tiles = Math.ceil(batch / tile);
    return Array.from(
      { length: this.#threads + 1 },
      (_, at) => Math.min(batch, tile * Math.floor(tiles * at / this.#threads)),
    );
  }

  #addTiles(stage: StageKernels): void {
    const sums = sumsOf(stage);
    for (const buffer of stage.clears) {
      if (!sums.includes(buffer)) this.#addClear(buffer);
    }
    const bounds = this.#tileBounds();
    // A thread without a tile has sums to clear even so.
    this.#place([
      this.#shared((thread) => ({
        kind: "tiles",
        stage,
        first: bounds[thread]!,
        end: bounds[thread + 1]!,
      })),
    ]);
    if (sums.length === 0 || this.#threads === 1) return;
    this.#place([
      this.#shared((slice) => ({ kind: "sum", stage, slice })),
    ]);
  }

  #addCopy(from: Buffer, to: Buffer): void {
    const { batch } = this.#lowered;
    const rows = from.node.shape[0] ?? 1;
    const width = to.size / Math.max(1, rows);
    const copy = (first: number, count: number): Task => ({
      kind: "copy",
      from,
      to,
      first: first * width,
      count: count * width,
    });
    const alone = this.#alone(copy(0, rows));
    if (this.#threads === 1 || rows <= 1) return this.#place(alone);
    // What tiles have written goes on in the hands of the same threads.
    const bounds = rows === batch ? this.#tileBounds() : null;
    const parts = bounds === null
      ? this.#cut(rows, copy)
      : this.#shared((at) =>
        bounds[at]! < bounds[at + 1]!
          ? copy(bounds[at]!, bounds[at + 1]! - bounds[at]!)
          : null
      );
    this.#place([parts, ...alone]);
  }

  /** Takes the way by which the step gets longer by least, the first of equals. */
  #place(ways: readonly Way[]): void {
    let best: { way: Way; phase: number; cost: number } | undefined;
    for (const way of ways) {
      const phase = Math.max(0, ...way.map((part) => this.#earliest(part)));
      const cost = this.#costOf(way, phase);
      if (best === undefined || cost < best.cost) best = { way, phase, cost };
    }
    const { way, phase } = best!;
    while (this.#phases.length <= phase) {
      this.#phases.push(Array.from({ length: this.#threads }, () => []));
      this.#loads.push(new Array<number>(this.#threads).fill(0));
    }
    for (const part of way) this.#settle(part, phase);
  }

  /** What the step gets longer by, and what comes of work that is apart. */
  #costOf(way: Way, phase: number): number {
    const loads = this.#loads[phase] ??
      new Array<number>(this.#threads).fill(0);
    const after = [...loads];
    for (const { thread, time } of way) after[thread]! += time;
    const barriers = Math.max(0, phase + 1 - this.#phases.length);
    const away = way.some(({ thread }) => thread !== 0) ? this.#away : 0;
    return Math.max(...after) - Math.max(...loads) + barriers * BARRIER + away;
  }

  /** The first phase in which a thread can do a part: behind what it needs. */
  #earliest({ thread, ranges }: Part): number {
    let phase = 0;
    const follow = (other: number, at: number): void => {
      phase = Math.max(phase, other === thread ? at : at + 1);
    };
    for (const range of ranges) {
      for (const use of this.#uses.get(range.buffer) ?? []) {
        if (conflicts(range, use)) follow(use.thread, use.phase);
      }
    }
    // A lookup may fail, and then no variable may have changed.
    if (this.#lowered.atomic && changesVariables(ranges)) {
      this.#lookups.forEach((at, other) => follow(other, at));
    }
    return phase;
  }

  /**
   * Whether steps may overlap: not where there are phases, which there are
   * wherever threads conflict, nor where a lookup may fail and all variables
   * must stay then.
   */
  #isApart(): boolean {
    if (this.#phases.length > 1) return false;
    const traps = this.#lookups.some((phase) => phase >= 0);
    return !this.#lowered.atomic || !traps ||
      ![...this.#uses.values()].some(changesVariables);
  }

  #settle({ thread, task, ranges, time }: Part, phase: number): void {
    this.#phases[phase]![thread]!.push(task);
    this.#loads[phase]![thread]! += time;
    for (const range of ranges) {
      const use = { ...range, phase, thread };
      const known = this.#uses.get(range.buffer);
      if (known) known.push(use);
      else this.#uses.set(range.buffer, [use]);
    }
    if (mayTrap(task)) {
      this.#lookups[thread] = Math.max(this.#lookups[thread]!, phase);
    }
  }
}
