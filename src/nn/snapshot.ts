/**
 * All that a training is between two steps, as plain data: it can be written
 * to a file, and a training goes on from it as if it had never stopped. Files
 * are not written here.
 */
import {
  describe,
  formatIndex,
  formatShape,
  type NDArray,
  sameShape,
} from "../array.ts";
import { checkInteger } from "../checks.ts";
import type { Variables } from "../run/variables.ts";
import type { CompleteSchedule, ScheduleState } from "./schedule.ts";
import { type ModelSizes, PARAMETER_NAMES } from "./seq2seq.ts";
import { trainingVariables } from "./steps.ts";
import type { EarlyStopping } from "./training.ts";
import { EPOCH_METRICS, isOfValidation, type WatchState } from "./watch.ts";

/** What the names of the best epoch's parameters begin with in a snapshot. */
export const BEST = "best.";

/**
 * A training between two steps. {@linkcode BatchTrainOptions.onCheckpoint}
 * takes one, {@linkcode BatchTrainOptions.resume} goes on from it, in another
 * model or another process: parameters, reports and history come out the same,
 * bit for bit, as without the interruption.
 *
 * @example Half of a training, and the other half in another model
 * ```ts
 * import {
 *   generateCopyTaskData,
 *   Seq2SeqAttentionModel,
 *   type TrainingSnapshot,
 * } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const sizes = { vocabSize: 4, srcLength: 2, tgtLength: 2 };
 * const data = generateCopyTaskData({ ...sizes, nSamples: 8, randomSeed: 1 });
 * const make = () =>
 *   new Seq2SeqAttentionModel({ ...sizes, dModel: 4, dK: 4, dV: 4 });
 * const options = { epochs: 4, learningRate: 0.01, batchSize: 2 };
 *
 * let middle: TrainingSnapshot | undefined;
 * const whole = await make().train(data.xSrc, data.xTgt, {
 *   ...options,
 *   checkpointEvery: 7,
 *   onCheckpoint: (snapshot) => void (middle ??= snapshot),
 * });
 * const resume = middle!;
 * assertEquals(resume.state.step, 7);
 * const again = await make().train(data.xSrc, data.xTgt, { ...options, resume });
 * assertEquals(again, whole);
 * ```
 */
export interface TrainingSnapshot {
  /**
   * Parameters by name, Adam's moments as `adam.m.…` and `adam.v.…`, its
   * corrections as `adam.correction1` and `adam.correction2`, and, with early
   * stopping after the first epoch, the best parameters as `best.…`; all finite.
   */
  readonly tensors: Readonly<Record<string, NDArray<Float32Array>>>;
  /** Everything else; it may go through JSON. */
  readonly state: TrainingState;
}

/** The state of a training apart from its tensors. */
export interface TrainingState {
  /** The version of this form. */
  readonly version: 1;
  /** What training goes on with only if it is the same. */
  readonly terms: TrainingTerms;
  /** Steps over the life of the model. */
  readonly step: number;
  /** Epochs that the model had begun before this training. */
  readonly epochsBefore: number;
  /** The epoch under way, counted from 1; one more than all at the end. */
  readonly epoch: number;
  /** Batches of that epoch that have been trained on. */
  readonly batch: number;
  /** Sums over these batches, each weighted by its tokens. */
  readonly sums: {
    readonly loss: number;
    readonly accuracy: number;
    readonly tokens: number;
  };
  /** What the epochs before have come to, see {@linkcode TrainHistory}. */
  readonly history: {
    readonly loss: readonly number[];
    readonly accuracy: readonly number[];
    readonly validationLoss?: readonly number[];
    readonly validationAccuracy?: readonly number[];
    readonly validationSequenceAccuracy?: readonly number[];
  };
  /** Where a plateau schedule is. */
  readonly schedule?: ScheduleState;
  /** What early stopping has seen. */
  readonly earlyStopping?: WatchState;
}

