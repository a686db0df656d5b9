/**
 * From outputs and updates to kernels: rewriting and lowering, one after the
 * other.
 */
import { type Node, type NodeOf, reachable } from "../graph/node.ts";
import type { Update } from "../run/program.ts";
import type { Lowered } from "./kernel.ts";
import { lower } from "./lower.ts";
import type { ThreadPlan } from "./threads/plan.ts";
import { shareStep } from "./threads/share.ts";
import { rewrite, type RewriteOptions } from "./pipeline.ts";

/** Kernels, and what they are fed. */
export interface Built {
  /** The kernels. */
  readonly lowered: Lowered;
  /** The inputs of the graph, in the order of `lowered.inputs`. */
  readonly inputs: readonly NodeOf<"input">[];
  /** Who does what of a step; undefined for one thread, who does all. */
  readonly plan?: ThreadPlan;
}

/** Options of {@linkcode buildKernels}. */
export interface BuildOptions extends RewriteOptions {
  /** What the intermediates of a tile may take, in bytes. */
  tileBytes?: number | undefined;
  /** Whether a failing lookup leaves all variables alone; so by default. */
  atomic?: boolean | undefined;
  /**
   * How many threads are to share a step, or what decides it, told the kernels
   * for one thread; 1 by default.
   */
  threads?: number | ((alone: Lowered) => number);
}

/**
 * Rewrites and lowers a graph.
 *
 * @param outputs What can be read after a run.
 * @param updates Variables and their new values.
 * @param options Which passes run, and who is told.
 * @returns The kernels.
 */
export function buildKernels(
  outputs: readonly Node[],
  updates: readonly Update[],
  options: BuildOptions = {},
): Built {
  const { frozen = [], tileBytes, atomic, ...others } = options;
  const { threads: wanted = 1, ...rewriting } = others;
  const values = updates.map(([, value]) => value);
  const inputs = reachable([...outputs, ...updates.flat()])
    .filter((node) => node.op === "input");
  const rewritten = rewrite([...outputs, ...values], { ...rewriting, frozen });
  const next = rewritten.slice(outputs.length);
  const lowerFor = (threads: number): Lowered =>
    lower(
      rewritten.slice(0, outputs.length),
      updates.map(([variable], at) => [variable, next[at]!]),
      inputs,
      frozen,
      { tileBytes, threads, atomic },
    );
  const alone = wanted === 1 || typeof wanted === "function"
    ? lowerFor(1)
    : undefined;
  const threads = typeof wanted === "function" ? wanted(alone!) : wanted;
  if (alone && threads === 1) return { lowered: alone, inputs };
  const lowered = lowerFor(threads);
  return { lowered, inputs, plan: shareStep(lowered, threads) };
}
