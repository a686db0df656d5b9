/**
 * Emits jobs: the same programs, one after another, for many pieces of data.
 * Each thread takes the next job that nobody has taken, brings its data into
 * buffers of its own, runs the programs on them, and brings back what has come
 * out. Threads share what no program writes, such as parameters, and need not
 * meet before the last job is done.
 */
import {
  type FunctionBuilder,
  type FunctionRef,
  type Local,
  type MemoryLimits,
  ModuleBuilder,
} from "./assembler.ts";
import type { Meeting } from "./emit_barrier.ts";
import {
  emitProgram,
  type ProgramFunctions,
  type ProgramParts,
} from "./emit_module.ts";

/** A program, and how often a job runs it. */
export interface JobProgram {
  /** What each thread runs on buffers of its own. */
  readonly program: Required<Pick<ProgramParts, "own">> & ProgramParts;
  /** The most steps of it. */
  readonly times: number;
  /** No further step is made once none of these int32 words is 0. */
  readonly until?: Words;
}

/** 32-bit words of the first thread; those of others are as far away as all. */
export interface Words {
  readonly address: number;
  readonly count: number;
}

/** Where the words of all jobs lie, one job after another, and those of one. */
export interface JobWords extends Words {
  /** The address of those of the first job. */
  readonly all: number;
}

/** What threads do, and where. */
export interface JobPlaces {
  /** In order. */
  readonly programs: readonly JobProgram[];
  /** Copied before the programs run. */
  readonly inputs: readonly JobWords[];
  /** Copied afterwards. */
  readonly outputs: readonly JobWords[];
  /** How far the buffers of each thread are behind the first one's, in bytes. */
  readonly offsets: readonly number[];
  /** Where a word counts the jobs that are taken. */
  readonly taken: number;
  /** Where a thread sees that another one has failed. */
  readonly meeting: Pick<Meeting, "failed">;
}

/**
 * Emits the module of jobs. It exports `prepare`; `next`, which takes how many
 * jobs there are, does one of them as the first thread and returns 1, or 0 if
 * there is none left; and for the others `step1`, `step2` and so on, which take
 * the same and return when there is none left.
 */
export function emitJobs(
  places: JobPlaces,
  memory: MemoryLimits,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory("weft", "memory", memory);
  const programs = places.programs.map(({ program }) =>
    emitProgram(module, program)
  );
  module.addFunction("prepare", { export: true }, (f) => {
    for (const { prepare } of programs) f.call(prepare);
  });
  const job = emitJob(module, places, programs);
  const next = emitNext(module, places, job);
  for (const [thread, offset] of places.offsets.entries()) {
    if (thread === 0) continue;
    const signature = { params: ["i32"], export: `step${thread}` } as const;
    module.addFunction("step", signature, (f, count) => {
      f.loop((again) => {
        f.localGet(count);
        f.i32Const(offset);
        f.call(next);
        f.brIf(again);
      });
    });
  }
  const first = { params: ["i32"], results: ["i32"], export: true } as const;
  module.addFunction("next", first, (f, count) => {
    f.localGet(count);
    f.i32Const(places.offsets[0]!);
    f.call(next);
  });
  return module.finish();
}

/** A function of how many jobs there are and a thread's offset: does one. */
function emitNext(
  module: ModuleBuilder,
  { taken, meeting }: JobPlaces,
  job: FunctionRef,
): FunctionRef {
  const signature = { params: ["i32", "i32"], results: ["i32"] } as const;
  return module.addFunction("next job", signature, (f, count, own) => {
    const at = f.local("i32");
    f.i32Const(meeting.failed);
    f.memory("i32.atomic.load");
    f.if(() => {
      f.i32Const(0);
      f.return();
    });
    f.i32Const(taken);
    f.i32Const(1);
    f.memory("i32.atomic.rmw.add");
    f.localTee(at);
    f.localGet(count);
    f.emit("i32.ge_u");
    f.if(() => {
      f.i32Const(0);
      f.return();
    });
    f.localGet(at);
    f.localGet(own);
    f.call(job);
    f.i32Const(1);
  });
}

/** A function of which job it is and a thread's offset. */
function emitJob(
  module: ModuleBuilder,
  { programs, inputs, outputs }: JobPlaces,
  functions: readonly ProgramFunctions[],
): FunctionRef {
  const signature = { params: ["i32", "i32"] } as const;
  return module.addFunction("job", signature, (f, at, own) => {
    const ofAll = ({ all, count }: JobWords): void => {
      f.i32Const(all);
      f.localGet(at);
      f.i32Const(4 * count);
      f.emit("i32.mul");
      f.emit("i32.add");
    };
    const ofOne = ({ address }: JobWords): void => {
      f.i32Const(address);
      f.localGet(own);
      f.emit("i32.add");
    };
    const move = (words: JobWords, pushes: ((of: JobWords) => void)[]) => {
      for (const push of pushes) push(words);
      f.i32Const(4 * words.count);
      f.bulk("memory.copy");
    };
    for (const words of inputs) move(words, [ofOne, ofAll]);
    for (const [index, program] of programs.entries()) {
      emitSteps(f, program, functions[index]!, own);
    }
    for (const words of outputs) move(words, [ofAll, ofOne]);
  });
}

function emitSteps(
  f: FunctionBuilder,
  { times, until }: JobProgram,
  { step }: ProgramFunctions,
  own: Local<"i32">,
): void {
  if (until === undefined) {
    f.i32Const(times);
    f.localGet(own);
    f.call(step);
    return;
  }
  const turn = f.local("i32");
  f.block((over) => {
    f.forRange(turn, 0, times, 1, () => {
      f.i32Const(1);
      f.localGet(own);
      f.call(step);
      emitAllSet(f, until, own);
      f.brIf(over);
    });
  });
  f.release(turn);
}

/** Pushes 1 if none of the words is 0, and 0 otherwise. */
function emitAllSet(
  f: FunctionBuilder,
  { address, count }: Words,
  own: Local<"i32">,
): void {
  const [at, set] = [f.local("i32"), f.local("i32")];
  f.i32Const(1);
  f.localSet(set);
  f.forRange(at, 0, 4 * count, 4, () => {
    f.localGet(at);
    f.localGet(own);
    f.emit("i32.add");
    f.memory("i32.load", address);
    f.i32Const(0);
    f.emit("i32.ne");
    f.localGet(set);
    f.emit("i32.and");
    f.localSet(set);
  });
  f.localGet(set);
  f.release(at, set);
}
