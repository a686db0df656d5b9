// The model and attention against PyTorch, float64 and float32.
import { assert, assertEquals } from "@std/assert";
import blockedRows from "../fixtures/attention_blocked_rows.json" with {
  type: "json",
};
import causal from "../fixtures/attention_causal.json" with { type: "json" };
import plain from "../fixtures/attention_plain.json" with { type: "json" };
import randomMask from "../fixtures/attention_random_mask.json" with {
  type: "json",
};
import odd from "../fixtures/seq2seq_odd.json" with { type: "json" };
import padded from "../fixtures/seq2seq_padded.json" with { type: "json" };
import tiny from "../fixtures/seq2seq_tiny.json" with { type: "json" };
import { type NDArray, toNested } from "../../src/array.ts";
import { sum } from "../../src/graph/broadcast.ts";
import { attention } from "../../src/graph/composite.ts";
import { mul } from "../../src/graph/elementwise.ts";
import { grad } from "../../src/graph/grad.ts";
import { Graph } from "../../src/graph/node.ts";
import { adam } from "../../src/nn/adam.ts";
import { scaledDotProductAttention } from "../../src/nn/attention.ts";
import { Seq2SeqAttentionModel } from "../../src/nn/model.ts";
import {
  declareParameters,
  type ParameterName,
  score,
  type SpecialTokens,
  teacherForced,
  tokenMean,
} from "../../src/nn/seq2seq.ts";
import type { Precision } from "../../src/run/memory.ts";
import { compile } from "../../src/run/plan.ts";

const PRECISIONS: readonly Precision[] = ["float64", "float32"];
const TOLERANCE = { float64: 1e-9, float32: 1e-4 };

interface Flat {
  readonly shape: number[];
  readonly data: number[];
}

/** max |got - want| <= tolerance * max(1e-3, max |want|), per tensor. */
function assertClose(
  got: ArrayLike<number>,
  want: readonly number[],
  tolerance: number,
  name: string,
): void {
  assertEquals(got.length, want.length, name);
  const scale = want.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
  const error = want.reduce(
    (most, x, at) => Math.max(most, Math.abs(x - got[at]!) || 0),
    Array.from(got).some(Number.isNaN) ? NaN : 0,
  );
  assert(
    error <= tolerance * scale,
    `${name}: off by ${error}, wanted ${tolerance} of ${scale}`,
  );
}

function double({ data, shape }: Flat): NDArray {
  return { data: Float64Array.from(data), shape };
}

const ATTENTION = [
  { ...plain, mask: null },
  causal,
  randomMask,
  blockedRows,
];

for (const fixture of ATTENTION) {
  for (const precision of PRECISIONS) {
    Deno.test(`attention() agrees with PyTorch: ${fixture.name}, ${precision}`, () => {
      const graph = new Graph();
      const query = graph.input("query", fixture.query.shape);
      const key = graph.input("key", fixture.key.shape);
      const value = graph.input("value", fixture.value.shape);
      const mask = fixture.mask &&
        graph.constant(
          {
            data: Int32Array.from(fixture.mask.data),
            shape: fixture.mask.shape,
          },
          "int32",
        );
      const { output, weights } = attention(
        query,
        key,
        value,
        mask ?? undefined,
      );
      const probe = graph.constant(double(fixture.probe));
      const [dQuery, dKey, dValue] = grad(sum(mul(output, probe)), [
        query,
        key,
        value,
      ]) as [typeof query, typeof key, typeof value];
      const plan = compile({
        outputs: { output, weights, dQuery, dKey, dValue },
        precision,
      });
      const got = plan.run({
        query: double(fixture.query),
        key: double(fixture.key),
        value: double(fixture.value),
      });
      const tolerance = TOLERANCE[precision];
      assertClose(got.output.data, fixture.output.data, tolerance, "output");
      assertClose(got.weights.data, fixture.weights.data, tolerance, "weights");
      const { gradients } = fixture;
      assertClose(got.dQuery.data, gradients.query, tolerance, "d query");
      assertClose(got.dKey.data, gradients.key, tolerance, "d key");
      assertClose(got.dValue.data, gradients.value, tolerance, "d value");
    });
  }

  Deno.test(`scaledDotProductAttention() agrees with PyTorch: ${fixture.name}`, () => {
    const { output, weights } = scaledDotProductAttention(
      double(fixture.query),
      double(fixture.key),
      double(fixture.value),
      fixture.mask ? double(fixture.mask) : undefined,
    );
    assertClose(output.data, fixture.output.data, 1e-4, "output");
    assertClose(weights.data, fixture.weights.data, 1e-4, "weights");
  });
}