/** What must be the same where a training goes on. */
export interface TrainingTerms {
  /** What the model was made of. */
  readonly model: ModelSizes;
  /** Pairs of sequences in an epoch. */
  readonly sequences: number;
  /** Sequences in a step. */
  readonly batchSize: number;
  /** Whether data are reordered; null where their source decides it. */
  readonly shuffle: boolean | null;
  /** The step size, or where its schedule begins or rises to. */
  readonly learningRate: number;
  /** What tells the data from others, where their source says so. */
  readonly fingerprint?: string;
  /** Where there is one. */
  readonly weightDecay?: number;
  /** Where gradients are clipped. */
  readonly clipNorm?: number;
  /** Where targets are smoothed. */
  readonly labelSmoothing?: number;
  /** Where the step size changes. */
  readonly schedule?: CompleteSchedule;
  /** Where something is held out: how many pairs. */
  readonly validationSequences?: number;
  /** What tells these from others, where their source says so. */
  readonly validationFingerprint?: string;
  /** Where training may end early. */
  readonly earlyStopping?: Required<EarlyStopping>;
}

/**
 * Takes a snapshot.
 *
 * @param variables Where the tensors are.
 * @param best The parameters of the best epoch, if they are kept.
 * @param state The rest, copied.
 * @returns The snapshot, or nothing if a tensor is not finite.
 */
export function takeSnapshot(
  variables: Variables,
  best: Readonly<Record<string, NDArray<Float32Array>>>,
  state: TrainingState,
): TrainingSnapshot | undefined {
  const tensors: Record<string, NDArray<Float32Array>> = {};
  for (const name of trainingVariables()) {
    const tensor = variables.get(name) as NDArray<Float32Array>;
    if (!tensor.data.every(Number.isFinite)) return undefined;
    tensors[name] = tensor;
  }
  for (const [name, { data, shape }] of Object.entries(best)) {
    tensors[BEST + name] = { data: data.slice(), shape };
  }
  return { tensors, state: structuredClone(state) };
}

/**
 * Checks a snapshot that may come from anywhere, its tensors aside.
 *
 * @param snapshot What is to be gone on from.
 * @param own The state of the training that is to go on, at its beginning.
 * @param epochs Of the training that is to go on.
 * @throws {TypeError | RangeError} If it is none, or of another training.
 */
export function checkSnapshotState(
  snapshot: TrainingSnapshot,
  own: Omit<TrainingState, "step">,
  epochs: number,
): void {
  checkObject(snapshot, "a snapshot");
  checkObject(snapshot.tensors, "a snapshot's tensors");
  const { terms } = own;
  const { state } = snapshot;
  checkObject(state, "a snapshot's state");
  if (state.version !== 1) {
    throw new RangeError(
      `Cannot resume from a snapshot of version ${describe(state.version)}: ` +
        `wanted 1`,
    );
  }
  checkObject(state.terms, "a snapshot's state.terms");
  checkTerms(state.terms, terms, "");
  checkInteger(state.step, "state.step", 0);
  checkInteger(state.epochsBefore, "state.epochsBefore", 0);
  checkInteger(state.epoch, "state.epoch", 1);
  const batches = Math.ceil(terms.sequences / terms.batchSize);
  checkInteger(state.batch, "state.batch", 0, batches);
  const begun = state.batch > 0 ? state.epoch : state.epoch - 1;
  if (begun > epochs) {
    throw new RangeError(
      `Cannot resume with epochs = ${epochs}: the snapshot is of epoch ` +
        `${begun}, wanted at least as many`,
    );
  }
  checkObject(state.sums, "a snapshot's state.sums");
  for (const name of ["loss", "accuracy", "tokens"] as const) {
    checkFinite(state.sums[name], `sums.${name}`);
  }
  checkHistory(state);
  for (const name of ["schedule", "earlyStopping"] as const) {
    if (own[name] !== undefined) checkWatched(state, name);
  }
}

/** As many entries of every metric as there have been epochs. */
function checkHistory({ history, epoch, terms }: TrainingState): void {
  checkObject(history, "a snapshot's state.history");
  for (const name of EPOCH_METRICS) {
    const values = history[name];
    const isOptional = name === "validationSequenceAccuracy" || epoch === 1 ||
      terms.validationSequences === undefined;
    if (values === undefined && isOfValidation(name) && isOptional) continue;
    if (!Array.isArray(values) || values.length !== epoch - 1) {
      throw new TypeError(
        `Cannot resume from a snapshot whose state.history.${name} is ` +
          `${describe(values)}: wanted an array of ${epoch - 1}`,
      );
    }
    for (const [at, value] of values.entries()) {
      checkFinite(value, `history.${name}[${at}]`);
    }
  }
}

