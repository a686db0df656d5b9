/**
 * Jobs for rows of sequences: how many sequences are a job, and who does them.
 * What a call needs is prepared once.
 */
import type { TypedArray } from "../array.ts";
import type { Job, Jobs } from "../run/jobs.ts";
import type { Batch } from "./batches.ts";
import { chunkFor } from "./chunks.ts";
import type { Plans } from "./plans.ts";
import type { Seq2SeqSizes } from "./seq2seq.ts";

/** Sequences that go into a job. */
type Side = "source" | "target";

/**
 * How the rows of a batch become jobs: of several threads with so many rows
 * each, or of one with as many as it takes at once.
 */
type Choice = { readonly threads: number; readonly size: number } | "alone";

/** The jobs of one call, of as many sizes as it needs. */
export class RowJobs<O extends string> {
  readonly #make: (size: number) => Job<O>;
  readonly #sizes: Seq2SeqSizes;
  readonly #plans: Plans;
  readonly #prepared = new Set<Jobs<O>>();

  /**
   * @param make What is done for so many sequences, a power of two.
   * @param sizes The model's.
   * @param plans The model's; they keep who does the jobs.
   */
  constructor(
    make: (size: number) => Job<O>,
    sizes: Seq2SeqSizes,
    plans: Plans,
  ) {
    this.#make = make;
    this.#sizes = sizes;
    this.#plans = plans;
  }

  /**
   * Decides how rows become jobs: once for all that are known, for plans of
   * other sizes may round otherwise, and what is left at a time depends on how
   * fast threads are.
   */
  choose(rows: number): Choice {
    const most = this.#plans.mostThreads;
    if (rows <= chunkFor(this.#sizes, rows, most)) return "alone";
    const chunk = chunkFor(this.#sizes, rows, 1);
    const threads = this.#plans.threadsFor(
      Math.ceil(rows / chunk),
      () => this.#make(chunk),
    );
    if (threads === 1) return "alone";
    return { threads, size: chunkFor(this.#sizes, rows, threads) };
  }

  /** Prepares what does the first of so many rows. */
  async ready(rows: number, choice: Choice): Promise<PreparedJobs<O>> {
    const { threads, size } = choice === "alone"
      ? { threads: 1, size: chunkFor(this.#sizes, rows, 1) }
      : choice;
    const job = this.#make(size);
    const jobs = this.#plans.jobs(job, threads);
    if (!this.#prepared.has(jobs)) {
      await jobs.ready();
      jobs.prepare();
      this.#prepared.add(jobs);
    }
    return new PreparedJobs(jobs, Object.keys(job.inputs) as Side[], size);
  }
}

/** Jobs that are prepared, for as many rows each. */
export class PreparedJobs<O extends string> {
  readonly #jobs: Jobs<O>;
  readonly #sides: readonly Side[];
  readonly #size: number;

  constructor(jobs: Jobs<O>, sides: readonly Side[], size: number) {
    this.#jobs = jobs;
    this.#sides = sides;
    this.#size = size;
  }

  /**
   * Does the first of some rows.
   *
   * @param batch The rows.
   * @param isDue Whether it is time to come back.
   * @returns How many are done, one at least.
   */
  run(batch: Batch, isDue: () => boolean): number {
    const size = this.#size;
    const count = Math.min(this.#jobs.most, Math.ceil(batch.rows / size));
    const rows = Math.min(batch.rows, count * size);
    for (const side of this.#sides) {
      const tokens = batch[side];
      const width = tokens.length / batch.rows;
      const input = this.#jobs.input(side);
      input.set(tokens.subarray(0, rows * width));
      // The last one once more, where a job has more rows: it ends as soon,
      // and what was there before may not.
      for (let row = rows; row < count * size; row++) {
        input.copyWithin(row * width, (rows - 1) * width, rows * width);
      }
    }
    return Math.min(rows, size * this.#jobs.run(count, isDue));
  }

  /** What the last run has found, row by row; valid until the next one. */
  output(name: O): TypedArray {
    return this.#jobs.output(name);
  }
}
