// Random graphs agree before and after rewriting, and with each pass left out.
import fc from "fast-check";
import { PASSES, rewrite } from "../../src/compile/pipeline.ts";
import { einsum, matmul } from "../../src/graph/einsum.ts";
import { add, mul, neg, sub, tanh } from "../../src/graph/elementwise.ts";
import { broadcast, sum } from "../../src/graph/broadcast.ts";
import { grad } from "../../src/graph/grad.ts";
import { gather, scatterAdd } from "../../src/graph/indexing.ts";
import {
  concatenate,
  reshape,
  slice,
  transpose,
} from "../../src/graph/movement.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { Random } from "../../src/random.ts";
import { buildRandomGraph, RECIPES } from "../run/random_graph.ts";
import { assertSameValues, feedsFor } from "./support.ts";

const RUNS = 250;

Deno.test("random graphs with their gradients agree after rewriting", () => {
  fc.assert(
    fc.property(RECIPES, fc.nat(), (recipe, choice) => {
      const { outputs, updates, feeds } = buildRandomGraph(recipe);
      const nodes = [...Object.values(outputs), ...updates.map(([, v]) => v)];
      const after = rewrite(nodes, { check: true });
      assertSameValues(nodes, after, feeds, "all passes");
      const { name } = PASSES[choice % PASSES.length]!;
      const without = rewrite(nodes, { without: [name], check: true });
      assertSameValues(nodes, without, feeds, `without ${name}`);
    }),
    { numRuns: RUNS, seed: 20, endOnFailure: true },
  );
});

/** B, S, V, D and E, small and rarely equal. */
interface Sizes {
  readonly b: number;
  readonly s: number;
  readonly v: number;
  readonly d: number;
}

/**
 * A linear tangle: lookups, positions, products, sums, concatenations and
 * scatters over (B, S, D), chosen at random.
 */
function tangle({ b, s, v, d }: Sizes, seed: number, steps: number): Node[] {
  const random = new Random(seed);
  const graph = new Graph();
  const index = graph.input("index", [b, s], "int32");
  let inputs = 0;
  const fresh = (...shape: number[]): Node =>
    graph.input(`x${inputs++}`, shape);
  const rows: Node[] = [gather(fresh(v, d), index), fresh(b, s, d)];
  const weights: Node[] = [fresh(d, d), fresh(d, d)];
  const others: Node[] = [];
  const pick = (from: readonly Node[]): Node =>
    from[random.below(from.length)]!;
  const moves: (() => void)[] = [
    () => rows.push(add(pick(rows), broadcast(fresh(s, d), [b, s, d]))),
    () => rows.push(sub(gather(fresh(v, d), index), pick(rows))),
    () => rows.push(add(gather(fresh(v, d), index), fresh(1, 1, d))),
    () => rows.push(matmul(pick(rows), pick(weights))),
    () => rows.push(matmul(pick(rows), pick(weights), { transposeB: true })),
    () => rows.push(neg(pick(rows))),
    () => rows.push(tanh(pick(rows))),
    () => rows.push(mul(pick(rows), 0.5)),
    () => {
      const scores = einsum("bsd,btd->bst", pick(rows), pick(rows));
      rows.push(einsum("bst,btd->bsd", scores, pick(rows)));
    },
    () => {
      const both = concatenate([pick(rows), pick(rows)]);
      rows.push(matmul(both, concatenate([pick(weights), pick(weights)], 0)));
    },
    () =>
      rows.push(slice(
        matmul(pick(rows), concatenate([pick(weights), pick(weights)])),
        [0, 0, 1],
        [b, s, d + 1],
      )),
    () => weights.push(einsum("bsd,bse->de", pick(rows), pick(rows))),
    () => weights.push(add(pick(weights), transpose(pick(weights)))),
    () => rows.push(gather(scatterAdd(index, pick(rows), v), index)),
    () => others.push(scatterAdd(index, pick(rows), v)),
    () => others.push(sum(pick(rows), [random.below(3)])),
    () => others.push(reshape(sum(pick(rows), [0, 1], true), [d])),
  ];
  for (let step = 0; step < steps; step++) {
    moves[random.below(moves.length)]!();
  }
  const outputs = [rows.at(-1)!, weights.at(-1)!, ...others];
  const loss = outputs.map((node) => sum(tanh(node)))
    .reduce((total, term) => add(total, term));
  const leaves = graph.nodes.filter((node) =>
    node.op === "input" && node.dtype === "float32"
  );
  const gradients = leaves.flatMap((leaf) => {
    try {
      return grad(loss, [leaf]);
    } catch {
      return [];
    }
  });
  return [...outputs, loss, ...gradients];
}

Deno.test("random linear tangles with their gradients agree after rewriting", () => {
  const size = fc.integer({ min: 1, max: 5 });
  const sizes = fc.record({
    b: size,
    s: size,
    v: fc.integer({ min: 2, max: 9 }),
    d: size,
  });
  const seed = fc.nat();
  const steps = fc.integer({ min: 1, max: 10 });
  fc.assert(
    fc.property(sizes, seed, steps, (sizes, seed, steps) => {
      const outputs = tangle(sizes, seed, steps);
      const after = rewrite(outputs, { check: true });
      assertSameValues(outputs, after, feedsFor(outputs, seed), "tangle");
    }),
    { numRuns: RUNS, seed: 21, endOnFailure: true },
  );
});
