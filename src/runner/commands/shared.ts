/**
 * Options that several commands have, so that they mean the same everywhere.
 */
import { UsageError } from "./flags.ts";

/** What a configuration is made from. */
export const CONFIG_FLAGS = {
  config: {
    short: "c",
    value: "FILE",
    help: "YAML configuration; without it, the built-in defaults " +
      "(configs/default.yaml shows them, every key commented)",
  },
  set: {
    value: "KEY=VALUE",
    many: true,
    help: "set a key of the configuration, such as training.epochs=5; the " +
      "value is YAML; the last of several for one key counts",
  },
} as const;

/** The model that a command uses. */
export const MODEL_FLAG = {
  short: "m",
  value: "FILE",
  required: true,
  help: "the trained model, a .safetensors file of weft",
} as const;

/** How many threads work for a command. */
export const THREADS_FLAG = {
  value: "N",
  help: "how many threads share the work, or auto: as many as pay (1)",
} as const;

/** The most threads, as in configurations. */
const MOST_THREADS = 256;

/**
 * Reads the value of {@linkcode THREADS_FLAG}.
 *
 * @param text The value.
 * @param command The name of the command that was given it.
 * @returns How many threads.
 * @throws {UsageError} If it is no number of threads.
 */
export function parseThreads(text: string, command: string): number | "auto" {
  const threads = Number(text);
  if (text === "auto") return text;
  if (/^\d+$/.test(text) && threads >= 1 && threads <= MOST_THREADS) {
    return threads;
  }
  throw new UsageError([
    `Option "--threads" is ${JSON.stringify(text)}, wanted an integer from 1 ` +
    `to ${MOST_THREADS}, or auto`,
  ], command);
}
