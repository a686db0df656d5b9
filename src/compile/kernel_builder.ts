/**
 * Writes down one group as kernels: its loads, values and stores, or its
 * product.
 */
import { rolesOf } from "../graph/einsum.ts";
import type { Node, NodeOf } from "../graph/node.ts";
import type { Access } from "./access.ts";
import type { Group, Grouping } from "./group.ts";
import { loopStrides, type Space, spaceOver } from "./space.ts";
import {
  type Buffer,
  type Kernel,
  nameOf,
  type Operand,
  type ProductKernel,
  type View,
} from "./kernel.ts";
import { LoopBuilder } from "./loop_builder.ts";
import type { Buffers } from "./lower.ts";
import { PREPARED } from "./stages.ts";
import { asLoops, isDirect, nestOf, scratchStride } from "./products.ts";

/** Writes the kernels of one stage. */
export class KernelBuilder {
  readonly #grouping: Grouping;
  readonly #buffers: Buffers;
  readonly #stageClears: Buffer[];

  constructor(grouping: Grouping, buffers: Buffers, stageClears: Buffer[]) {
    this.#grouping = grouping;
    this.#buffers = buffers;
    this.#stageClears = stageClears;
  }

  /** The kernels of one group, in order. */
  build(group: Group): Kernel[] {
    const [first] = group.nodes;
    switch (first!.op) {
      case "einsum":
        return this.#product(first as NodeOf<"einsum">, group);
      case "pad":
      case "concatenate":
        return this.#assemble(first!, group);
      default:
        return [new LoopBuilder(this.#grouping, this.#buffers, group, this)
          .build()];
    }
  }

  /** Arranges for a buffer to be 0 before it is added to. */
  clear(buffer: Buffer, kernel: Buffer[]): void {
    // A tile must not clear what other tiles have written.
    const list = buffer.local ? kernel : this.#stageClears;
    if (!list.includes(buffer)) list.push(buffer);
  }

  /** Joins or surrounds values: every part is copied to its place. */
  #assemble(node: Node, group: Group): Kernel[] {
    const buffer = this.#buffers.of(node);
    const strides = this.#grouping.accesses.of(node).strides;
    const clears: Buffer[] = [];
    if (node.op === "pad") this.clear(buffer, clears);
    let at = 0;
    return node.inputs.map((part, index) => {
      const space = spaceOver(part.shape, group.stage);
      const offset = node.op === "concatenate"
        ? at * (strides[node.attrs.axis] ?? 0)
        : node.op === "pad"
        ? node.attrs.before.reduce((sum, b, i) => sum + b * strides[i]!, 0)
        : 0;
      if (node.op === "concatenate") at += part.shape[node.attrs.axis]!;
      const load = this.view(this.#grouping.accesses.of(part), part, space);
      const target = { root: node, offset, strides };
      const store = this.view(target, part, space);
      const scalar = space.row === 1;
      return {
        kind: "loop",
        name: nameOf(node),
        extents: [...space.outer, space.row],
        tiled: group.stage % 2 === 1,
        values: [{ op: "load", view: load, dtype: part.dtype, scalar }],
        stores: [{ view: store, value: 0, add: false }],
        clears: index === 0 ? clears : [],
      };
    });
  }

  /** An access under the loops of a space. */
  view(access: Access, viewed: Pick<Node, "shape">, space: Space): View {
    const strides = loopStrides(access.strides, viewed.shape, space);
    if (!strides) {
      throw new Error(
        `internal: a value of shape (${viewed.shape}) does not fit loops over ` +
          `(${space.outer}; ${space.row})`,
      );
    }
    const buffer = this.#buffers.of(access.root);
    const { lookup } = access;
    return {
      buffer,
      offset: access.offset,
      strides,
      tileStride: buffer.local ? 0 : strides[0]!,
      ...(lookup
        ? {
          lookup: {
            index: this.view(lookup.index, viewed, space),
            stride: lookup.stride,
            rows: lookup.rows,
          },
        }
        : {}),
    };
  }

  #product(node: NodeOf<"einsum">, group: Group): Kernel[] {
    const clears: Buffer[] = [];
    const kernel = this.#productKernel(node, group, clears);
    const nest = nestOf(kernel, this.#buffers.tile);
    if (!isDirect(nest) || kernel.extents.includes(0)) {
      this.clear(kernel.out.buffer, clears);
      return [asLoops(kernel)];
    }
    // What is prepared must leave room to steps, and takes its time.
    const stride = group.stage === PREPARED ? 0 : scratchStride(nest);
    const scratch = stride > 0
      ? { scratch: this.#buffers.scratch(node, stride * nest.k.extent) }
      : {};
    // Sums over tiles, and over loops outside the product, start from zero.
    const add = kernel.add || nest.addsOuter;
    if (add) this.clear(kernel.out.buffer, clears);
    return [{ ...kernel, ...scratch, add }];
  }

  #productKernel(
    node: NodeOf<"einsum">,
    group: Group,
    clears: readonly Buffer[],
  ): ProductKernel {
    const { accesses, stages } = this.#grouping;
    const { share } = stages.of.get(node)!;
    const { a, b, out, left, right } = sidesOf(node);
    const roles = rolesOf({ a, b, out });
    const extents = new Map<string, number>();
    for (const [i, label] of [...a].entries()) {
      extents.set(label, left.shape[i]!);
    }
    for (const [i, label] of [...b].entries()) {
      extents.set(label, right.shape[i]!);
    }
    const { batch, m, n, k } = roles;
    const loops = [...batch, ...m, ...n, ...k];
    const isCut = (label: string): boolean =>
      share === "tiled"
        ? label === out[0]
        : k.includes(label) && (a[0] === label || b[0] === label) &&
          extents.get(label) === stages.batch;
    const tiledLoop = group.stage % 2 === 1 ? loops.findIndex(isCut) : -1;
    const operand = (access: Access, own: string): Operand => {
      const strides = loops.map((label) => {
        const axis = own.indexOf(label);
        return axis < 0 ? 0 : access.strides[axis]!;
      });
      const buffer = this.#buffers.of(access.root);
      const whole = buffer.local || tiledLoop < 0;
      const tileStride = whole ? 0 : strides[tiledLoop]!;
      return { buffer, offset: access.offset, strides, tileStride };
    };
    const layout = accesses.layout(node);
    return {
      kind: "product",
      name: nameOf(node),
      extents: loops.map((label) => extents.get(label)!),
      roles: {
        batch: batch.length,
        m: m.length,
        n: n.length,
        k: k.length,
      },
      tiledLoop,
      a: operand(accesses.of(left), a),
      b: operand(accesses.of(right), b),
      out: operand({ root: node, offset: 0, strides: layout }, out),
      add: share === "accumulated",
      clears,
    };
  }
}

/** The operands of a product, the right one having the result's last axis. */
function sidesOf(node: NodeOf<"einsum">): {
  a: string;
  b: string;
  out: string;
  left: Node;
  right: Node;
} {
  const { a, b, out } = node.attrs.labels;
  const [left, right] = node.inputs as [Node, Node];
  const last = out.at(-1) ?? "";
  return !b.includes(last) && a.includes(last)
    ? { a: b, b: a, out, left: right, right: left }
    : { a, b, out, left, right };
}
