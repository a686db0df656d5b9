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
import type { ModelSizes } from "./seq2seq.ts";

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
   * corrections as `adam.correction1` and `adam.correction2`; all finite.
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
  /** What the epochs before have come to. */
  readonly history: {
    readonly loss: readonly number[];
    readonly accuracy: readonly number[];
  };
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
  /** The step size. */
  readonly learningRate: number;
  /** What tells the data from others, where their source says so. */
  readonly fingerprint?: string;
}

/**
 * Takes a snapshot.
 *
 * @param variables Where the tensors are.
 * @param names Which of them belong to it.
 * @param state The rest, copied.
 * @returns The snapshot, or nothing if a tensor is not finite.
 */
export function takeSnapshot(
  variables: Variables,
  names: readonly string[],
  state: TrainingState,
): TrainingSnapshot | undefined {
  const tensors: Record<string, NDArray<Float32Array>> = {};
  for (const name of names) {
    const tensor = variables.get(name) as NDArray<Float32Array>;
    if (!tensor.data.every(Number.isFinite)) return undefined;
    tensors[name] = tensor;
  }
  return { tensors, state: structuredClone(state) };
}

/**
 * Checks a snapshot that may come from anywhere, its tensors aside.
 *
 * @param snapshot What is to be gone on from.
 * @param terms Those of the training that is to go on.
 * @param epochs Of the training that is to go on.
 * @throws {TypeError | RangeError} If it is none, or of another training.
 */
export function checkSnapshotState(
  snapshot: TrainingSnapshot,
  terms: TrainingTerms,
  epochs: number,
): void {
  checkObject(snapshot, "a snapshot");
  checkObject(snapshot.tensors, "a snapshot's tensors");
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
  checkObject(state.history, "a snapshot's state.history");
  for (const name of ["loss", "accuracy"] as const) {
    const values = state.history[name];
    if (!Array.isArray(values) || values.length !== state.epoch - 1) {
      throw new TypeError(
        `Cannot resume from a snapshot whose state.history.${name} is ` +
          `${describe(values)}: wanted an array of ${state.epoch - 1}`,
      );
    }
    for (const [at, value] of values.entries()) {
      checkFinite(value, `history.${name}[${at}]`);
    }
  }
}

/**
 * Checks the tensors of a snapshot.
 *
 * @param tensors All of them.
 * @param variables What they are to become the values of.
 * @param names Which there must be.
 * @throws {TypeError | RangeError} If one is missing, foreign, of another shape
 * or not finite.
 */
export function checkSnapshotTensors(
  tensors: TrainingSnapshot["tensors"],
  variables: Variables,
  names: readonly string[],
): void {
  const given = Object.keys(tensors);
  const missing = names.filter((name) => !given.includes(name));
  const foreign = given.filter((name) => !names.includes(name));
  if (missing.length + foreign.length > 0) {
    throw new TypeError(
      `Cannot resume: of the snapshot's tensors, missing ${list(missing)}, ` +
        `unknown ${list(foreign)}`,
    );
  }
  for (const name of names) {
    const { data, shape } = tensors[name]!;
    const wanted = variables.get(name).shape;
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
