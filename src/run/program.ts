/**
 * From a graph to a program: which nodes are evaluated in which order, and
 * where every value lies. Executors take it from here.
 */
import { sizeOf } from "../array.ts";
import { type Lifetime, planArena } from "../compile/arena.ts";
import { isLeaf } from "../graph/leaves.ts";
import { type DType, type Node, reachable } from "../graph/node.ts";
import type { Shape } from "../graph/shape.ts";
import { type Memory, type Precision, widthOf } from "./memory.ts";
import { memoryOf, type Variables } from "./variables.ts";

/** Where a value lies in the memory. */
export interface Location {
  /** In bytes. */
  readonly offset: number;
  /** The value's shape. */
  readonly shape: Shape;
  /** The number of elements. */
  readonly size: number;
  /** The element type. */
  readonly dtype: DType;
}

/** The evaluation of one node. */
export interface ProgramStep {
  /** The node. */
  readonly node: Node;
  /** Where its operands are. */
  readonly inputs: readonly Location[];
  /** Where its value goes. */
  readonly out: Location;
  /** What nobody needs any more, if the program is to be tested for it. */
  readonly freed: readonly Location[];
}

/** Where the values that a plan exchanges with its user lie. */
export interface Binding {
  /** The memory that every location refers to. */
  readonly memory: Memory;
  /** How wide float32 values are. */
  readonly precision: Precision;
  /** Where inputs are written. */
  readonly inputs: ReadonlyMap<string, Location>;
  /** Where outputs are read. */
  readonly outputs: ReadonlyMap<string, Location>;
  /** The size of the arena in bytes. */
  readonly arenaBytes: number;
  /** How many threads run a step. */
  readonly threads: number;
}

/** All that the interpreter needs to know. */
export interface Program extends Binding {
  /** What is evaluated, in order. */
  readonly steps: readonly ProgramStep[];
  /** What is written once, before the first step. */
  readonly constants: readonly { node: Node; location: Location }[];
  /** New values of variables, moved all together after the last step. */
  readonly copies: readonly { from: Location; to: Location }[];
}

/** Runs a program, one step at a time. */
export interface Executor {
  /** Computes what frozen variables alone decide, for all steps to come. */
  prepare(): void;
  /** Computes outputs and updates from the inputs in memory, so many times. */
  step(times: number): void;
  /** Resolves when its threads have started, if it has any. */
  ready?(): Promise<void>;
}

/** Options of {@linkcode buildProgram}. */
export interface ProgramOptions {
  /**
   * Variables that others may change, but not often: what depends on them
   * alone is computed by `prepare`, not in every step. None by default.
   */
  frozen?: readonly Node[];
  /**
   * About how many steps each `prepare` serves: the more, the more is computed
   * beforehand, such as products of all rows of a table of which a step needs
   * few. 8 by default.
   */
  frozenSteps?: number;
  /** Whether dead buffers are reused; so by default. */
  reuse?: boolean;
  /** Whether dead buffers are overwritten with NaN, to find late readers. */
  poison?: boolean;
}

/** A variable and the node that gives its next value. */
export type Update = readonly [variable: Node, value: Node];

/** These give their operand's elements unchanged, so need no buffer. */
function isView(node: Node): boolean {
  return node.op === "reshape" || node.op === "stopGradient";
}

