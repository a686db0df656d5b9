/**
 * What training needs of the processes that share it, and the arithmetic of
 * sharing. How they talk is elsewhere: this file knows no MPI.
 */

/** Numbers that ranks can add up. */
export type Reducible = Float32Array | Float64Array | Int32Array;

/**
 * A group of processes, the ranks 0 to size - 1, that run the same program.
 * Every call is collective: all ranks make the same calls in the same order,
 * and each waits until the others have done their part.
 */
export interface Communicator {
  /** Which of the processes this is. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /**
   * Adds up what the ranks hold, element by element.
   *
   * @param values As many on every rank; becomes the sum, the same bytes on
   * every rank.
   */
  allReduce(values: Reducible): void;
  /**
   * Gives every rank what one of them holds.
   *
   * @param values As many on every rank.
   * @param root The rank whose values all get; 0 by default.
   */
  broadcast(values: Reducible, root?: number): void;
  /** Returns once all ranks have come here. */
  barrier(): void;
}

/** A range of consecutive rows; empty where `from` is `to`. */
export interface Slice {
  /** The first row. */
  readonly from: number;
  /** The row after the last. */
  readonly to: number;
}

/**
 * The share of one rank in a number of rows. The shares of all ranks follow
 * one another, cover everything, and differ by at most one row; with fewer rows
 * than ranks some are empty.
 *
 * @param rows How many rows there are to share.
 * @param ranks The rank and how many there are.
 * @returns The rank's rows.
 */
export function sliceOf(
  rows: number,
  { rank, size }: Pick<Communicator, "rank" | "size">,
): Slice {
  return {
    from: Math.floor((rows * rank) / size),
    to: Math.floor((rows * (rank + 1)) / size),
  };
}

/**
 * Why a rank stops with the others, be it that one of them was told to.
 *
 * @param signal What this rank was told, if anything.
 * @returns What to throw.
 */
export function stopReason(signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  return new DOMException("Another rank has been told to stop", "AbortError");
}

/**
 * Gives every rank a text that rank 0 has.
 *
 * @param communicator The ranks.
 * @param text That of rank 0; what others give is not looked at.
 * @returns The text of rank 0.
 */
export function broadcastText(
  communicator: Communicator,
  text: string,
): string {
  const bytes = new TextEncoder().encode(text);
  const length = Int32Array.of(bytes.length);
  communicator.broadcast(length);
  const words = new Int32Array(Math.ceil(length[0]! / 4));
  const view = new Uint8Array(words.buffer, 0, length[0]!);
  if (communicator.rank === 0) view.set(bytes);
  communicator.broadcast(words);
  return new TextDecoder().decode(view);
}

/**
 * Collects one number from each rank.
 *
 * @param communicator The ranks.
 * @param value The number of this rank, an int32.
 * @returns The numbers of all, by rank.
 */
export function gatherInt32(
  communicator: Communicator,
  value: number,
): Int32Array {
  const values = new Int32Array(communicator.size);
  values[communicator.rank] = value;
  communicator.allReduce(values);
  return values;
}
