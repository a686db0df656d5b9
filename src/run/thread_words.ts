/**
 * The words by which threads speak to one another, in the memory that they
 * share: positions of 32-bit integers, each of those written in a hurry on a
 * line of the cache of its own.
 */

/** Words on a line of the cache. */
const LINE = 16;

/** Words of one thread, written for it alone. */
export const OWN = {
  /** Counts its commands; {@linkcode END} where there will be none. */
  command: 0,
  /** Whether it sleeps until the next one. */
  sleeping: 1,
  /** Whether it has started. */
  ready: 2,
  /** Behind the last one. */
  end: LINE,
} as const;

/** Words that all threads see. */
export const WORD = {
  /** What is to be done, see {@linkcode COMMAND}. */
  kind: 0,
  /** Which program. */
  program: 1,
  /** Where the bytes of a module are that is to be loaded. */
  address: 2,
  /** How many. */
  bytes: 3,
  /** How many steps or jobs of the program are run. */
  count: 4,
  /** Counts how often a thread was done with a command. */
  finished: LINE,
  /** Whether the caller sleeps until threads are done. */
  joining: 2 * LINE,
  /** How many have come to a barrier. */
  arrived: 3 * LINE,
  /** Counts how often all have met at a barrier. */
  round: 4 * LINE,
  /** How many sleep at a barrier. */
  waiting: 5 * LINE,
  /** The thread that has failed first, or -1 for the caller; 0 for none. */
  failed: 6 * LINE,
  /** How many bytes of what it had to say follow the words. */
  textLength: 6 * LINE + 1,
  /** Behind the last one. */
  end: 7 * LINE,
} as const;

/** What a thread can be told to do. */
export const COMMAND = { run: 1, load: 2 } as const;

/** In place of a count: a thread is to end, whatever others are told. */
export const END = -1;

/** Counts up to here and begins again. */
export const MOST_COMMANDS = 0x3fff_ffff;

/** How much of what a failed thread has to say is kept. */
export const TEXT_BYTES = 448;
