// The pass that lets sums over more axes go on from sums over fewer.
import { assertEquals } from "@std/assert";
import { shareSums } from "../../src/compile/passes/sums.ts";
import { sum } from "../../src/graph/broadcast.ts";
import { Graph, type Node, reachable } from "../../src/graph/node.ts";
import { assertSameValues, feedsFor } from "./support.ts";

/** For each sum left, what it reads: the shape, and over which axes. */
function sumsOf(outputs: readonly Node[]): string[] {
  return reachable(outputs).flatMap((node) =>
    node.op === "sum"
      ? [`(${node.inputs[0]!.shape}) over ${node.attrs.axes}`]
      : []
  ).sort();
}

Deno.test("a sum goes on from the largest sum within it, step by step", () => {
  const x = new Graph().input("x", [4, 3, 2]);
  const before = [sum(x, [0, 1, 2]), sum(x, [0]), sum(x, [0, 1]), sum(x, [2])];
  const after = shareSums(before);
  assertEquals(sumsOf(after), [
    "(1,1,2) over 2",
    "(1,3,2) over 1",
    "(4,3,2) over 0",
    "(4,3,2) over 2",
  ]);
  assertSameValues(before, after, feedsFor(before, 1), "shareSums");
});

Deno.test("sums of different values, and sums that share no axes, stay", () => {
  const graph = new Graph();
  const x = graph.input("x", [4, 3]);
  const y = graph.input("y", [4, 3]);
  const outputs = [sum(x, [0]), sum(x, [1]), sum(y)];
  assertEquals(shareSums(outputs), outputs);
});
