/**
 * Arrays in a pair of files, for competitors in other languages: NAME.json says
 * where in NAME.bin each array lies. Numbers are little-endian, 4 bytes each.
 */
import type { NDArray } from "../src/array.ts";

/** Named arrays with the sizes they were made for. */
export interface Bundle {
  /** Numbers that a competitor needs to know. */
  readonly sizes: Readonly<Record<string, number>>;
  /** float32 and int32 arrays. */
  readonly arrays: Readonly<Record<string, NDArray>>;
}

/** The place of an array. */
interface Entry {
  readonly dtype: "float32" | "int32";
  readonly shape: readonly number[];
  /** In bytes. */
  readonly offset: number;
}

interface Manifest {
  readonly sizes: Bundle["sizes"];
  readonly arrays: Readonly<Record<string, Entry>>;
}

/** Writes both files; `path` is theirs without the ending. */
export function writeBundle(path: string, { sizes, arrays }: Bundle): void {
  const entries: Record<string, Entry> = {};
  let end = 0;
  for (const [name, { data, shape }] of Object.entries(arrays)) {
    const dtype = data instanceof Int32Array ? "int32" : "float32";
    entries[name] = { dtype, shape, offset: end };
    end += 4 * data.length;
  }
  const bytes = new Uint8Array(end);
  for (const [name, { data }] of Object.entries(arrays)) {
    const own = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    bytes.set(own, entries[name]!.offset);
  }
  Deno.writeFileSync(`${path}.bin`, bytes);
  Deno.writeTextFileSync(
    `${path}.json`,
    JSON.stringify({ sizes, arrays: entries } satisfies Manifest),
  );
}

/** Reads what {@linkcode writeBundle} wrote. */
export function readBundle(path: string): Bundle {
  const { sizes, arrays }: Manifest = JSON.parse(
    Deno.readTextFileSync(`${path}.json`),
  );
  const { buffer } = Deno.readFileSync(`${path}.bin`);
  const entries = Object.entries(arrays).map(([name, entry]) => {
    const size = entry.shape.reduce((a, b) => a * b, 1);
    const data = entry.dtype === "int32"
      ? new Int32Array(buffer, entry.offset, size)
      : new Float32Array(buffer, entry.offset, size);
    return [name, { data, shape: entry.shape }] as const;
  });
  return { sizes, arrays: Object.fromEntries(entries) };
}
