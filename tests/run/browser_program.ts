// A program for a browser: runs a plan that wants two threads on a page, and in
// a worker of it, and leaves what came of it in `found`. It asserts nothing.
import { sum } from "../../src/graph/broadcast.ts";
import { Graph } from "../../src/graph/node.ts";
import { compile } from "../../src/run/plan.ts";

/** What a place came to: how many threads it had, and the sum. */
export type Found = [threads: number, sum: number];

declare global {
  var found: { page?: Found; worker?: Found };
}

async function work(): Promise<Found> {
  const x = new Graph().input("x", [64, 16]);
  const plan = compile({ outputs: { y: sum(x) }, threads: 2 });
  await plan.ready();
  plan.input("x").fill(1);
  for (let step = 0; step < 100; step++) plan.step();
  return [plan.threads, plan.output("y")[0]!];
}

if ("document" in globalThis) {
  globalThis.found = { page: await work() };
  const worker = new Worker(import.meta.url, { type: "module" });
  worker.onmessage = ({ data }) => globalThis.found.worker = data;
} else (self as unknown as Worker).postMessage(await work());
