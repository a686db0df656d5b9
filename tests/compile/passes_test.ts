// Every rule and every pass fires, and keeps values and types.
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { NDArray } from "../../src/array.ts";
import { broadcast, sum } from "../../src/graph/broadcast.ts";
import {
  add,
  div,
  log,
  mul,
  neg,
  select,
  sub,
} from "../../src/graph/elementwise.ts";
import { einsum, product } from "../../src/graph/einsum.ts";
import { maskedSoftmax, softmax } from "../../src/graph/composite.ts";
import { grad } from "../../src/graph/grad.ts";
import { Graph, type Node, reachable } from "../../src/graph/node.ts";
import { verify } from "../../src/graph/verify.ts";
import { costOf, graphCost } from "../../src/compile/cost.ts";
import { PASSES, rewrite } from "../../src/compile/pipeline.ts";
import { applyRules, type Rule } from "../../src/compile/rewrite.ts";
import {
  assertSameValues,
  feedsFor,
  SHAPES,
  square,
  trainingStep,
  valuesOf,
} from "./support.ts";

const RULES = new Map<string, Rule>(
  PASSES.flatMap(({ rules }) => rules.map((rule) => [rule.name, rule])),
);

for (const rule of RULES.values()) {
  Deno.test(`rule "${rule.name}" fires and keeps values`, () => {
    const before = rule.example(new Graph());
    let fired = 0;
    const [after] = applyRules([before], [rule], () => fired++);
    assert(fired > 0, "the rule did not fire in its example");
    assert(after !== before);
    verify([after!]);
    for (const seed of [1, 2, 3]) {
      assertSameValues([before], [after!], feedsFor([before], seed), rule.name);
    }
  });
}

Deno.test("rules and passes have names and reasons of their own", () => {
  const names = PASSES.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  for (const { why } of PASSES) assert(why.length > 20);
  const families = [...new Set(PASSES.flatMap(({ rules }) => rules))];
  assertEquals(families.length, RULES.size);
});

/** What a step of the model does not have: work for the other passes. */
function everything(): Node[] {
  const graph = new Graph();
  const a = graph.input("a", [4, 3]);
  const b = graph.input("b", [4, 3]);
  const w = graph.input("w", [3, 5]);
  const all = broadcast(w, [2, 3, 5]);
  return [
    einsum("ij,bjk->bik", a, all),
    add(matrix(a, w), matrix(b, w)),
  ];
}

function matrix(a: Node, b: Node): Node {
  return product(a, b, "ij", "jk", "ik");
}

for (const { name } of PASSES) {
  Deno.test(`pass "${name}" finds work, and the rest agrees without it`, () => {
    const step = trainingStep(square(6, 4, 5, 8));
    const worked: string[] = [];
    const note = (
      pass: string,
      before: readonly Node[],
      after: readonly Node[],
    ): void => {
      if (before.some((node, at) => node !== after[at])) worked.push(pass);
    };
    for (const outputs of [step, everything()]) {
      rewrite(outputs, { onPass: note, check: true });
      const without = rewrite(outputs, { without: [name], check: true });
      assertSameValues(outputs, without, feedsFor(outputs), name);
    }
    assert(worked.includes(name), `worked: ${worked}`);
  });
}

Deno.test("rewrite() refuses to leave out a pass that does not exist", () => {
  assertThrows(
    () => rewrite([], { without: ["simplfy"] }),
    RangeError,
    'Cannot leave out pass "simplfy": there are "simplify"',
  );
});

Deno.test("rewrite() with every pass left out returns the nodes it was given", () => {
  const outputs = trainingStep(square(2, 3, 4, 5));
  const without = PASSES.map(({ name }) => name);
  assertEquals(rewrite(outputs, { without }), outputs);
});

Deno.test("rewriting twice changes nothing more than once", () => {
  const once = rewrite(trainingStep(SHAPES.TINY!));
  const twice = rewrite(once);
  assert(graphCost(twice).total <= graphCost(once).total);
  assertEquals(graphCost(twice).multiplyAdds, graphCost(once).multiplyAdds);
});

Deno.test("rewrite() leaves inputs and variables as they are", () => {
  const graph = new Graph();
  const x = graph.input("x", [2]);
  const v = graph.variable("v", [1, 2]);
  assertEquals(rewrite([x, v, add(x, 0)]), [x, v, x]);
});

Deno.test("nodes made by rewriting carry the scope of what they replace", () => {
  const outputs = rewrite(trainingStep(SHAPES.TINY!));
  const products = reachable(outputs).filter(({ op }) => op === "einsum");
  assert(products.every(({ scope }) => /^(en|de)coder/.test(scope)));
});

Deno.test("applyRules() names the rules that do not come to an end", () => {
  const back: Rule = {
    name: "a + b = b + a",
    on: ["add"],
    rewrite: ({ inputs: [a, b] }) => add(mul(b!, 1), a!),
    example: (graph) => graph.input("x", []),
  };
  const graph = new Graph();
  const x = graph.input("x", []);
  assertThrows(
    () => applyRules([add(x, graph.input("y", []))], [back]),
    Error,
    "the last rules were a + b = b + a",
  );
});

Deno.test("what could hide NaN or infinity is not simplified", () => {
  const graph = new Graph();
  const x = graph.input("x", [3]);
  const outputs = [mul(x, 0), sub(x, x), div(x, x), mul(0, add(x, 0))];
  const feeds = { x: [NaN, Infinity, 1] };
  assertEquals(
    valuesOf(rewrite(outputs), feeds).map(({ data }) => [...data]),
    [[NaN, NaN, 0], [NaN, NaN, 0], [NaN, NaN, 1], [NaN, NaN, 0]],
  );
});

Deno.test("what a select does not take stays out of result and gradient", () => {
  const graph = new Graph();
  const x = graph.input("x", [4]);
  const mask = graph.input("mask", [4], "int32");
  const y = sum(select(mask, log(x), neg(x)));
  const outputs = [y, ...grad(y, [x])];
  const feeds = { x: [1, -1, 2, NaN], mask: [1, 0, 1, 0] };
  assertSameValues(outputs, rewrite(outputs), feeds, "select");
});

Deno.test("rows with nothing allowed keep weights and gradients of 0", () => {
  const graph = new Graph();
  const x = graph.input("x", [3, 4]);
  const mask = graph.input("mask", [3, 4], "int32");
  const weights = maskedSoftmax(x, mask);
  const probe = graph.constant([[1, 2, 3, 4], [2, 3, 4, 5], [3, 1, 4, 1]]);
  const outputs = [weights, ...grad(sum(mul(weights, probe)), [x])];
  const feeds = {
    x: [[1, 2, 3, 4], [1, NaN, Infinity, 2], [-1, 0, 1, -Infinity]],
    mask: [[1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]],
  };
  const after = rewrite(outputs);
  assertSameValues(outputs, after, feeds, "masked softmax");
  for (const { data } of valuesOf(after, feeds)) {
    assertEquals([...data.subarray(4, 8)].map(Math.abs), [0, 0, 0, 0]);
  }
});

Deno.test("the log of a softmax survives what underflows", () => {
  const x = new Graph().input("x", [1, 2]);
  const after = rewrite([log(softmax(x))]);
  const [{ data }] = valuesOf(after, { x: [[0, -2000]] }) as [NDArray];
  assertEquals([...data], [0, -2000]);
});

Deno.test("costOf() is finite and not negative for every node of a step", () => {
  for (const node of reachable(trainingStep(SHAPES.TINY!))) {
    assert(costOf(node) >= 0 && Number.isFinite(costOf(node)), node.op);
  }
});
