/**
 * Measures a model on pairs of texts, line by line, so that a file of any size
 * needs the memory of some lines. It reads no file.
 */
import type { NDArray } from "../array.ts";
import type { Remark } from "./answers.ts";
import type { Line } from "../data/line_stream.ts";
import { type PairFormat, parsePair } from "../data/pair_lines.ts";
import { describeUnknown, encodeSide } from "./text_codec.ts";
import type { TrainedModel } from "./trained_model.ts";

/** How good a model is; keys as they are shown. */
export interface Measures {
  /** The mean cross-entropy of a target token in nats; null without any. */
  readonly loss: number | null;
  /** The share of target tokens predicted right from the true ones before. */
  readonly accuracy: number | null;
  /** The share of targets predicted right as a whole, from the source alone. */
  readonly sequence_accuracy: number | null;
  /** How many pairs that is. */
  readonly sequences: number;
  /** How many target tokens, ends included. */
  readonly tokens: number;
  /** How many lines are no pair that the model could take. */
  readonly skipped: number;
}

/** A pair of sequences of tokens, not padded. */
interface Pair {
  readonly source: Int32Array;
  readonly target: Int32Array;
}

/** Pairs that are measured at once. */
const BLOCK = 1024;

/**
 * Measures a model.
 *
 * @param groups The lines.
 * @param trained The model, and how it reads texts.
 * @param format How lines hold pairs.
 * @param onRemark Told of lines with something wrong.
 * @returns The measures over all lines that could be used.
 */
export async function measureLines(
  groups: AsyncIterable<readonly Line[]>,
  trained: TrainedModel,
  format: PairFormat,
  onRemark: (remark: Remark) => void,
): Promise<Measures> {
  const sums = new Sums(trained);
  let pairs: Pair[] = [];
  let skipped = 0;
  for await (const lines of groups) {
    for (const line of lines) {
      const pair = readPair(line, trained, format, onRemark);
      if (pair === undefined) skipped++;
      else pairs.push(pair);
    }
    while (pairs.length >= BLOCK) {
      await sums.add(pairs.slice(0, BLOCK));
      pairs = pairs.slice(BLOCK);
    }
  }
  if (pairs.length > 0) await sums.add(pairs);
  return { ...sums.means(), skipped };
}

function readPair(
  { number: line, text, problem }: Line,
  { model, codec }: TrainedModel,
  format: PairFormat,
  onRemark: (remark: Remark) => void,
): Pair | undefined {
  const refuse = (text: string) => {
    onRemark({ line, level: "error", text });
    return undefined;
  };
  if (problem !== undefined) return refuse(problem);
  const texts = parsePair(text, format);
  if ("problem" in texts) return refuse(texts.problem);
  const pair: Record<"source" | "target", Int32Array> = {
    source: new Int32Array(),
    target: new Int32Array(),
  };
  const missing: string[] = [];
  for (const side of ["source", "target"] as const) {
    const encoded = encodeSide(texts[side], side, codec, model.sizes);
    if ("problem" in encoded) return refuse(`${side}: ${encoded.problem}`);
    if (encoded.tokens.length === 0) return refuse(`its ${side} is empty`);
    pair[side] = encoded.tokens;
    missing.push(...encoded.unknown);
  }
  if (missing.length > 0) {
    onRemark({ line, level: "warning", text: describeUnknown(missing) });
  }
  return pair;
}

/** Sums over pairs, from which means over all of them follow. */
class Sums {
  readonly #trained: TrainedModel;
  #loss = 0;
  #correct = 0;
  #right = 0;
  #sequences = 0;
  #tokens = 0;

  constructor(trained: TrainedModel) {
    this.#trained = trained;
  }

  async add(pairs: readonly Pair[]): Promise<void> {
    const { model } = this.#trained;
    const { srcLength, tgtLength, padToken = 0 } = model.sizes;
    const { loss, accuracy, sequenceAccuracy = 0 } = await model.evaluate(
      stack(pairs.map(({ source }) => source), srcLength, padToken),
      stack(pairs.map(({ target }) => target), tgtLength, padToken),
      { sequenceAccuracy: true },
    );
    const tokens = pairs.reduce((sum, { target }) => sum + target.length, 0);
    this.#loss += loss * tokens;
    this.#correct += accuracy * tokens;
    this.#right += sequenceAccuracy * pairs.length;
    this.#sequences += pairs.length;
    this.#tokens += tokens;
  }

  means(): Omit<Measures, "skipped"> {
    const [sequences, tokens] = [this.#sequences, this.#tokens];
    const mean = (sum: number, count: number) =>
      count === 0 ? null : sum / count;
    return {
      loss: mean(this.#loss, tokens),
      accuracy: mean(this.#correct, tokens),
      sequence_accuracy: mean(this.#right, sequences),
      sequences,
      tokens,
    };
  }
}

/** Rows of one length, padded. */
function stack(
  rows: readonly Int32Array[],
  length: number,
  padToken: number,
): NDArray<Int32Array> {
  const data = new Int32Array(rows.length * length).fill(padToken);
  rows.forEach((row, at) => data.set(row, at * length));
  return { data, shape: [rows.length, length] };
}
