// One rank of training_test.ts, or all of it in one process: trains and writes
// what came of it to a file. The arguments are a case, a folder and, maybe, a
// fault. Not to standard output, where long lines of ranks mix.
import { connectMpi } from "../../src/distributed/mpi.ts";
import { Seq2SeqAttentionModel } from "../../src/nn/model.ts";
import { generateCopyTaskData } from "../../src/data/copy_task.ts";

/** A step on 3 sequences leaves one of 4 ranks without any. */
const CASES: Record<string, { nSamples: number; batchSize: number }> = {
  partial: { nSamples: 21, batchSize: 9 },
  empty: { nSamples: 5, batchSize: 3 },
};

const [name, folder, fault] = Deno.args;
const { nSamples, batchSize } = CASES[name!]!;
const ranks = fault === "alone" ? undefined : connectMpi();
const isOdd = ranks?.rank === 1;
const lengths = { srcLength: 4, tgtLength: 4, vocabSize: 6 };
const { xSrc, xTgt } = generateCopyTaskData({
  ...lengths,
  nSamples,
  randomSeed: fault === "data" && isOdd ? 2 : 1,
});
const model = new Seq2SeqAttentionModel({
  ...lengths,
  dModel: 8,
  dK: 8,
  dV: 8,
  // Sequences with different numbers of tokens that count.
  padToken: 0,
});
const controller = new AbortController();
const steps: number[] = [];
let stopped: string | null = null;
const options = { ...(ranks === undefined ? {} : { communicator: ranks }) };
try {
  await model.train(xSrc, xTgt, {
    ...options,
    epochs: 4,
    batchSize,
    learningRate: fault === "rate" && isOdd ? 0.02 : 0.01,
    signal: controller.signal,
    onStep({ step, loss }) {
      steps.push(loss);
      if (fault === "stop" && isOdd && step === 3) controller.abort();
      if (fault === "throw" && isOdd && step === 3) {
        throw new Error("on rank 1");
      }
    },
  });
} catch (error) {
  if ((error as Error).name !== "AbortError") throw error;
  stopped = "AbortError";
}
const evaluation = await model.evaluate(xSrc, xTgt, {
  ...options,
  sequenceAccuracy: true,
});
const parameters = Object.values(model.parameters()).flatMap(({ data }) => [
  ...data,
]);
const line = JSON.stringify({ stopped, steps, evaluation, parameters });
Deno.writeTextFileSync(`${folder}/${ranks?.rank ?? 0}.json`, line);
