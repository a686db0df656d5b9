/**
 * The model in tensorflow.js on its WebAssembly backend, one thread, in the
 * form its products are quickest in: lookups are products with one-hot
 * matrices, and gradients transpose their operands first.
 */
import { readBundle } from "../bundle.ts";
import {
  answer,
  LEARNING_RATE,
  measureTraining,
  peakBytes,
  readJob,
} from "../measure.ts";

/** What is used of a tensor. */
interface Tensor {
  add(other: Tensor): Tensor;
  mul(factor: number): Tensor;
  reshape(shape: readonly number[]): Tensor;
  toFloat(): Tensor;
  dataSync(): Float32Array;
  dispose(): void;
}

type Custom = (...operands: Tensor[]) => Tensor;

/** What is used of the package. */
interface TensorFlow {
  setBackend(name: string): Promise<boolean>;
  tensor(data: ArrayLike<number>, shape: readonly number[]): Tensor;
  tensor1d(data: ArrayLike<number>, dtype: "int32"): Tensor;
  variable(value: Tensor): Tensor;
  oneHot(indices: Tensor, depth: number): Tensor;
  matMul(
    a: Tensor,
    b: Tensor,
    transposeA?: boolean,
    transposeB?: boolean,
  ): Tensor;
  transpose(x: Tensor): Tensor;
  softmax(x: Tensor): Tensor;
  tanh(x: Tensor): Tensor;
  concat(parts: readonly Tensor[], axis: number): Tensor;
  customGrad(
    forward: (...operands: [...Tensor[], (kept: Tensor[]) => void]) => {
      value: Tensor;
      gradFunc: (dy: Tensor, saved: Tensor[]) => Tensor | Tensor[];
    },
  ): Custom;
  losses: { softmaxCrossEntropy(labels: Tensor, logits: Tensor): Tensor };
  train: {
    adam(rate: number, beta1: number, beta2: number, epsilon: number): {
      minimize(
        loss: () => Tensor,
        returnCost: true,
        variables: readonly Tensor[],
      ): Tensor;
    };
  };
}

// Not literals: nothing but this script, when it runs, is to look for them.
const VERSION = "4.22.0";
const tf: TensorFlow = await import(`npm:@tensorflow/tfjs@${VERSION}`);
await import(`npm:@tensorflow/tfjs-backend-wasm@${VERSION}`);
await tf.setBackend("wasm");

const job = readJob();
const { sizes, arrays } = readBundle(job.data);
const { batch, length, vocabSize, width } = sizes as Record<string, number>;
const [B, T, V, D] = [batch!, length!, vocabSize!, width!];
const { source, before, questions: _, ...weights } = arrays;
const p = Object.fromEntries(
  Object.entries(weights).map(([name, { data, shape }]) => [
    name,
    tf.variable(tf.tensor(data, shape)),
  ]),
);

/** A product whose gradients are products of operands as they lie. */
const product = tf.customGrad((...operands) => {
  const [a, b, save] = operands as [Tensor, Tensor, (kept: Tensor[]) => void];
  save([a, b]);
  return {
    value: tf.matMul(a, b),
    gradFunc: (dy, saved) => [
      tf.matMul(dy, tf.transpose(saved[1]!)),
      tf.matMul(tf.transpose(saved[0]!), dy),
    ],
  };
});

function oneHot(tokens: ArrayLike<number>, depth: number): Tensor {
  return tf.oneHot(tf.tensor1d(tokens, "int32"), depth).toFloat();
}

/** A product with a constant, which gets no gradient. */
function lookup(hot: Tensor): Custom {
  const transposed = tf.transpose(hot);
  return tf.customGrad((...operands) => {
    const [table, save] = operands as [Tensor, (kept: Tensor[]) => void];
    save([]);
    return {
      value: tf.matMul(hot, table),
      gradFunc: (dy) => tf.matMul(transposed, dy),
    };
  });
}

const labels = oneHot(source!.data, V);
const lookUpSource = lookup(labels);
const lookUpBefore = lookup(oneHot(before!.data, V + 1));

/** Rows and positions added, as a matrix. */
function embed(rows: Tensor, position: Tensor): Tensor {
  return rows.reshape([B, T, D]).add(position).reshape([B * T, D]);
}

function loss(): Tensor {
  const encoded = embed(lookUpSource(p.source_embedding!), p.source_position!);
  const states = embed(lookUpBefore(p.target_embedding!), p.target_position!);
  const project = (x: Tensor, name: string): Tensor =>
    product(x, p[name]!).reshape([B, T, D]);
  const query = project(states, "query_projection");
  const key = project(encoded, "key_projection");
  const value = project(encoded, "value_projection");
  const scores = tf.matMul(query, key, false, true).mul(1 / Math.sqrt(D));
  const context = tf.matMul(tf.softmax(scores), value).reshape([B * T, D]);
  const both = tf.concat([context, states], 1);
  const combined = tf.tanh(
    product(both, p.attention_combine!).add(p.attention_combine_bias!),
  );
  const logits = product(combined, p.output_projection!).add(p.output_bias!);
  return tf.losses.softmaxCrossEntropy(labels, logits);
}

const optimizer = tf.train.adam(LEARNING_RATE, 0.9, 0.999, 1e-8);
const variables = Object.values(p);

function step(): number {
  const cost = optimizer.minimize(loss, true, variables);
  const [value] = cost.dataSync();
  cost.dispose();
  return value!;
}

if (job.task === "cold") {
  answer({ losses: [step()], peakBytes: peakBytes() });
} else {
  const measured = await measureTraining(step, job);
  answer({ ...measured, peakBytes: peakBytes() });
}
