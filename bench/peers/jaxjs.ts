/**
 * The model in jax-js on its WebAssembly backend, one thread: the whole step is
 * one jit, lookups are products with one-hot matrices, and the loss is read
 * synchronously, so that no worker takes part.
 */
import { readBundle } from "../bundle.ts";
import {
  answer,
  LEARNING_RATE,
  measureTraining,
  peakBytes,
  readJob,
} from "../measure.ts";

/** What is used of an array; every use of it but the last takes `.ref`. */
interface Tensor {
  readonly ref: Tensor;
  add(other: Tensor | number): Tensor;
  sub(other: Tensor): Tensor;
  mul(other: Tensor | number): Tensor;
  div(other: Tensor): Tensor;
  sum(): Tensor;
  reshape(shape: readonly number[]): Tensor;
  dataSync(): Float32Array;
  dispose(): void;
}

type Tensors = Record<string, Tensor>;

/** What is used of the package. */
interface Jax {
  init(device: "wasm"): Promise<unknown>;
  defaultDevice(device: "wasm"): void;
  numpy: {
    array(value: Float32Array | number): Tensor;
    zeros(shape: readonly number[]): Tensor;
    matmul(a: Tensor, b: Tensor): Tensor;
    swapaxes(x: Tensor, a: number, b: number): Tensor;
    concatenate(parts: readonly Tensor[], axis: number): Tensor;
    tanh(x: Tensor): Tensor;
    exp(x: Tensor): Tensor;
    sqrt(x: Tensor): Tensor;
    square(x: Tensor): Tensor;
  };
  nn: {
    softmax(x: Tensor, axis: number): Tensor;
    logSoftmax(x: Tensor, axis: number): Tensor;
  };
  tree: { ref(values: Tensors): Tensors };
  jit<F>(f: F): F;
  valueAndGrad<A extends unknown[]>(
    f: (p: Tensors, ...rest: A) => Tensor,
  ): (p: Tensors, ...rest: A) => [Tensor, Tensors];
}

// Not a literal: nothing but this script, when it runs, is to look for it.
const VERSION = "0.1.25";
const jax: Jax = await import(`npm:@jax-js/jax@${VERSION}`);
await jax.init("wasm");
jax.defaultDevice("wasm");
const { numpy: np, nn } = jax;

const job = readJob();
const { sizes, arrays } = readBundle(job.data);
const { batch, length, vocabSize, width } = sizes as Record<string, number>;
const [B, T, V, D] = [batch!, length!, vocabSize!, width!];
const { source, before, questions: _, ...weights } = arrays;

function oneHot(tokens: ArrayLike<number>, depth: number): Tensor {
  const data = new Float32Array(tokens.length * depth);
  for (let i = 0; i < tokens.length; i++) data[i * depth + tokens[i]!] = 1;
  return np.array(data).reshape([tokens.length, depth]);
}

function embed(hot: Tensor, table: Tensor, position: Tensor): Tensor {
  const rows = np.matmul(hot, table).reshape([B, T, D]);
  return rows.add(position).reshape([B * T, D]);
}

function lossOf(p: Tensors, hotSource: Tensor, hotBefore: Tensor): Tensor {
  const encoded = embed(hotSource.ref, p.source_embedding!, p.source_position!);
  const states = embed(hotBefore, p.target_embedding!, p.target_position!);
  const project = (x: Tensor, name: string): Tensor =>
    np.matmul(x, p[name]!).reshape([B, T, D]);
  const query = project(states.ref, "query_projection");
  const key = project(encoded.ref, "key_projection");
  const value = project(encoded, "value_projection");
  const scores = np.matmul(query, np.swapaxes(key, -1, -2));
  const shares = nn.softmax(scores.mul(1 / Math.sqrt(D)), -1);
  const context = np.matmul(shares, value).reshape([B * T, D]);
  const both = np.concatenate([context, states], 1);
  const combined = np.tanh(
    np.matmul(both, p.attention_combine!).add(p.attention_combine_bias!),
  );
  const logits = np.matmul(combined, p.output_projection!).add(p.output_bias!);
  return nn.logSoftmax(logits, -1).mul(hotSource).sum().mul(-1 / (B * T));
}

/** Everything that a step passes to the next. */
interface State {
  readonly parameters: Tensors;
  readonly first: Tensors;
  readonly second: Tensors;
  readonly count: Tensor;
}

/** 1 - beta^count */
function correction(count: Tensor, beta: number): Tensor {
  return np.exp(count.mul(Math.log(beta))).mul(-1).add(1);
}

const trainingStep = jax.jit((
  { parameters, first, second, count }: State,
  hotSource: Tensor,
  hotBefore: Tensor,
): [Tensor, State] => {
  const own = jax.tree.ref(parameters);
  const [loss, gradients] = jax.valueAndGrad(lossOf)(
    own,
    hotSource,
    hotBefore,
  );
  const next = count.add(1);
  const correction1 = correction(next.ref, 0.9);
  const correction2 = correction(next.ref, 0.999);
  const state = {
    parameters: {} as Tensors,
    first: {} as Tensors,
    second: {} as Tensors,
    count: next,
  };
  for (const [name, gradient] of Object.entries(gradients)) {
    const m = first[name]!.mul(0.9).add(gradient.ref.mul(0.1));
    const v = second[name]!.mul(0.999).add(np.square(gradient).mul(0.001));
    state.first[name] = m.ref;
    state.second[name] = v.ref;
    const scale = np.sqrt(v.div(correction2.ref)).add(1e-8);
    const move = m.div(correction1.ref).mul(LEARNING_RATE).div(scale);
    state.parameters[name] = parameters[name]!.sub(move);
  }
  correction1.dispose();
  correction2.dispose();
  return [loss, state];
});

const hotSource = oneHot(source!.data, V);
const hotBefore = oneHot(before!.data, V + 1);
const zeros = (): Tensors =>
  Object.fromEntries(
    Object.entries(weights).map(([name, { shape }]) => [name, np.zeros(shape)]),
  );
let state: State = {
  parameters: Object.fromEntries(
    Object.entries(weights).map(([name, { data, shape }]) => [
      name,
      np.array(data as Float32Array).reshape(shape),
    ]),
  ),
  first: zeros(),
  second: zeros(),
  count: np.array(0),
};

function step(): number {
  const [loss, next] = trainingStep(state, hotSource.ref, hotBefore.ref);
  state = next;
  return loss.dataSync()[0]!;
}

if (job.task === "cold") {
  answer({ losses: [step()], peakBytes: peakBytes() });
} else {
  const measured = await measureTraining(step, job);
  answer({ ...measured, peakBytes: peakBytes() });
}
// Its pool of workers, though unused, would keep the process alive.
Deno.exit(0);
