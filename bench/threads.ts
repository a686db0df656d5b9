/**
 * What threads gain: the same work with one and with several, in one process,
 * slice by slice in turns, so that a machine that gets slower does so for both.
 * In between a yardstick shows what its cores give at that time.
 */
import process from "node:process";
import { tanh } from "../src/graph/elementwise.ts";
import { Graph } from "../src/graph/node.ts";
import { Seq2SeqAttentionModel } from "../src/nn/model.ts";
import { Random } from "../src/random.ts";
import { compile } from "../src/run/plan.ts";
import { Variables } from "../src/run/variables.ts";
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
  /** The same of work in the nearest cache whose threads never meet. */
  readonly limit: number;
  /** How many of the pairs that count were undisturbed. */
  readonly undisturbed: number;
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
/** How long the yardstick takes, in slices. */
const YARDSTICK = 0.25;
/** A comparison is over after so many ms, however few the pairs... */
const LONGEST = 40_000;
/** ... and after so many times as many pairs as count. */
const MOST_TRIES = 4;

type Action = () => unknown;

/** Compares at every shape. */
export async function compareThreads(
  settings: ThreadSettings,
): Promise<ThreadRow[]> {
  const rows: ThreadRow[] = [];
  using variables = new Variables();
  const yardsticks = [1, settings.threads]
    .map((threads) => makeYardstick(threads, variables)) as Pair;
  const compare: Compare = (pair) => inTurns(pair, yardsticks, settings);
  for (const subject of settings.shapes) {
    const shape = SHAPES[subject]!;
    rows.push(
      { subject, ...await compareSteps(shape, settings, compare) },
      { subject, ...await comparePredictions(shape, settings, compare) },
    );
  }
  return rows;
}

/** With one thread, and with several. */
type Pair = [one: Action, several: Action];

/** Compares two actions, and two yardsticks. */
type Compare = (pair: Pair) => ReturnType<typeof inTurns>;

/** Functions of numbers that are all in the nearest cache. */
function makeYardstick(threads: number, variables: Variables): Action {
  const graph = new Graph();
  const shape = [64, 64];
  const x = graph.variable("x", { data: new Float32Array(64 * 64), shape });
  const next = tanh(tanh(tanh(tanh(x))));
  const updates = [[x, next]] as const;
  const plan = compile({ outputs: {}, updates, variables, threads });
  return () => plan.step(100);
}

async function compareSteps(
  shape: Shape,
  settings: ThreadSettings,
  compare: Compare,
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
  const found = await compare([() => one.step(), () => several.step()]);
  one.variables.close();
  several.variables.close();
  return { task: "training step", ...found, agrees };
}

type Plan = ReturnType<typeof compile<"loss">>;

async function comparePredictions(
  shape: Shape,
  settings: ThreadSettings,
  compare: Compare,
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
  const found = await compare([
    () => one.predict(source),
    () => several.predict(source),
  ]);
  several.close();
  const agrees = differing.size <= TIES;
  return { task: `${SEQUENCES} predictions`, ...found, agrees };
}

/**
 * Two actions in turns. Pairs of slices in which other programs have taken the
 * cores, or another machine on the same hardware has slowed one of them, do not
 * count as long as there are others.
 */
async function inTurns(
  pair: Pair,
  yardsticks: Pair,
  { repeats, seconds, threads }: ThreadSettings,
): Promise<Omit<ThreadRow, "subject" | "task" | "agrees">> {
  const timeBoth = async ([one, several]: Pair, length: number) =>
    [
      await timeOf(one, 1, length),
      await timeOf(several, threads, length),
    ] as const;
  // The first slices are in code that the engine has yet to make better.
  for (let at = 0; at < Math.min(WARM_PAIRS, repeats); at++) {
    await timeBoth(pair, seconds);
    await timeBoth(yardsticks, seconds);
  }
  const pairs: {
    share: number;
    times: readonly [number, number];
    limit: number;
  }[] = [];
  const yardstick = async (): Promise<number> => {
    const [one, several] = await timeBoth(yardsticks, YARDSTICK * seconds);
    return one.each / several.each;
  };
  const end = performance.now() + LONGEST;
  let before = await yardstick();
  let undisturbed = 0;
  while (undisturbed < repeats && pairs.length < MOST_TRIES * repeats) {
    const [a, b] = await timeBoth(pair, seconds);
    const after = await yardstick();
    // How near the yardstick was to as many times as there are threads: further
    // off, several had less than their cores, or one alone had.
    const limits = [before, after];
    const even = limits.map((x) => Math.min(x / threads, threads / x));
    const share = Math.min(a.share, b.share, ...even, UNDISTURBED);
    const limit = limits[even[0]! < even[1]! ? 0 : 1]!;
    pairs.push({ share, times: [a.each, b.each], limit });
    before = after;
    if (share === UNDISTURBED) undisturbed++;
    if (performance.now() > end) break;
  }
  const best = leastDisturbed(pairs, repeats, ({ share }) => share);
  const times = best.map(({ times }) => times);
  return {
    one: median(times.map(([a]) => a)),
    several: median(times.map(([, b]) => b)),
    ratio: median(times.map(([a, b]) => a / b)),
    limit: median(best.map(({ limit }) => limit)),
    undisturbed: best.filter(({ share }) => share === UNDISTURBED).length,
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
    row.limit,
    String(row.undisturbed),
  ]);
  const columns = ["1 thread, ms", `${threads} threads, ms`, "times as fast"];
  return table(["shape, task", ...columns, "yardstick", "undisturbed"], body);
}
