// Products of looked-up rows, random in all that decides how they are grouped:
// values and gradients stay what they are, and many are looked up as one.
import { assert } from "@std/assert";
import { rewrite } from "../../src/compile/pipeline.ts";
import { einsum, matmul } from "../../src/graph/einsum.ts";
import { add, mul, sub, tanh } from "../../src/graph/elementwise.ts";
import { grad } from "../../src/graph/grad.ts";
import { gather } from "../../src/graph/indexing.ts";
import { Graph, type Node, reachable } from "../../src/graph/node.ts";
import { mean } from "../../src/graph/reduce.ts";
import { Random } from "../../src/random.ts";
import { assertSameValues, feedsFor } from "./support.ts";

const CASES = 120;

/** Two looked-up operands with or without positions and weights, multiplied. */
function randomProduct(random: Random): Node[] {
  const size = (most: number): number => 1 + random.below(most);
  const often = (): boolean => random.below(2) === 0;
  const graph = new Graph();
  const leaves: Node[] = [];
  const leaf = (shape: number[]): Node => {
    const node = graph.input(`x${leaves.length}`, shape);
    leaves.push(node);
    return node;
  };
  const width = often() ? size(6) : 40 + size(160);
  const batch = size(6);
  const indices = (length: number, rows: number): Node => {
    const count = batch * length;
    const data = Int32Array.from({ length: count }, () => random.below(rows));
    return graph.constant({ data, shape: [batch, length] }, "int32");
  };
  const operand = (length: number, table?: Node): Node => {
    const rows = table ?? leaf([size(9), width]);
    let x = gather(rows, indices(length, rows.shape[0]!));
    if (often()) x = (often() ? add : sub)(x, leaf([length, width]));
    return often() ? matmul(x, leaf([width, width])) : x;
  };
  const [t, s] = [size(7), size(7)];
  const left = operand(t);
  const right = operand(s, often() ? leaves[0] : undefined);
  const out = ["bts", "bst", "ts", "btsd"][random.below(4)]!;
  let y = einsum(`btd,bsd->${out}`, left, right);
  if (out === "bts" && often()) y = einsum("bts,sk->btk", y, leaf([s, 3]));
  return [y, ...grad(mean(mul(tanh(y), tanh(y))), leaves)];
}

Deno.test("random products of looked-up rows keep values and gradients", () => {
  let joint = 0;
  for (let seed = 0; seed < CASES; seed++) {
    const outputs = randomProduct(new Random(seed));
    const after = rewrite(outputs, { check: true });
    assertSameValues(outputs, after, feedsFor(outputs), `seed ${seed}`);
    const isPlace = ({ op, inputs }: Node): boolean =>
      op === "gather" && inputs[0]!.op === "reshape";
    if (reachable(after).some(isPlace)) joint++;
  }
  assert(joint >= 12, `${joint} of ${CASES} were looked up as one`);
});
