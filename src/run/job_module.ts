/**
 * The module of jobs that threads share, and where their data lie: what a job
 * writes, each thread has for itself.
 */
import type { TypedArray } from "../array.ts";
import type { Buffer, Lowered } from "../compile/kernel.ts";
import { buffersOf, writtenBy } from "../compile/kernel_buffers.ts";
import type { Meeting } from "../wasm/emit_barrier.ts";
import {
  emitJobs,
  type JobProgram,
  type JobWords,
  type Words,
} from "../wasm/emit_jobs.ts";
import type { CompiledProgram } from "./compiled.ts";
import type { Job } from "./jobs.ts";
import type { Memory } from "./memory.ts";
import { placeOwn } from "./placing.ts";
import { programOf } from "./plan.ts";
import { LINE, reserveLines } from "./threads.ts";

/** What the data of the jobs of a call may take, in bytes... */
export const CALL_BYTES = 2 ** 20;
/** ... and how many there are at most; one for each thread in any case. */
const MOST_JOBS = 1024;

/** Where the data of all jobs of a call are, and of which type. */
export interface JobPlace {
  /** Where they are. */
  readonly words: JobWords;
  /** Of which type. */
  readonly dtype: "int32" | "float32";
}

/** A module, and where it finds what it works on. */
export interface JobModule {
  /** The module; see `emitJobs`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The most jobs of a call. */
  readonly most: number;
  /** Where the data go that come in, by name. */
  readonly inputs: ReadonlyMap<string, JobPlace>;
  /** Where the data are that have come out, by name. */
  readonly outputs: ReadonlyMap<string, JobPlace>;
  /** The address of the word that counts the jobs that are taken. */
  readonly taken: number;
}

/**
 * Makes the module of jobs.
 *
 * @param job What is done for each; its plans are compiled, for one thread.
 * @param memory Where they work, shared.
 * @param threads How many threads share the jobs of a call.
 * @param meeting Where they see that one has failed.
 * @returns The module, which has not been instantiated yet.
 */
export function makeJobModule(
  job: Job<string>,
  memory: Memory,
  threads: number,
  meeting: Pick<Meeting, "failed">,
): JobModule {
  const programs = job.stages.map(({ plan }) => programOf(plan)!);
  const own = new OwnPlaces(programs, memory, threads);
  const ends = [job.inputs, job.outputs].map((views) =>
    Object.entries(views).map(([name, view]) => {
      const dtype = view() instanceof Int32Array ? "int32" : "float32";
      return { name, dtype, words: own.wordsOf(view()) } as const;
    })
  );
  const bytes = ends.flat().reduce(
    (sum, { words }) => sum + 4 * words.count,
    0,
  );
  const fitting = Math.floor(CALL_BYTES / bytes);
  const most = Math.min(MOST_JOBS, Math.max(threads, fitting));
  const [inputs, outputs] = ends.map((views) =>
    new Map(
      views.map(({ name, dtype, words }) => {
        const all = reserveLines(memory, 4 * words.count * most);
        return [name, { words: { ...words, all }, dtype }];
      }),
    )
  ) as [Map<string, JobPlace>, Map<string, JobPlace>];
  const taken = reserveLines(memory, LINE);
  const module = emitJobs({
    programs: job.stages.map(({ plan, times, until }, at): JobProgram => ({
      program: {
        lowered: programs[at]!.lowered,
        address: (buffer) => own.addressOf(at, buffer),
        options: programs[at]!.kernelOptions,
        own: own.buffers[at]!,
      },
      times,
      ...until === undefined
        ? {}
        : { until: own.wordsOf(plan.variables.view(until)) },
    })),
    inputs: [...inputs.values()].map(({ words }) => words),
    outputs: [...outputs.values()].map(({ words }) => words),
    offsets: own.offsets,
    taken,
    meeting,
  }, memory.limits);
  return { bytes: module, most, inputs, outputs, taken };
}

/**
 * Where each thread has what a job writes: all of it side by side, that of one
 * thread behind that of another one. Tables that are prepared, which are large,
 * are where the plans have them.
 */
class OwnPlaces {
  /** Of every program, what each thread has for itself. */
  readonly buffers: readonly ReadonlySet<Buffer>[];
  /** How far the buffers of each thread are behind the first one's, in bytes. */
  readonly offsets: readonly number[];
  readonly #programs: readonly CompiledProgram[];
  readonly #base: number;
  readonly #places: readonly ReadonlyMap<Buffer, number>[];

  constructor(
    programs: readonly CompiledProgram[],
    memory: Memory,
    threads: number,
  ) {
    this.#programs = programs;
    this.buffers = ownBuffers(programs);
    let end = 0;
    const take = (bytes: number): number => {
      const start = end;
      end += LINE * Math.ceil(bytes / LINE);
      return start;
    };
    const variables = new Map<string, number>();
    this.#places = programs.map(({ lowered }, at) => {
      const own = this.buffers[at]!;
      const { offsets, size } = placeOwn(lowered, own);
      const start = take(size);
      return new Map(
        [...own].map((buffer) => {
          const { id, variable } = buffer;
          if (variable === undefined) return [buffer, start + offsets[id]!];
          const known = variables.get(variable) ?? take(4 * buffer.size);
          variables.set(variable, known);
          return [buffer, known];
        }),
      );
    });
    // Loads may touch some bytes behind the last one.
    const block = end + LINE;
    this.#base = reserveLines(memory, threads * block);
    this.offsets = Array.from(
      { length: threads },
      (_, thread) => thread * block,
    );
  }

  /** The address of a program's buffer; if it is each thread's, the first one's. */
  addressOf(program: number, buffer: Buffer): number {
    const offset = this.#places[program]!.get(buffer);
    return offset === undefined
      ? this.#programs[program]!.addressOf(buffer)
      : this.#base + offset;
  }

  /** Where the first thread has what a view of the plans shows. */
  wordsOf({ byteOffset, length }: TypedArray): Words {
    for (const [at, program] of this.#programs.entries()) {
      const { inputs, outputs, buffers } = program.lowered;
      // Others may have been there before an output.
      const variables = buffers.filter(({ variable }) => variable);
      const buffer = [...inputs, ...outputs, ...variables].find((buffer) =>
        program.addressOf(buffer) === byteOffset &&
        this.buffers[at]!.has(buffer)
      );
      if (buffer === undefined) continue;
      return { address: this.addressOf(at, buffer), count: length };
    }
    throw new Error(
      `internal: a job's data at ${byteOffset} are not each thread's own`,
    );
  }
}

/** Of every program all but what is fixed, prepared, or written by none. */
function ownBuffers(
  programs: readonly CompiledProgram[],
): ReadonlySet<Buffer>[] {
  const written = new Set(programs.flatMap(({ lowered }) => writes(lowered)));
  return programs.map(({ lowered: { buffers, prepare } }) => {
    const prepared = new Set(prepare.kernels.flatMap(buffersOf));
    const isOwn = (buffer: Buffer): boolean =>
      buffer.variable === undefined
        ? !prepared.has(buffer) && !isFixed(buffer)
        : written.has(buffer.variable);
    return new Set(buffers.filter(isOwn));
  });
}

function isFixed({ node: { op } }: Buffer): boolean {
  return op === "constant" || op === "iota";
}

/** The variables that a step writes. */
function writes({ stages, copies }: Lowered): string[] {
  const written = [
    ...stages.flatMap(({ clears, kernels }) => [
      ...clears,
      ...kernels.flatMap(writtenBy),
    ]),
    ...copies.map(({ to }) => to),
  ];
  return written.flatMap(({ variable = [] }) => variable);
}
