// scaledDotProductAttention() and attention() with masks and extreme values.
// Against PyTorch: fixtures_test.ts; bad input: attention_input_test.ts.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  array,
  type ArrayLike,
  type NDArray,
  toNested,
} from "../../src/array.ts";
import { sum } from "../../src/graph/broadcast.ts";
import { attention } from "../../src/graph/composite.ts";
import { mul } from "../../src/graph/elementwise.ts";
import { grad } from "../../src/graph/grad.ts";
import { Graph } from "../../src/graph/node.ts";
import { scaledDotProductAttention } from "../../src/nn/attention.ts";
import { compile } from "../../src/run/plan.ts";
import {
  bits,
  cases,
  floats,
  isUnseen,
  row,
  withRows,
} from "./attention_cases.ts";

Deno.test("weights rows sum to 1, or are exactly 0 where all is blocked", () => {
  fc.assert(fc.property(cases, ({ query, key, value, mask }) => {
    const { weights, output } = scaledDotProductAttention(
      query,
      key,
      value,
      mask,
    );
    const sources = weights.shape[2]!;
    for (let at = 0; at < weights.data.length; at += sources) {
      const found = weights.data.slice(at, at + sources);
      const allowed = mask.data.slice(at, at + sources);
      const total = found.reduce((a, b) => a + b, 0);
      found.forEach((w, s) => assert(allowed[s] === 1 ? w >= 0 : w === 0));
      if (allowed.includes(1)) assert(Math.abs(total - 1) < 1e-5, `${total}`);
      else {
        assertEquals(total, 0);
        const zeros = row(output, at / sources);
        assert(zeros.every((x) => x === 0), "output of a blocked row");
      }
    }
  }));
});

Deno.test("what a query blocks does not change its row by a single bit", () => {
  const other = floats([200], 1e6);
  fc.assert(
    fc.property(
      cases,
      other,
      fc.nat(),
      ({ query, key, value, mask }, { data }, pick) => {
        const [batch, targets, sources] = mask.shape as [
          number,
          number,
          number,
        ];
        const target = pick % (batch * targets);
        const firstKey = Math.floor(target / targets) * sources;
        const isBlocked = (at: number) =>
          at >= firstKey && at < firstKey + sources &&
          mask.data[target * sources + at - firstKey] === 0;
        const before = scaledDotProductAttention(query, key, value, mask);
        const after = scaledDotProductAttention(
          query,
          withRows(key, isBlocked, (at) => data[at]!),
          withRows(value, isBlocked, (at) => data[100 + at]!),
          mask,
        );
        assertEquals(row(after.weights, target), row(before.weights, target));
        assertEquals(row(after.output, target), row(before.output, target));
      },
    ),
  );
});

Deno.test("reversing the keys nobody sees changes nothing, bit for bit", () => {
  fc.assert(fc.property(cases, ({ query, key, value, mask }) => {
    const unseen = isUnseen(mask);
    const keys = key.shape[0]! * key.shape[1]!;
    const from = [...Array(keys).keys()].filter(unseen);
    const to = new Map(from.map((at, i) => [at, from.at(-1 - i)!]));
    const reverse = (x: NDArray<Float32Array>) => {
      const width = x.shape[2]!;
      return withRows(
        x,
        unseen,
        (at) => x.data[to.get(Math.floor(at / width))! * width + at % width]!,
      );
    };
    const before = scaledDotProductAttention(query, key, value, mask);
    const after = scaledDotProductAttention(
      query,
      reverse(key),
      reverse(value),
      mask,
    );
    assertEquals(bits(after.weights), bits(before.weights));
    assertEquals(bits(after.output), bits(before.output));
  }));
});

Deno.test("NaN and infinity in keys nobody sees do not leak", () => {
  const poison = fc.constantFrom(NaN, Infinity, -Infinity);
  fc.assert(fc.property(cases, poison, ({ query, key, value, mask }, bad) => {
    const poisoned = withRows(key, isUnseen(mask), () => bad);
    const before = scaledDotProductAttention(query, key, value, mask);
    const after = scaledDotProductAttention(query, poisoned, value, mask);
    assertEquals(bits(after.weights), bits(before.weights));
    assertEquals(bits(after.output), bits(before.output));
  }));
});

Deno.test("a mask of booleans is the mask of zeros and ones", () => {
  fc.assert(fc.property(cases, ({ query, key, value, mask }) => {
    const booleans = (toNested(mask) as number[][][]).map((rows) =>
      rows.map((bits) => bits.map((bit) => bit === 1))
    );
    const floats = { data: Float32Array.from(mask.data), shape: mask.shape };
    const [first, ...others] = [mask, booleans, floats].map((given) =>
      scaledDotProductAttention(query, key, value, given)
    );
    for (const other of others) {
      assertEquals(bits(other.weights), bits(first!.weights));
      assertEquals(bits(other.output), bits(first!.output));
    }
  }));
});

