/**
 * A program that takes one training step and ends, written as users write
 * theirs: how long is it from the start of a process to the end of the step?
 */
import { Seq2SeqAttentionModel } from "../mod.ts";
import { readBundle } from "./bundle.ts";
import { answer, LEARNING_RATE, peakBytes, readJob } from "./measure.ts";
import { type Shape, sizesOf } from "./shapes.ts";

const { sizes, arrays } = readBundle(readJob().data);
const { source, before: _, questions: __, ...parameters } = arrays;
const shape = sizes as unknown as Shape;
const model = new Seq2SeqAttentionModel(sizesOf(shape));
model.setParameters(parameters);
const { loss } = await model.train(source!, source!, {
  epochs: 1,
  batchSize: shape.batch,
  learningRate: LEARNING_RATE,
  shuffle: false,
});
answer({ losses: loss, peakBytes: peakBytes() });
