/**
 * The runner as a class, for programs. The command line is another user of the
 * same parts.
 */
import { loadConfig, resolveConfig } from "./config.ts";
import type { Config, PartialConfig } from "./config_types.ts";
import { runExperiment } from "./experiment.ts";
import { Logger } from "./logging.ts";
import type { MpiCommunicator } from "../distributed/mpi.ts";
import { agreeOnConfig, openRanks, ownConfig } from "./ranks.ts";
import type { Results } from "./results.ts";
import type { RunOptions } from "./run_options.ts";

/**
 * Trains and tests a model as a configuration says.
 *
 * @example A small run
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { AttentionRunner } from "jsr:@weft/seq2seq";
 *
 * const runner = new AttentionRunner({
 *   data: { n_samples: 8, n_test: 4, src_length: 3, tgt_length: 3 },
 *   model: { d_model: 4, d_k: 4, d_v: 4 },
 *   training: { epochs: 2, batch_size: 4, verbose: false },
 *   logging: { level: "warn" },
 * });
 * const results = await runner.run();
 * assertEquals(results.status, "completed");
 * assertEquals(results.train.history.loss.length, 2);
 * ```
 */
export class AttentionRunner {
  /** The complete configuration, defaults filled in. */
  readonly config: Config;
  readonly #log: Logger;
  readonly #ranks: MpiCommunicator | undefined;

  /**
   * Reads and checks a configuration and opens its log.
   *
   * @param config The path of a YAML file, or a configuration as an object;
   * either may leave out anything. Without it, the built-in defaults.
   * @throws {ConfigError} If the file cannot be read or anything in it is
   * wrong, all problems at once, or if the log file cannot be written.
   * @throws {MpiError} If processes were to share the run and cannot.
   */
  constructor(config?: string | PartialConfig) {
    this.config = config === undefined || typeof config === "string"
      ? loadConfig(config)
      : resolveConfig(config);
    this.#ranks = openRanks(this.config);
    this.#log = new Logger(ownConfig(this.config, this.#ranks).logging);
  }

  /**
   * Generates data or reads files, builds the model, trains it and tests it on
   * data it has not seen. Every call starts anew, and from one seed all calls come to the
   * same.
   *
   * @param options Signal and callbacks.
   * @returns The results. An abort or a loss that is not finite does not
   * reject: it is the results' `status`.
   * @throws {FileError | ConfigError} If the data cannot be used.
   * @throws {OutputError} If the folder of the run cannot be used.
   */
  async run(options: RunOptions = {}): Promise<Results> {
    const ranks = this.#ranks;
    if (ranks === undefined) {
      return await runExperiment(this.config, this.#log, options);
    }
    agreeOnConfig(this.config, ranks);
    return await runExperiment(ownConfig(this.config, ranks), this.#log, {
      ...options,
      communicator: ranks,
    });
  }
}
