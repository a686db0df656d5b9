/**
 * A number that a text always has, for choices that depend on the text alone.
 * It is against coincidence, not against malice.
 */

/**
 * Hashes a text: 32-bit FNV-1a over its UTF-16 code units, low byte then high
 * byte, after the seed's bytes, mixed by MurmurHash3's finaliser.
 *
 * @param text Any text.
 * @param seed A safe non-negative integer.
 * @returns A multiple of 2^-32 in [0, 1).
 */
export function hashText(text: string, seed: number): number {
  let hash = 0x811c9dc5;
  const absorb = (byte: number) => {
    hash = Math.imul(hash ^ byte, 0x01000193);
  };
  for (let rest = seed, i = 0; i < 8; i++) {
    absorb(rest % 256);
    rest = Math.floor(rest / 256);
  }
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    absorb(unit & 0xff);
    absorb(unit >>> 8);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 0x1_0000_0000;
}
