/**
 * The process that measures models of one's own, built from the public exports
 * alone: the training steps of a classifier and of a transformer block.
 */
import {
  adam,
  add,
  attention,
  compile,
  crossEntropy,
  gelu,
  Graph,
  layerNorm,
  matmul,
  mean,
  mul,
  type Node,
  relu,
  reshape,
  sub,
  transpose,
} from "../mod.ts";
import { type Bundle, readBundle } from "./bundle.ts";
import {
  answer,
  LEARNING_RATE,
  measureTraining,
  peakBytes,
  readJob,
} from "./measure.ts";

/** Gives a parameter or an input of the graph by name. */
type Find = (name: string) => Node;

/** A perceptron with one hidden layer that tells classes apart. */
function classifier(find: Find): Node {
  const hidden = relu(linear(find("x"), find, "hidden"));
  return mean(crossEntropy(linear(hidden, find, "output"), find("y")));
}

function linear(x: Node, find: Find, name: string): Node {
  return add(matmul(x, find(`${name}_weight`)), find(`${name}_bias`));
}

/** An encoder block that normalises first (Xiong et al. 2020), fitted to y. */
function transformer(find: Find, { heads }: Bundle["sizes"]): Node {
  const x = find("x");
  const attended = selfAttention(normalised(x, find, "norm1"), find, heads!);
  const states = add(x, linear(attended, find, "output"));
  const wide = linear(normalised(states, find, "norm2"), find, "expand");
  const result = add(states, linear(gelu(wide), find, "contract"));
  const error = sub(result, find("y"));
  return mean(mul(error, error));
}

function normalised(x: Node, find: Find, name: string): Node {
  return layerNorm(x, find(`${name}_gain`), find(`${name}_bias`));
}

function selfAttention(x: Node, find: Find, heads: number): Node {
  const [batch, length, width] = x.shape as [number, number, number];
  const split = (name: string): Node => {
    const projected = linear(x, find, name);
    const parts = [batch, length, heads, width / heads];
    return transpose(reshape(projected, parts), [0, 2, 1, 3]);
  };
  const { output } = attention(split("query"), split("key"), split("value"));
  return reshape(transpose(output, [0, 2, 1, 3]), x.shape);
}

const job = readJob();
const { sizes, arrays } = readBundle(job.data);
const graph = new Graph();
const parameters: Node[] = [];
const feeds = ["x", "y"];
const nodes = new Map(
  Object.entries(arrays).map(([name, value]) => {
    const dtype = value.data instanceof Int32Array ? "int32" : "float32";
    if (feeds.includes(name)) {
      return [name, graph.input(name, value.shape, dtype)];
    }
    const parameter = graph.variable(name, value);
    parameters.push(parameter);
    return [name, parameter];
  }),
);
const find: Find = (name) => nodes.get(name)!;
const loss = job.task === "mlp" ? classifier(find) : transformer(find, sizes);
const plan = compile({
  outputs: { loss },
  updates: adam(loss, parameters, { learningRate: LEARNING_RATE }),
  executor: job.variant as "compiled" | "interpreter",
});
for (const name of feeds) plan.input(name).set(arrays[name]!.data);
const measured = await measureTraining(() => {
  plan.step();
  return plan.output("loss")[0]!;
}, job);
answer({ ...measured, peakBytes: peakBytes() });
