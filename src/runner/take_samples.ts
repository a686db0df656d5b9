/**
 * Sample predictions for people to look at, from a trained model and its test
 * data.
 */
import type { NDArray } from "../array.ts";
import type { BatchSource } from "../nn/batches.ts";
import type { Seq2SeqAttentionModel } from "../nn/model.ts";
import {
  describeSample,
  LengthCounts,
  type Predicted,
  type Sample,
  SampleChooser,
  type Samples,
} from "../report/samples.ts";

/**
 * Predicts all test data, and keeps what is worth a look.
 *
 * @param model The model.
 * @param test The data.
 * @param nameOf What a token stands for.
 * @returns Some samples, and how prediction fares by length.
 */
export async function takeSamples(
  model: Seq2SeqAttentionModel,
  test: BatchSource,
  nameOf: (token: number) => string,
): Promise<Samples> {
  const { srcLength, tgtLength, padToken } = model.sizes;
  const lengths = new LengthCounts();
  const chooser = new SampleChooser();
  const samples: Sample[] = [];
  for await (const { rows, source, target } of test.batches(1, 0)) {
    const sources = { data: source, shape: [rows, srcLength] };
    const predicted: Predicted = {
      source: sources,
      target: { data: target, shape: [rows, tgtLength] },
      prediction: await model.predict(sources),
      padToken,
    };
    lengths.add(predicted);
    for (const row of chooser.choose(predicted)) {
      const { data, shape } = await model.attention(
        rowOf(predicted.source, row),
        rowOf(predicted.prediction, row),
      );
      const attention = { data, shape: shape.slice(1) };
      samples.push(describeSample(predicted, row, attention, nameOf));
    }
  }
  return { schema_version: 1, samples, by_length: lengths.rows() };
}

function rowOf(
  { data, shape }: NDArray<Int32Array>,
  row: number,
): NDArray<Int32Array> {
  const width = shape[1]!;
  return {
    data: data.slice(row * width, (row + 1) * width),
    shape: [1, width],
  };
}
