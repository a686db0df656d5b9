/**
 * What a cluster is to be expected to gain: the parts of a step are measured
 * here, in one process, what the network adds is calculated. See the README.
 */
import { Plans } from "../src/nn/plans.ts";
import {
  initialParameters,
  PARAMETER_NAMES,
  parameterShapes,
} from "../src/nn/seq2seq.ts";
import { Random } from "../src/random.ts";
import type { Plan } from "../src/run/plan.ts";
import { Variables } from "../src/run/variables.ts";
import { makeBundle, type Shape, SHAPES, sizesOf } from "./shapes.ts";

/** Of 10 Gbit Ethernet: seconds, and bytes a second. */
const LATENCY = 25e-6;
const BANDWIDTH = 1.1e9;

const RANKS = [1, 2, 8, 64, 512];
const REPEATS = 7;
/** Seconds of work in a repeat. */
const SPAN = 0.1;

/** Seconds, measured. */
interface Parts {
  /** A whole step of one process. */
  readonly step: number;
  /** The gradients of so many sequences, by their number. */
  readonly gradients: ReadonlyMap<number, number>;
  /** The update from gradients that have been added up. */
  readonly update: number;
  /** What is added up. */
  readonly bytes: number;
}

function measure(shape: Shape): Parts {
  const sizes = sizesOf(shape);
  const variables = new Variables();
  const initial = initialParameters(sizes, new Random(0, "init"));
  for (const name of PARAMETER_NAMES) variables.declare(name, initial[name]);
  const shapes = parameterShapes(sizes);
  const plans = new Plans(
    sizes,
    variables,
    (name) => ({ data: variables.view(name), shape: shapes[name] }),
  );
  const { data } = makeBundle(shape).arrays.source!;
  const prepared = (plan: Plan, rows: number) => {
    for (const name of ["source", "target"]) {
      plan.input(name).set(data.subarray(0, rows * shape.length));
    }
    return plan;
  };
  const whole = prepared(plans.train(shape.batch), shape.batch);
  const parts = RANKS.map((ranks) => rowsOf(shape, ranks))
    .map((rows) => [rows, prepared(plans.gradients(rows), rows)] as const);
  const update = plans.update();
  for (const plan of [whole, update]) {
    // A model that has learned its batch has gradients too small to be typical.
    plan.input("learning_rate")[0] = 0;
  }
  return {
    step: timeOf(whole),
    gradients: new Map(parts.map(([rows, plan]) => [rows, timeOf(plan)])),
    update: timeOf(update),
    bytes: plans.gradientBlock().byteLength,
  };
}

/** The most sequences of a batch that a rank has. */
function rowsOf({ batch }: Shape, ranks: number): number {
  return Math.ceil(batch / ranks);
}

/** Seconds of a step: the median of some repeats, the first not counted. */
function timeOf(plan: Plan): number {
  const times: number[] = [];
  let count = 1;
  for (let repeat = -2; repeat < REPEATS; repeat++) {
    const start = performance.now();
    for (let at = 0; at < count; at++) plan.step();
    const seconds = (performance.now() - start) / 1000;
    if (repeat >= 0) times.push(seconds / count);
    else count = Math.ceil(count * SPAN / seconds);
  }
  return times.sort((a, b) => a - b)[REPEATS >> 1]!;
}

/** Seconds of adding up: halves are exchanged in log2(R) rounds, and back. */
function exchange(bytes: number, ranks: number): number {
  return 2 * Math.log2(ranks) * LATENCY +
    2 * (1 - 1 / ranks) * bytes / BANDWIDTH;
}

for (const name of Deno.args.length > 0 ? Deno.args : ["SMALL", "LARGE"]) {
  const shape = SHAPES[name]!;
  const { step, update, bytes, gradients } = measure(shape);
  const ms = (seconds: number) => (seconds * 1000).toFixed(3);
  console.log(
    `${name}: a step in one process ${ms(step)} ms, the update ` +
      `${ms(update)} ms, ${bytes} bytes`,
  );
  for (const ranks of RANKS) {
    const own = gradients.get(rowsOf(shape, ranks))!;
    const network = exchange(bytes, ranks);
    const same = step / (own + update + network);
    const full = gradients.get(shape.batch)!;
    const more = ranks * step / (full + update + network);
    console.log(
      `  ${ranks} ranks: gradients ${ms(own)} ms, network ${ms(network)} ms, ` +
        `${same.toFixed(2)} times as fast; each its own batch of ` +
        `${shape.batch}: ${more.toFixed(1)} times`,
    );
  }
}
