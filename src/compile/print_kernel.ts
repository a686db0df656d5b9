/**
 * Kernels as text: what they run over, what they read, compute and write.
 *
 * An element is written as `b3[64 i0 + i1]`: buffer 3, under the strides of
 * the loops. `t` is the first batch entry of the tile.
 */
import { nameOf } from "./kernel.ts";
import type {
  Buffer,
  Kernel,
  LoopKernel,
  Lowered,
  Operand,
  ProductKernel,
  StageKernels,
  Value,
  View,
} from "./kernel.ts";
import { scratchOf } from "./kernel_buffers.ts";
import { nestOf } from "./products.ts";

/** Options of {@linkcode formatKernels}. */
export interface KernelListingOptions {
  /** Adds a line to each product: how it is cut into blocks. */
  readonly blocks?: (kernel: ProductKernel, tile: number) => string;
}

/**
 * Lists what a lowered graph does: its buffers, then its stages with their
 * kernels, numbered through, then the moves into variables.
 *
 * @param lowered The kernels.
 * @param options What else to show.
 * @returns The lines.
 */
export function formatKernels(
  lowered: Lowered,
  options: KernelListingOptions = {},
): string {
  const { buffers, prepare, stages, batch, tile, copies } = lowered;
  const lines = buffers.map(formatBuffer);
  let number = 0;
  for (const [at, stage] of [prepare, ...stages].entries()) {
    if (stage.kernels.length === 0) continue;
    const name = at === 0 ? "prepared" : `stage ${at - 1}`;
    lines.push(`${name}, ${formatStage(stage, batch, tile)}`);
    for (const kernel of stage.kernels) {
      const size = stage.tiled ? tile : 1;
      lines.push(...formatKernel(kernel, number++, size, options));
    }
  }
  for (const { from, to } of copies) {
    lines.push(`copy ${nameBuffer(from)} to ${nameBuffer(to)}`);
  }
  return lines.join("\n");
}

/** One line: `b3 float32[64, 10] by [12, 1], a tile: decoder.attention.exp`. */
function formatBuffer(buffer: Buffer): string {
  const { dtype, node, strides, local, scratch, size } = buffer;
  if (scratch) return `b${buffer.id} ${dtype}, ${size} of scratch`;
  const place = local ? ", a tile" : "";
  return `b${buffer.id} ${dtype}[${node.shape.join(", ")}] ` +
    `by [${strides.join(", ")}]${place}: ${contentsOf(buffer)}`;
}

function contentsOf({ node, variable }: Buffer): string {
  if (variable !== undefined) return `variable ${variable}`;
  return node.op === "input" ? `input ${node.attrs.name}` : nameOf(node);
}

/** A buffer as kernels name it, and what it holds. */
function nameBuffer(buffer: Buffer): string {
  return `b${buffer.id} (${contentsOf(buffer)})`;
}

function formatStage(
  { tiled, clears }: StageKernels,
  batch: number,
  tile: number,
): string {
  const rest = batch % tile;
  const tiles = Math.floor(batch / tile);
  const loop = tiled
    ? `${tiles} ${tiles === 1 ? "tile" : "tiles"} of ${tile}${
      rest > 0 ? ` and one of ${rest}` : ""
    }`
    : "once";
  return `${loop}${formatClears(clears)}`;
}

function formatClears(clears: readonly Buffer[]): string {
  return clears.length === 0
    ? ""
    : `, clears ${clears.map(({ id }) => `b${id}`).join(", ")}`;
}

function formatKernel(
  kernel: Kernel,
  number: number,
  tile: number,
  options: KernelListingOptions,
): string[] {
  const head = `  kernel ${number} "${kernel.name}"`;
  return kernel.kind === "product"
    ? formatProduct(head, kernel, tile, options)
    : formatLoop(head, kernel);
}

