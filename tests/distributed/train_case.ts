// Trainings that several ranks share or one process does alone; used by
// training_test.ts and, under mpirun, by rank_train.ts.
import { generateCopyTaskData } from "../../src/data/copy_task.ts";
import type { Communicator } from "../../src/distributed/communicator.ts";
import {
  Seq2SeqAttentionModel,
  type TrainingSnapshot,
} from "../../src/nn/model.ts";

/** What came of a training. */
export interface Line {
  /** Why it ended before its time, if it did. */
  readonly error: string | null;
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
 * @param name `partial` and `empty` train to the end. In the others rank 1 is
 * odd: it is told to `stop`, or comes with other `data`, another learning
 * `rate`, without the `snapshot` that the others go on from or with other
 * `moments` in it, or fails in the middle (`throw`).
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
  const model = makeModel();
  const communicator = ranks && counting(ranks, reduced);
  const options = communicator === undefined ? {} : { communicator };
  const resume = await resumeOf(name, odd);
  try {
    await model.train(xSrc, xTgt, {
      ...options,
      ...(resume === undefined ? {} : { resume }),
      epochs: 4,
      batchSize,
      learningRate: odd === "rate" ? 0.02 : 0.01,
      signal: controller.signal,
      onCheckpoint: ({ state }) => void snapshots.push(state.step),
      onStep({ step, loss }) {
        losses.push(loss);
        if (odd === "stop" && step === 3) controller.abort();
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
