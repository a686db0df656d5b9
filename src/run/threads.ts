/**
 * The threads of one model: workers that sleep in the memory they share with
 * the caller, and the commands they are given there. The caller is thread 0.
 */
import type { Memory } from "./memory.ts";
import {
  COMMAND,
  END,
  MOST_COMMANDS,
  OWN,
  TEXT_BYTES,
  WORD,
} from "./thread_words.ts";
import { NODE_SOURCE, WEB_SOURCE } from "./worker_source.ts";
import { detectFeatures } from "../wasm/features.ts";
import type { Meeting } from "../wasm/emit_barrier.ts";

/**
 * How often a thread looks for others before it sleeps, some 20 to 60 µs: longer
 * than it takes to be woken, or sleeping threads would keep others asleep.
 */
const SPINS = 1 << 14;

/** A line of the cache, in bytes. */
export const LINE = 64;

/** How long a thread may take to start, in milliseconds. */
const START_MS = 10_000;

/** How many threads the machine runs at once. */
export function coreCount(): number {
  return Math.max(1, globalThis.navigator?.hardwareConcurrency ?? 1);
}

let shareable: boolean | undefined;

/**
 * Whether several threads can work on one plan here: not where memory cannot
 * be shared, and not on the main thread of a web page, which may not wait.
 */
export function canShare(): boolean {
  return shareable ??= detectFeatures().sharedMemory && mayWait();
}

