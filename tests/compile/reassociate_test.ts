// Products are regrouped where it pays, and only there.
import { assert, assertEquals } from "@std/assert";
import odd from "../fixtures/seq2seq_odd.json" with { type: "json" };
import tiny from "../fixtures/seq2seq_tiny.json" with { type: "json" };
import { broadcast, sum } from "../../src/graph/broadcast.ts";
import { graphCost } from "../../src/compile/cost.ts";
import { reassociate } from "../../src/compile/passes/reassociate.ts";
import { rewrite } from "../../src/compile/pipeline.ts";
import { add, mul, neg, sub, tanh } from "../../src/graph/elementwise.ts";
import { einsum, matmul, multiplyAdds } from "../../src/graph/einsum.ts";
import { grad } from "../../src/graph/grad.ts";
import { gather, scatterAdd } from "../../src/graph/indexing.ts";
import { concatenate, reshape, slice } from "../../src/graph/movement.ts";
import { Graph, type Node, reachable } from "../../src/graph/node.ts";
import { mean } from "../../src/graph/reduce.ts";
import { verify } from "../../src/graph/verify.ts";
import {
  declareParameters,
  type ParameterName,
  score,
  teacherForced,
} from "../../src/nn/seq2seq.ts";
import {
  assertSameValues,
  feedsFor,
  type Shape,
  SHAPES,
  square,
  totalMultiplyAdds,
  trainingStep,
} from "./support.ts";

/** Asserts equal values and returns the multiply-adds before and after. */
function counts(outputs: readonly Node[]): [before: number, after: number] {
  const after = rewrite(outputs, { check: true });
  assertSameValues(outputs, after, feedsFor(outputs), "regrouped");
  return [totalMultiplyAdds(outputs), totalMultiplyAdds(after)];
}

/** How many nodes of an operation there are. */
function howMany(outputs: readonly Node[], op: Node["op"]): number {
  return reachable(outputs).filter((node) => node.op === op).length;
}

Deno.test("a small table is multiplied before rows are looked up", () => {
  const graph = new Graph();
  const table = graph.input("table", [5, 16]);
  const index = graph.input("index", [8, 9], "int32");
  const w = graph.input("w", [16, 24]);
  assertEquals(
    counts([matmul(gather(table, index), w)]),
    [72 * 16 * 24, 5 * 16 * 24],
  );
});

Deno.test("a table with more rows than lookups is not", () => {
  const graph = new Graph();
  const table = graph.input("table", [50_000, 16]);
  const index = graph.input("index", [8, 9], "int32");
  const w = graph.input("w", [16, 24]);
  const outputs = [matmul(gather(table, index), w)];
  assertEquals(rewrite(outputs), outputs);
});

Deno.test("a table that stays for many steps may have more rows than lookups", () => {
  for (const [rows, pays] of [[150, true], [50_000, false]] as const) {
    const graph = new Graph();
    const table = graph.input("table", [rows, 16]);
    const index = graph.input("index", [8, 9], "int32");
    const w = graph.input("w", [16, 24]);
    const outputs = [matmul(gather(table, index), w)];
    assertEquals(rewrite(outputs), outputs);
    // Both must stay: the product of a table with what changes is no table.
    for (const frozen of [[], [table], [w]]) {
      assertEquals(rewrite(outputs, { frozen }), outputs);
    }
    const after = rewrite(outputs, { frozen: [table, w], check: true });
    assertSameValues(outputs, after, feedsFor(outputs), "frozen");
    assertEquals(after[0]!.op, pays ? "gather" : "einsum");
    // For so many steps more rows pay, for one step no more than without.
    for (
      const [frozenSteps, op] of [[1000, "gather"], [1, "einsum"]] as const
    ) {
      const other = rewrite(outputs, { frozen: [table, w], frozenSteps });
      assertEquals(other[0]!.op, op);
    }
  }
});

Deno.test("a large table multiplied before the lookup is multiplied after it", () => {
  const graph = new Graph();
  const table = graph.input("table", [500, 16]);
  const index = graph.input("index", [8], "int32");
  const w = graph.input("w", [16, 24]);
  assertEquals(
    counts([gather(matmul(table, w), index)]),
    [500 * 16 * 24, 8 * 16 * 24],
  );
});

