// Values at the edge of their types: infinities, NaN, denormals, and int32
// that wraps around, on compiled plans.
import { assert, assertEquals } from "@std/assert";
import type { NDArray } from "../../src/array.ts";
import { sum } from "../../src/graph/broadcast.ts";
import {
  attention,
  crossEntropy,
  logSoftmax,
  maskedSoftmax,
  softmax,
} from "../../src/graph/composite.ts";
import { matmul } from "../../src/graph/einsum.ts";
import {
  abs,
  add,
  div,
  equal,
  exp,
  less,
  lessEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  select,
  sigmoid,
  sqrt,
  sub,
  tanh,
  toFloat,
  toInt,
} from "../../src/graph/elementwise.ts";
import { grad } from "../../src/graph/grad.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { argmax, max } from "../../src/graph/reduce.ts";
import { compile } from "../../src/run/plan.ts";
import { assertNear, floats } from "../models/support.ts";

const LARGEST = 3.4028234663852886e38;
const TINY = 1.401298464324817e-45;
const SMALLEST_NORMAL = 1.1754943508222875e-38;

const EDGES: readonly number[] = [
  0,
  -0,
  1,
  -1,
  Infinity,
  -Infinity,
  NaN,
  LARGEST,
  -LARGEST,
  TINY,
  -TINY,
  SMALLEST_NORMAL,
  SMALLEST_NORMAL / 2,
  87.5,
  88.8,
  -87.5,
  -103.9,
  -104.5,
  2 ** 31,
  -(2 ** 31),
  2 ** 31 - 128,
  16777217,
  0.49999997,
];

/** Equal to the last bit or two, with the very same infinities and NaN. */
function checkSame(
  outputs: Record<string, Node>,
  feeds: Record<string, NDArray>,
): void {
  const want = compile({ outputs, executor: "interpreter" }).run(feeds);
  const got = compile({ outputs }).run(feeds);
  for (const name of Object.keys(outputs)) {
    for (const [at, x] of want[name]!.data.entries()) {
      const y = got[name]!.data[at]!;
      // Half a million of the smallest denormals is less than any normal.
      const near = Math.abs(x - y) <= 4e-7 * Math.abs(x) + 4 * TINY;
      assert(
        Object.is(x, y) || x === y || near,
        `${name}[${at}] is ${y}, wanted ${x}; operands ` +
          Object.values(feeds).map(({ data }) => data[at % data.length]),
      );
    }
  }
}

Deno.test("functions of one edge value are those of the interpreter", () => {
  // Once in registers, once in a loop over vectors.
  for (const repeated of [1, 3]) {
    const edges = Array.from({ length: repeated }, () => EDGES).flat();
    const graph = new Graph();
    const x = graph.input("x", [edges.length]);
    const data = Float32Array.from(edges);
    checkSame(
      {
        exp: exp(x),
        log: log(x),
        tanh: tanh(x),
        sigmoid: sigmoid(x),
        sqrt: sqrt(x),
        neg: neg(x),
        abs: abs(x),
        toInt: toInt(x),
      },
      { x: { data, shape: x.shape } },
    );
  }
});

Deno.test("functions of two edge values are those of the interpreter", () => {
  const pairs = EDGES.flatMap((a) => EDGES.map((b) => [a, b] as const));
  const graph = new Graph();
  const a = graph.input("a", [pairs.length]);
  const b = graph.input("b", [pairs.length]);
  const of = (side: 0 | 1): NDArray => ({
    data: Float32Array.from(pairs, (pair) => pair[side]),
    shape: a.shape,
  });
  checkSame(
    {
      add: add(a, b),
      sub: sub(a, b),
      mul: mul(a, b),
      div: div(a, b),
      maximum: maximum(a, b),
      minimum: minimum(a, b),
      equal: equal(a, b),
      less: less(a, b),
      lessEqual: lessEqual(a, b),
      select: select(less(a, b), a, b),
    },
    { a: of(0), b: of(1) },
  );
});

Deno.test("the signs of zeros are those of the interpreter", () => {
  const graph = new Graph();
  const a = graph.input("a", [4]);
  const b = graph.input("b", [4]);
  const outputs = {
    add: add(a, b),
    mul: mul(a, b),
    sub: sub(a, b),
    maximum: maximum(a, b),
    minimum: minimum(a, b),
    neg: neg(a),
    minus: sub(a, 0),
    negated: sub(0, a),
    times: mul(a, 1),
  };
  const feeds = { a: [0, 0, -0, -0], b: [0, -0, 0, -0] };
  const want = compile({ outputs, executor: "interpreter" }).run(feeds);
  const got = compile({ outputs }).run(feeds);
  const signs = (values: typeof got) =>
    Object.entries(values).map(([name, { data }]) =>
      `${name} ${[...data].map((x) => Object.is(x, -0) ? "-0" : `${x}`)}`
    );
  assertEquals(signs(got), signs(want));
});

