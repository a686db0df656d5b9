/**
 * How the elements of a node are reached in a buffer: views (reshape,
 * transpose, broadcast, slice, lookup) become strides, so that they cost
 * nothing. Where strides cannot say it, the view becomes a copy.
 */
import type { Node } from "../graph/node.ts";
import { broadcastAxes, type Shape } from "../graph/shape.ts";

/** A row picked by an index that is read from memory. */
export interface Lookup {
  /** Where the index is, under the strides of the same axes. */
  readonly index: Access;
  /** What one step of the index is worth, in elements. */
  readonly stride: number;
  /** Indices are 0 to rows - 1. */
  readonly rows: number;
}

/** Elements of a root's buffer under strides, one for every axis. */
export interface Access {
  /** The node whose buffer is read. */
  readonly root: Node;
  /** In elements. */
  readonly offset: number;
  /** In elements, one for every axis of the node that is viewed. */
  readonly strides: readonly number[];
  /** A further offset that is looked up. */
  readonly lookup?: Lookup;
}

/** Strides under another shape, or null where there are none. */
export function reshapeStrides(
  shape: Shape,
  strides: readonly number[],
  next: Shape,
): number[] | null {
  const result = new Array<number>(next.length).fill(0);
  if (shape.includes(0)) return result;
  let from = 0;
  let to = 0;
  while (from < shape.length || to < next.length) {
    // Grow both sides until they cover as many elements.
    const firstFrom = from;
    const firstTo = to;
    let left = shape[from++] ?? 1;
    let right = next[to++] ?? 1;
    while (left !== right) {
      if (left < right) left *= shape[from++]!;
      else right *= next[to++]!;
    }
    const stride = mergedStride(shape, strides, firstFrom, from);
    if (stride === null) return null;
    let step = stride;
    for (let axis = Math.min(to, next.length) - 1; axis >= firstTo; axis--) {
      result[axis] = next[axis] === 1 ? 0 : step;
      step *= next[axis]!;
    }
  }
  return result;
}

/** The stride of several axes taken as one, or null if they do not abut. */
function mergedStride(
  shape: Shape,
  strides: readonly number[],
  start: number,
  end: number,
): number | null {
  let inner: number | null = null;
  let step = 0;
  for (let axis = Math.min(end, shape.length) - 1; axis >= start; axis--) {
    if (shape[axis] === 1) continue;
    if (inner === null) inner = strides[axis]!;
    else if (strides[axis] !== step) return null;
    step = strides[axis]! * shape[axis]!;
  }
  return inner ?? 0;
}

/** Resolves nodes to accesses, given how roots are laid out. */
export class Accesses {
  /** The strides of a root's own axes, in elements. */
  readonly layout: (root: Node) => readonly number[];
  readonly #known = new Map<Node, Access>();

  /** @param layout The strides of a root's own axes, in elements. */
  constructor(layout: (root: Node) => readonly number[]) {
    this.layout = layout;
  }

  /** The access of a node; one that is no view, or no strided one, is a root. */
  of(node: Node): Access {
    const known = this.#known.get(node);
    if (known) return known;
    // Views of views may be long chains: from the bottom up, not by recursion.
    const pending = [node];
    for (let at = pending.at(-1); at; at = pending.at(-1)) {
      const missing = isView(at)
        ? at.inputs.filter((input) => !this.#known.has(input))
        : [];
      if (missing.length > 0 && !this.#known.has(at)) {
        pending.push(...missing);
        continue;
      }
      pending.pop();
      if (this.#known.has(at)) continue;
      const access = isView(at) ? this.#view(at) : null;
      this.#known.set(at, access ?? this.#root(at));
    }
    return this.#known.get(node)!;
  }

  /** Whether the node is read from a buffer of its own. */
  isRoot(node: Node): boolean {
    return this.of(node).root === node;
  }

  /** What a view that has become a root reads. */
  viewOf(node: Node): Access {
    return this.#view(node)!;
  }

  /** Gives a node a buffer of its own, whatever it is. */
  force(node: Node): void {
    this.#known.set(node, this.#root(node));
  }

  #root(root: Node): Access {
    const strides = this.layout(root).map((stride, axis) =>
      root.shape[axis] === 1 ? 0 : stride
    );
    return { root, offset: 0, strides };
  }

  #view(node: Node): Access | null {
    const [x] = node.inputs;
    const { shape } = node;
    switch (node.op) {
      case "reshape":
        return this.#map(x!, (s) => reshapeStrides(x!.shape, s, shape));
      case "broadcast": {
        const repeated = broadcastAxes(x!.shape, shape);
        const missing = shape.length - x!.shape.length;
        const stretch = (s: readonly number[]): number[] =>
          shape.map((_, axis) =>
            repeated.includes(axis) ? 0 : s[axis - missing]!
          );
        return this.#map(x!, stretch);
      }
      case "transpose":
        return this.#map(x!, (s) => node.attrs.order.map((axis) => s[axis]!));
      case "slice":
        return this.#map(x!, (s) => [...s], node.attrs.start);
      case "stopGradient":
        return this.of(x!);
      case "gather":
        return this.#gather(node);
      default:
        return null;
    }
  }

  #map(
    x: Node,
    change: (strides: readonly number[]) => number[] | null,
    start: readonly number[] = [],
  ): Access | null {
    const move = (access: Access): Access | null => {
      const strides = change(access.strides);
      const shift = start.reduce(
        (sum, at, axis) => sum + at * access.strides[axis]!,
        0,
      );
      return strides &&
        { root: access.root, offset: access.offset + shift, strides };
    };
    const { lookup, ...plain } = this.of(x);
    const moved = move(plain);
    if (!lookup || !moved) return moved;
    const index = move(lookup.index);
    return index && { ...moved, lookup: { ...lookup, index } };
  }

  #gather(node: Node): Access | null {
    const [table, indices] = node.inputs as [Node, Node];
    // One lookup at a time: what is looked up itself becomes a copy.
    for (const operand of [table, indices]) {
      if (this.of(operand).lookup) this.force(operand);
    }
    const rows = this.of(table);
    const index = this.of(indices);
    const inner = rows.strides.slice(1);
    return {
      root: rows.root,
      offset: rows.offset,
      strides: [...indices.shape.map(() => 0), ...inner],
      lookup: {
        index: {
          ...index,
          strides: [...index.strides, ...inner.map(() => 0)],
        },
        stride: rows.strides[0]!,
        rows: table.shape[0]!,
      },
    };
  }
}

/** Whether an operation only says where to find elements of its operand. */
export function isView(node: Node): boolean {
  switch (node.op) {
    case "reshape":
    case "broadcast":
    case "transpose":
    case "slice":
    case "stopGradient":
    case "gather":
      return true;
    default:
      return false;
  }
}
