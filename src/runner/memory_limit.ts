/**
 * Refuses runs that need too much memory, before any of it is taken.
 */
import { coreCount } from "../run/threads.ts";
import type { Config, ConfigProblem } from "./config_types.ts";
import { estimateMemory, type RunSizes } from "./memory_estimate.ts";

/** What all memory of a run may come to, the reach of a signed 32-bit offset. */
const MEMORY_LIMIT = 2 ** 31;

/**
 * The sizes of a run on generated data.
 *
 * @param config Its configuration.
 * @returns Its sizes.
 */
export function sizesOf({ data, model, training }: Config): RunSizes {
  const { n_samples, n_test, vocab_size } = data;
  const { src_length, tgt_length } = lengthsOf({ data });
  return {
    n_samples,
    n_test,
    src_length,
    tgt_length,
    vocab_size,
    ...stepSizesOf({ model, training }),
  };
}

/**
 * Those of the sizes of a run that do not depend on its data.
 *
 * @param config Its configuration.
 * @returns Widths, batch size and threads.
 */
export function stepSizesOf(
  { model, training }: Pick<Config, "model" | "training">,
): Pick<RunSizes, "d_model" | "d_k" | "d_v" | "batch_size" | "threads"> {
  const { batch_size, threads } = training;
  const most = threads === "auto" ? coreCount() : threads;
  return { ...model, batch_size, threads: most };
}

/**
 * The lengths of generated data, which always have some.
 *
 * @param config Its configuration.
 * @returns Tokens in a source, and in a target.
 */
export function lengthsOf(
  { data }: Pick<Config, "data">,
): { readonly src_length: number; readonly tgt_length: number } {
  const { src_length, tgt_length } = data;
  if (src_length !== null && tgt_length !== null) {
    return { src_length, tgt_length };
  }
  throw new Error("internal: generated data without lengths");
}

/**
 * Tells whether a run needs too much memory.
 *
 * @param sizes Its sizes.
 * @param dataKey The key that decides how much data there are at a time.
 * @returns The problem, if there is one, put on the key that matters most.
 */
export function findExcess(sizes: RunSizes, dataKey: string): ConfigProblem[] {
  const { parameters, activations, data } = estimateMemory(sizes);
  const total = parameters + activations + data;
  if (total <= MEMORY_LIMIT) return [];
  const largest = Math.max(parameters, activations, data);
  const path = largest === parameters
    ? "model"
    : largest === activations
    ? "data.src_length"
    : dataKey;
  const found = Object.entries(sizes).map(([key, value]) => `${key} ${value}`)
    .join(", ");
  return [{
    path,
    found: `sizes that need about ${formatBytes(total)} of memory (${found})`,
    wanted: `at most ${formatBytes(MEMORY_LIMIT)}: parameters and optimiser ${
      formatBytes(parameters)
    }, intermediate values ${formatBytes(activations)}, data ${
      formatBytes(data)
    }`,
  }];
}

function formatBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${Number(bytes.toPrecision(3))} ${units[unit]}`;
}
