/**
 * Measures competitors at one task, ours and each of the others in turns: a
 * machine that gets slower meanwhile does so for both sides of a ratio.
 */
import { type Competitor, INTERPRETER, WEFT } from "./competitors.ts";
import {
  type Answer,
  type Budget,
  type Job,
  median,
  type PlanFacts,
} from "./measure.ts";
import {
  type Duel,
  JobError,
  type Outcome,
  runInTurns,
  runJob,
} from "./processes.ts";

/** How to measure. */
export interface Settings extends Budget {
  /** How many seconds to wait for a quiet machine. */
  readonly patience: number;
  /** The folder of the arrays. */
  readonly folder: string;
  /** Tells the user what is under way. */
  readonly say: (message: string) => void;
}

/** One measurement of one competitor. */
export interface Row {
  /** The name of the shape or the model. */
  readonly subject: string;
  /** What was done. */
  readonly task: Job["task"];
  /** Who did it. */
  readonly competitor: string;
  /** Which comparisons it takes part in. */
  readonly kind: Competitor["kind"];
  /** The median. */
  readonly milliseconds: number;
  /** Our time by its own. */
  readonly ratio?: number;
  /** The most memory of its process. */
  readonly peakBytes: number;
  /** How far its losses are from ours, relatively; or wrong sequences. */
  readonly difference?: number;
  /** Whether it computed the same as we did. */
  readonly agrees: boolean;
  /** Of our own plan. */
  readonly plan?: PlanFacts;
}

/** What came of a contest. */
export interface Contest {
  /** Ours first. */
  readonly rows: readonly Row[];
  /** Who could not be measured, and why. */
  readonly missing: readonly string[];
}

/** Losses may differ by this share. */
const LOSS_TOLERANCE = 1e-4;

/** A near tie may fall either way: so many sequences may differ. */
const SEQUENCE_TOLERANCE = 1;

/** How often a process is started to measure a cold start; the first warms. */
const STARTS = 6;

/**
 * Measures.
 *
 * @param subject The shape or model; also the name of its arrays.
 * @param task What to do.
 * @param script Our own script.
 * @param others Who else takes part.
 * @param settings How to measure.
 */
export async function hold(
  subject: string,
  task: Job["task"],
  script: string,
  others: readonly Competitor[],
  settings: Settings,
): Promise<Contest> {
  const { repeats, seconds, patience, folder, say } = settings;
  const job = { task, data: `${folder}/${subject}`, repeats, seconds };
  const weft = { ...WEFT, script };
  const ask = (competitor: Competitor): Promise<Outcome> => {
    say(`${subject}: ${task}, ${competitor.name}`);
    return task === "cold"
      ? coldStart(competitor, job, patience)
      : runJob(competitor, job, patience);
  };
  const compete = (other: Competitor): Promise<Duel> => {
    say(`${subject}: ${task}, ${weft.name} and ${other.name} in turns`);
    return runInTurns(weft, other, job, patience);
  };
  const ours = [await ask(weft)];
  const rows: Row[] = [];
  const missing: string[] = [];
  for (const other of others) {
    try {
      // The interpreter is so much slower that no drift of the machine matters.
      if (task === "cold" || other.kind === INTERPRETER.kind) {
        const outcome = await ask(other);
        const row = rowOf(subject, task, other, outcome, ours[0]!);
        rows.push({ ...row, ratio: timeOf(ours[0]!) / row.milliseconds });
        continue;
      }
      const { outcomes: [own, outcome], ratio } = await compete(other);
      ours.push(own);
      rows.push({ ...rowOf(subject, task, other, outcome, ours[0]!), ratio });
    } catch (error) {
      if (!(error instanceof JobError)) throw error;
      missing.push(error.message);
    }
  }
  const own: Row = {
    ...rowOf(subject, task, weft, ours[0]!, ours[0]!),
    milliseconds: median(ours.map(timeOf)),
  };
  return { rows: [own, ...rows], missing };
}

function rowOf(
  subject: string,
  task: Job["task"],
  { name, kind }: Competitor,
  outcome: Outcome,
  wanted: Outcome,
): Row {
  const { peakBytes, plan } = outcome;
  return {
    subject,
    task,
    competitor: name,
    kind,
    milliseconds: timeOf(outcome),
    peakBytes,
    ...compare(outcome, wanted),
    ...plan && { plan },
  };
}

function timeOf({ timing, elapsed }: Outcome): number {
  return timing?.median ?? elapsed;
}

/** The median of several first steps; the first start warms the file cache. */
async function coldStart(
  competitor: Competitor,
  job: Omit<Job, "variant">,
  patience: number,
): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  for (let start = 0; start < STARTS; start++) {
    outcomes.push(await runJob(competitor, job, patience));
  }
  const elapsed = median(outcomes.slice(1).map((outcome) => outcome.elapsed));
  return { ...outcomes[0]!, elapsed };
}

/**
 * Whether two have computed the same.
 *
 * @param found What one computed.
 * @param wanted What the other did: losses, or else tokens.
 * @returns The greatest relative difference of losses, or how many sequences
 * differ, and whether this is little enough.
 */
export function compare(
  found: Pick<Answer, "losses" | "tokens">,
  wanted: Pick<Answer, "losses" | "tokens">,
): Pick<Row, "agrees" | "difference"> {
  if (wanted.losses) {
    const differences = wanted.losses.map((loss, at) =>
      Math.abs((found.losses?.[at] ?? NaN) - loss) / Math.abs(loss)
    );
    const difference = Math.max(...differences);
    return { difference, agrees: difference <= LOSS_TOLERANCE };
  }
  const wrong = wanted.tokens!.filter((sequence, at) =>
    String(found.tokens?.[at]) !== String(sequence)
  );
  return {
    difference: wrong.length,
    agrees: wrong.length <= SEQUENCE_TOLERANCE,
  };
}
