/**
 * Runs jobs when the machine is quiet: one process at a time, or two that take
 * turns.
 */
import { commandOf, type Competitor } from "./competitors.ts";
import {
  type Answer,
  type Job,
  leastDisturbed,
  median,
  type Slice,
  UNDISTURBED,
} from "./measure.ts";

/** What a process answered, and when. */
export interface Outcome extends Answer {
  /** Milliseconds from the start of the process to its answer. */
  readonly elapsed: number;
}

/** A process that gave no answer. */
export class JobError extends Error {
  /** The error's name, `"JobError"`. */
  override name = "JobError";
}

/** A larger median than this times the quickest repeat has been disturbed. */
const DISTURBED = 1.1;

/** How often a disturbed job is run again. */
const ATTEMPTS = 2;

/** Up to this share of the machine may be at work elsewhere. */
const QUIET = 0.1;

/**
 * Runs a job, again if it was disturbed; the quickest attempt counts.
 *
 * @param competitor Who does it.
 * @param job What to do.
 * @param patience How many seconds to wait for a quiet machine; 0 takes it as
 * it is.
 */
export async function runJob(
  competitor: Competitor,
  job: Omit<Job, "variant">,
  patience: number,
): Promise<Outcome> {
  let best: Outcome | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await waitForQuiet(patience);
    const outcome = await runOnce(competitor, job);
    const { timing } = outcome;
    if (!best?.timing || timing!.median < best.timing.median) best = outcome;
    if (patience === 0 || !timing || timing.median < DISTURBED * timing.min) {
      break;
    }
  }
  return best!;
}

async function runOnce(
  competitor: Competitor,
  job: Omit<Job, "variant">,
): Promise<Outcome> {
  return await new Session(competitor, job).end();
}

/** Two competitors' measurements, repeat by repeat in turns. */
export interface Duel {
  /** What both answered. */
  readonly outcomes: readonly [Outcome, Outcome];
  /** The first one's time by the other's: the median of pairs of repeats. */
  readonly ratio: number;
}

/** A duel is over after so many times as many pairs as count... */
const MOST_TRIES = 3;
/** ... and after so many ms, however few the pairs. */
const LONGEST = 20_000;

/**
 * Lets two competitors do a job in turns: both are warm, one repeats it while
 * the other waits, on one core where that can be told. So whatever the machine
 * does meanwhile, it does to both.
 *
 * @param first Who starts.
 * @param second Who comes next.
 * @param job What to do.
 * @param patience How many seconds to wait for a quiet machine before.
 */
export async function runInTurns(
  first: Competitor,
  second: Competitor,
  job: Omit<Job, "variant">,
  patience: number,
): Promise<Duel> {
  await waitForQuiet(patience);
  const sessions: Session[] = [];
  try {
    for (const competitor of [first, second]) {
      const session = new Session(competitor, { ...job, inTurns: true }, true);
      sessions.push(session);
      await session.next();
    }
    const [a, b] = sessions as [Session, Session];
    const pairs: { ratio: number; share: number }[] = [];
    const deadline = performance.now() + LONGEST;
    for (let undisturbed = 0; undisturbed < job.repeats;) {
      const [own, others] = [await a.repeat(), await b.repeat()];
      const share = Math.min(own.share, others.share);
      pairs.push({ ratio: own.each / others.each, share });
      if (share === UNDISTURBED) undisturbed++;
      if (pairs.length === MOST_TRIES * job.repeats) break;
      if (performance.now() > deadline) break;
    }
    const counted = leastDisturbed(pairs, job.repeats, ({ share }) => share);
    return {
      outcomes: [await a.end(), await b.end()],
      ratio: median(counted.map(({ ratio }) => ratio)),
    };
  } finally {
    for (const session of sessions) session.kill();
  }
}

/** A process at a job. */
class Session {
  readonly #name: string;
  readonly #process: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #stderr: Promise<string>;
  readonly #start = performance.now();

  constructor(
    { name, script, variant }: Competitor,
    job: Omit<Job, "variant">,
    onOneCore = false,
  ) {
    const [command, ...args] = [
      ...onOneCore ? pinning() : [],
      ...commandOf(script),
      JSON.stringify({ ...job, variant }),
    ];
    this.#name = name;
    this.#process = new Deno.Command(command!, {
      args,
      env: { OMP_NUM_THREADS: "1", MKL_NUM_THREADS: "1", NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#stdin = this.#process.stdin.getWriter();
    this.#stderr = this.#process.stderr.text();
    this.#lines = linesOf(this.#process.stdout);
  }

  /** Asks for one repeat. */
  async repeat(): Promise<Slice> {
    // A process that has ended shows by what comes next.
    await this.#stdin.write(new TextEncoder().encode("\n")).catch(() => {});
    return JSON.parse(await this.next());
  }

  /** What the process says next. */
  async next(): Promise<string> {
    const { value, done } = await this.#lines.next();
    return done ? await this.#fail() : value;
  }

  /** Its answer; it asks for nothing more. */
  async end(): Promise<Outcome> {
    await this.#stdin.close().catch(() => {});
    const text = await this.next();
    const elapsed = performance.now() - this.#start;
    if ((await this.#process.status).code !== 0) await this.#fail();
    return { ...JSON.parse(text) as Answer, elapsed };
  }

  /** Ends the process if it has not ended yet. */
  kill(): void {
    try {
      this.#process.kill();
    } catch {
      // It has.
    }
  }

  async #fail(): Promise<never> {
    const { code } = await this.#process.status;
    const lines = (await this.#stderr).trim().split("\n");
    throw new JobError(
      `Cannot measure ${this.#name}: its process ended with ${code}, ` +
        (lines.find((line) => /error/i.test(line)) ?? lines.at(-1)),
    );
  }
}

async function* linesOf(
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let text = "";
  for await (const chunk of bytes.pipeThrough(new TextDecoderStream())) {
    const lines = (text + chunk).split("\n");
    text = lines.pop()!;
    yield* lines;
  }
  if (text !== "") yield text;
}

let pin: readonly string[] | undefined;

/** What to put before a command that is to stay on one core; nothing where that cannot be told. */
function pinning(): readonly string[] {
  return pin ??= findPinning();
}

function findPinning(): string[] {
  try {
    const status = Deno.readTextFileSync("/proc/self/status");
    const core = /Cpus_allowed_list:.*?(\d+)\s*$/m.exec(status)![1]!;
    const command = ["taskset", "-c", core];
    const [name, ...args] = [...command, "true"];
    const { success } = new Deno.Command(name!, { args }).outputSync();
    return success ? command : [];
  } catch {
    return [];
  }
}

/** Processor time so far, in ticks: at work, and in all. */
function processorTime(): { busy: number; total: number } | undefined {
  try {
    const [line] = Deno.readTextFileSync("/proc/stat").split("\n");
    const times = line!.trim().split(/\s+/).slice(1, 9).map(Number);
    const total = times.reduce((sum, time) => sum + time, 0);
    return { busy: total - times[3]! - times[4]!, total };
  } catch {
    return undefined;
  }
}

/** Waits until nobody else is at work, where the system tells. */
async function waitForQuiet(patience: number): Promise<void> {
  const deadline = performance.now() + 1000 * patience;
  while (performance.now() < deadline) {
    const before = processorTime();
    if (!before) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
    const after = processorTime()!;
    const share = (after.busy - before.busy) / (after.total - before.total);
    if (share < QUIET) return;
  }
}
