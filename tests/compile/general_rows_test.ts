// Rows too long for registers: rows of more than 8 vectors run in loops, and
// must compute what short rows do.
import { assertEquals } from "@std/assert";
import type { NDArray } from "../../src/array.ts";
import { sum } from "../../src/graph/broadcast.ts";
import {
  crossEntropy,
  gelu,
  layerNorm,
  logSoftmax,
  maskedSoftmax,
  softmax,
} from "../../src/graph/composite.ts";
import { add, mul, sub, tanh } from "../../src/graph/elementwise.ts";
import { grad } from "../../src/graph/grad.ts";
import { gather, scatterAdd } from "../../src/graph/indexing.ts";
import { concatenate, slice, transpose } from "../../src/graph/movement.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { argmax, max, mean } from "../../src/graph/reduce.ts";
import { compile } from "../../src/run/plan.ts";
import { assertNear, floats, integers } from "../models/support.ts";

/** Just beyond 8 vectors, tails of every length, and long. */
const ROWS: readonly number[] = [33, 34, 35, 36, 37, 64, 100, 257, 1000];
const BATCHES: readonly number[] = [1, 3];

/** Compares outputs of both executors. */
function check(
  outputs: Record<string, Node>,
  feeds: Record<string, NDArray>,
  name: string,
  tolerance = 1e-5,
): void {
  const want = compile({ outputs, executor: "interpreter" }).run(feeds);
  const got = compile({ outputs }).run(feeds);
  for (const key of Object.keys(outputs)) {
    assertNear(got[key]!, want[key]!, tolerance, `${name}: ${key}`);
  }
}

/** For every length: the value of `build` and its gradient. */
function checkRows(
  build: (x: Node, other: Node) => Node,
  tolerance?: number,
): void {
  for (const row of ROWS) {
    for (const batch of BATCHES) {
      const graph = new Graph();
      const x = graph.input("x", [batch, row]);
      const other = graph.input("other", [row]);
      const y = build(x, other);
      const weights = graph.input("weights", y.shape);
      const [dx, dOther] = grad(
        add(sum(mul(y, weights)), sum(mul(other, 0.5))),
        [x, other],
      );
      const feeds = {
        x: floats(row, batch, row),
        other: floats(row + 1, row),
        weights: floats(row + 2, ...y.shape),
      };
      const name = `${batch} rows of ${row}`;
      const outputs = { y, dx: dx!, dOther: dOther!, used: mul(other, 1.5) };
      check(outputs, feeds, name, tolerance);
    }
  }
}

Deno.test("long rows: softmax and its gradient", () => {
  checkRows((x) => softmax(x), 1e-4);
  checkRows((x, other) => logSoftmax(mul(x, other)), 1e-4);
});

Deno.test("long rows: masked softmax and its gradient", () => {
  for (const row of ROWS) {
    const graph = new Graph();
    const x = graph.input("x", [4, row]);
    const mask = graph.input("mask", [4, row], "int32");
    const y = maskedSoftmax(x, mask);
    const weights = graph.constant(floats(1, 4, row));
    const [dx] = grad(sum(mul(y, weights)), [x]);
    const allowed = integers(row, 2, 4, row);
    // One row wholly blocked, one with its last element alone.
    allowed.data.fill(0, row, 3 * row);
    allowed.data[3 * row - 1] = 1;
    const feeds = { x: floats(row, 4, row), mask: allowed };
    check({ y, dx: dx! }, feeds, `rows of ${row}`, 1e-4);
    const got = compile({ outputs: { y, dx: dx! } }).run(feeds);
    assertEquals([...got.y.data.slice(row, 2 * row)], Array(row).fill(0));
    assertEquals([...got.dx.data.slice(row, 2 * row)], Array(row).fill(0));
    assertEquals(got.y.data[3 * row - 1], 1);
  }
});

Deno.test("long rows: layer normalisation and its gradient", () => {
  checkRows((x, other) => layerNorm(x, other, mul(other, 0.5)), 1e-4);
  checkRows((x, other) => gelu(layerNorm(sub(x, other), other, other)), 1e-4);
});

Deno.test("long rows: sums, means and maxima side by side", () => {
  checkRows((x, other) => {
    const centred = sub(x, mean(x, [-1], true));
    return add(
      mul(centred, max(mul(x, other), [-1], true)),
      sum(x, [-1], true),
    );
  }, 1e-4);
  checkRows((x) => transpose(add(x, max(x, [0], true))), 1e-4);
});

Deno.test("long rows: slices and joins off the vector's boundary", () => {
  checkRows((x) => {
    const row = x.shape[1]!;
    const tail = slice(x, [0, 3], [x.shape[0]!, row]);
    const head = slice(x, [0, 0], [x.shape[0]!, row - 3]);
    return concatenate([softmax(add(tail, head)), tail, x]);
  }, 1e-4);
});

