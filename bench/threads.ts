/**
 * What threads gain: the same work with one and with several, in one process,
 * slice by slice in turns, so that a machine that gets slower does so for both.
 */
import process from "node:process";
import { Seq2SeqAttentionModel } from "../src/nn/model.ts";
import { Random } from "../src/random.ts";
import { compile } from "../src/run/plan.ts";
import {
  COMPARED_LOSSES,
  LEARNING_RATE,
  leastDisturbed,
  median,
  type Slice,
  UNDISTURBED,
} from "./measure.ts";
import { defineTraining } from "./model.ts";
import { type Cell, table } from "./report.ts";
import { makeBundle, type Shape, SHAPES, sizesOf } from "./shapes.ts";

/** What is measured, and how long. */
export interface ThreadSettings {
  /** Names of shapes. */
  readonly shapes: readonly string[];
  /** How many threads are compared with one. */
  readonly threads: number;
  /** How many pairs of slices; the median of their ratios counts. */
  readonly repeats: number;
  /** How long each slice takes at least. */
  readonly seconds: number;
}

/** One comparison. */
export interface ThreadRow {
  /** The name of the shape. */
  readonly subject: string;
  /** What was done. */
  readonly task: string;
  /** Milliseconds with one thread. */
  readonly one: number;
  /** Milliseconds with several. */
  readonly several: number;
  /** The first by the second, slice by slice. */
  readonly ratio: number;
  /** Whether both have computed the same. */
  readonly agrees: boolean;
}

/** How many sequences are predicted. */
const SEQUENCES = 10_000;
/** Losses may differ by this share. */
const LOSS_TOLERANCE = 1e-4;
/** In so many sequences a near tie may fall the other way. */
const TIES = 20;

/** So many pairs of slices do not count. */
const WARM_PAIRS = 3;
/** A comparison is over after so many ms, however few the pairs... */
const LONGEST = 20_000;
/** ... and after so many times as many pairs as count. */
const MOST_TRIES = 4;

type Action = () => unknown;

/** Compares at every shape. */
export async function compareThreads(
  settings: ThreadSettings,
): Promise<ThreadRow[]> {
  const rows: ThreadRow[] = [];
  for (const subject of settings.shapes) {
    const shape = SHAPES[subject]!;
    rows.push(
      { subject, ...await compareSteps(shape, settings) },
      { subject, ...await comparePredictions(shape, settings) },
    );
  }
  return rows;
}

async function compareSteps(
  shape: Shape,
  settings: ThreadSettings,
): Promise<Omit<ThreadRow, "subject">> {
  const bundle = makeBundle(shape);
  const { data } = bundle.arrays.source!;
  const [one, several] = [1, settings.threads].map((threads) => {
    const plan = compile({ ...defineTraining(bundle), threads });
    plan.input("source").set(data);
    plan.input("target").set(data);
    plan.input("learning_rate")[0] = LEARNING_RATE;
    return plan;
  }) as [Plan, Plan];
  let agrees = true;
  for (let step = 0; step < COMPARED_LOSSES; step++) {
    one.step();
    several.step();
    const [a, b] = [one.output("loss")[0]!, several.output("loss")[0]!];
    agrees &&= Math.abs(a - b) <= LOSS_TOLERANCE * Math.abs(a);
  }
  const found = await inTurns(() => one.step(), () => several.step(), settings);
  one.variables.close();
  several.variables.close();
  return { task: "training step", ...found, agrees };
}

type Plan = ReturnType<typeof compile<"loss">>;

async function comparePredictions(
  shape: Shape,
  settings: ThreadSettings,
): Promise<Omit<ThreadRow, "subject">> {
  const random = new Random(1, "questions");
  const { length, vocabSize } = shape;
  const data = Int32Array.from(
    { length: SEQUENCES * length },
    () => random.below(vocabSize),
  );
  const source = { data, shape: [SEQUENCES, length] };
  const [one, several] = [1, settings.threads].map((threads) =>
    new Seq2SeqAttentionModel({ ...sizesOf(shape), compile: { threads } })
  ) as [Seq2SeqAttentionModel, Seq2SeqAttentionModel];
  const [a, b] = [await one.predict(source), await several.predict(source)];
  const differing = new Set<number>();
  a.data.forEach((token, at) => {
    if (token !== b.data[at]) differing.add(Math.floor(at / length));
  });
  const found = await inTurns(
    () => one.predict(source),
    () => several.predict(source),
    settings,
  );
  several.close();
  const agrees = differing.size <= TIES;
  return { task: `${SEQUENCES} predictions`, ...found, agrees };
}

/**
 * Two actions in turns. Pairs of slices in which other programs have taken the
 * cores do not count as long as there are others.
 */
async function inTurns(
  one: Action,
  several: Action,
  { repeats, seconds, threads }: ThreadSettings,
): Promise<Pick<ThreadRow, "one" | "several" | "ratio">> {
  // The first slices are in code that the engine has yet to make better.
  for (let at = 0; at < Math.min(WARM_PAIRS, repeats); at++) {
    await timeOf(one, 1, seconds);
    await timeOf(several, threads, seconds);
  }
  const pairs: { share: number; times: [number, number] }[] = [];
  const end = performance.now() + LONGEST;
  let undisturbed = 0;
  while (undisturbed < repeats && pairs.length < MOST_TRIES * repeats) {
    const a = await timeOf(one, 1, seconds);
    const b = await timeOf(several, threads, seconds);
    const share = Math.min(a.share, b.share, UNDISTURBED);
    pairs.push({ share, times: [a.each, b.each] });
    if (share === UNDISTURBED) undisturbed++;
    if (performance.now() > end) break;
  }
  const best = leastDisturbed(pairs, repeats, ({ share }) => share)
    .map(({ times }) => times);
  return {
    one: median(best.map(([a]) => a)),
    several: median(best.map(([, b]) => b)),
    ratio: median(best.map(([a, b]) => a / b)),
  };
}

async function timeOf(
  action: Action,
  threads: number,
  seconds: number,
): Promise<Slice> {
  const before = process.cpuUsage();
  const start = performance.now();
  let [count, now] = [0, start];
  do {
    const result = action();
    if (result instanceof Promise) await result;
    count++;
    now = performance.now();
  } while (now - start < 1000 * seconds);
  const { user, system } = process.cpuUsage(before);
  // Microseconds by milliseconds.
  const share = (user + system) / 1000 / (threads * (now - start));
  return { each: (now - start) / count, share };
}

/** The comparisons as a table. */
export function formatThreads(
  rows: readonly ThreadRow[],
  threads: number,
): string {
  const body = rows.map(({ subject, task, agrees, ...row }): Cell[] => [
    `${subject}, ${task}${agrees ? "" : " WRONG"}`,
    row.one,
    row.several,
    row.ratio,
  ]);
  return table(
    ["shape, task", "1 thread, ms", `${threads} threads, ms`, "times as fast"],
    body,
  );
}
