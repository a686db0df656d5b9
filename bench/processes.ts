/**
 * Runs jobs, one process at a time, when the machine is quiet.
 */
import { commandOf, type Competitor } from "./competitors.ts";
import type { Answer, Job } from "./measure.ts";

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
  { name, script, variant }: Competitor,
  job: Omit<Job, "variant">,
): Promise<Outcome> {
  const [command, ...args] = commandOf(script);
  const start = performance.now();
  const process = new Deno.Command(command!, {
    args: [...args, JSON.stringify({ ...job, variant })],
    env: { OMP_NUM_THREADS: "1", MKL_NUM_THREADS: "1", NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = process.stderr.text();
  let text = "";
  let elapsed = 0;
  for await (
    const chunk of process.stdout.pipeThrough(new TextDecoderStream())
  ) {
    elapsed = performance.now() - start;
    text += chunk;
  }
  const { code } = await process.status;
  if (code !== 0) {
    const lines = (await stderr).trim().split("\n");
    throw new JobError(
      `Cannot measure ${name}: its process ended with ${code}, ` +
        (lines.find((line) => /error/i.test(line)) ?? lines.at(-1)),
    );
  }
  return { ...JSON.parse(text) as Answer, elapsed };
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
