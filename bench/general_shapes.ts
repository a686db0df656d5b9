/**
 * Weights and batches of the models that are no sequence-to-sequence models:
 * a classifier and a transformer block.
 */
import type { NDArray } from "../src/array.ts";
import { Random } from "../src/random.ts";
import type { Bundle } from "./bundle.ts";
import { fill, uniform } from "./shapes.ts";

const BATCH = 128;
const LAYERS = [784, 256, 10] as const;

/** A batch of random images of 28 by 28, in ten classes, for 256 hidden units. */
export function makeClassifier(): Bundle {
  const [pixels, hidden, classes] = LAYERS;
  const random = new Random(1, "mlp");
  const labels = Int32Array.from(
    { length: BATCH },
    () => random.below(classes),
  );
  return {
    sizes: {},
    arrays: {
      x: fill([BATCH, pixels], () => random.uniform()),
      y: { data: labels, shape: [BATCH] },
      ...makeLinear("hidden", pixels, hidden, random),
      ...makeLinear("output", hidden, classes, random),
    },
  };
}

const SEQUENCES = 32;
const LENGTH = 32;
const WIDTH = 128;
const HEADS = 4;

/** 32 sequences of 32 vectors of 128, 4 heads, 512 units between. */
export function makeTransformer(): Bundle {
  const random = new Random(1, "transformer");
  const states = (): NDArray =>
    fill([SEQUENCES, LENGTH, WIDTH], () => random.normal());
  const projections = ["query", "key", "value", "output"].map((name) =>
    makeLinear(name, WIDTH, WIDTH, random)
  );
  return {
    sizes: { heads: HEADS },
    arrays: {
      x: states(),
      y: states(),
      ...Object.assign({}, ...projections),
      ...makeLinear("expand", WIDTH, 4 * WIDTH, random),
      ...makeLinear("contract", 4 * WIDTH, WIDTH, random),
      ...makeNorm("norm1", random),
      ...makeNorm("norm2", random),
    },
  };
}

function makeLinear(
  name: string,
  rows: number,
  columns: number,
  random: Random,
): Record<string, NDArray> {
  const bound = 1 / Math.sqrt(rows);
  return {
    [`${name}_weight`]: uniform([rows, columns], bound, random),
    [`${name}_bias`]: uniform([columns], 0.1, random),
  };
}

function makeNorm(name: string, random: Random): Record<string, NDArray> {
  return {
    [`${name}_gain`]: fill([WIDTH], () => 1 + 0.1 * random.normal()),
    [`${name}_bias`]: uniform([WIDTH], 0.1, random),
  };
}
