// Concatenation and padding of what is computed in other loops than the copy:
// reshaped, summed and looked-up parts.
import { sum } from "../../src/graph/broadcast.ts";
import { softmax } from "../../src/graph/composite.ts";
import { add, mul, tanh } from "../../src/graph/elementwise.ts";
import { gather } from "../../src/graph/indexing.ts";
import {
  concatenate,
  pad,
  reshape,
  slice,
  transpose,
} from "../../src/graph/movement.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { argmax, max } from "../../src/graph/reduce.ts";
import { compile } from "../../src/run/plan.ts";
import { assertNear, floats, integers } from "../models/support.ts";

/** Parts computed from x (4, 6), y (4) and i (4, 2). */
const PARTS: Readonly<
  Record<string, (x: Node, y: Node, i: Node) => readonly Node[]>
> = {
  "a sum over the first axis": (x) => [sum(x, [0]), sum(x, [1])],
  "a copy under another shape": (x) => {
    const rows = tanh(transpose(x));
    return [reshape(rows, [-1]), reshape(mul(x, 2), [-1])];
  },
  "a copy that is used as it is, too": (x) => {
    const flat = reshape(transpose(x), [24]);
    return [flat, reshape(add(reshape(flat, [4, 6]), x), [24])];
  },
  "maxima over the first axis": (x) => [max(x, [0]), max(tanh(x), [1])],
  "lookups": (x, _, i) => [gather(x, i), gather(softmax(x), i)],
  "a lookup of scalars": (_, y, i) => [
    reshape(gather(y, i), [-1]),
    gather(tanh(y), argmax(i, [1])),
  ],
  "slices and a result of their own": (x, y) => [
    slice(y, [1]),
    sum(slice(x, [1, 1]), [0]),
  ],
};

for (const [name, parts] of Object.entries(PARTS)) {
  Deno.test(`compiled assemblies take ${name}`, () => {
    const graph = new Graph();
    const x = graph.input("x", [4, 6]);
    const y = graph.input("y", [4]);
    const i = graph.input("i", [4, 2], "int32");
    const taken = parts(x, y, i);
    const rank = taken[0]!.shape.length;
    const padded = taken.map((part) =>
      pad(part, Array(rank).fill(1), Array(rank).fill(2))
    );
    const outputs = {
      first: concatenate(taken, 0),
      twice: concatenate([...taken, ...taken], 0),
      padded: add(concatenate(padded, 0), 1),
      kept: taken[0]!,
      all: add(add(sum(x), sum(y)), sum(gather(y, i))),
    };
    const feeds = {
      x: floats(1, 4, 6),
      y: floats(2, 4),
      i: integers(3, 4, 4, 2),
    };
    const want = compile({ outputs, executor: "interpreter" }).run(feeds);
    const got = compile({ outputs }).run(feeds);
    for (const key of Object.keys(outputs) as (keyof typeof outputs)[]) {
      assertNear(got[key], want[key], 1e-5, key);
    }
  });
}
