/**
 * Lookup by index and its adjoint, scatter-add. Both are products with a
 * matrix of zeros and ones, which the compiler makes use of.
 */
import {
  formatIndex,
  formatShape,
  type NDArray,
  sameShape,
  sizeOf,
} from "../array.ts";
import type { Node } from "./node.ts";
import { apply, type OpFamily } from "./op.ts";
import { ShapeError } from "./shape.ts";

/** The op records of this family. */
export const INDEXING: OpFamily<"gather" | "scatterAdd"> = {
  gather: {
    infer([table, indices]) {
      checkIndices("gather", indices!);
      if (table!.shape.length === 0) {
        throw new ShapeError(
          "Cannot gather from a scalar: wanted a table of one axis or more",
        );
      }
      return {
        shape: [...indices!.shape, ...table!.shape.slice(1)],
        dtype: table!.dtype,
      };
    },
    vjp: (dy, { inputs: [table, indices] }) => [
      scatterAdd(indices!, dy, table!.shape[0]!),
      null,
    ],
    evaluate([table, indices], out) {
      const row = sizeOf(table!.shape.slice(1));
      for (let i = 0; i < indices!.data.length; i++) {
        const at = checkIndex("gather", indices!, i, table!.shape[0]!) * row;
        out.data.set(table!.data.subarray(at, at + row), i * row);
      }
    },
  },
  scatterAdd: {
    infer([indices, updates], { rows }) {
      checkIndices("scatter-add", indices!);
      const lead = updates!.shape.slice(0, indices!.shape.length);
      if (
        updates!.dtype !== "float32" ||
        !sameShape(lead, indices!.shape)
      ) {
        throw new ShapeError(
          `Cannot scatter-add ${updates!.dtype} ` +
            `${formatShape(updates!.shape)} by indices of shape ` +
            `${formatShape(indices!.shape)}: wanted float32 with these ` +
            `leading axes`,
        );
      }
      return {
        shape: [rows, ...updates!.shape.slice(indices!.shape.length)],
        dtype: "float32",
      };
    },
    vjp: (dy, { inputs: [indices] }) => [null, gather(dy, indices!)],
    evaluate([indices, updates], out, { rows }) {
      const row = rows === 0 ? 0 : out.data.length / rows;
      const totals = new Float64Array(out.data.length);
      for (let i = 0; i < indices!.data.length; i++) {
        const at = checkIndex("scatter-add", indices!, i, rows) * row;
        for (let j = 0; j < row; j++) {
          totals[at + j]! += updates!.data[i * row + j]!;
        }
      }
      out.data.set(totals);
    },
  },
};

function checkIndices(action: string, indices: Node): void {
  if (indices.dtype !== "int32") {
    throw new TypeError(
      `Cannot ${action} by ${indices.dtype} indices: wanted int32`,
    );
  }
}

function checkIndex(
  action: string,
  indices: NDArray,
  at: number,
  rows: number,
): number {
  const index = indices.data[at]!;
  if (index < 0 || index >= rows) {
    const place = formatIndex(at, indices.shape);
    throw new RangeError(
      `Cannot ${action} row ${index}${place && ` at index ${place}`}: ` +
        `wanted 0 to ${rows - 1}`,
    );
  }
  return index;
}

/**
 * Looks up rows of a table.
 *
 * @param table (V, …).
 * @param indices int32, any shape, values in [0, V).
 * @returns The shape of `indices`, then that of a row.
 * @throws {TypeError} If `indices` is not int32; at run time a RangeError if
 * an index is outside the table.
 *
 * @example Rows of a table
 * ```ts
 * import { compile, gather, Graph, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const table = graph.constant([[1, 2], [3, 4], [5, 6]]);
 * const y = gather(table, graph.constant([2, 0], "int32"));
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [[5, 6], [1, 2]]);
 * ```
 */
export function gather(table: Node, indices: Node): Node {
  return apply(INDEXING, "gather", [table, indices], {});
}

/**
 * Adds rows into a table of zeros: row `i` of `updates` to row `indices[i]`.
 *
 * @param indices int32, any shape, values in [0, rows).
 * @param updates float32: the shape of `indices`, then that of a row.
 * @param rows How many rows the table has.
 * @returns (rows, …).
 * @throws {ShapeError} If the leading axes of `updates` are not those of
 * `indices`, or `rows` is no size.
 *
 * @example Counting
 * ```ts
 * import { compile, Graph, scatterAdd, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const indices = graph.constant([1, 1, 0], "int32");
 * const y = scatterAdd(indices, graph.constant([1, 1, 1]), 3);
 * assertEquals(toNested(compile({ outputs: { y } }).run().y), [1, 2, 0]);
 * ```
 */
export function scatterAdd(indices: Node, updates: Node, rows: number): Node {
  if (!Number.isSafeInteger(rows) || rows < 0) {
    throw new ShapeError(
      `Cannot scatter-add into ${rows} rows: wanted a non-negative integer`,
    );
  }
  return apply(INDEXING, "scatterAdd", [indices, updates], { rows });
}