/** Attention from 9 looked-up rows to 7, with positions on both sides. */
function lookedUpScores(rows: number): Node[] {
  const graph = new Graph();
  const table = graph.input("table", [rows, 128]);
  const queries = add(
    gather(table, graph.input("i", [8, 9], "int32")),
    graph.input("p", [9, 128]),
  );
  const keys = add(
    gather(table, graph.input("j", [8, 7], "int32")),
    graph.input("q", [7, 128]),
  );
  const scores = einsum("btd,bsd->bts", queries, keys);
  return [scores, ...grad(mean(tanh(scores)), [table])];
}

Deno.test("rows looked up on both sides of a product are multiplied as tables", () => {
  const [, after] = counts(lookedUpScores(5));
  // Rows and positions with each other; the gradients of the table come from
  // tables of the same sizes, twice from that of rows with rows.
  const scores = (5 + 9) * (5 + 7);
  assertEquals(after, 128 * (scores + 2 * 5 * 5 + 5 * 7 + 9 * 5));
});

Deno.test("rows of tables larger than that are multiplied as they come", () => {
  const outputs = lookedUpScores(400);
  const [before, after] = counts(outputs);
  assertEquals(after, before);
  for (const node of reachable(rewrite(outputs))) {
    assert(node.op !== "gather" || node.shape.length === 3, String(node.shape));
  }
});

Deno.test("gradients are added into a small table before they are multiplied", () => {
  const graph = new Graph();
  const index = graph.input("index", [8, 9], "int32");
  const y = graph.input("y", [8, 9, 24]);
  const w = graph.input("w", [16, 24]);
  const rows = matmul(y, w, { transposeB: true });
  assertEquals(
    counts([scatterAdd(index, rows, 5)]),
    [72 * 16 * 24, 5 * 16 * 24],
  );
});

Deno.test("the gradient of a weight is a product of tables", () => {
  const graph = new Graph();
  const table = graph.input("table", [5, 16]);
  const index = graph.input("index", [8, 9], "int32");
  const y = graph.input("y", [8, 9, 24]);
  const rows = gather(table, index);
  assertEquals(
    counts([einsum("bsd,bse->de", rows, y)]),
    [72 * 16 * 24, 5 * 16 * 24],
  );
});

Deno.test("positions are multiplied once, not for every sequence", () => {
  const graph = new Graph();
  const table = graph.input("table", [5, 16]);
  const index = graph.input("index", [8, 9], "int32");
  const positions = graph.input("positions", [9, 16]);
  const w = graph.input("w", [16, 24]);
  const states = sub(gather(table, index), positions);
  const [, after] = counts([matmul(neg(states), w)]);
  assertEquals(after, (5 + 9) * 16 * 24);
});

Deno.test("sums over an axis come before products", () => {
  const graph = new Graph();
  const x = graph.input("x", [32, 9, 16]);
  const w = graph.input("w", [16, 24]);
  assertEquals(
    counts([sum(matmul(x, w), [0])]),
    [32 * 9 * 16 * 24, 9 * 16 * 24],
  );
});

Deno.test("an axis that is only repeated and summed counts its copies", () => {
  const graph = new Graph();
  const x = graph.input("x", [9, 16]);
  const y = graph.input("y", [9, 16]);
  const many = broadcast(x, [7, 9, 16]);
  const twice = add(many, broadcast(y, [7, 9, 16]));
  const w = graph.input("w", [16, 3]);
  counts([sum(matmul(twice, w), [0]), einsum("bij,jk->ik", many, w)]);
});

Deno.test("chains of products are grouped in the cheapest way", () => {
  const graph = new Graph();
  const a = graph.input("a", [40, 5]);
  const b = graph.input("b", [5, 40]);
  const c = graph.input("c", [40, 3]);
  const d = graph.input("d", [3, 8]);
  const [before, after] = counts([matmul(matmul(matmul(a, b), c), d)]);
  assertEquals(before, 40 * 5 * 40 + 40 * 40 * 3 + 40 * 3 * 8);
  assertEquals(after, 5 * 40 * 3 + 40 * 5 * 3 + 40 * 3 * 8);
});

