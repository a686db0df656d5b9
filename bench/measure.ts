/**
 * How a competitor in JavaScript is asked, measured and heard. A process does
 * one job: its only argument is the job as JSON, and so is its last line on
 * standard output, the answer. Before, one that works in turns says `{}` when it
 * is warm, and for every line on standard input does one repeat and tells of
 * it. The scripts in Python do the same in the same way.
 */
import process from "node:process";

/** How long to measure. */
export interface Budget {
  /** How many times; the median of them counts. */
  readonly repeats: number;
  /** How long each repeat takes at least. */
  readonly seconds: number;
  /** Whether each repeat waits for a line on standard input; not by default. */
  readonly inTurns?: boolean;
}

/** One repeat. */
export interface Slice {
  /** The mean time of the action, in milliseconds. */
  readonly each: number;
  /** How much of the time the process was at work. */
  readonly share: number;
}

/** What a process is to do. */
export interface Job extends Budget {
  /** What to measure. */
  readonly task: "train" | "predict" | "cold" | "mlp" | "transformer";
  /** Which way of doing it. */
  readonly variant: string;
  /** The path of weights and batch, without the ending. */
  readonly data: string;
}

/** Milliseconds of one action. */
export interface Timing {
  /** The median of the repeats, each a mean over many actions. */
  readonly median: number;
  /** The quickest repeat. */
  readonly min: number;
}

/** What a process answers. */
export interface Answer {
  /** How long a step or a prediction takes; not of a cold start. */
  readonly timing?: Timing;
  /** The losses of the first steps. */
  readonly losses?: readonly number[];
  /** What was predicted, sequence by sequence. */
  readonly tokens?: readonly (readonly number[])[];
  /** The most memory that the process ever had. */
  readonly peakBytes: number;
  /** Of our own plan alone. */
  readonly plan?: PlanFacts;
}

/** What is to be told of a compiled plan. */
export interface PlanFacts {
  /** Milliseconds of compiling, first thing in a process. */
  readonly coldCompile: number;
  /** The same once the compiler has been compiled itself. */
  readonly warmCompile: number;
  /** The size of everything but the variables. */
  readonly arenaBytes: number;
  /** The size of the WebAssembly module. */
  readonly moduleBytes: number;
  /** Multiplications with additions in products, as written. */
  readonly multiplyAddsBefore: number;
  /** The same after rewriting. */
  readonly multiplyAddsAfter: number;
}

/** The step size of Adam everywhere. */
export const LEARNING_RATE = 1e-3;

/** How many losses every competitor is compared by. */
export const COMPARED_LOSSES = 5;

/** Measuring is over after so many ms, however few the repeats. */
const LONGEST = 10_000;

/** Warm-up takes so many times the length of a repeat. */
const WARM_REPEATS = { least: 10, most: 30 };

/** Warm-up is over once this many chunks in a row differ by 3 %. */
const STEADY_CHUNKS = 3;

/** A repeat counts if the process was at work for this share of it. */
export const UNDISTURBED = 0.95;

/**
 * Measures an action that is not done for the first time. Where others are at
 * work on the machine as well, repeats they have interrupted do not count as
 * long as there are others.
 */
export async function measure(
  action: () => unknown,
  { repeats, seconds, inTurns = false }: Budget,
): Promise<Timing> {
  const length = 1000 * seconds;
  const count = Math.ceil(length / await warmUp(action, length));
  const repeat = async (): Promise<Slice> => {
    const before = process.cpuUsage();
    const each = await timed(action, count);
    const { user, system } = process.cpuUsage(before);
    // Microseconds by milliseconds.
    const share = (user + system) / 1000 / (count * each);
    return { each, share: Math.min(share, UNDISTURBED) };
  };
  const found = inTurns
    ? await whenAsked(repeat)
    : await asNeeded(repeat, repeats);
  const times = leastDisturbed(found, repeats, ({ share }) => share)
    .map(({ each }) => each);
  return { median: median(times), min: Math.min(...times) };
}

/** Repeats until so many count. */
async function asNeeded(
  repeat: () => Promise<Slice>,
  repeats: number,
): Promise<Slice[]> {
  const found: Slice[] = [];
  const deadline = performance.now() + LONGEST;
  for (let undisturbed = 0; undisturbed < repeats;) {
    const slice = await repeat();
    found.push(slice);
    if (slice.share === UNDISTURBED) undisturbed++;
    if (performance.now() > deadline) break;
  }
  return found;
}

/** Repeats once for everything that comes on standard input. */
async function whenAsked(repeat: () => Promise<Slice>): Promise<Slice[]> {
  const found: Slice[] = [];
  console.log("{}");
  for await (const _ of Deno.stdin.readable) {
    const slice = await repeat();
    found.push(slice);
    console.log(JSON.stringify(slice));
  }
  return found;
}

/** So many of those whose process was most at work; all where there are few. */
export function leastDisturbed<T>(
  found: readonly T[],
  count: number,
  shareOf: (each: T) => number,
): T[] {
  return found.toSorted((a, b) => shareOf(b) - shareOf(a))
    .slice(0, Math.max(1, count));
}

/** The mean time of an action, in ms. */
async function timed(action: () => unknown, count: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    const result = action();
    if (result instanceof Promise) await result;
  }
  return (performance.now() - start) / count;
}

/** Repeats an action until it gets no quicker; how long it takes then. */
async function warmUp(action: () => unknown, length: number): Promise<number> {
  const start = performance.now();
  let each = await timed(action, 1);
  for (const chunks = [each]; each < length; chunks.push(each)) {
    each = await timed(action, Math.ceil(length / STEADY_CHUNKS / each));
    const last = [...chunks.slice(1 - STEADY_CHUNKS), each];
    const steady = Math.max(...last) < 1.03 * Math.min(...last);
    const { least, most } = WARM_REPEATS;
    const spent = (performance.now() - start) / length;
    if (spent > (steady ? least : most)) break;
  }
  return each;
}

/** The middle one; of an even number, the lower of the two. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1]!;
}

/** The first losses of a training, then its timing. */
export async function measureTraining(
  step: () => number,
  budget: Budget,
): Promise<{ losses: number[]; timing: Timing }> {
  const losses = Array.from({ length: COMPARED_LOSSES }, step);
  return { losses, timing: await measure(step, budget) };
}

/** The most memory this process ever had, where the system tells. */
export function peakBytes(): number {
  try {
    const status = Deno.readTextFileSync("/proc/self/status");
    return 1024 * Number(/VmHWM:\s*(\d+)/.exec(status)![1]);
  } catch {
    return Deno.memoryUsage().rss;
  }
}

/** The job this process was started for. */
export function readJob(): Job {
  return JSON.parse(Deno.args[0]!);
}

/** Answers; the process may end then. */
export function answer(answer: Answer): void {
  console.log(JSON.stringify(answer));
}
