// A program of its own: works with two threads, closes nothing, and returns,
// or goes on and on. It asserts nothing.
import { sum } from "../../src/graph/broadcast.ts";
import { Graph } from "../../src/graph/node.ts";
import { compile } from "../../src/run/plan.ts";

const x = new Graph().input("x", [64, 16]);
const plan = compile({ outputs: { y: sum(x) }, threads: 2 });
plan.input("x").fill(1);
do {
  plan.step();
  await new Promise((resolve) => setTimeout(resolve));
} while (Deno.args[0] === "forever" && print());
print();

function print(): boolean {
  console.log(`${plan.threads} threads: ${plan.output("y")[0]}`);
  return true;
}
