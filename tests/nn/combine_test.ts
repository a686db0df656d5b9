// Values multiplied for the decoder beforehand: the same predictions.
import { assert, assertEquals } from "@std/assert";
import { multiplyAdds } from "../../src/graph/einsum.ts";
import { Graph, reachable } from "../../src/graph/node.ts";
import {
  combineValues,
  declareParameters,
  decode,
  encode,
  initialParameters,
} from "../../src/nn/seq2seq.ts";
import { Random } from "../../src/random.ts";
import { compile } from "../../src/run/plan.ts";
import { makeModel } from "./model_cases.ts";

const SIZES = {
  vocabSize: 7,
  srcLength: 5,
  tgtLength: 3,
  dModel: 6,
  dK: 4,
  dV: 9,
};

Deno.test("combineValues() leaves logits and weights what they are", () => {
  const graph = new Graph();
  const values = initialParameters(SIZES, new Random(1));
  const parameters = declareParameters(graph, (name) => values[name]);
  const source = graph.constant([[1, 2, 3, 4, 0], [6, 5, 0, 0, 0]], "int32");
  const tokens = graph.constant([[7, 1, 2], [7, 0, 3]], "int32");
  const encoded = encode(parameters, source, 0);
  const combined = combineValues(parameters, encoded);
  assertEquals(combined.values.shape, [2, 5, 6]);
  const [plain, folded] = [encoded, combined].map((encoded) =>
    decode(parameters, tokens, parameters.target_position, encoded)
  );
  const { logits, same, weights, sameWeights } = compile({
    precision: "float64",
    outputs: {
      logits: plain!.logits,
      same: folded!.logits,
      weights: plain!.weights,
      sameWeights: folded!.weights,
    },
  }).run();
  for (const [at, value] of logits.data.entries()) {
    assert(Math.abs(value - same.data[at]!) < 1e-12, `${value}`);
  }
  assertEquals(sameWeights, weights);
  // No product of the decoder has the d_v columns of contexts any more.
  const { logits: left } = folded!;
  const wide = reachable([left]).filter((node) =>
    multiplyAdds(node) > 0 && node.shape.at(-1) === SIZES.dV
  );
  assertEquals(wide.map(({ scope }) => scope), ["encoder"]);
});

Deno.test("predictions agree whether values are combined or not", async () => {
  // One sequence of a large vocabulary and a short target does not pay.
  const sizes = { ...SIZES, vocabSize: 40, srcLength: 8, tgtLength: 2 };
  const model = makeModel(sizes);
  const sources = Array.from(
    { length: 64 },
    (_, row) => Array.from({ length: 8 }, (_, at) => (7 * row + at * at) % 40),
  );
  const together = await model.predict(sources);
  for (const [row, source] of sources.entries()) {
    const alone = await model.predict([source]);
    assertEquals([...alone.data], [
      ...together.data.subarray(2 * row, 2 * row + 2),
    ]);
  }
});