function formatLoop(head: string, kernel: LoopKernel): string[] {
  const { extents, tiled, values, stores, clears } = kernel;
  const loops = extents.map((extent, loop) => {
    const name = loop === extents.length - 1 ? "row" : "loop";
    const size = tiled && loop === 0 ? "tile" : extent;
    return `${name} i${loop} < ${size}`;
  });
  return [
    `${head}: ${loops.join(", ")}${formatClears(clears)}`,
    ...values.map((value, at) =>
      `    v${at} = ${formatValue(value, tiled)}${
        value.scalar ? " (a row)" : ""
      }`
    ),
    ...stores.map(({ view, value, add }) =>
      `    ${formatView(view, tiled)} ${add ? "+=" : "="} v${value}` +
      `  # ${contentsOf(view.buffer)}`
    ),
  ];
}

function formatValue(value: Value, tiled: boolean): string {
  switch (value.op) {
    case "load":
      return `${formatView(value.view, tiled)} <${
        contentsOf(value.view.buffer)
      }>`;
    case "constant":
      return String(Object.is(value.value, -0) ? "-0" : value.value);
    case "position":
      return "position";
    case "rowSum":
    case "rowMax":
      return `${value.op} v${value.arg}`;
    case "rowFirst":
      return `rowFirst v${value.arg} v${value.max}`;
    default:
      return `${value.op} ${value.args.map((arg) => `v${arg}`).join(" ")}`;
  }
}

/** `b3[64 (t + i0) + i1]`, and `row` for what is looked up. */
function formatView(view: View, tiled: boolean): string {
  const { buffer, offset, strides, tileStride, lookup } = view;
  const terms = offset === 0 ? [] : [String(offset)];
  for (const [loop, stride] of strides.entries()) {
    const moves = tiled && loop === 0 && tileStride !== 0;
    if (stride === 0 && !moves) continue;
    const index = moves && stride === tileStride ? `(t + i0)` : `i${loop}`;
    if (moves && stride !== tileStride) terms.push(times(tileStride, "t"));
    if (stride !== 0) terms.push(times(stride, index));
  }
  if (lookup) {
    const row = `${formatView(lookup.index, tiled)} < ${lookup.rows}`;
    terms.push(times(lookup.stride, `{${row}}`));
  }
  return `b${buffer.id}[${terms.join(" + ") || "0"}]`;
}

function times(stride: number, index: string): string {
  return stride === 1 ? index : `${stride} ${index}`;
}

function formatProduct(
  head: string,
  kernel: ProductKernel,
  tile: number,
  { blocks }: KernelListingOptions,
): string[] {
  const { a, b, out, add, clears } = kernel;
  const nest = nestOf(kernel, tile);
  const { outer, m, n, k } = nest;
  const loops = outer.map(({ extent }, loop) => `o${loop} < ${extent}`);
  const around = loops.length === 0 ? "" : `, within ${loops.join(", ")}`;
  const side = (operand: Operand, name: "a" | "b" | "out"): string => {
    const steps = [
      ["m", m],
      ["n", n],
      ["k", k],
      ...outer.map((axis, loop) => [`o${loop}`, axis] as const),
    ] as const;
    const terms = steps.flatMap(([index, axis]) =>
      axis[name] === 0 ? [] : [times(axis[name], index)]
    );
    if (operand.offset > 0) terms.unshift(String(operand.offset));
    if (operand.tileStride > 0) terms.push(times(operand.tileStride, "t"));
    const index = terms.join(" + ") || "0";
    return `    ${name} = b${operand.buffer.id}[${index}] ` +
      `<${contentsOf(operand.buffer)}>`;
  };
  return [
    `${head}: out[m, n] ${add ? "+=" : "="} a[m, k] b[k, n], ` +
    `m < ${m.extent}, n < ${n.extent}, k < ${k.extent}${around}` +
    formatClears(clears),
    side(a, "a"),
    side(b, "b"),
    side(out, "out"),
    ...scratchOf(kernel).map(({ id }) => `    a is transposed into b${id}`),
    ...(blocks ? [`    blocks: ${blocks(kernel, tile)}`] : []),
  ];
}
