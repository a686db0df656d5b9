/**
 * A set of lines of a file, one bit each: a file of a gigabyte has tens of
 * millions of lines, and what is remembered of each must be next to nothing.
 */

/** A growing set of line numbers. */
export class LineSet {
  #bits: Uint8Array;

  /**
   * Begins with the lines of another set, or none.
   *
   * @param bits What {@linkcode LineSet.bits} gives.
   */
  constructor(bits: Uint8Array = new Uint8Array(0)) {
    this.#bits = bits;
  }

  /** All of it, as plain data: bit n % 8 of byte n / 8 is line n. */
  get bits(): Uint8Array {
    return this.#bits;
  }

  /**
   * Adds a line.
   *
   * @param line Its number.
   */
  add(line: number): void {
    const at = line >>> 3;
    if (at >= this.#bits.length) {
      const grown = new Uint8Array(Math.max(64, at + 1, this.#bits.length * 2));
      grown.set(this.#bits);
      this.#bits = grown;
    }
    this.#bits[at]! |= 1 << (line & 7);
  }

  /**
   * Tells whether a line is in the set.
   *
   * @param line Its number.
   * @returns Whether it has been added.
   */
  has(line: number): boolean {
    return ((this.#bits[line >>> 3] ?? 0) & (1 << (line & 7))) !== 0;
  }
}