Deno.test("long rows: cross-entropy and its gradient", () => {
  for (const row of ROWS) {
    for (const batch of BATCHES) {
      const graph = new Graph();
      const x = graph.input("x", [batch, 5, row]);
      const y = graph.input("y", [batch, 5], "int32");
      const each = crossEntropy(mul(x, 3), y);
      const loss = mean(each);
      const [dx] = grad(loss, [x]);
      const feeds = {
        x: floats(row, batch, 5, row),
        y: integers(row, row, batch, 5),
      };
      feeds.y.data[0] = row - 1;
      // An index outside is no error here: no loss and no gradient.
      feeds.y.data[4] = row;
      const outputs = { each, loss, dx: dx! };
      check(outputs, feeds, `${batch} rows of ${row}`, 1e-4);
    }
  }
});

Deno.test("long rows: argmax takes the first of equals, and the first NaN", () => {
  for (const row of ROWS) {
    const places = [0, 1, 4, 31, 32, row - 2, row - 1];
    const graph = new Graph();
    const x = graph.input("x", [places.length, row]);
    const outputs = { first: argmax(x, [-1]), top: max(x, [-1]) };
    const plan = compile({ outputs });
    const truth = compile({ outputs, executor: "interpreter" });
    for (const value of [2, Infinity, NaN, -0]) {
      const data = new Float32Array(places.length * row)
        .fill(Object.is(value, -0) ? 0 : -1);
      for (const [at, place] of places.entries()) {
        // Equals behind the first one must not be found.
        for (const p of [place, row - 1]) data[at * row + p] = value;
      }
      if (Number.isNaN(value)) data[5 * row + row - 1] = Infinity;
      const feeds = { x: { data, shape: x.shape } };
      const got = plan.run(feeds);
      const want = truth.run(feeds);
      assertEquals(
        [...got.first.data],
        [...want.first.data],
        `${row} ${value}`,
      );
      assertEquals([...got.top.data], [...want.top.data], `${row} ${value}`);
      const found = Object.is(value, -0) ? places.map(() => 0) : places;
      assertEquals([...got.first.data], found, `${row} ${value}`);
    }
  }
});

Deno.test("long rows: argmax of minus infinities, and of int32 extremes", () => {
  for (const row of ROWS) {
    const graph = new Graph();
    const x = graph.input("x", [2, row]);
    const i = graph.input("i", [2, row], "int32");
    const outputs = {
      first: argmax(x, [-1]),
      whole: argmax(i, [-1]),
      top: max(i, [-1]),
    };
    const data = new Int32Array(2 * row).fill(-(2 ** 31));
    data[row + 33 - 1] = 2 ** 31 - 1;
    const feeds = {
      x: { data: new Float32Array(2 * row).fill(-Infinity), shape: [2, row] },
      i: { data, shape: [2, row] },
    };
    const got = compile({ outputs }).run(feeds);
    assertEquals([...got.first.data], [0, 0]);
    assertEquals([...got.whole.data], [0, 32]);
    assertEquals([...got.top.data], [-(2 ** 31), 2 ** 31 - 1]);
  }
});

Deno.test("long rows: lookups, and scatters with repeated indices", () => {
  for (const row of ROWS) {
    for (const batch of BATCHES) {
      const graph = new Graph();
      const table = graph.input("table", [3, row]);
      const i = graph.input("i", [batch, 7], "int32");
      const found = gather(table, i);
      const scale = graph.input("scale", [batch, 7, 1]);
      const added = scatterAdd(i, mul(found, scale), 4);
      const column = scatterAdd(i, sum(found, [-1]), 3);
      const [d] = grad(sum(mul(added, added)), [table]);
      const feeds = {
        table: floats(row, 3, row),
        i: integers(row, 3, batch, 7),
        scale: floats(2, batch, 7, 1),
      };
      feeds.i.data.fill(1, 0, 4);
      const outputs = { found, added, column, d: d! };
      check(outputs, feeds, `${batch} batches of rows of ${row}`, 1e-4);
    }
  }
});

Deno.test("long rows: a variable is read as it was, though updated beside", () => {
  for (const row of [8, 32, ...ROWS]) {
    const graph = new Graph();
    const v = graph.variable("v", floats(1, row));
    const w = graph.variable("w", floats(2, 3, row));
    const x = graph.input("x", [row]);
    const total = sum(tanh(v), [0], true);
    const outputs = {
      y: mul(v, tanh(add(total, 1))),
      z: softmax(w),
      used: mul(x, 2),
    };
    const updates = [[v, mul(v, 0.5)], [w, add(w, x)]] as const;
    const plan = compile({ outputs, updates });
    const truth = compile({ outputs, updates, executor: "interpreter" });
    const feeds = { x: floats(3, row) };
    for (let step = 0; step < 2; step++) {
      const got = plan.run(feeds);
      const want = truth.run(feeds);
      assertNear(got.y, want.y, 1e-5, `y, row ${row}`);
      assertNear(got.used, want.used, 1e-5, "used");
      assertNear(got.z, want.z, 1e-5, `z, row ${row}`);
    }
    for (const name of ["v", "w"]) {
      const want = truth.variables.get(name);
      assertNear(plan.variables.get(name), want, 1e-5, `${name}, row ${row}`);
    }
  }
});
