/**
 * What `debug` tells of a plan, level by level. It is made only where asked
 * for, so that plans nobody looks into pay nothing.
 */
import type { BuildOptions } from "../compile/build.ts";
import { graphCost } from "../compile/cost.ts";
import type { Lowered } from "../compile/kernel.ts";
import { nameOf } from "../compile/kernel.ts";
import { formatKernels } from "../compile/print_kernel.ts";
import type { ThreadPlan } from "../compile/threads/plan.ts";
import { timeOfAll } from "../compile/threads/tasks.ts";
import type { Node } from "../graph/node.ts";
import { formatGraph } from "../graph/print.ts";
import { inspectModule } from "../wasm/inspect.ts";
import { formatBlocks } from "../wasm/print_product.ts";
import { measureKernels } from "./measure.ts";
import type { Opened } from "./opened.ts";
import type { Executor, Update } from "./program.ts";
import { formatMilliseconds, formatTable } from "./table.ts";

/** From which level on something is told. */
const LEVEL = { times: 2, graphs: 3, kernels: 4, buffers: 5 };

/** Tells of one plan. */
export class DebugReport {
  readonly #level: number;
  readonly #write: (text: string) => void;
  readonly #passes: string[][] = [];
  readonly #laps: string[] = [];
  readonly #hits = new Map<string, number>();
  #last = performance.now();

  /**
   * @param outputs The outputs of the plan.
   * @param updates Its updates.
   * @param level How much is told, from 1 to 5.
   * @param write Takes the texts; by default they go to standard error.
   */
  constructor(
    outputs: Readonly<Record<string, Node>>,
    updates: readonly Update[],
    level: number,
    write: (text: string) => void = console.error,
  ) {
    this.#level = level;
    this.#write = write;
    const roots = [
      ...Object.values(outputs),
      ...updates.map(([, value]) => value),
    ];
    const names = Object.keys(outputs).join(", ") || "no outputs";
    write(`plan of ${names}; ${updates.length} updates`);
    this.#passes.push(this.#row("as written", roots));
    this.#showGraph("as written", roots);
    this.#last = performance.now();
  }

  /** Listens to rewriting. */
  hooks(): BuildOptions {
    return {
      onRule: ({ name }) => {
        this.#hits.set(name, (this.#hits.get(name) ?? 0) + 1);
      },
      onPass: (name, before, after) => {
        this.lap(name);
        this.#passes.push(this.#row(name, after));
        const changed = after.some((node, at) => node !== before[at]);
        const title = `after pass "${name}"`;
        this.#showGraph(title, changed ? after : []);
        this.#hits.clear();
        // Time spent on telling is not the pass's.
        this.#last = performance.now();
      },
    };
  }

  /** Notes the time since the last lap. */
  lap(name: string): void {
    const now = performance.now();
    this.#laps.push(`${name} ${formatMilliseconds(now - this.#last)}`);
    this.#last = performance.now();
  }

  /** Tells what has been compiled. */
  describe(
    lowered: Lowered,
    arenaBytes: number,
    module: Uint8Array,
    plan?: ThreadPlan,
  ): void {
    const { prepare, stages, buffers, batch, tile } = lowered;
    const kernels = stages.reduce((sum, s) => sum + s.kernels.length, 0);
    const prepared = prepare.kernels.length;
    const local = buffers.filter((b) => b.local && !b.scratch).length;
    const reuse = this.#level >= LEVEL.buffers ? " (nothing reused)" : "";
    this.#write([
      formatTable([
        ["pass", "nodes", "multiply-adds", "bytes written", "cost"],
        ...this.#passes,
      ]),
      `  ${kernels} kernels in ${stages.length} stages` +
      `${prepared > 0 ? `, ${prepared} prepared` : ""}, ` +
      `tiles of ${tile} of a batch of ${batch}, ` +
      `${buffers.length} buffers (${local} hold one tile)`,
      `  arena ${arenaBytes} bytes${reuse}, module ${module.length} bytes`,
      ...plan ? [formatThreads(plan, tile)] : [],
      `  times: ${this.#laps.join(", ")}`,
    ].join("\n"));
    if (this.#level < LEVEL.kernels) return;
    this.#write(formatKernels(lowered, { blocks: formatBlocks }));
    this.#write(formatFunctions(module));
  }

  /** Makes an executor that tells what happens in its steps. */
  watch(opened: Opened, executor: Executor): Executor {
    let isFirst = true;
    let isSound = true;
    const stepOnce = (): void => {
      if (isFirst && this.#level >= LEVEL.times) {
        this.#write(measureKernels(opened));
      }
      executor.step(1);
      if (this.#level >= LEVEL.buffers) {
        const { text, count } = describeBuffers(opened);
        // After the first step, and when the first NaN has come.
        if (isFirst || (isSound && count > 0)) this.#write(text);
        isSound &&= count === 0;
      }
      isFirst = false;
    };
    const step = (times: number): void => {
      for (let turn = 0; turn < times; turn++) stepOnce();
    };
    return { prepare: () => executor.prepare(), step };
  }

  #row(name: string, roots: readonly Node[]): string[] {
    const { nodes, multiplyAdds, bytes, total } = graphCost(roots);
    return [name, ...[nodes, multiplyAdds, bytes, total].map(String)];
  }

  #showGraph(title: string, roots: readonly Node[]): void {
    if (this.#level < LEVEL.graphs) return;
    const hits = [...this.#hits].map(([name, count]) => `${name} ${count}x`);
    const rules = hits.length === 0 ? "" : `; rules: ${hits.join(", ")}`;
    const listing = roots.length === 0 ? "unchanged" : formatGraph(roots);
    this.#write(`graph ${title}${rules}\n${listing}`);
  }
}

/** How long every thread should work in each phase, before a barrier. */
function formatThreads({ threads, phases }: ThreadPlan, tile: number): string {
  const times = phases.map((phase) =>
    phase.map((tasks) => (timeOfAll(tasks, tile) / 1000).toFixed(1)).join("+")
  );
  return `  ${threads} threads, ${phases.length} phases of about ` +
    `${times.join(", ")} µs`;
}

function formatFunctions(module: Uint8Array): string {
  const functions = inspectModule(module);
  return formatTable([
    ["function", "bytes", "multiplies", "exported", "calls"],
    ...functions.map(({ index, name, bytes, exported, ...rest }) => {
      const { instructions, calls } = rest;
      const products = (instructions.get("f32x4.relaxed_madd") ?? 0) +
        (instructions.get("f32x4.mul") ?? 0);
      return [
        `${index} ${name}`,
        String(bytes),
        String(products),
        exported ?? "",
        name === "step" ? `${calls.length} functions` : calls.join(" "),
      ];
    }),
  ]);
}

/** The range of every buffer, and how many NaN there are in all. */
function describeBuffers(opened: Opened): { text: string; count: number } {
  let count = 0;
  const buffers = opened.lowered.buffers.filter(({ scratch }) => !scratch);
  const rows = buffers.map((buffer) => {
    let [least, most, wrong] = [Infinity, -Infinity, 0];
    for (const value of opened.contents(buffer)) {
      if (Number.isNaN(value)) wrong++;
      else [least, most] = [Math.min(least, value), Math.max(most, value)];
    }
    count += wrong;
    const { id, node, variable, local } = buffer;
    const name = variable ?? nameOf(node);
    return [
      `b${id} ${name}${local ? " (last tile)" : ""}`,
      least.toPrecision(6),
      most.toPrecision(6),
      String(wrong),
    ];
  });
  return {
    text: formatTable([["buffer", "least", "most", "NaN"], ...rows]),
    count,
  };
}
