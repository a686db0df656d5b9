/**
 * Writes down a group of fused nodes as one loop kernel: its loads, values and
 * stores.
 */
import type { Node } from "../graph/node.ts";
import { type Access, reshapeStrides } from "./access.ts";
import type { Group, Grouping } from "./group.ts";
import { isReduction, iterationShape, loopStrides } from "./space.ts";
import {
  type Buffer,
  type LoopKernel,
  nameOf,
  type Store,
  type Value,
  type ValueOp,
} from "./kernel.ts";
import type { KernelBuilder } from "./kernel_builder.ts";
import type { Buffers } from "./lower.ts";

/** Writes the loop kernel of one group. */
export class LoopBuilder {
  readonly #grouping: Grouping;
  readonly #buffers: Buffers;
  readonly #group: Group;
  readonly #parent: KernelBuilder;
  readonly #values: Value[] = [];
  readonly #stores: Store[] = [];
  readonly #clears: Buffer[] = [];
  readonly #valueOf = new Map<Node, number>();
  readonly #loads = new Map<string, number>();

  constructor(
    grouping: Grouping,
    buffers: Buffers,
    group: Group,
    parent: KernelBuilder,
  ) {
    this.#grouping = grouping;
    this.#buffers = buffers;
    this.#group = group;
    this.#parent = parent;
  }

  build(): LoopKernel {
    const { nodes, outer, row, stage } = this.#group;
    for (const node of nodes) this.#emit(node);
    return {
      kind: "loop",
      name: nameOf(nodes.at(-1)!),
      extents: [...outer, row],
      tiled: stage % 2 === 1,
      values: this.#values,
      stores: this.#stores,
      clears: this.#clears,
    };
  }

  #emit(node: Node): void {
    if (this.#grouping.inMemory.has(node)) return this.#accumulate(node);
    const value = this.#compute(node);
    this.#valueOf.set(node, value);
    if (!this.#grouping.stored.has(node)) return;
    const { accesses } = this.#grouping;
    const layout = accesses.of(node).strides;
    // A copy made for another shape runs over the shape it reads.
    const read = iterationShape(node);
    const strides = node.op === "reshape"
      ? reshapeStrides(node.shape, layout, read)!
      : layout;
    const shape = node.op === "reshape" ? { shape: read } : node;
    this.#store({ root: node, offset: 0, strides }, shape, value, false);
  }

  #store(
    access: Access,
    viewed: Pick<Node, "shape">,
    value: number,
    add: boolean,
  ): void {
    const view = this.#parent.view(access, viewed, this.#group);
    this.#stores.push({ view, value, add });
  }

  /** Sums into memory: a store for every element, on top of what is there. */
  #accumulate(node: Node): void {
    const { accesses } = this.#grouping;
    const layout = accesses.of(node).strides;
    this.#parent.clear(this.#buffers.of(node), this.#clears);
    if (node.op === "scatterAdd") {
      const [indices, updates] = node.inputs as [Node, Node];
      const value = this.#operand(updates);
      const inner = layout.slice(1);
      const index = accesses.of(indices);
      this.#store(
        {
          root: node,
          offset: 0,
          strides: [...indices.shape.map(() => 0), ...inner],
          lookup: {
            index: {
              ...index,
              strides: [...index.strides, ...inner.map(() => 0)],
            },
            stride: accesses.layout(node)[0] ?? 0,
            rows: node.shape[0]!,
          },
        },
        updates,
        value,
        true,
      );
      return;
    }
    const [x] = node.inputs as [Node];
    let value = this.#operand(x);
    const strides = loopStrides(layout, x.shape, this.#group)!;
    const ones = loopStrides(x.shape.map(() => 1), x.shape, this.#group)!;
    // One element a row, or the whole row into one element.
    if (ones.at(-1) === 1 && strides.at(-1) === 0) {
      value = this.#push({
        op: "rowSum",
        arg: value,
        dtype: "float32",
        scalar: true,
      });
    }
    this.#store({ root: node, offset: 0, strides: layout }, x, value, true);
  }

  #compute(node: Node): number {
    const [x] = node.inputs;
    const { dtype } = node;
    switch (node.op) {
      case "sum":
      case "max":
      case "argmax": {
        if (!isReduction(node)) {
          return node.op === "argmax"
            ? this.#push({ op: "constant", value: 0, dtype, scalar: true })
            : this.#operand(x!);
        }
        const arg = this.#operand(x!);
        if (node.op === "sum") {
          return this.#push({ op: "rowSum", arg, dtype, scalar: true });
        }
        const max = this.#once(`max ${arg}`, {
          op: "rowMax",
          arg,
          dtype: x!.dtype,
          scalar: true,
        });
        return node.op === "max"
          ? max
          : this.#push({ op: "rowFirst", arg, max, dtype, scalar: true });
      }
      case "reshape":
      case "stopGradient":
        return this.#operand(x!);
      case "broadcast":
      case "transpose":
      case "slice":
      case "gather":
        return this.#load(this.#grouping.accesses.viewOf(node), node);
      case "cast":
        return this.#apply(dtype === "int32" ? "toInt" : "toFloat", node);
      default:
        return this.#apply(node.op as ValueOp, node);
    }
  }

  #apply(op: ValueOp, node: Node): number {
    const args = node.inputs.map((input) => this.#operand(input));
    const scalar = args.every((arg) => this.#values[arg]!.scalar);
    return this.#push({ op, args, dtype: node.dtype, scalar });
  }

  #operand(input: Node): number {
    const access = this.#grouping.accesses.of(input);
    const inside = this.#grouping.groupOf.get(access.root) === this.#group;
    const known = this.#valueOf.get(access.root);
    if (inside && known !== undefined) return known;
    return this.#load(access, input);
  }

  #load(access: Access, viewed: Node): number {
    const { root } = access;
    const { dtype } = root;
    if (root.op === "constant" && root.attrs.value.data.length === 1) {
      const value = root.attrs.value.data[0]!;
      return this.#once(`constant ${dtype} ${Object.is(value, -0)} ${value}`, {
        op: "constant",
        value,
        dtype,
        scalar: true,
      });
    }
    const view = this.#parent.view(access, viewed, this.#group);
    const steps = view.strides;
    if (
      root.op === "iota" && access.offset === 0 && !access.lookup &&
      steps.at(-1) === 1 && steps.slice(0, -1).every((step) => step === 0)
    ) {
      return this.#once("position", { op: "position", dtype, scalar: false });
    }
    const lookup = view.lookup;
    const scalar = steps.at(-1) === 0 &&
      (lookup?.index.strides.at(-1) ?? 0) === 0;
    const key = [
      view.buffer.id,
      view.offset,
      steps,
      lookup &&
      [lookup.index.buffer.id, lookup.index.offset, lookup.index.strides],
    ].join(" ");
    return this.#once(key, { op: "load", view, dtype, scalar });
  }

  #once(key: string, value: Value): number {
    const known = this.#loads.get(key);
    if (known !== undefined) return known;
    const at = this.#push(value);
    this.#loads.set(key, at);
    return at;
  }

  #push(value: Value): number {
    return this.#values.push(value) - 1;
  }
}
