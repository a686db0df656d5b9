/**
 * The command `run`: everything is checked first, then the run takes place,
 * then its results are written, also if it was interrupted or diverged.
 */
import type { MpiCommunicator } from "../distributed/mpi.ts";
import { shareSnapshot } from "../nn/shared_snapshot.ts";
import { loadConfig } from "./config.ts";
import type { Config } from "./config_types.ts";
import { prepareRun, runExperiment } from "./experiment.ts";
import { Interrupts } from "./interrupts.ts";
import { Logger } from "./logging.ts";
import { isSameFile } from "./files.ts";
import { openOutput, OutputError } from "./output.ts";
import type { Override } from "./overrides.ts";
import { agreeOnConfig, endTogether, openRanks, ownConfig } from "./ranks.ts";
import { formatResults, type Results, type RunStatus } from "./results.ts";
import { findResumed } from "./resume.ts";
import { writeToStdout } from "./streams.ts";

/** What the command is told. */
export interface RunCommand {
  /** The configuration file; undefined for the defaults. */
  readonly config: string | undefined;
  /** What replaces or completes it. */
  readonly overrides: readonly Override[];
  /** The results file; undefined for standard output. */
  readonly output: string | undefined;
  /** Whether the run in `output.dir` is gone on with. */
  readonly resume: boolean;
  /** How much is told of the compiled plans, from 0, nothing, to 5. */
  readonly debug: number;
  /** Whether every kernel of every step is checked. */
  readonly check: boolean;
}

/**
 * Carries the command out.
 *
 * @param command Where the configuration is and where the results go.
 * @returns The exit code.
 * @throws {ConfigError} If the configuration cannot be used.
 * @throws {OutputError} If the output place cannot be used.
 * @throws {FileError} If the data cannot be used, or the run is to be resumed and
 * no checkpoint is readable.
 */
export async function runCommand(command: RunCommand): Promise<number> {
  const config = loadConfig(command.config, command.overrides);
  const ranks = openRanks(config);
  if (ranks === undefined) return await run(command, config, undefined);
  return await endTogether(ranks, async () => {
    agreeOnConfig(config, ranks, { "--resume": String(command.resume) });
    return await run(command, ownConfig(config, ranks), ranks);
  });
}

async function run(
  command: RunCommand,
  config: Config,
  ranks: MpiCommunicator | undefined,
): Promise<number> {
  // Rank 0 alone writes.
  const isFirst = ranks === undefined || ranks.rank === 0;
  if (isFirst) refuseClashes(command, config);
  const output = !isFirst
    ? { write: () => Promise.resolve() }
    : command.output === undefined
    ? { write: writeToStdout }
    : openOutput(command.output);
  const prepared = await prepareRun(config, {
    resume: command.resume,
    communicator: ranks,
  });
  const resumed = command.resume && isFirst
    ? findResumed(prepared, config)
    : undefined;
  // Last, for it creates the log file: until here nothing has been written.
  const log = new Logger(config.logging);
  resumed?.tell(log);
  const resume = ranks === undefined
    ? resumed?.snapshot
    : shareSnapshot(ranks, resumed?.snapshot);
  const interrupts = new Interrupts((name) =>
    log.warn(
      `Received ${name}: ending after this step and saving; again to end now`,
    )
  );
  try {
    const results = await runExperiment(config, log, {
      signal: interrupts.signal,
      compile: { debug: isFirst ? command.debug : 0, check: command.check },
      ...(ranks === undefined ? {} : { communicator: ranks }),
      ...(resume === undefined ? {} : { resume }),
    }, prepared);
    try {
      await output.write(formatResults(results));
    } catch (error) {
      await rescue(results, command, error, log);
      return 1;
    }
    describeOutcome(results, command, log);
    return exitCodeOf(results.status, interrupts);
  } finally {
    interrupts.stop();
  }
}

function refuseClashes(
  { config: source, output }: RunCommand,
  config: Config,
): void {
  if (output === undefined) return;
  if (source !== undefined && isSameFile(output, source)) {
    throw new OutputError(output, "it is the configuration file");
  }
  const log = config.logging.file;
  if (log !== null && isSameFile(output, log)) {
    throw new OutputError(output, "it is the log file (logging.file)");
  }
}

/** An hour of training is worth more than an exit without a trace. */
async function rescue(
  results: Results,
  { output }: RunCommand,
  error: unknown,
  log: Logger,
): Promise<void> {
  const reason = error instanceof Error ? error.message : String(error);
  if (output === undefined) {
    log.error(`Cannot write to standard output: ${reason}`);
    return;
  }
  log.error(`${reason}; the results follow on standard output`);
  await writeToStdout(formatResults(results));
}

function describeOutcome(
  { status, test }: Results,
  { output }: RunCommand,
  log: Logger,
): void {
  if (output === undefined) return;
  const outcome = [
    ...(status === "completed" ? [] : [status]),
    ...(test.accuracy === null
      ? []
      : [`test accuracy ${test.accuracy.toFixed(4)}`]),
  ];
  log.info(`Results are in ${JSON.stringify(output)} (${outcome.join(", ")})`);
}

function exitCodeOf(status: RunStatus, interrupts: Interrupts): number {
  switch (status) {
    case "completed":
    case "early_stopped":
      return 0;
    case "interrupted":
      return interrupts.exitCode ?? 1;
    case "diverged":
      return 1;
  }
}
