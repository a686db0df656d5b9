// What debug tells, level by level, and that it changes nothing.
import {
  assert,
  assertEquals,
  assertGreater,
  assertStringIncludes,
} from "@std/assert";
import { sum } from "../../src/graph/broadcast.ts";
import { matmul } from "../../src/graph/einsum.ts";
import { add, log, tanh } from "../../src/graph/elementwise.ts";
import { Graph } from "../../src/graph/node.ts";
import { compile, type CompileOptions } from "../../src/run/plan.ts";

/** Runs a small plan twice; what it told, and what it computed. */
function tell(options: Partial<CompileOptions>): {
  texts: string[];
  results: number[];
} {
  const graph = new Graph();
  const x = graph.input("x", [4, 3]);
  const w = graph.variable("w", [[1, 2], [3, 4], [5, 6]]);
  const y = graph.scope("layer", () => tanh(matmul(add(x, 0), w)));
  const texts: string[] = [];
  const plan = compile({
    outputs: { total: sum(y) },
    updates: [[w, add(w, 1)]],
    onDebug: (text) => texts.push(text),
    ...options,
  });
  const feeds = {
    x: Float32Array.from({ length: 12 }, (_, i) => i / 40 - 0.2),
  };
  const results = [plan.run(feeds), plan.run(feeds)].map(({ total }) =>
    total!.data[0]!
  );
  return { texts, results: [...results, ...plan.variables.get("w").data] };
}

/** What each level tells that the one before does not. */
const PARTS: readonly (readonly string[])[] = [
  [],
  [
    "plan of total; 1 updates",
    "as written",
    "reassociate",
    "kernels in",
    "arena ",
    "times: simplify",
  ],
  ["GFLOP/s", "GB/s", "µs a step"],
  ["graph as written\n%0 = input {name: x}", "rules: ", "# layer"],
  [
    '"layer.einsum": out[m, n] = a[m, k] b[k, n], m < 4, n < 2, k < 3',
    "blocks: ",
    "multiplies",
    "exported",
  ],
  ["least", "most", "NaN", "b0 w"],
];

Deno.test("each level of debug tells more than the one before", () => {
  for (const level of PARTS.keys()) {
    const text = tell({ debug: level }).texts.join("\n");
    for (const [at, parts] of PARTS.entries()) {
      for (const part of parts) {
        assertEquals(text.includes(part), at <= level, `${level}: ${part}`);
      }
    }
  }
});

Deno.test("debug and check change no result", () => {
  const { texts, results } = tell({});
  assertEquals(texts, []);
  for (const debug of [1, 2, 3, 4, 5]) {
    assertEquals(tell({ debug }).results, results);
    assertEquals(tell({ debug, check: true }).results, results);
  }
});

Deno.test("debug tells of a plan once, and not of every step", () => {
  const { texts } = tell({ debug: 5 });
  for (const part of ["as written\n", "µs a step", "least"]) {
    assertEquals(texts.filter((text) => text.includes(part)).length, 1, part);
  }
});

Deno.test("debug at level 5 tells when the first NaN has come", () => {
  const texts: string[] = [];
  const x = new Graph().input("x", [2]);
  const plan = compile({
    outputs: { y: log(x) },
    debug: 5,
    onDebug: (text) => texts.push(text),
  });
  plan.run({ x: [1, 2] });
  const before = texts.length;
  plan.run({ x: [3, 4] });
  assertEquals(texts.length, before);
  plan.run({ x: [1, -1] });
  plan.run({ x: [1, -1] });
  assertEquals(texts.length, before + 1);
  assert(/log .* 1$/m.test(texts.at(-1)!), texts.at(-1));
});

Deno.test("debug goes to standard error unless told", () => {
  const lines: string[] = [];
  const { error } = console;
  console.error = (text: string) => lines.push(text);
  try {
    compile({ outputs: { y: new Graph().constant(1) }, debug: 1 });
  } finally {
    console.error = error;
  }
  assertGreater(lines.length, 1);
  assertStringIncludes(lines[0]!, "plan of y; 0 updates");
});
