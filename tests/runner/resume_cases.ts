/**
 * A small run to stop, to damage and to go on with.
 */
import { resolveConfig } from "../../src/runner/config.ts";
import type { Config, PartialConfig } from "../../src/runner/config_types.ts";
import { prepareRun, runExperiment } from "../../src/runner/experiment.ts";
import { Logger } from "../../src/runner/logging.ts";
import type { Results } from "../../src/runner/results.ts";
import type { RunOptions } from "../../src/runner/run_options.ts";
import { findResumed, type Resumed } from "../../src/runner/resume.ts";
import type { Need } from "../helpers.ts";

/** What these tests need. */
export const FILES: readonly Need[] = ["read", "write"];

/** Three epochs of steps with 4, 4 and 2 sequences. */
export function configIn(folder: string, partial: PartialConfig = {}): Config {
  return resolveConfig({
    data: { n_samples: 10, n_test: 4, src_length: 3, tgt_length: 2 },
    model: { d_model: 4, d_k: 3, d_v: 2, ...partial.model },
    training: {
      epochs: 3,
      batch_size: 4,
      verbose: false,
      ...partial.training,
    },
    logging: { level: "silent" },
    output: { dir: `${folder}/run`, checkpoint_every: 2, ...partial.output },
  });
}

/** Runs a configuration from its beginning. */
export function run(
  config: Config,
  options: RunOptions = {},
): Promise<Results> {
  return runExperiment(config, new Logger(config.logging), options);
}

/** Where a run would go on. */
export async function find(config: Config): Promise<Resumed> {
  return findResumed(await prepareRun(config, { resume: true }), config);
}

/** As the command does it with `--resume`. */
export async function resume(
  config: Config,
  options: RunOptions = {},
): Promise<Results> {
  const prepared = await prepareRun(config, { resume: true });
  const { snapshot } = findResumed(prepared, config);
  const log = new Logger(config.logging);
  const given = snapshot === undefined ? options : {
    ...options,
    resume: snapshot,
  };
  return await runExperiment(config, log, given, prepared);
}

/** Runs until after a step. */
export function runUntil(config: Config, last: number): Promise<Results> {
  const controller = new AbortController();
  return run(config, {
    signal: controller.signal,
    onStep: ({ step }) => void (step === last && controller.abort()),
  });
}

/** Removes what a run has left. */
export function empty(folder: string): void {
  Deno.removeSync(`${folder}/run`, { recursive: true });
}

/** Takes an error that should not be. */
export function fail(error: Error): never {
  throw error;
}