Deno.test("a product that is needed anyway is not grouped away", () => {
  const graph = new Graph();
  const a = graph.input("a", [40, 5]);
  const b = graph.input("b", [5, 40]);
  const c = graph.input("c", [40, 3]);
  const ab = matmul(a, b);
  const [before, after] = counts([tanh(ab), matmul(ab, c)]);
  assert(after < before, "(a b) c became a (b c)");
  const large = graph.input("large", [40, 60]);
  const [kept, same] = counts([tanh(ab), matmul(ab, large)]);
  assert(same <= kept);
});

Deno.test("parts of a concatenation are regrouped each by itself", () => {
  const graph = new Graph();
  const table = graph.input("table", [5, 16]);
  const index = graph.input("index", [8, 9], "int32");
  const other = graph.input("other", [8, 9, 16]);
  const w = graph.input("w", [32, 24]);
  const both = concatenate([gather(table, index), other]);
  const [, after] = counts([matmul(both, w)]);
  assertEquals(after, (5 + 72) * 16 * 24);
});

Deno.test("self-attention keeps apart the axes that come from one", () => {
  const graph = new Graph();
  const table = graph.input("table", [5, 16]);
  const index = graph.input("index", [8, 9], "int32");
  const wq = graph.input("wq", [16, 16]);
  const wk = graph.input("wk", [16, 16]);
  const states = add(gather(table, index), graph.input("p", [9, 16]));
  const scores = matmul(matmul(states, wq), matmul(states, wk), {
    transposeB: true,
  });
  counts([scores, ...grad(mean(tanh(scores)), [table, wq, wk])]);
});

Deno.test("axes of size 1, empty axes and scalars are regrouped soundly", () => {
  const graph = new Graph();
  const table = graph.input("table", [3, 1]);
  const index = graph.input("index", [1, 4], "int32");
  const w = graph.input("w", [1, 2]);
  const p = graph.input("p", [4, 1]);
  const states = add(gather(table, index), p);
  const y = matmul(states, w);
  const none = graph.input("none", [0, 2]);
  const column = reshape(sum(y, [2], true), [4]);
  counts([
    y,
    sum(y),
    column,
    ...grad(sum(tanh(y)), [table, w, p]),
    matmul(none, matmul(graph.input("u", [2, 1]), w)),
    slice(y, [0, 1, 0], [1, 3, 2]),
    mul(sum(y, [0], true), 2),
  ]);
});

const RECORDED: Record<string, [before: number, after: number]> = {
  TINY: [4_620_288, 842_112],
  SMALL: [44_236_800, 5_720_448],
  MEDIUM: [365_690_880, 64_722_432],
  LARGE: [2_315_255_808, 428_924_928],
};

for (const [name, recorded] of Object.entries(RECORDED)) {
  Deno.test(`the training step of ${name} needs the recorded multiply-adds`, () => {
    const step = trainingStep(SHAPES[name]!);
    const before = totalMultiplyAdds(step);
    const after = totalMultiplyAdds(rewrite(step));
    assertEquals([before, after], recorded);
    assert(after / before <= (name === "TINY" ? 0.3 : 0.25));
  });
}

Deno.test("with a vocabulary of 50,000 the plain order stays", () => {
  const step = trainingStep(square(8, 10, 50_000, 64));
  const sizes = (outputs: readonly Node[]): number[] =>
    reachable(outputs).map(multiplyAdds).filter((n) => n > 0).sort();
  const after = rewrite(step);
  assertEquals(totalMultiplyAdds(after), totalMultiplyAdds(step));
  for (const op of ["gather", "scatterAdd"] as const) {
    assertEquals(howMany(after, op), 2, op);
  }
  // Splitting [C, G] and its gradients makes two of one, no more.
  assert(sizes(after).length <= sizes(step).length + 3);
});