function mayWait(): boolean {
  try {
    // The word is not what is waited for, so this returns at once.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}

/** What a worker is given at its start. */
interface ThreadData {
  readonly memory: WebAssembly.Memory;
  /** Where the words are that all threads see. */
  readonly base: number;
  /** Where its own are. */
  readonly own: number;
  /** Its number, from 1. */
  readonly thread: number;
  /** How often it looks for a command before it sleeps. */
  readonly spins: number;
}

/** A program that threads can run. */
export interface SharedProgram {
  /** The module; it exports a step for each thread. */
  readonly bytes: Uint8Array;
  /** How many threads run it. */
  readonly threads: number;
  /**
   * The caller's share of so many steps or jobs. Nothing that this holds may
   * lead to the variables: threads end when nobody has those any more.
   */
  readonly run: (count: number) => void;
}

/** Threads that share a memory. */
export class Threads {
  readonly #memory: Memory;
  readonly #base: number;
  readonly #words: Int32Array;
  /** The words of each worker; thread 1 comes first. */
  #workers: Int32Array[] = [];
  /** What the workers have loaded, by number. */
  #loaded = new Map<SharedProgram, number>();
  /** Where modules lie while they are loaded. */
  #mailbox = { address: 0, bytes: 0 };

  /** @param memory What they share; it becomes a shared one. */
  constructor(memory: Memory) {
    this.#memory = memory;
    memory.share();
    this.#base = reserveLines(memory, 4 * WORD.end + TEXT_BYTES);
    // A shared buffer keeps its bytes where they are, however it grows.
    this.#words = new Int32Array(memory.buffer, this.#base, WORD.end);
  }

  /** Where the barriers of modules are. */
  get meeting(): Meeting {
    const at = (word: number): number => this.#base + 4 * word;
    return {
      arrived: at(WORD.arrived),
      round: at(WORD.round),
      sleepers: at(WORD.waiting),
      failed: at(WORD.failed),
    };
  }

  /** Starts workers until there are so many threads, the caller included. */
  start(threads: number): void {
    while (this.#workers.length < threads - 1) {
      const own = reserveLines(this.#memory, 4 * OWN.end);
      const words = new Int32Array(this.#memory.buffer, own, OWN.end);
      this.#workers.push(words);
      // What was loaded before, a new worker does not have.
      this.#loaded.clear();
      startWorker({
        memory: this.#memory.wasm,
        base: this.#base,
        own,
        thread: this.#workers.length,
        spins: spinsOf(threads),
      });
    }
  }

  /** Starts so many threads, and resolves once they are there or had the time. */
  async ready(threads: number): Promise<void> {
    this.start(threads);
    const deadline = performance.now() + START_MS;
    const isReady = (words: Int32Array): boolean =>
      Atomics.load(words, OWN.ready) > 0;
    while (!this.#workers.every(isReady) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /**
   * Runs a program; threads that do not have it yet load it first.
   *
   * @param program The program.
   * @param count How many steps or jobs of it.
   * @throws What the caller's share throws, or an error with the words of the
   * thread that failed first.
   */
  run(program: SharedProgram, count: number): void {
    const id = this.#loaded.get(program) ?? this.#load(program);
    this.#words[WORD.count] = count;
    this.#command(COMMAND.run, id, program.threads, program.run);
  }

  /** Ends the workers; they start again when they are needed. */
  close(): void {
    for (const words of this.#workers) tell(words, END);
    this.#workers = [];
    this.#loaded.clear();
  }

  #load(program: SharedProgram): number {
    const { bytes, threads } = program;
    this.start(threads);
    this.#awaitStart(threads);
    if (bytes.length > this.#mailbox.bytes) {
      const address = reserveLines(this.#memory, bytes.length);
      this.#mailbox = { address, bytes: bytes.length };
    }
    const { address } = this.#mailbox;
    new Uint8Array(this.#memory.buffer, address, bytes.length).set(bytes);
    this.#words[WORD.address] = address;
    this.#words[WORD.bytes] = bytes.length;
    const id = this.#loaded.size;
    this.#command(COMMAND.load, id, threads, () => {});
    this.#loaded.set(program, id);
    return id;
  }

  #awaitStart(threads: number): void {
    const deadline = performance.now() + START_MS;
    for (const [at, words] of this.#workers.entries()) {
      while (Atomics.load(words, OWN.ready) === 0) {
        const left = deadline - performance.now();
        if (left > 0) Atomics.wait(words, OWN.ready, 0, left);
        else {
          throw new Error(
            `Cannot start thread ${at + 1} of ${threads - 1}: it did not ` +
              `answer within ${
                START_MS / 1000
              } s; in a worker of a web page, ` +
              `wait for ready() of the plan before its first step`,
          );
        }
      }
    }
  }

  #command(
    kind: number,
    program: number,
    threads: number,
    own: (count: number) => void,
  ): void {
    const words = this.#words;
    words[WORD.kind] = kind;
    words[WORD.program] = program;
    const end = words[WORD.finished]! + threads - 1 | 0;
    for (let at = 0; at < threads - 1; at++) tell(this.#workers[at]!);
    let failure: { error: unknown } | undefined;
    try {
      own(words[WORD.count]!);
    } catch (error) {
      failure = { error };
      // Nobody shall wait for this thread.
      Atomics.compareExchange(words, WORD.failed, 0, -1);
      Atomics.add(words, WORD.round, 1);
      Atomics.notify(words, WORD.round);
    }
    join(words, end, spinsOf(threads));
    const failed = Atomics.load(words, WORD.failed);
    if (failed === 0) return;
    Atomics.store(words, WORD.failed, 0);
    Atomics.store(words, WORD.arrived, 0);
    if (failed < 0) throw failure!.error;
    throw new ThreadError(failed, this.#text(words[WORD.textLength]!));
  }

  #text(length: number): string {
    const at = this.#base + 4 * WORD.end;
    const bytes = new Uint8Array(this.#memory.buffer, at, length);
    return new TextDecoder().decode(bytes.slice());
  }
}

/** How often threads look for one another before they sleep. */
export function spinsOf(threads: number): number {
  // Where threads take turns on a core, those who look keep others from work.
  return threads > coreCount() ? 1 : SPINS;
}

/** Reserves whole lines of the cache. */
export function reserveLines(memory: Memory, bytes: number): number {
  return LINE * Math.ceil(memory.reserve(bytes + LINE) / LINE);
}

/** Gives a thread a command: by default the one that all are given. */
function tell(
  own: Int32Array,
  command: number = own[OWN.command]! + 1 & MOST_COMMANDS,
): void {
  Atomics.store(own, OWN.command, command);
  if (Atomics.load(own, OWN.sleeping) > 0) Atomics.notify(own, OWN.command);
}

/** Waits until the others are done. */
function join(words: Int32Array, end: number, spins: number): void {
  for (let turn = 0; turn < spins; turn++) {
    if (Atomics.load(words, WORD.finished) === end) return;
  }
  Atomics.store(words, WORD.joining, 1);
  for (;;) {
    const finished = Atomics.load(words, WORD.finished);
    if (finished === end) break;
    Atomics.wait(words, WORD.finished, finished);
  }
  Atomics.store(words, WORD.joining, 0);
}

/** Thrown where a thread other than the caller's fails. */
export class ThreadError extends Error {
  override name = "ThreadError";

  /** Tells which one, and what it said. */
  constructor(thread: number, text: string) {
    super(`Cannot go on: thread ${thread} failed with "${text}"`);
  }
}

/** The parts of `node:worker_threads` that are used. */
interface NodeWorkers {
  readonly Worker: new (
    source: string,
    options: { eval: true; workerData: ThreadData },
  ) => { unref(): void };
}

/** Starts a worker that does not keep the program from ending. */
function startWorker(data: ThreadData): void {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(name: string): unknown };
  };
  const node = process?.getBuiltinModule?.("node:worker_threads") as
    | NodeWorkers
    | undefined;
  if (node) {
    new node.Worker(NODE_SOURCE, { eval: true, workerData: data }).unref();
    return;
  }
  const source = new Blob([WEB_SOURCE], { type: "text/javascript" });
  const url = URL.createObjectURL(source);
  new Worker(url).postMessage(data);
}
