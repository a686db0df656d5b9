/**
 * From groups to kernels: gives every stored value a buffer and writes down
 * what each group computes.
 */
import { sameShape, sizeOf } from "../array.ts";
import { isLeaf } from "../graph/leaves.ts";
import type { Node } from "../graph/node.ts";
import type { Update } from "../run/program.ts";
import { type Access, isView } from "./access.ts";
import { type Group, type Grouping, groupNodes } from "./group.ts";
import type { Buffer, Kernel, Lowered, StageKernels } from "./kernel.ts";
import { KernelBuilder } from "./kernel_builder.ts";
import { legalize } from "./legalize.ts";
import { PREPARED } from "./stages.ts";
import { shareBatch } from "./threads/tiles.ts";

/** What the intermediates of a tile may take by default: caches hold it. */
const TILE_BYTES = 256 * 1024;

/** How the batch is cut into tiles. */
export interface LowerOptions {
  /** What the intermediates of a tile may take; 256 KiB by default. */
  readonly tileBytes?: number | undefined;
  /** How many threads share the tiles; 1 by default. */
  readonly threads?: number | undefined;
  /** Whether a failing lookup leaves all variables alone; so by default. */
  readonly atomic?: boolean | undefined;
}

/**
 * Lowers what outputs and updates depend on.
 *
 * @param outputs What can be read after a run.
 * @param updates Variables and their new values.
 * @param inputs What is fed, needed or not.
 * @param frozen Variables that do not change from step to step.
 * @param options How the batch is cut into tiles, and what lookups may spoil.
 * @returns Kernels and buffers.
 */
export function lower(
  outputs: readonly Node[],
  updates: readonly Update[],
  inputs: readonly Node[],
  frozen: readonly Node[],
  options: LowerOptions = {},
): Lowered {
  const targets = updates.map(([variable]) => variable);
  const values = updates.map(([, value]) => value);
  const legal = legalize([...outputs, ...values, ...targets], [
    ...outputs,
    ...values,
  ]);
  const results = outputs.map(legal.of);
  const moves = updates.map(([target, value]) =>
    [target, legal.of(value)] as const
  );
  const needed = new Set([...results, ...moves.flat()]);
  const grouping = groupNodes(
    [...needed],
    legal.copies,
    new Set(frozen),
  );
  const { atomic = true } = options;
  const inPlace = findInPlace(grouping, moves, results, atomic);
  const buffers = new Buffers(grouping, inPlace, targets, options);
  return {
    prepare: buildStage(grouping, buffers, PREPARED),
    stages: buildStages(grouping, buffers),
    inputs: inputs.map((node) => buffers.of(node)),
    outputs: results.map((node) => buffers.of(node)),
    copies: moves
      .filter(([target, value]) => inPlace.get(value) !== target)
      .map(([to, from]) => ({ from: buffers.of(from), to: buffers.of(to) })),
    atomic,
    batch: grouping.stages.batch,
    tile: buffers.tile,
    buffers: buffers.all,
  };
}

function buildStages(grouping: Grouping, buffers: Buffers): StageKernels[] {
  const last = grouping.groups.reduce((most, g) => Math.max(most, g.stage), 0);
  return Array.from(
    { length: last + 1 },
    (_, at) => buildStage(grouping, buffers, at),
  )
    .filter(({ kernels }) => kernels.length > 0);
}

function buildStage(
  grouping: Grouping,
  buffers: Buffers,
  at: number,
): StageKernels {
  const clears: Buffer[] = [];
  const builder = new KernelBuilder(grouping, buffers, clears);
  const kernels: Kernel[] = grouping.groups
    .filter(({ stage, nodes }) => stage === at && nodes.length > 0)
    .flatMap((group) => builder.build(group));
  return { tiled: at % 2 === 1, clears, kernels };
}

/**
 * New values that can be written over the old: nothing reads the variable
 * later, and the group that writes reads it element for element, or where it
 * runs tile by tile not at all.
 */
function findInPlace(
  grouping: Grouping,
  updates: readonly Update[],
  outputs: readonly Node[],
  atomic: boolean,
): Map<Node, Node> {
  const { groups, groupOf, accesses, stages } = grouping;
  const lookups = groups.filter((group) => looksUp(grouping, group));
  const readers = new Map<Node, Group[]>();
  const note = (root: Node, group: Group): void => {
    if (root.op !== "variable") return;
    const known = readers.get(root);
    if (known) known.push(group);
    else readers.set(root, [group]);
  };
  for (const group of groups) {
    for (const node of group.nodes) {
      for (const input of node.inputs) {
        const { root, lookup } = accesses.of(input);
        note(root, group);
        if (lookup) note(lookup.index.root, group);
      }
    }
  }
  const inPlace = new Map<Node, Node>();
  for (const [variable, value] of updates) {
    const group = groupOf.get(value);
    if (
      !group || inPlace.has(value) ||
      value.op === "einsum" || grouping.inMemory.has(value) ||
      outputs.includes(variable) || value.op === "concatenate" ||
      value.op === "pad" || value.op === "reshape"
    ) continue;
    const precedes = (other: Group): boolean =>
      other.stage < group.stage ||
      (other.stage === group.stage && other.at < group.at);
    // A lookup may fail, and then no variable may have changed.
    if (atomic && !lookups.every(precedes)) continue;
    if (group.stage % 2 === 1) {
      const isTiled = stages.of.get(value)!.share === "tiled";
      if (isTiled && !readers.has(variable)) inPlace.set(value, variable);
      continue;
    }
    const before = (reader: Group): boolean =>
      precedes(reader) ||
      (reader === group && readsDirectly(grouping, group, variable));
    if ((readers.get(variable) ?? []).every(before)) {
      inPlace.set(value, variable);
    }
  }
  return inPlace;
}

