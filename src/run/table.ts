/** Rows of cells as aligned text. */

/**
 * Aligns a table: the first column to the left, all others to the right.
 *
 * @param rows The cells, the header first.
 * @returns Indented lines.
 */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  return rows.map((row) => {
    const cells = row.map((cell, column) =>
      column === 0
        ? cell.padEnd(widths[column]!)
        : cell.padStart(widths[column]!)
    );
    return `  ${cells.join("  ")}`.trimEnd();
  }).join("\n");
}

/** Milliseconds with two digits after the point. */
export function formatMilliseconds(time: number): string {
  return `${time.toFixed(2)} ms`;
}