Deno.test("int32 wraps around on compiled plans", () => {
  const edges = [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 65536, 46341, 123456789];
  const pairs = edges.flatMap((a) => edges.map((b) => [a, b] as const));
  const graph = new Graph();
  const a = graph.input("a", [pairs.length], "int32");
  const b = graph.input("b", [pairs.length], "int32");
  const feeds = {
    a: pairs.map((pair) => pair[0]),
    b: pairs.map((pair) => pair[1]),
  };
  const outputs = {
    add: add(a, b),
    sub: sub(a, b),
    mul: mul(a, b),
    maximum: maximum(a, b),
    minimum: minimum(a, b),
    equal: equal(a, b),
    less: less(a, b),
    lessEqual: lessEqual(a, b),
    select: select(a, b, mul(a, b)),
    toFloat: toFloat(mul(a, b)),
    back: toInt(toFloat(add(a, b))),
    count: add(less(a, b), equal(a, b)),
    max: max(add(a, b)),
    argmax: argmax(mul(a, b)),
  };
  const want = compile({ outputs, executor: "interpreter" }).run(feeds);
  const got = compile({ outputs }).run(feeds);
  for (const name of Object.keys(outputs) as (keyof typeof outputs)[]) {
    assertEquals([...got[name].data], [...want[name].data], name);
  }
  const at = pairs.findIndex(([x, y]) => x === 2 ** 31 - 1 && y === 1);
  assertEquals(got.add.data[at], -(2 ** 31));
  assertEquals(got.mul.data.at(-1), Math.imul(123456789, 123456789));
});

Deno.test("a softmax with infinities and NaN is that of the interpreter", () => {
  for (const row of [3, 5, 33, 70]) {
    const rows = [
      [Infinity],
      [-Infinity],
      [NaN],
      [Infinity, -Infinity],
      [Infinity, Infinity],
      [LARGEST, -LARGEST],
      [-LARGEST],
      [TINY],
      [1, NaN, Infinity],
    ].map((start) => [...start, ...Array(row - start.length).fill(0.5)]);
    // Rows of one value throughout.
    for (const value of [Infinity, -Infinity, NaN, LARGEST, -LARGEST]) {
      rows.push(Array(row).fill(value));
    }
    const graph = new Graph();
    const x = graph.input("x", [rows.length, row]);
    const mask = graph.input("mask", [rows.length, row], "int32");
    const feeds = {
      x: { data: Float32Array.from(rows.flat()), shape: x.shape },
      mask: {
        data: Int32Array.from({ length: rows.length * row }, (_, at) => at % 2),
        shape: x.shape,
      },
    };
    const nothing = select(mask, 0, 0);
    checkSame(
      {
        softmax: softmax(x),
        logSoftmax: logSoftmax(x),
        masked: maskedSoftmax(x, mask),
        blocked: maskedSoftmax(x, toInt(mul(toFloat(nothing), 0))),
        loss: crossEntropy(x, argmax(x, [-1])),
      },
      feeds,
    );
  }
});

Deno.test("blocked rows have no weight and no gradient, whatever is in them", () => {
  for (const length of [1, 3, 8, 33]) {
    const graph = new Graph();
    const query = graph.input("query", [2, 3, 4]);
    const key = graph.input("key", [2, length, 4]);
    const value = graph.input("value", [2, length, 5]);
    const mask = graph.input("mask", [2, 3, length], "int32");
    const { output, weights } = attention(query, key, value, mask);
    const loss = sum(mul(output, output));
    const [dq, dk, dv] = grad(loss, [query, key, value]);
    const outputs = { output, weights, dq: dq!, dk: dk!, dv: dv! };
    const data = new Int32Array(6 * length).fill(1);
    data.fill(0, length, 2 * length);
    data.fill(0, 3 * length);
    const feeds = {
      query: floats(1, 2, 3, 4),
      key: floats(2, 2, length, 4),
      value: floats(3, 2, length, 5),
      mask: { data, shape: mask.shape },
    };
    const want = compile({ outputs, executor: "interpreter" }).run(feeds);
    const plan = compile({ outputs });
    const got = plan.run(feeds);
    for (const name of Object.keys(outputs) as (keyof typeof outputs)[]) {
      assertNear(got[name], want[name], 1e-4, `${name}, length ${length}`);
    }
    const blocked = got.weights.data.slice(3 * length);
    assertEquals([...blocked], Array(3 * length).fill(0));
    assert(got.dk.data.slice(length * 4).every((x) => x === 0));
    assert(got.dv.data.slice(length * 5).every((x) => x === 0));
    // A key that every query blocks reaches no weight, even if infinite.
    feeds.key.data.fill(Infinity, length * 4);
    const odd = plan.run(feeds);
    assertEquals([...odd.weights.data], [...got.weights.data]);
    assertEquals([...odd.output.data], [...got.output.data]);
  }
});

Deno.test("denormals survive arithmetic and products", () => {
  const graph = new Graph();
  const x = graph.input("x", [2, 5]);
  const outputs = {
    doubled: add(x, x),
    halved: mul(x, 0.5),
    product: matmul(x, graph.constant([[1], [1], [1], [1], [1]])),
    sum: sum(x, [1]),
    max: max(x, [1]),
  };
  const data = Float32Array.from(
    [1, 2, 3, 4, 5, -7, 9, 1000, 3, 2],
    (count) => count * TINY,
  );
  const feeds = { x: { data, shape: [2, 5] } };
  const want = compile({ outputs, executor: "interpreter" }).run(feeds);
  const got = compile({ outputs }).run(feeds);
  for (const name of Object.keys(outputs) as (keyof typeof outputs)[]) {
    assertEquals([...got[name].data], [...want[name].data], name);
  }
  assertEquals(got.sum.data[0], 15 * TINY);
});
