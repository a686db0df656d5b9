/**
 * What a report shows beside the results: sample predictions with their
 * attention, and how prediction fares by length. As plain data, ready for JSON;
 * it is computed here from arrays, and drawn elsewhere.
 */
import type { NDArray } from "../array.ts";

/** One test sequence and what the model made of it. */
export interface Sample {
  /** The tokens of the source, without padding. */
  readonly source: readonly string[];
  /** The tokens that were wanted, without padding. */
  readonly target: readonly string[];
  /** The tokens that were predicted, as many as were compared. */
  readonly prediction: readonly string[];
  /** For each predicted token, how much it looked at each of the source. */
  readonly attention: readonly (readonly number[])[];
}

/** How the sequences of one length fared. */
export interface LengthRow {
  /** Tokens of the source. */
  readonly length: number;
  /** How many sequences there are. */
  readonly sequences: number;
  /** The share of their tokens that greedy prediction got right. */
  readonly token_accuracy: number;
  /** The share of them that greedy prediction got right as a whole. */
  readonly sequence_accuracy: number;
}

/** The file `samples.json`. */
export interface Samples {
  /** The version of this form. */
  readonly schema_version: 1;
  /** The first sequences of the test set, and the first ones that went wrong. */
  readonly samples: readonly Sample[];
  /** One row a length, the shortest first. */
  readonly by_length: readonly LengthRow[];
}

/** Test data and predictions, row by row. */
export interface Predicted {
  /** int32 (n, S). */
  readonly source: NDArray<Int32Array>;
  /** int32 (n, T). */
  readonly target: NDArray<Int32Array>;
  /** int32 (n, T). */
  readonly prediction: NDArray<Int32Array>;
  /** The token that fills up what is shorter, if there is one. */
  readonly padToken: number | undefined;
}

/** How many sequences from the start of the test set are shown. */
const FIRST = 4;
/** How many wrong ones are shown beside them. */
const WRONG = 2;

/**
 * Chooses the sequences to show: the first ones, and the first wrong ones that
 * are not among them.
 */
export class SampleChooser {
  #seen = 0;
  #wrong = 0;

  /**
   * Takes the next test data.
   *
   * @param predicted Test data and predictions.
   * @returns The numbers of the rows to show, ascending.
   */
  choose(predicted: Predicted): number[] {
    const rows: number[] = [];
    for (let row = 0; row < predicted.source.shape[0]!; row++) {
      if (this.#seen++ < FIRST) rows.push(row);
      else if (this.#wrong < WRONG) {
        const { right, tokens } = compareRow(predicted, row);
        if (right === tokens) continue;
        this.#wrong++;
        rows.push(row);
      }
    }
    return rows;
  }
}

/**
 * Describes one test sequence in the words of the vocabulary.
 *
 * @param predicted Test data and predictions.
 * @param row Which sequence.
 * @param attention (T, S): its attention weights.
 * @param nameOf The text of a token.
 * @returns The sample.
 */
export function describeSample(
  predicted: Predicted,
  row: number,
  attention: NDArray<Float32Array>,
  nameOf: (token: number) => string,
): Sample {
  const source = tokensOf(predicted.source, row, predicted.padToken);
  const target = tokensOf(predicted.target, row, predicted.padToken);
  const width = predicted.source.shape[1]!;
  const length = predicted.target.shape[1]!;
  const prediction = predicted.prediction.data
    .slice(row * length, row * length + target.length);
  const weightsAt = (step: number): number[] =>
    // Four digits are more than an eye can tell apart.
    [...attention.data.subarray(step * width, step * width + source.length)]
      .map((weight) => Math.round(weight * 1e4) / 1e4);
  return {
    source: source.map(nameOf),
    target: target.map(nameOf),
    prediction: [...prediction].map(nameOf),
    attention: target.map((_, step) => weightsAt(step)),
  };
}

/** Counts right tokens and sequences by the length of the source. */
export class LengthCounts {
  readonly #counts = new Map<number, Counts>();

  /**
   * Takes the next test data.
   *
   * @param predicted Test data and predictions.
   */
  add(predicted: Predicted): void {
    for (let row = 0; row < predicted.source.shape[0]!; row++) {
      const { length } = tokensOf(predicted.source, row, predicted.padToken);
      const { right, tokens } = compareRow(predicted, row);
      const known = this.#counts.get(length) ??
        { rows: 0, whole: 0, right: 0, tokens: 0 };
      this.#counts.set(length, {
        rows: known.rows + 1,
        whole: known.whole + (right === tokens ? 1 : 0),
        right: known.right + right,
        tokens: known.tokens + tokens,
      });
    }
  }

  /** @returns One row a length, the shortest first. */
  rows(): LengthRow[] {
    const counts = [...this.#counts].sort(([a], [b]) => a - b);
    return counts.map(([length, { rows, whole, right, tokens }]) => ({
      length,
      sequences: rows,
      token_accuracy: right / tokens,
      sequence_accuracy: whole / rows,
    }));
  }
}

interface Counts extends Compared {
  readonly rows: number;
  readonly whole: number;
}

interface Compared {
  readonly right: number;
  readonly tokens: number;
}

function compareRow(
  { target, prediction, padToken }: Predicted,
  row: number,
): Compared {
  const wanted = tokensOf(target, row, padToken);
  const start = row * target.shape[1]!;
  const right =
    wanted.filter((token, at) => prediction.data[start + at] === token).length;
  return { right, tokens: wanted.length };
}

/** A row of tokens up to its last one that is no padding. */
function tokensOf(
  { data, shape }: NDArray<Int32Array>,
  row: number,
  padToken: number | undefined,
): number[] {
  const start = row * shape[1]!;
  let end = start + shape[1]!;
  while (end > start && data[end - 1] === padToken) end--;
  return [...data.subarray(start, end)];
}