Deno.test("a mask that allows everything is no mask", () => {
  fc.assert(fc.property(cases, ({ query, key, value, mask }) => {
    const all = { data: mask.data.map(() => 1), shape: mask.shape };
    const masked = scaledDotProductAttention(query, key, value, all);
    const free = scaledDotProductAttention(query, key, value);
    assertEquals(bits(masked.weights), bits(free.weights));
    assertEquals(bits(masked.output), bits(free.output));
  }));
});

Deno.test("a causal mask gives the first row its own value alone", () => {
  const x = [[[1, 2], [3, 4], [5, 6]]];
  const causal = [0, 1, 2].map((t) => [0, 1, 2].map((s) => s <= t));
  const { output, weights } = scaledDotProductAttention(x, x, x, [causal]);
  assertEquals((toNested(output) as number[][][])[0]![0], [1, 2]);
  const rows = (toNested(weights) as number[][][])[0]!;
  rows.forEach((w, t) =>
    w.forEach((x, s) => assertEquals(x === 0, s > t, `weights[${t}][${s}]`))
  );
});

Deno.test("nested arrays, float32 and float64 arrays give the same", () => {
  fc.assert(fc.property(cases, ({ query, key, value }) => {
    const forms: ((x: NDArray) => ArrayLike)[] = [
      (x) => x,
      (x) => toNested(x),
      (x) => ({ data: Float64Array.from(x.data), shape: x.shape }),
      (x) => array(toNested(x), { dtype: "float64" }),
    ];
    const [first, ...others] = forms.map((form) =>
      scaledDotProductAttention(form(query), form(key), form(value))
    );
    for (const other of others) {
      assertEquals(other.weights.shape, first!.weights.shape);
      assertEquals(bits(other.weights), bits(first!.weights));
      assertEquals(bits(other.output), bits(first!.output));
    }
  }));
});

Deno.test("scores of ±1e30 give finite weights that sum to 1", () => {
  const query = [[[1e15], [-1e15], [0]]];
  const key = [[[1e15], [-1e15], [1e15]]];
  const value = [[[1], [2], [3]]];
  const all = [[[1, 1, 1], [1, 1, 1], [1, 1, 1]]];
  for (const mask of [undefined, all]) {
    const { weights, output } = scaledDotProductAttention(
      query,
      key,
      value,
      mask,
    );
    const third = Math.fround(1 / 3);
    assertEquals(toNested(weights), [[[0.5, 0, 0.5], [0, 1, 0], [
      third,
      third,
      third,
    ]]]);
    assertEquals(toNested(output), [[[2], [2], [2]]]);
  }
  const masked = [[[0, 1, 0], [1, 0, 1], [1, 0, 0]]];
  const { weights } = scaledDotProductAttention(query, key, value, masked);
  assertEquals(toNested(weights), [[[0, 1, 0], [0.5, 0, 0.5], [1, 0, 0]]]);
});

Deno.test("gradients of a wholly blocked row are exactly 0, none is NaN", () => {
  fc.assert(
    fc.property(cases, fc.nat(), ({ query, key, value, mask }, pick) => {
      const [batch, targets, sources] = mask.shape as [number, number, number];
      const blocked = pick % (batch * targets);
      mask.data.fill(0, blocked * sources, (blocked + 1) * sources);
      const graph = new Graph();
      const inputs = Object.entries({ query, key, value }).map(
        ([name, { shape }]) => graph.input(name, shape),
      );
      const [q, k, v] = inputs as [
        typeof inputs[0],
        typeof inputs[0],
        typeof inputs[0],
      ];
      const { output } = attention(q, k, v, graph.constant(mask, "int32"));
      const [dQuery, dKey, dValue] = grad(sum(mul(output, output)), inputs);
      const got = compile({
        outputs: { dQuery: dQuery!, dKey: dKey!, dValue: dValue! },
      }).run({ query, key, value });
      for (const [name, { data }] of Object.entries(got)) {
        assert(data.every(Number.isFinite), `${name} is not finite`);
      }
      const width = query.shape[2]!;
      const at = blocked * width;
      const zeros = new Float32Array(width);
      assertEquals(got.dQuery.data.slice(at, at + width), zeros);
      const unseen = isUnseen(mask);
      for (const [rows, array] of [[key, got.dKey], [value, got.dValue]]) {
        const width = rows!.shape[2]!;
        array!.data.forEach((x, at) =>
          assert(x === 0 || !unseen(Math.floor(at / width)), "blocked key")
        );
      }
    }),
  );
});
