/**
 * What threads gain: the same work with one and with several, in one process,
 * slice by slice in turns, so that a machine that gets slower does so for both.
 */
import { Seq2SeqAttentionModel } from "../src/nn/model.ts";
import { Random } from "../src/random.ts";
import { compile } from "../src/run/plan.ts";
import { COMPARED_LOSSES, LEARNING_RATE, median } from "./measure.ts";
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
/** So many tokens may fall the other way in a near tie. */
const TIES = 10;

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
  const differing = a.data.filter((token, at) => token !== b.data[at]).length;
  const found = await inTurns(
    () => one.predict(source),
    () => several.predict(source),
    settings,
  );
  several.close();
  const agrees = differing <= TIES;
  return { task: `${SEQUENCES} predictions`, ...found, agrees };
}

/** Two actions in turns; milliseconds of one. */
async function inTurns(
  one: Action,
  several: Action,
  { repeats, seconds }: ThreadSettings,
): Promise<Pick<ThreadRow, "one" | "several" | "ratio">> {
  const times: [number, number][] = [];
  // The first slices are in code that the engine has yet to make better.
  const warm = Math.min(3, repeats);
  for (let at = -warm; at < repeats; at++) {
    const pair: [number, number] = [
      await timeOf(one, seconds),
      await timeOf(several, seconds),
    ];
    if (at >= 0) times.push(pair);
  }
  return {
    one: median(times.map(([a]) => a)),
    several: median(times.map(([, b]) => b)),
    ratio: median(times.map(([a, b]) => a / b)),
  };
}

/** The mean time of an action over a slice, in milliseconds. */
async function timeOf(action: Action, seconds: number): Promise<number> {
  const start = performance.now();
  let [count, now] = [0, start];
  do {
    const result = action();
    if (result instanceof Promise) await result;
    count++;
    now = performance.now();
  } while (now - start < 1000 * seconds);
  return (now - start) / count;
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
