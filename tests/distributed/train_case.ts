// Trainings that several ranks share or one process does alone; used by
// training_test.ts and, under mpirun, by rank_train.ts.
import { generateCopyTaskData } from "../../src/data/copy_task.ts";
import type { Communicator } from "../../src/distributed/communicator.ts";
import {
  Seq2SeqAttentionModel,
  type TrainHistory,
  type TrainingSnapshot,
  type TrainOptions,
} from "../../src/nn/model.ts";

/** What came of a training. */
export interface Line {
  /** Why it ended before its time, if it did. */
  readonly error: string | null;
  /** What the epochs came to; undefined where it ended before its time. */
  readonly history: TrainHistory | undefined;
  /** The loss of each step. */
  readonly losses: readonly number[];
  /** The steps of which there were snapshots. */
  readonly snapshots: readonly number[];
  /** How many floats were added up over the ranks, each time. */
  readonly reduced: readonly number[];
  readonly evaluation: Readonly<Record<string, number>>;
  readonly parameters: readonly number[];
}

const LENGTHS = { srcLength: 4, tgtLength: 4, vocabSize: 6 };

/** Batches of 9, 9 and 3 sequences, four times. */
const PARTIAL = { nSamples: 21, batchSize: 9 };

/** Steps of 3 and 2 sequences leave some of 4 ranks without any. */
const EMPTY = { nSamples: 5, batchSize: 3 };

/** Two steps an epoch; ends early, after its rate has been reduced. */
const OPTIONS: Partial<TrainOptions> = {
  epochs: 40,
  learningRate: 0.1,
  clipNorm: 0.3,
  weightDecay: 0.05,
  labelSmoothing: 0.1,
  validationFraction: 0.4,
  schedule: { type: "plateau", patience: 0, factor: 0.5 },
  earlyStopping: { patience: 3 },
};

/** What else a case has; `isOdd` on rank 1 alone. */
function optionsOf(name: string, isOdd: boolean): Partial<TrainOptions> {
  switch (name) {
    case "options":
    case "stop_validating":
      return OPTIONS;
    case "threads":
      return { threads: 2 };
    case "clip":
      return { clipNorm: isOdd ? 0.4 : 0.3 };
    case "patience":
      return { ...OPTIONS, earlyStopping: { patience: isOdd ? 4 : 3 } };
    case "rate":
      return { learningRate: isOdd ? 0.02 : 0.01 };
    default:
      return {};
  }
}

function makeModel(): Seq2SeqAttentionModel {
  return new Seq2SeqAttentionModel({
    ...LENGTHS,
    dModel: 8,
    dK: 8,
    dV: 8,
    // Sequences with different numbers of tokens that count.
    padToken: 0,
  });
}

/**
 * Trains in one of several ways.
 *
 * @param name `partial`, `threads`, `empty` and `options` train to the end. In the others
 * rank 1 is odd: it is told to `stop`, also before a validation
 * (`stop_validating`), or comes with other `data`, another learning `rate`,
 * another norm to `clip` at, other `patience`, without the `snapshot` that the
 * others go on from or with other `moments` in it, or fails in the middle
 * (`throw`).
 * @param ranks Who shares it, if any.
 * @returns What came of it.
 */
export async function trainCase(
  name: string,
  ranks?: Communicator,
): Promise<Line> {
  const { nSamples, batchSize } = name === "empty" ? EMPTY : PARTIAL;
  const odd = ranks?.rank === 1 ? name : "";
  const { xSrc, xTgt } = generateCopyTaskData({
    ...LENGTHS,
    nSamples,
    randomSeed: odd === "data" ? 2 : 1,
  });
  const reduced: number[] = [];
  const controller = new AbortController();
  const losses: number[] = [];
  const snapshots: number[] = [];
  let error: string | null = null;
  let history: TrainHistory | undefined;
  const model = makeModel();
  const communicator = ranks && counting(ranks, reduced);
  const options = communicator === undefined ? {} : { communicator };
  const resume = await resumeOf(name, odd);
  try {
    history = await model.train(xSrc, xTgt, {
      ...options,
      ...(resume === undefined ? {} : { resume }),
      epochs: 4,
      batchSize,
      learningRate: 0.01,
      ...optionsOf(name, odd !== ""),
      signal: controller.signal,
      onCheckpoint: ({ state }) => void snapshots.push(state.step),
      onStep({ step, loss }) {
        losses.push(loss);
        if (odd === "stop" && step === 3) controller.abort();
        if (odd === "stop_validating" && step === 2) controller.abort();
        if (odd === "throw" && step === 3) throw new Error("on rank 1");
      },
    });
  } catch (thrown) {
    const { name, message } = thrown as Error;
    if (!["AbortError", "DisagreementError"].includes(name)) throw thrown;
    error = name === "AbortError" ? name : message;
  }
  const evaluation = await model.evaluate(xSrc, xTgt, {
    ...options,
    sequenceAccuracy: true,
  });
  const parameters = Object.values(model.parameters()).flatMap(({ data }) => [
    ...data,
  ]);
  return {
    error,
    history,
    losses,
    snapshots,
    reduced,
    evaluation: { ...evaluation },
    parameters,
  };
}

/** The same ranks, but what they add up in float32 is written down. */
function counting(ranks: Communicator, reduced: number[]): Communicator {
  return {
    rank: ranks.rank,
    size: ranks.size,
    allReduce(values) {
      if (values instanceof Float32Array) reduced.push(values.length);
      ranks.allReduce(values);
    },
    broadcast: (values, root) => ranks.broadcast(values, root),
    barrier: () => ranks.barrier(),
  };
}

/** What a rank goes on from, taken in one process in the middle. */
async function resumeOf(
  name: string,
  odd: string,
): Promise<TrainingSnapshot | undefined> {
  if (!["snapshot", "moments"].includes(name) || odd === "snapshot") {
    return undefined;
  }
  let taken: TrainingSnapshot | undefined;
  const { nSamples, batchSize } = PARTIAL;
  const data = generateCopyTaskData({ ...LENGTHS, nSamples, randomSeed: 1 });
  await makeModel().train(data.xSrc, data.xTgt, {
    epochs: 1,
    batchSize,
    learningRate: 0.01,
    onCheckpoint: (snapshot) => void (taken = snapshot),
  });
  if (odd === "moments") taken!.tensors["adam.m.output_bias"]!.data[0]! += 1;
  return taken;
}
