// The lanes of form "turn": rows of A that lie side by side are loaded as one vector, which is turned by a lane
// after each multiplication. So sum `turn` of four rows holds in lane i what belongs to row i + turn. Here is
// what turns are made of, and how sums come back to their rows.

import type { Local } from "./assembler.ts";
import type { VectorEmitter } from "./vector_emitter.ts";

type Vector = Local<"v128">;
type Lanes = [number, number, number, number];

type Load = "v128.load32_splat" | "v128.load64_splat" | "v128.load";

/** Rows that turn together. */
export interface Wheel {
  /** The first of them. */
  readonly first: number;
  /** How many: 4, or at the end of a block 2 and 1. */
  readonly rows: 1 | 2 | 4;
}

/** How a wheel is loaded, and what turns it by a lane. */
export const WHEEL: Readonly<
  Record<Wheel["rows"], { readonly load: Load; readonly turn: Lanes }>
> = {
  1: { load: "v128.load32_splat", turn: [0, 1, 2, 3] },
  2: { load: "v128.load64_splat", turn: [1, 0, 3, 2] },
  4: { load: "v128.load", turn: [1, 2, 3, 0] },
};

/** The wheels of a block of rows. */
export function wheelsOf(rows: number): Wheel[] {
  const wheels: Wheel[] = [];
  for (let first = 0; first < rows;) {
    const rest = rows - first;
    const size = rest >= 4 ? 4 : rest >= 2 ? 2 : 1;
    wheels.push({ first, rows: size });
    first += size;
  }
  return wheels;
}

/** Exchanges lanes between the sums of rows, so that each holds its own row. */
export function unturn(v: VectorEmitter, lines: readonly Vector[][]): void {
  for (const { first, rows } of wheelsOf(lines.length)) {
    if (rows === 1) continue;
    for (let i = 0; i < lines[0]!.length; i++) {
      const sums = lines.slice(first, first + rows).map((line) => line[i]!);
      // Odd lanes come from the sum before; then, of four, the upper half from the sum after the next.
      mix(v, sums, rows - 1, [0, 5, 2, 7]);
      if (rows === 4) mix(v, sums, 2, [0, 1, 6, 7]);
    }
  }
}

/** Replaces each vector by lanes of its own (0 to 3) and of the one so many places on. */
function mix(
  v: VectorEmitter,
  vectors: readonly Vector[],
  places: number,
  lanes: Lanes,
): void {
  const { f } = v;
  const mixed = vectors.map((own, at) => {
    const other = vectors[(at + places) % vectors.length]!;
    const local = f.local("v128");
    f.localGet(own);
    f.localGet(other);
    f.shuffle32(...lanes);
    f.localSet(local);
    return local;
  });
  for (const [at, local] of mixed.entries()) {
    f.localGet(local);
    f.localSet(vectors[at]!);
  }
  f.release(...mixed);
}