const MODELS = [
  { ...tiny, special: {} },
  { ...odd, special: {} },
  {
    ...padded,
    special: {
      padToken: padded.config.pad_token,
      eosToken: padded.config.eos_token,
    },
  },
];

for (const fixture of MODELS) {
  const { config } = fixture;
  const special: SpecialTokens = fixture.special;
  const { padToken } = special;
  const given = fixture.parameters as Record<ParameterName, Flat>;
  const names = Object.keys(given) as ParameterName[];
  const feeds = { source: fixture.x_src, target: fixture.x_tgt };

  for (const precision of PRECISIONS) {
    const define = () => {
      const graph = new Graph();
      const parameters = declareParameters(
        graph,
        (name) => double(given[name]),
      );
      const { batch_size, src_length, tgt_length } = config;
      const source = graph.input("source", [batch_size, src_length], "int32");
      const target = graph.input("target", [batch_size, tgt_length], "int32");
      const { logits, weights } = teacherForced(
        parameters,
        source,
        target,
        padToken,
      );
      const { loss, correct, real } = score(logits, target, padToken);
      return {
        parameters: names.map((name) => parameters[name]),
        outputs: {
          loss: tokenMean(loss, real),
          accuracy: tokenMean(correct, real),
          logits,
          weights,
        },
      };
    };

    Deno.test(`the model agrees with PyTorch: ${fixture.name}, ${precision}`, () => {
      const { parameters, outputs } = define();
      const gradients = grad(outputs.loss, parameters);
      const plan = compile({
        outputs: {
          ...outputs,
          ...Object.fromEntries(gradients.map((node, at) => [names[at], node])),
        },
        precision,
      });
      const got: Record<string, NDArray> = plan.run(feeds);
      const tolerance = TOLERANCE[precision];
      assertClose(got.loss!.data, [fixture.loss], tolerance, "loss");
      assertClose(
        got.accuracy!.data,
        [fixture.accuracy],
        tolerance,
        "accuracy",
      );
      assertClose(got.logits!.data, fixture.logits.data, tolerance, "logits");
      assertClose(
        got.weights!.data,
        fixture.attention.data,
        tolerance,
        "attention",
      );
      const wanted = fixture.gradients as Record<ParameterName, Flat>;
      for (const name of names) {
        assertClose(got[name]!.data, wanted[name].data, tolerance, name);
      }
    });

    Deno.test(`ten Adam steps agree with PyTorch: ${fixture.name}, ${precision}`, () => {
      const { parameters, outputs: { loss } } = define();
      const plan = compile({
        outputs: { loss },
        updates: adam(loss, parameters, {
          learningRate: config.learning_rate,
          beta1: config.beta1,
          beta2: config.beta2,
          epsilon: config.epsilon,
        }),
        precision,
      });
      const losses = fixture.adam_losses.map(() =>
        plan.run(feeds).loss.data[0]!
      );
      assertClose(losses, fixture.adam_losses, TOLERANCE[precision], "losses");
      const wanted = fixture.adam_parameters as Record<ParameterName, Flat>;
      const tolerance = precision === "float64" ? 1e-9 : 2e-3;
      for (const name of names) {
        const got = plan.variables.get(name);
        assertClose(got.data, wanted[name].data, tolerance, name);
      }
    });
  }

  Deno.test(`Seq2SeqAttentionModel agrees with PyTorch: ${fixture.name}`, async () => {
    const model = new Seq2SeqAttentionModel({
      vocabSize: config.vocab_size,
      srcLength: config.src_length,
      tgtLength: config.tgt_length,
      dModel: config.d_model,
      dK: config.d_k,
      dV: config.d_v,
      ...special,
    });
    model.setParameters(
      Object.fromEntries(names.map((name) => [name, double(given[name])])),
    );
    const predicted = await model.predict(fixture.x_src);
    assertEquals(toNested(predicted), fixture.greedy);
    const weights = await model.attention(fixture.x_src, fixture.x_tgt);
    assertClose(weights.data, fixture.attention.data, 1e-4, "attention");
    const before = await model.evaluate(fixture.x_src, fixture.x_tgt);
    assertClose([before.loss], [fixture.loss], 1e-4, "loss");
    assertClose([before.accuracy], [fixture.accuracy], 1e-4, "accuracy");
    const history = await model.train(fixture.x_src, fixture.x_tgt, {
      epochs: fixture.adam_losses.length,
      learningRate: config.learning_rate,
      batchSize: config.batch_size,
      shuffle: false,
    });
    assertClose(history.loss, fixture.adam_losses, 1e-4, "losses");
    const wanted = fixture.adam_parameters as Record<ParameterName, Flat>;
    for (const [name, { data }] of Object.entries(model.parameters())) {
      assertClose(data, wanted[name as ParameterName].data, 2e-3, name);
    }
  });
}