/** Orders the nodes and places every value. */
export function buildProgram(
  outputs: Readonly<Record<string, Node>>,
  updates: readonly Update[],
  variables: Variables,
  options: ProgramOptions,
): Program {
  const results = [...Object.values(outputs), ...updates.map(([, v]) => v)];
  const targets = updates.map(([variable]) => variable);
  const order = reachable([...results, ...targets]);
  for (const node of order) {
    if (node.op !== "variable") continue;
    const { name } = node.attrs;
    variables.declare(name, node.graph.initialValue(name), node.dtype);
  }
  const roots = new Map<Node, Node>();
  for (const node of order) {
    roots.set(node, isView(node) ? roots.get(node.inputs[0]!)! : node);
  }
  const pinned = new Set(results.map((node) => roots.get(node)!));
  const placed = place(order, roots, pinned, variables, options);
  const locate = (node: Node): Location =>
    locationOf(node, placed.offset(node));
  // Outputs and new values that are variables themselves are copied aside, lest
  // one update be seen by another or by an output.
  const staged = new Map<Node, Location>();
  const stage = (node: Node): Location =>
    roots.get(node)!.op === "variable"
      ? staged.get(node) ?? staged.set(node, copyOf(node)).get(node)!
      : locate(node);
  const copyOf = (node: Node): Location =>
    locationOf(node, memoryOf(variables).reserve(bytesOf(node, variables)));
  const outputLocations = new Map(
    Object.entries(outputs).map(([name, node]) => [name, stage(node)]),
  );
  const moves = updates.map(([variable, value]) => ({
    from: stage(value),
    to: locate(variable),
  }));
  return {
    memory: memoryOf(variables),
    precision: variables.precision,
    steps: placed.steps.map(({ node, freed }) => ({
      node,
      inputs: node.inputs.map(locate),
      out: locate(node),
      freed: options.poison ? freed.map(locate) : [],
    })),
    constants: order.filter(({ op }) => op === "constant" || op === "iota")
      .map((node) => ({ node, location: locate(node) })),
    copies: [
      ...[...staged].map(([node, to]) => ({ from: locate(node), to })),
      ...moves,
    ],
    inputs: new Map(
      order.flatMap((node) =>
        node.op === "input" ? [[node.attrs.name, locate(node)]] : []
      ),
    ),
    outputs: outputLocations,
    arenaBytes: placed.arenaBytes,
    threads: 1,
  };
}

function bytesOf(node: Node, variables: Variables): number {
  return sizeOf(node.shape) * widthOf(node.dtype, variables.precision);
}

export function locationOf(node: Node, offset: number): Location {
  const { shape, dtype } = node;
  return { offset, shape, size: sizeOf(shape), dtype };
}

/** Gives every root a place: by lifetime in the arena, or in the variables. */
function place(
  order: readonly Node[],
  roots: ReadonlyMap<Node, Node>,
  pinned: ReadonlySet<Node>,
  variables: Variables,
  options: ProgramOptions,
): {
  offset: (node: Node) => number;
  steps: { node: Node; freed: Node[] }[];
  arenaBytes: number;
} {
  const evaluated = order.filter((node) => !isLeaf(node.op) && !isView(node));
  const first = new Map(evaluated.map((node, step) => [node, step]));
  const last = new Map<Node, number>(first);
  for (const [step, node] of evaluated.entries()) {
    for (const input of node.inputs) last.set(roots.get(input)!, step);
  }
  const held = order.filter((node) =>
    roots.get(node) === node && node.op !== "variable"
  );
  // What is fed or fixed keeps its place from run to run.
  const lifetimes = held.map((node): Lifetime => ({
    size: bytesOf(node, variables),
    first: first.get(node) ?? -1,
    last: isLeaf(node.op) || pinned.has(node) ? Infinity : last.get(node)!,
  }));
  const reuse = options.reuse ?? true;
  const arena = planArena(lifetimes, { reuse });
  const base = memoryOf(variables).reserve(arena.size);
  const offsets = new Map(
    held.map((node, at) => [node, base + arena.offsets[at]!]),
  );
  const steps = evaluated.map((node) => ({ node, freed: [] as Node[] }));
  for (const [at, node] of held.entries()) {
    steps[lifetimes[at]!.last]?.freed.push(node);
  }
  const offset = (node: Node): number => {
    const root = roots.get(node)!;
    return root.op === "variable"
      ? variables.view(root.attrs.name).byteOffset
      : offsets.get(root)!;
  };
  return { offset, steps, arenaBytes: arena.size };
}
