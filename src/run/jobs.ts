/**
 * Jobs: the same plans, one after another, for many pieces of data that have
 * nothing to do with one another, such as sequences to be predicted.
 */
import type { TypedArray } from "../array.ts";
import { estimateAlone } from "../compile/threads/share.ts";
import { type JobModule, type JobPlace, makeJobModule } from "./job_module.ts";
import type { Memory } from "./memory.ts";
import { type Plan, programOf } from "./plan.ts";
import type { SharedProgram, Threads } from "./threads.ts";
import { memoryOf, threadsOf, type Variables } from "./variables.ts";

/** A plan, and how often a job runs it. */
export interface JobStage {
  /** In one thread; its variables are those of the other plans. */
  readonly plan: Plan<never>;
  /** The most steps of it. */
  readonly times: number;
  /** An int32 variable: no further step is made once none of it is 0. */
  readonly until?: string;
}

/**
 * What is done for each piece of data, which must be valid: where a lookup fails
 * nobody tells which. What a job finds in variables that a plan of it writes is
 * what any other one has left there, and must not matter.
 *
 * @typeParam O The names of the outputs.
 */
export interface Job<O extends string> {
  /** In order. */
  readonly stages: readonly JobStage[];
  /** Where the data of one piece go, by name: all inputs of the plans. */
  readonly inputs: Readonly<Record<string, () => TypedArray>>;
  /** Where what has come out of them is, by name. */
  readonly outputs: Readonly<Record<O, () => TypedArray>>;
}

/** Does jobs, some in each call. */
export interface Jobs<O extends string> {
  /** How many threads do them, the caller included. */
  readonly threads: number;
  /** The most jobs of a call. */
  readonly most: number;
  /** Computes what frozen variables alone decide. */
  prepare(): void;
  /** Resolves when the threads have started, if there are any. */
  ready(): Promise<void>;
  /** Where the data of the next call go, job after job. */
  input(name: string): TypedArray;
  /** What has come out of the last call, job after job. */
  output(name: O): TypedArray;
  /**
   * Does jobs from the first on.
   *
   * @param count How many there are, at most `most`.
   * @param isDue Whether no further one is to be begun.
   * @returns How many have been done, one at least.
   */
  run(count: number, isDue: () => boolean): number;
}

/**
 * Decides who does jobs.
 *
 * @param job What is done for each.
 * @param variables Those of the plans.
 * @param threads How many threads share the jobs of a call, the caller
 * included. Plans that are looked into run in one.
 */
export function makeJobs<O extends string>(
  job: Job<O>,
  variables: Variables,
  threads: number,
): Jobs<O> {
  const isClosed = job.stages.every(({ plan }) => programOf(plan)?.isClosed);
  return threads > 1 && isClosed
    ? new SharedJobs(job, variables, threads)
    : new AloneJobs(job);
}

/** What a job may take, in nanoseconds, on the scale of plans. */
export function estimateJob({ stages }: Job<string>): number {
  return stages.reduce((sum, { plan, times }) => {
    const program = programOf(plan);
    return program ? sum + times * estimateAlone(program.lowered) : Infinity;
  }, 0);
}

/** Jobs of one thread, one in each call: on the buffers of the plans. */
class AloneJobs<O extends string> implements Jobs<O> {
  readonly threads = 1;
  readonly most = 1;
  readonly #job: Job<O>;

  constructor(job: Job<O>) {
    this.#job = job;
  }

  prepare(): void {
    for (const { plan } of this.#job.stages) plan.prepare();
  }

  async ready(): Promise<void> {}

  input(name: string): TypedArray {
    return this.#job.inputs[name]!();
  }

  output(name: O): TypedArray {
    return this.#job.outputs[name]();
  }

  run(): number {
    for (const { plan, times, until } of this.#job.stages) {
      if (until === undefined) {
        plan.step(times);
        continue;
      }
      for (let turn = 0; turn < times; turn++) {
        plan.step();
        if (!plan.variables.view(until).includes(0)) break;
      }
    }
    return 1;
  }
}

/**
 * Jobs of several threads: each takes the next one that nobody has taken, and
 * does it in buffers of its own, which stay in its cache. Who does a job changes
 * no byte of what comes out.
 */
class SharedJobs<O extends string> implements Jobs<O> {
  readonly threads: number;
  readonly most: number;
  readonly #memory: Memory;
  readonly #threads: Threads;
  readonly #module: JobModule;
  readonly #taken: Int32Array;
  readonly #prepare: () => void;
  readonly #program: SharedProgram;
  #isDue: () => boolean = () => false;
  #done = 0;

  constructor(job: Job<O>, variables: Variables, threads: number) {
    this.threads = threads;
    this.#memory = memoryOf(variables);
    // Before anything is placed: it moves the memory.
    this.#threads = threadsOf(variables);
    const { meeting } = this.#threads;
    this.#module = makeJobModule(job, this.#memory, threads, meeting);
    const { bytes, most, taken } = this.#module;
    this.most = most;
    // A shared buffer keeps its bytes where they are, however it grows.
    this.#taken = new Int32Array(this.#memory.buffer, taken, 1);
    const imports = { weft: { memory: this.#memory.wasm } };
    const { exports } = new WebAssembly.Instance(
      new WebAssembly.Module(bytes),
      imports,
    );
    this.#prepare = exports.prepare as () => void;
    const next = exports.next as (count: number) => number;
    const run = (count: number): void => {
      while (next(count) !== 0) {
        if (!this.#isDue()) continue;
        // From now on nobody takes one.
        this.#done = Math.min(count, Atomics.exchange(this.#taken, 0, count));
        return;
      }
      this.#done = count;
    };
    this.#program = { bytes, threads, run };
  }

  prepare(): void {
    this.#prepare();
  }

  async ready(): Promise<void> {
    await this.#threads.ready(this.threads);
  }

  input(name: string): TypedArray {
    return this.#view(this.#module.inputs.get(name)!);
  }

  output(name: O): TypedArray {
    return this.#view(this.#module.outputs.get(name)!);
  }

  run(count: number, isDue: () => boolean): number {
    this.#taken[0] = 0;
    this.#isDue = isDue;
    try {
      this.#threads.run(this.#program, count);
    } finally {
      // Threads outlive those who hold them, who may be reached from this.
      this.#isDue = () => false;
    }
    return this.#done;
  }

  #view({ words: { all, count }, dtype }: JobPlace): TypedArray {
    return this.#memory.view(all, count * this.most, dtype, "float32");
  }
}
