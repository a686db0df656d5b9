/**
 * Keeps the event loop alive during long work: signals, timers and servers get
 * a turn every so often, not every step.
 */

/** How long work goes on before others get a turn, in milliseconds. */
const TURN_MS = 50;

/**
 * A message is answered within microseconds, a timer takes 1 to 2 ms. But in a
 * program that has loaded a CommonJS package Deno looks for signals only once
 * in some sixty messages, and at every timer.
 */
const TURNS_PER_TIMER = 4;

/** Gives the event loop a turn when one is due. */
export class Turns {
  #last = performance.now();
  #taken = 0;

  /** Whether it is time. */
  due(): boolean {
    return performance.now() - this.#last >= TURN_MS;
  }

  /** Lets everything that waits run once. */
  async take(): Promise<void> {
    if (++this.#taken % TURNS_PER_TIMER === 0) {
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
    } else await message();
    this.#last = performance.now();
  }
}

async function message(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  await new Promise<void>((resolve) => {
    port1.onmessage = () => resolve();
    port2.postMessage(null);
  });
  port1.close();
  port2.close();
}
