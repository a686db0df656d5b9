/**
 * How a product is cut into passes, panels and register blocks, as text. The
 * choice itself is product_plan.ts.
 */
import type { ProductKernel } from "../compile/kernel.ts";
import { nestOf } from "../compile/products.ts";
import { productShapeOf } from "./emit_product.ts";
import { type Segment, split } from "./blocks.ts";
import { chooseBlock, chooseTiles } from "./product_plan.ts";

/**
 * Describes the blocks of a product.
 *
 * @param kernel The product.
 * @param tile How many batch entries a tile has.
 * @returns One line: the passes, where there are several, and for each panel
 * of columns its width, form and rows.
 */
export function formatBlocks(kernel: ProductKernel, tile: number): string {
  const shape = productShapeOf(kernel, nestOf(kernel, tile));
  const tiles = chooseTiles(shape);
  const passes = split(shape.m, tiles.m).flatMap((rows) =>
    split(shape.k, tiles.k).map((depth) => ({ rows, depth }))
  );
  return passes.map(({ rows, depth }) => {
    const plan = chooseBlock({ ...shape, m: rows.size, k: depth.size });
    const panels = plan.panels.map(({ form, size, count, rows, lanes }) =>
      `${count} of ${size} vectors${
        lanes < 4 ? `, ${lanes} lanes last` : ""
      } ` +
      `(${form}, rows ${segments(rows)})`
    );
    const pass = passes.length === 1
      ? ""
      : `${rows.count * depth.count} passes of ${rows.size}x${depth.size}: `;
    return `${pass}${panels.join(" + ")}, k by ${plan.unroll}`;
  }).join("; ");
}

function segments(parts: readonly Segment[]): string {
  return parts.map(({ size, count }) => `${count}x${size}`).join(" + ");
}
