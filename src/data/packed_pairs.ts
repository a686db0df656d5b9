/**
 * Pairs of sequences of any lengths, close together in typed arrays.
 */

/** Sequences one after another. */
export interface PackedSequences {
  /** The tokens of all of them. */
  readonly tokens: Int32Array<ArrayBuffer>;
  /** Where each of them ends in `tokens`; it begins where the last one ends. */
  readonly ends: Int32Array<ArrayBuffer>;
}

/** Pairs of sequences, as many of the one as of the other. */
export interface PackedPairs {
  /** The sources. */
  readonly source: PackedSequences;
  /** The targets, each with its end. */
  readonly target: PackedSequences;
}

/** Puts sequences one after another. */
export class Packer {
  #tokens = new Int32Array(1024);
  #length = 0;
  readonly #ends: Int32Array<ArrayBuffer>;
  #rows = 0;

  /** @param rows How many sequences there will be. */
  constructor(rows: number) {
    this.#ends = new Int32Array(rows);
  }

  /** @param token The next token of the sequence under way. */
  push(token: number): void {
    if (this.#length === this.#tokens.length) {
      const grown = new Int32Array(2 * this.#length);
      grown.set(this.#tokens);
      this.#tokens = grown;
    }
    this.#tokens[this.#length++] = token;
  }

  /** Ends the sequence under way. */
  end(): void {
    this.#ends[this.#rows++] = this.#length;
  }

  /** @returns All sequences, in no more memory than they need. */
  packed(): PackedSequences {
    return { tokens: this.#tokens.slice(0, this.#length), ends: this.#ends };
  }
}

/**
 * Copies a sequence to the beginning of a row.
 *
 * @param sequences Where it is from.
 * @param at Which one.
 * @param row At least as long as the sequence.
 * @param padToken What fills the rest of the row.
 */
export function copySequence(
  { tokens, ends }: PackedSequences,
  at: number,
  row: Int32Array,
  padToken: number,
): void {
  let from = at === 0 ? 0 : ends[at - 1]!;
  const length = ends[at]! - from;
  for (let to = 0; to < row.length; to++) {
    row[to] = to < length ? tokens[from++]! : padToken;
  }
}