/** What has been seen of a metric that is watched. */
function checkWatched(
  state: TrainingState,
  name: "schedule" | "earlyStopping",
): void {
  const watched = state[name];
  checkObject(watched, `a snapshot's state.${name}`);
  const { best, bestEpoch, waited } = watched!;
  // Every epoch has a finite metric, so one of them is the best.
  const ended = state.epoch - 1;
  const path = `state.${name}`;
  checkInteger(bestEpoch, `${path}.bestEpoch`, Math.min(1, ended), ended);
  checkInteger(waited, `${path}.waited`, 0, ended);
  if (ended > 0) checkFinite(best, `${name}.best`);
  if ("learningRate" in watched!) {
    checkFinite(watched.learningRate, `${name}.learningRate`);
  }
}

/**
 * The names of the tensors in a snapshot, and whose shapes they have.
 *
 * @param state The state of the snapshot.
 * @returns For each name that of a variable.
 */
function snapshotNames(state: TrainingState): Map<string, string> {
  const names = new Map(trainingVariables().map((name) => [name, name]));
  if (state.earlyStopping !== undefined && state.epoch > 1) {
    for (const name of PARAMETER_NAMES) names.set(BEST + name, name);
  }
  return names;
}

/**
 * Checks the tensors of a snapshot.
 *
 * @param tensors All of them.
 * @param variables What they are to become the values of.
 * @param state The state of the snapshot, which has been checked.
 * @throws {TypeError | RangeError} If one is missing, foreign, of another shape
 * or not finite.
 */
export function checkSnapshotTensors(
  tensors: TrainingSnapshot["tensors"],
  variables: Variables,
  state: TrainingState,
): void {
  const names = snapshotNames(state);
  const given = Object.keys(tensors);
  const missing = [...names.keys()].filter((name) => !given.includes(name));
  const foreign = given.filter((name) => !names.has(name));
  if (missing.length + foreign.length > 0) {
    throw new TypeError(
      `Cannot resume: of the snapshot's tensors, missing ${list(missing)}, ` +
        `unknown ${list(foreign)}`,
    );
  }
  for (const [name, variable] of names) {
    const { data, shape } = tensors[name]!;
    const wanted = variables.get(variable).shape;
    if (!(data instanceof Float32Array) || !sameShape(shape, wanted)) {
      throw new TypeError(
        `Cannot resume: the snapshot's ${name} is ${describe(data)} of shape ` +
          `${formatShape(shape)}, wanted a Float32Array of shape ` +
          formatShape(wanted),
      );
    }
    const wrong = data.findIndex((value) => !Number.isFinite(value));
    if (wrong < 0) continue;
    throw new RangeError(
      `Cannot resume: the snapshot's ${name}${formatIndex(wrong, shape)} is ` +
        `${data[wrong]}, wanted a finite number`,
    );
  }
}

/** Every term must be what it was, down to the last one within another. */
function checkTerms(found: unknown, wanted: unknown, path: string): void {
  if (isObject(found) && isObject(wanted)) {
    const keys = new Set([...Object.keys(wanted), ...Object.keys(found)]);
    for (const key of keys) {
      const place = path === "" ? key : `${path}.${key}`;
      checkTerms(found[key], wanted[key], place);
    }
    return;
  }
  if (found === wanted) return;
  throw new RangeError(
    `Cannot resume with ${path} = ${describe(wanted)}: the snapshot was ` +
      `taken with ${describe(found)}`,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function checkObject(value: unknown, name: string): void {
  if (isObject(value)) return;
  throw new TypeError(
    `Cannot resume: found ${describe(value)}, wanted ${name}`,
  );
}

function checkFinite(value: unknown, path: string): void {
  if (Number.isFinite(value)) return;
  throw new TypeError(
    `Cannot resume from a snapshot whose state.${path} is ` +
      `${describe(value)}: wanted a finite number`,
  );
}

function list(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ");
}
