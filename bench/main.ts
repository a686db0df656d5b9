/**
 * Measures how fast models of three shapes train and predict, for comparing
 * two states of the code on one machine. It judges nothing and keeps nothing.
 */
import {
  DEFAULT_CONFIG,
  generateCopyTaskData,
  Seq2SeqAttentionModel,
} from "../mod.ts";

/** A shape under measurement. */
interface Shape {
  /** Tokens in a sequence, source and target alike. */
  readonly length: number;
  /** Different tokens. */
  readonly vocabSize: number;
  /** All widths of the model. */
  readonly width: number;
  /** Sequences in a step and in a prediction. */
  readonly batchSize: number;
}

const { data, model, training } = DEFAULT_CONFIG;

const SHAPES: Readonly<Record<string, Shape>> = {
  tiny: { length: 5, vocabSize: 8, width: 16, batchSize: 16 },
  default: {
    length: data.src_length,
    vocabSize: data.vocab_size,
    width: model.d_model,
    batchSize: training.batch_size,
  },
  long: { length: 40, vocabSize: 100, width: 64, batchSize: 64 },
};

/** A single step may well be disturbed; the median of a few is not. */
const REPETITIONS = 7;

/** The median time of an action in milliseconds, its first one left out. */
async function measure(action: () => Promise<unknown>): Promise<number> {
  await action();
  const times: number[] = [];
  for (let i = 0; i < REPETITIONS; i++) {
    const start = performance.now();
    await action();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[(REPETITIONS - 1) / 2]!;
}

for (const [name, shape] of Object.entries(SHAPES)) {
  const { length, vocabSize, width, batchSize } = shape;
  const sizes = { vocabSize, srcLength: length, tgtLength: length };
  const widths = { dModel: width, dK: width, dV: width };
  const { xSrc, xTgt } = generateCopyTaskData({
    ...sizes,
    nSamples: batchSize,
  });
  const subject = new Seq2SeqAttentionModel({ ...sizes, ...widths });
  const options = { epochs: 1, learningRate: 0.003, batchSize };
  const step = await measure(() => subject.train(xSrc, xTgt, options));
  const predict = await measure(() => subject.predict(xSrc));
  console.log(
    `${name.padEnd(8)} training step ${step.toFixed(2).padStart(9)} ms, ` +
      `prediction of ${batchSize} sequences ${predict.toFixed(2)} ms`,
  );
}
