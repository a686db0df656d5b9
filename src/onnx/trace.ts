/**
 * What in a graph depends on the size of the batch. Our graphs have fixed
 * shapes, so the graph is built twice, with two batch sizes, and the two are
 * compared: node by node they must be the same, and a number that differs is
 * a line through two points.
 *
 * The sizes are primes above any extent of a model, so that neither an extent
 * nor a product of extents equals one by chance.
 */
import { formatShape } from "../array.ts";
import { type Node, type OpName, reachable } from "../graph/node.ts";

/** A number that grows with the batch: `times * batch + plus`. */
export interface Extent {
  /** 0 where it does not depend on the batch. */
  readonly times: number;
  /** What is added. */
  readonly plus: number;
}

/** Builds a graph for a batch of some size; gives its outputs by name. */
export type Build = (batch: number) => Readonly<Record<string, Node>>;

const FIRST = 16_777_259;
const SECOND = 16_777_289;

/** Operations whose attributes are sizes and places, which may vary. */
const SIZED: ReadonlySet<OpName> = new Set<OpName>([
  "iota",
  "reshape",
  "broadcast",
  "slice",
  "pad",
  "scatterAdd",
]);

/** A graph, with what of it depends on the batch. */
export class Trace {
  /** The outputs by name. */
  readonly outputs: Readonly<Record<string, Node>>;
  /** All they depend on, each after its operands. */
  readonly nodes: readonly Node[];
  readonly #twins = new Map<Node, Node>();

  /**
   * Builds the graph twice and compares.
   *
   * @param build Builds the graph.
   * @throws {TypeError} If its structure depends on the size of the batch.
   */
  constructor(build: Build) {
    this.outputs = build(FIRST);
    const others = build(SECOND);
    const names = Object.keys(this.outputs);
    this.nodes = reachable(Object.values(this.outputs));
    const twins = reachable(names.flatMap((name) => others[name] ?? []));
    for (const [at, node] of this.nodes.entries()) {
      const twin = twins[at];
      const same = twin !== undefined && sameButForSizes(node, twin) &&
        node.inputs.every((input, i) =>
          this.#twins.get(input) === twin.inputs[i]
        );
      if (!same) throw dependent(node);
      this.#twins.set(node, twin);
    }
    for (const name of names) {
      const node = this.outputs[name]!;
      if (this.#twins.get(node) !== others[name]) throw dependent(node);
    }
  }

  /** The size of every axis of a node. */
  shape(node: Node): Extent[] {
    return this.extents(node, ({ shape }) => shape);
  }

  /**
   * Numbers of a node that may depend on the batch.
   *
   * @param node A node of the graph.
   * @param read Takes them from the node, and from its twin.
   * @returns One for each.
   */
  extents<N extends Node>(
    node: N,
    read: (node: N) => readonly number[],
  ): Extent[] {
    const others = read(this.#twins.get(node) as N);
    return read(node).map((first, at) => {
      const times = (others[at]! - first) / (SECOND - FIRST);
      const plus = first - times * FIRST;
      // A square of the batch passes through two points as well, but far off.
      if (Number.isInteger(times) && Math.abs(plus) < FIRST) {
        return { times, plus };
      }
      throw new TypeError(
        `Cannot follow ${node.op} (node ${node.id}) of shape ` +
          `${formatShape(node.shape)}: wanted sizes that grow in proportion ` +
          `to the batch or not at all`,
      );
    });
  }
}

function sameButForSizes(a: Node, b: Node): boolean {
  if (a.op !== b.op || a.dtype !== b.dtype) return false;
  if (a.shape.length !== b.shape.length) return false;
  if (a.op === "constant" && b.op === "constant") {
    const { data } = a.attrs.value;
    return data.length === b.attrs.value.data.length &&
      data.every((value, at) => Object.is(value, b.attrs.value.data[at]));
  }
  return SIZED.has(a.op) || JSON.stringify(a.attrs) === JSON.stringify(b.attrs);
}

function dependent(node: Node): TypeError {
  return new TypeError(
    `Cannot export ${node.op} (node ${node.id}) of shape ` +
      `${formatShape(node.shape)} for any batch: wanted a graph that is the ` +
      `same for every batch but for sizes`,
  );
}
