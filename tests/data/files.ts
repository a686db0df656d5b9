// What tests of files of pairs share.
import type { PairScan, ScanOptions } from "../../src/data/pair_scan.ts";
import { scanPairs } from "../../src/data/pair_scan.ts";

/** Writes a file, and looks at it. */
export async function scanText(
  path: string,
  text: string | Uint8Array,
  options: Partial<ScanOptions> = {},
): Promise<PairScan> {
  const bytes = typeof text === "string"
    ? new TextEncoder().encode(text)
    : text;
  Deno.writeFileSync(path, bytes);
  return await scanPairs({
    path,
    testPath: null,
    testFraction: 0,
    seed: 0,
    kind: "words",
    most: { source: 100, target: 100 },
    onTooLong: "error",
    chunkLines: 1024,
    ...options,
  });
}

/** Pairs of words, a line each: `s0 x y`, and as many targets. */
export function numberedPairs(count: number): string {
  return Array.from({ length: count }, (_, at) => `s${at} x\tt${at} y z\n`)
    .join("");
}
