/**
 * Did-you-mean for misspelt keys and flags.
 */

/**
 * Finds the candidate that was probably meant. Case, hyphens and underscores
 * do not count as mistakes, so that `learningRate` finds `learning_rate`.
 *
 * @param word What was written.
 * @param candidates What could have been written.
 * @returns The closest candidate, the first of equals; undefined if none is
 * within a third of its length.
 */
export function suggest(
  word: string,
  candidates: readonly string[],
): string | undefined {
  const written = normalise(word);
  let best: string | undefined;
  let least = Infinity;
  for (const candidate of candidates) {
    const meant = normalise(candidate);
    const mistakes = editDistance(written, meant);
    const tolerated = Math.max(1, Math.floor(meant.length / 3));
    if (mistakes <= tolerated && mistakes < least) {
      best = candidate;
      least = mistakes;
    }
  }
  return best;
}

function normalise(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ ]/g, "");
}

/**
 * Counts the insertions, deletions, replacements and swaps of neighbours that
 * turn one word into another (optimal string alignment).
 *
 * @param from One word.
 * @param to The other word.
 * @returns The least number of such edits.
 */
export function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1];
      let least = Math.min(
        last[j]! + 1,
        row[j - 1]! + 1,
        last[j - 1]! + (same ? 0 : 1),
      );
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] &&
        from[i - 2] === to[j - 1];
      if (swapped) least = Math.min(least, beforeLast[j - 2]! + 1);
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return last[to.length]!;
}