Deno.test("the step's products over B rows are those that must be", () => {
  const { batch, srcLength, tgtLength, vocabSize, dModel } = SHAPES.TINY!;
  const after = rewrite(trainingStep(SHAPES.TINY!));
  const products = reachable(after).filter(({ op }) => op === "einsum");
  const overBatch = products.filter(({ shape, inputs }) =>
    [shape, ...inputs.map(({ shape }) => shape)].some((shape) =>
      shape[0] === batch && shape.length === 3
    )
  );
  // A U', dA, dU', logits and the two gradients of these. Scores are looked up.
  assertEquals(overBatch.length, 6);
  const withParameter = overBatch.filter(({ shape, inputs }) =>
    [shape, ...inputs.map(({ shape }) => shape)].some((shape) =>
      shape.length === 2
    )
  );
  assertEquals(
    withParameter.map(multiplyAdds),
    Array(3).fill(batch * tgtLength * dModel * vocabSize),
  );
  for (const { inputs } of products) {
    // The context is never computed: attention meets value tables alone.
    if (inputs.every(({ shape }) => shape.length === 3)) continue;
    assert(
      inputs.every(({ shape }) => shape.length === 2 || shape[0] === batch),
    );
  }
  // Tokens with tokens, tokens with positions of the other side, states.
  assertEquals(howMany(after, "gather"), 1 + 2 + 2);
  assertEquals(howMany(after, "scatterAdd"), 1 + 2 + 2);
  const rows = reachable(after).filter((node) => node.op === "scatterAdd")
    .map(({ inputs }) => inputs[1]!.shape[1]);
  assertEquals(new Set(rows), new Set([srcLength, tgtLength]));
});

Deno.test("parts of a step that stay are not computed twice", () => {
  for (const shape of Object.values(SHAPES)) {
    const step = trainingStep(shape);
    const after = rewrite(step);
    assert(graphCost(after).total < 0.4 * graphCost(step).total);
    for (const op of ["exp", "tanh", "argmax"] as const) {
      assertEquals(howMany(after, op), howMany(step, op), op);
    }
  }
});

for (const fixture of [tiny, odd]) {
  Deno.test(`gradients of the model stay what they are: ${fixture.name}`, () => {
    const { config } = fixture;
    const graph = new Graph();
    const given = fixture.parameters as Record<
      ParameterName,
      { shape: number[]; data: number[] }
    >;
    const parameters = declareParameters(graph, (name) => ({
      data: Float64Array.from(given[name].data),
      shape: given[name].shape,
    }));
    const batch = fixture.x_src.length;
    const source = graph.input("source", [batch, config.src_length], "int32");
    const target = graph.input("target", [batch, config.tgt_length], "int32");
    const { logits, weights } = teacherForced(parameters, source, target);
    const loss = mean(score(logits, target).loss);
    const outputs = [
      loss,
      logits,
      weights,
      ...grad(loss, Object.values(parameters)),
    ];
    const after = rewrite(outputs, { check: true });
    const feeds = { source: fixture.x_src, target: fixture.x_tgt };
    assertSameValues(outputs, after, feeds, fixture.name);
  });
}

Deno.test("odd shapes of the model keep their values", () => {
  const shapes: Shape[] = [
    {
      batch: 1,
      srcLength: 1,
      tgtLength: 1,
      vocabSize: 2,
      dModel: 1,
      dK: 1,
      dV: 1,
    },
    {
      batch: 1,
      srcLength: 5,
      tgtLength: 3,
      vocabSize: 7,
      dModel: 9,
      dK: 4,
      dV: 6,
    },
    {
      batch: 7,
      srcLength: 3,
      tgtLength: 1,
      vocabSize: 2,
      dModel: 5,
      dK: 8,
      dV: 3,
    },
    {
      batch: 9,
      srcLength: 1,
      tgtLength: 6,
      vocabSize: 3,
      dModel: 33,
      dK: 2,
      dV: 7,
    },
  ];
  for (const shape of shapes) {
    const step = trainingStep(shape);
    const after = rewrite(step, { check: true });
    assertSameValues(step, after, feedsFor(step), JSON.stringify(shape));
  }
});

Deno.test("thousands of chained operations are rewritten in no time", () => {
  const graph = new Graph();
  const x = graph.input("x", [4]);
  let chain: Node = x;
  for (let i = 0; i < 20_000; i++) {
    chain = i % 2 ? add(chain, x) : mul(chain, tanh(x));
  }
  const started = performance.now();
  const [after] = rewrite([chain]);
  assert(performance.now() - started < 5000);
  assertEquals(verify([after!]), 20_002);
});

Deno.test("thousands of chained products and sums are regrouped in no time", () => {
  const graph = new Graph();
  const w = graph.input("w", [4, 4]);
  const b = graph.input("b", [4]);
  let chain: Node = graph.input("x", [3, 4]);
  for (let i = 0; i < 2000; i++) {
    chain = add(matmul(chain, w), broadcast(b, [3, 4]));
  }
  const started = performance.now();
  verify(reassociate([chain]));
  assert(performance.now() - started < 10_000);
});
