// Indices outside their table, on compiled plans: a RangeError with row and
// index, and no variable has changed.
import {
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import type { NDArray } from "../../src/array.ts";
import { sum } from "../../src/graph/broadcast.ts";
import {
  add,
  maximum,
  mul,
  sub,
  tanh,
  toInt,
} from "../../src/graph/elementwise.ts";
import { matmul } from "../../src/graph/einsum.ts";
import { grad } from "../../src/graph/grad.ts";
import { gather, scatterAdd } from "../../src/graph/indexing.ts";
import { slice } from "../../src/graph/movement.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { max, mean } from "../../src/graph/reduce.ts";
import { adam } from "../../src/nn/adam.ts";
import { compile, type Feeds, type Plan } from "../../src/run/plan.ts";
import { floats, integers } from "../models/support.ts";

function valuesOf(plan: Plan): Record<string, number[]> {
  const names = plan.variables.names();
  return Object.fromEntries(
    [...names].map((name) => [name, [...plan.variables.get(name).data]]),
  );
}

/** A run fails, changes no variable, and the next one is none the worse. */
function checkFails(
  plan: Plan,
  good: Feeds,
  bad: Feeds,
  row: number,
  index: string,
  wanted: string,
): void {
  plan.run(good);
  const before = valuesOf(plan);
  const error = assertThrows(() => plan.run(bad), RangeError);
  assertMatch(error.message, new RegExp(`row ${row}\\b`));
  assertMatch(error.message, new RegExp(`index ${index}:`));
  assertMatch(error.message, new RegExp(`wanted ${wanted}$`));
  assertEquals(valuesOf(plan), before);
  plan.run(good);
}

/** The same values with one replaced. */
function withIndex(indices: NDArray, at: number, value: number): NDArray {
  const data = indices.data.slice();
  data[at] = value;
  return { data, shape: indices.shape };
}

/** A training step of an embedding, tiles being small for wide rows. */
function embedding(batch: number, width: number): Plan {
  const graph = new Graph();
  const table = graph.variable("table", floats(1, 5, width));
  const i = graph.input("i", [batch, 3], "int32");
  const target = graph.input("target", [batch, 3, width]);
  const error = sub(gather(table, i), target);
  const loss = mean(mul(error, error));
  return compile({
    outputs: { loss },
    updates: adam(loss, [table], { learningRate: 0.1 }),
  });
}

for (const [batch, width] of [[1, 4], [8, 5], [37, 1200]] as const) {
  Deno.test(`an index outside is told of, batch ${batch}, width ${width}`, () => {
    const plan = embedding(batch, width);
    const target = floats(2, batch, 3, width);
    const i = integers(3, 5, batch, 3);
    for (const row of [5, -1, 2 ** 31 - 1, -(2 ** 31)]) {
      for (const at of [0, 3 * batch - 1]) {
        const bad = { i: withIndex(i, at, row), target };
        const index = `\\[${Math.floor(at / 3)}\\]\\[${at % 3}\\]`;
        checkFails(plan, { i, target }, bad, row, index, "0 to 4");
      }
    }
  });
}

Deno.test("an index outside is told of when a scatter meets it", () => {
  const graph = new Graph();
  const i = graph.input("i", [4, 2], "int32");
  const x = graph.input("x", [4, 2, 3]);
  const sums = graph.variable("sums", floats(1, 6, 3));
  const plan = compile({
    outputs: {},
    updates: [[sums, add(sums, scatterAdd(i, x, 6))]],
  });
  const good = { i: integers(1, 6, 4, 2), x: floats(2, 4, 2, 3) };
  const bad = { ...good, i: withIndex(good.i, 5, 6) };
  checkFails(plan, good, bad, 6, "\\[2\\]\\[1\\]", "0 to 5");
});

Deno.test("an index into what was looked up names the second lookup", () => {
  const graph = new Graph();
  const first = graph.constant([0, 1, 2, 3], "int32");
  const i = graph.input("i", [3], "int32");
  const table = graph.variable("table", floats(1, 4, 2));
  const found = gather(table, gather(first, i));
  const plan = compile({
    outputs: { found },
    updates: [[table, mul(table, 2)]],
  });
  const good = { i: integers(1, 4, 3) };
  const bad = { i: withIndex(good.i, 2, 4) };
  checkFails(plan, good, bad, 4, "\\[2\\]", "0 to 3");
});

Deno.test("a computed index outside changes no variable", () => {
  // In a batch that is cut, and one that is not.
  for (const batch of [1, 7]) {
    const graph = new Graph();
    const table = graph.variable("table", floats(1, 4, 6));
    const count = graph.variable("count", 0, "int32");
    const x = graph.input("x", [batch, 2]);
    const found = gather(table, toInt(maximum(x, 0)));
    const loss = sum(found);
    const [d] = grad(loss, [table]);
    const plan = compile({
      outputs: { loss },
      updates: [[table, sub(table, d!)], [count, add(count, 1)]],
    });
    plan.run({ x: new Float32Array(2 * batch) });
    const before = valuesOf(plan);
    const bad = new Float32Array(2 * batch);
    bad[2 * batch - 1] = 4.5;
    const error = assertThrows(() => plan.run({ x: bad }), RangeError);
    assertMatch(error.message, /row 4\b/);
    assertEquals(valuesOf(plan), before);
  }
});

for (const [batch, length] of [[1, 5], [7, 5], [7, 3], [6, 33]] as const) {
  const shape = `(${batch}, ${length})`;
  Deno.test(`a computed index of shape ${shape} is told by its place`, () => {
    // Rows of intermediates may be padded, and tiles hold a part of them.
    const graph = new Graph();
    const table = graph.variable("table", floats(1, 4, 900));
    const x = graph.input("x", [batch, length]);
    const y = gather(table, toInt(mul(x, 2)));
    const plan = compile({
      outputs: { y: mean(mul(y, y), [-1]) },
      updates: [[table, mul(table, 0.5)]],
    });
    const fine = new Float32Array(batch * length).fill(1.5);
    for (const at of [0, length - 1, batch * length - 1]) {
      const wrong = fine.slice();
      wrong[at] = 2.5;
      const index = `\\[${Math.floor(at / length)}\\]\\[${at % length}\\]`;
      checkFails(plan, { x: fine }, { x: wrong }, 5, index, "0 to 3");
    }
  });
}

Deno.test("a computed index of a scatter is told by its place", () => {
  const graph = new Graph();
  const sums = graph.variable("sums", floats(1, 3, 900));
  const x = graph.input("x", [7, 5]);
  const y = graph.input("y", [7, 5, 900]);
  const plan = compile({
    outputs: {},
    updates: [[sums, add(sums, scatterAdd(toInt(mul(x, 2)), y, 3))]],
  });
  const fine = { x: floats(1, 7, 5), y: floats(2, 7, 5, 900) };
  fine.x.data.fill(1);
  const wrong = fine.x.data.slice();
  wrong[33] = 1.5;
  const bad = { ...fine, x: { data: wrong, shape: [7, 5] } };
  checkFails(plan, fine, bad, 3, "\\[6\\]\\[3\\]", "0 to 2");
});

Deno.test("an index beside a slice is not blamed", () => {
  const graph = new Graph();
  const table = graph.variable("table", floats(1, 4, 3));
  const i = graph.input("i", [3, 4], "int32");
  const plan = compile({
    outputs: { found: gather(table, slice(i, [0, 1], [3, 3])) },
    updates: [[table, mul(table, 0.5)]],
  });
  const rows = [[-1, 0, 1, 9], [-1, 2, 3, 9], [-1, 0, 1, 9]];
  const bad = rows.with(1, [-1, 2, 4, 9]);
  // The place among the indices that are looked up, as the interpreter says.
  checkFails(plan, { i: rows }, { i: bad }, 4, "\\[1\\]\\[1\\]", "0 to 3");
});

Deno.test("lookups taken as one refuse what each of them would refuse", () => {
  const graph = new Graph();
  const left = graph.variable("left", floats(1, 5, 128));
  const right = graph.variable("right", floats(2, 3, 128));
  const i = graph.input("i", [4, 6], "int32");
  const j = graph.input("j", [4, 7], "int32");
  const scores = matmul(gather(left, i), gather(right, j), {
    transposeB: true,
  });
  const updates = [left, right].map((variable, at): readonly [Node, Node] => [
    variable,
    grad(sum(tanh(scores)), [left, right])[at]!,
  ]);
  const plan = compile({ outputs: { scores }, updates });
  const listing: string[] = [];
  compile({
    outputs: { scores },
    updates,
    debug: 4,
    onDebug: (text) => listing.push(text),
  });
  // One index for both tables: a place among 5 times 3.
  assertStringIncludes(listing.join(), "< 15}]");
  const good = {
    i: Array.from({ length: 4 }, () => [0, 1, 2, 3, 4, 0]),
    j: Array.from({ length: 4 }, () => [0, 1, 2, 0, 1, 2, 0]),
  };
  // Most of these would be the place of another pair.
  for (const wrong of [3, -1, 4, 2 ** 31 - 1, -(2 ** 31)]) {
    const j = good.j.with(2, [0, 1, wrong, 0, 1, 2, 0]);
    checkFails(plan, good, { ...good, j }, wrong, "\\[2\\]\\[2\\]", "0 to 2");
  }
  for (const wrong of [5, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 30]) {
    const i = good.i.with(3, [wrong, 1, 2, 3, 4, 0]);
    checkFails(plan, good, { ...good, i }, wrong, "\\[3\\]\\[0\\]", "0 to 4");
  }
});

Deno.test("the failing lookup is told of, not one that stands after it", () => {
  const graph = new Graph();
  const small = graph.variable("small", floats(1, 2, 3));
  const large = graph.variable("large", floats(2, 9, 3));
  const i = graph.input("i", [4], "int32");
  const j = graph.input("j", [4], "int32");
  // Computed indices: their memory holds old values when a lookup fails.
  const first = gather(large, add(i, 1));
  const second = gather(small, toInt(sum(mul(first, 1e-9), [1])));
  const plan = compile({
    outputs: { y: add(second, gather(small, j)) },
    updates: [[small, mul(small, 0.5)]],
  });
  const good = { i: [0, 1, 2, 3], j: [0, 1, 0, 1] };
  checkFails(plan, good, { ...good, i: [0, 8, 2, 3] }, 9, "\\[1\\]", "0 to 8");
  checkFails(plan, good, { ...good, j: [0, 1, 0, 2] }, 2, "\\[3\\]", "0 to 1");
});

Deno.test("a lookup after sums over the batch fails before any update", () => {
  // The variable could be updated early; the lookup can only come late.
  for (const [at, order] of [[0, 1], [1, -1]] as const) {
    const graph = new Graph();
    const x = graph.input("x", [6, 3]);
    const i = graph.input("i", [6], "int32");
    const w = graph.variable("w", floats(1, 3));
    const v = graph.variable("v", floats(1, 4));
    const table = graph.constant([[1], [2], [3], [4]]);
    // The sum of all indices: known once the loop over tiles is over.
    const late = gather(v, toInt(sum(mul(x, 0.01), [0])));
    const next: readonly (readonly [Node, Node])[] = [
      [w, sub(w, sum(mul(x, gather(table, i)), [0]))],
      [v, mul(v, max(late, [0], true))],
    ].toSorted(() => order) as [Node, Node][];
    const plan = compile({ outputs: { late }, updates: next });
    const good = { x: floats(2, 6, 3), i: [0, 1, 2, 3, 0, 1] };
    plan.run(good);
    const before = valuesOf(plan);
    const data = new Float32Array(18);
    data[at] = 400.5;
    const error = assertThrows(
      () => plan.run({ ...good, x: { data, shape: [6, 3] } }),
      RangeError,
    );
    assertMatch(error.message, /row 4\b/);
    assertEquals(valuesOf(plan), before);
  }
});

Deno.test("an index outside is told of where the table has been cut", () => {
  const graph = new Graph();
  const table = graph.variable("table", floats(1, 8, 3));
  const i = graph.input("i", [5], "int32");
  const part = slice(table, [2, 0], [5, 3]);
  const plan = compile({
    outputs: { found: gather(part, i) },
    updates: [[table, mul(table, 0.5)]],
  });
  const good = { i: [0, 1, 2, 0, 1] };
  // Row 3 of the part is a row of the table, but not one of the part.
  checkFails(plan, good, { i: [0, 1, 2, 3, 1] }, 3, "\\[3\\]", "0 to 2");
});

Deno.test("a lookup in a table of no rows is refused whatever the index", () => {
  const graph = new Graph();
  const table = graph.variable("table", {
    data: new Float32Array(0),
    shape: [0, 3],
  });
  const plan = compile({
    outputs: { y: gather(table, graph.input("i", [2], "int32")) },
  });
  assertThrows(() => plan.run({ i: [0, 0] }), RangeError);
});