/** Whether a group reads or writes at places that indices tell. */
function looksUp({ accesses }: Grouping, { nodes }: Group): boolean {
  return nodes.some((node) =>
    node.op === "scatterAdd" || node.op === "gather" ||
    node.inputs.some((input) => accesses.of(input).lookup !== undefined)
  );
}

/** Whether a group reads a variable only at the very elements it computes. */
function readsDirectly(
  { accesses }: Grouping,
  group: Group,
  variable: Node,
): boolean {
  const own = accesses.of(variable).strides;
  // An axis of 1 may be broadcast, and its stride stay what it was: then every
  // row reads what one of them writes.
  const isDirect = (
    { root, lookup, strides, offset }: Access,
    { shape }: Node,
  ): boolean => {
    if (lookup?.index.root === variable) return false;
    return root !== variable ||
      (!lookup && offset === 0 && sameShape(shape, variable.shape) &&
        strides.every((stride, axis) => stride === own[axis]));
  };
  return group.nodes.every((node) =>
    // A copy of a view reads where the view says.
    isView(node) && node.op !== "reshape"
      ? isDirect(accesses.viewOf(node), node)
      : node.inputs.every((input) => isDirect(accesses.of(input), input))
  );
}

/** The buffers of a lowered graph, made when first asked for. */
export class Buffers {
  readonly all: Buffer[] = [];
  readonly known = new Map<Node, Buffer>();
  readonly tile: number;
  readonly #grouping: Grouping;
  readonly #inPlace: ReadonlyMap<Node, Node>;
  readonly #local = new Set<Node>();

  constructor(
    grouping: Grouping,
    inPlace: ReadonlyMap<Node, Node>,
    variables: readonly Node[],
    options: LowerOptions,
  ) {
    this.#grouping = grouping;
    this.#inPlace = inPlace;
    this.#findLocal();
    this.tile = this.#chooseTile(options);
    for (const variable of variables) this.of(variable);
  }

  /** The buffer of a root. */
  of(root: Node): Buffer {
    const known = this.known.get(root);
    if (known) return known;
    const variable = this.#inPlace.get(root);
    const buffer = variable ? this.of(variable) : this.#make(root);
    this.known.set(root, buffer);
    return buffer;
  }

  /** A buffer of so many floats that a node's kernel uses for itself. */
  scratch(node: Node, size: number): Buffer {
    const buffer: Buffer = {
      id: this.all.length,
      node,
      dtype: "float32",
      size,
      strides: [],
      local: true,
      pinned: false,
      scratch: true,
    };
    this.all.push(buffer);
    return buffer;
  }

  /** Whether the first axis of a root's value is cut into tiles. */
  isTiled(root: Node): boolean {
    const { batch } = this.#grouping.stages;
    return batch > 1 && root.shape[0] === batch;
  }

  #make(root: Node): Buffer {
    const { accesses } = this.#grouping;
    const strides = accesses.layout(root);
    const local = this.#local.has(root);
    const extent = local ? this.tile : root.shape[0] ?? 1;
    const size = sizeOf(root.shape) === 0
      ? 0
      : Math.max(1, extent * (strides[0] ?? 1));
    const buffer: Buffer = {
      id: this.all.length,
      node: root,
      dtype: root.dtype,
      size,
      strides,
      local,
      pinned: isLeaf(root.op),
      ...(root.op === "variable" ? { variable: root.attrs.name } : {}),
    };
    this.all.push(buffer);
    return buffer;
  }

  /** Values made and used up within one loop over tiles. */
  #findLocal(): void {
    const { groups, groupOf, accesses, stages, stored } = this.#grouping;
    const used = new Map<Node, Set<number>>();
    const use = (root: Node, stage: number): void => {
      const at = used.get(root) ?? new Set();
      used.set(root, at.add(stage));
    };
    for (const group of groups) {
      for (const node of group.nodes) {
        for (const input of node.inputs) {
          const { root, lookup } = accesses.of(input);
          use(root, group.stage);
          if (lookup) use(lookup.index.root, group.stage);
        }
      }
    }
    for (const root of stored) {
      const group = groupOf.get(root);
      if (!group || group.stage % 2 === 0) continue;
      if (stages.of.get(root)!.share !== "tiled") continue;
      const stagesOfUse = used.get(root);
      if (
        stagesOfUse && stagesOfUse.size === 1 &&
        stagesOfUse.has(group.stage) && !this.#grouping.results.has(root)
      ) this.#local.add(root);
    }
  }

  /** The most batch entries whose intermediates stay in fast memory. */
  #chooseTile({ tileBytes = TILE_BYTES, threads = 1 }: LowerOptions): number {
    const { batch } = this.#grouping.stages;
    let bytes = 0;
    for (const root of this.#local) {
      bytes += 4 * (this.#grouping.accesses.layout(root)[0] ?? 1);
    }
    const most = Math.max(1, Math.floor(tileBytes / Math.max(1, bytes)));
    if (threads > 1) return shareBatch(batch, threads, most);
    if (most >= batch) return batch;
    // A divisor of the batch spares a last, smaller tile.
    for (let tile = most; tile > most / 2; tile--) {
      if (batch % tile === 0) return tile;
    }
    return most;
  }
}
