/**
 * SIGINT and SIGTERM as an abort signal. The first asks for an orderly end,
 * the second does not wait for it.
 */

/** The signals that end a run. */
export type Interrupt = "SIGINT" | "SIGTERM";

/** What a shell would report of a process ended by the signal: 128 + number. */
const EXIT_CODES: Record<Interrupt, number> = { SIGINT: 130, SIGTERM: 143 };

/** Listens from its construction until {@linkcode Interrupts.stop}. */
export class Interrupts {
  readonly #controller = new AbortController();
  readonly #listeners: [Interrupt, () => void][];
  #first: Interrupt | undefined;

  /**
   * Starts to listen.
   *
   * @param onFirst Called at the first signal.
   */
  constructor(onFirst: (interrupt: Interrupt) => void) {
    // Windows knows no SIGTERM.
    const names: Interrupt[] = Deno.build.os === "windows"
      ? ["SIGINT"]
      : ["SIGINT", "SIGTERM"];
    this.#listeners = names.map((name) => [
      name,
      () => this.#interrupt(name, onFirst),
    ]);
    for (const [name, listener] of this.#listeners) {
      Deno.addSignalListener(name, listener);
    }
  }

  /** Aborts at the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The exit code that tells of the first signal; undefined without one. */
  get exitCode(): number | undefined {
    return this.#first === undefined ? undefined : EXIT_CODES[this.#first];
  }

  /** Stops listening: signals have their usual effect again. */
  stop(): void {
    for (const [name, listener] of this.#listeners) {
      Deno.removeSignalListener(name, listener);
    }
  }

  #interrupt(name: Interrupt, onFirst: (interrupt: Interrupt) => void): void {
    if (this.#first !== undefined) Deno.exit(EXIT_CODES[name]);
    this.#first = name;
    onFirst(name);
    this.#controller.abort();
  }
}
