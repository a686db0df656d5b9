/**
 * A run that several processes share: whether it is one, what each of them has
 * to write, and how all end together. How they talk is src/distributed/.
 */
import {
  agree,
  DisagreementError,
  type Facts,
} from "../distributed/agreement.ts";
import { type Communicator, gatherInt32 } from "../distributed/communicator.ts";
import { connectMpi, type MpiCommunicator } from "../distributed/mpi.ts";
import type { Config } from "./config_types.ts";
import type { Dataset } from "./dataset.ts";
import { failureCode } from "./failure.ts";
import { writeToStderr } from "./streams.ts";

/** What mpirun puts into the environment of those it starts. */
const LAUNCHED = "OMPI_COMM_WORLD_SIZE";

/**
 * Joins the processes of a run as `training.distributed` says: `auto` joins
 * where mpirun has started this one and the environment may be read, which is
 * never asked for.
 *
 * @param config A complete configuration.
 * @returns The processes; undefined where this one is alone.
 * @throws {MpiError} If they cannot be joined.
 */
export function openRanks({ training }: Config): MpiCommunicator | undefined {
  switch (training.distributed) {
    case "none":
      return undefined;
    case "mpi":
      return connectMpi();
    case "auto":
      return isLaunched() ? connectMpi() : undefined;
  }
}

function isLaunched(): boolean {
  const { state } = Deno.permissions.querySync({
    name: "env",
    variable: LAUNCHED,
  });
  return state === "granted" && Deno.env.get(LAUNCHED) !== undefined;
}

/**
 * What of a configuration is this process's to do: rank 0 alone logs, shows
 * progress and writes files.
 *
 * @param config The configuration of the run.
 * @param ranks The processes that share it, if any.
 * @returns The configuration of this process.
 */
export function ownConfig(
  config: Config,
  ranks: MpiCommunicator | undefined,
): Config {
  if (ranks === undefined || ranks.rank === 0) return config;
  return {
    ...config,
    training: { ...config.training, verbose: false },
    logging: { level: "silent", file: null },
    output: { ...config.output, dir: null },
  };
}

/**
 * Makes sure that all ranks were given the same configuration.
 *
 * @param config The configuration of the run.
 * @param ranks The processes that share it.
 * @param options What else must be the same.
 * @throws {DisagreementError} If they were not; on all ranks.
 */
export function agreeOnConfig(
  config: Config,
  ranks: MpiCommunicator,
  options: Facts = {},
): void {
  const entries = Object.entries(config).flatMap(([section, keys]) =>
    Object.entries(keys).map(([key, value]) =>
      [`${section}.${key}`, JSON.stringify(value)] as const
    )
  );
  agree(ranks, { ...Object.fromEntries(entries), ...options });
}

/**
 * Makes sure that all ranks have read the same files.
 *
 * @param dataset The data of the run.
 * @param ranks The processes that share it.
 * @throws {DisagreementError} If they have not; on all ranks.
 */
export function agreeOnData(
  { fingerprint }: Dataset,
  ranks: Communicator,
): void {
  agree(ranks, { "content of the data files": fingerprint ?? "" });
}

/**
 * Does the work of one rank, and ends it so that no other waits for it: a
 * failure of one ends all.
 *
 * @param ranks The processes.
 * @param work The work; its value is this rank's exit code.
 * @returns The exit code of all: the highest.
 */
export async function endTogether(
  ranks: MpiCommunicator,
  work: () => Promise<number>,
): Promise<number> {
  let code: number;
  try {
    code = await work();
  } catch (error) {
    const { message } = error instanceof Error
      ? error
      : { message: String(error) };
    if (!(error instanceof DisagreementError)) {
      writeToStderr(`error: rank ${ranks.rank}: ${message}\n`);
      ranks.abort(failureCode(error));
    }
    // All have found the same: one tells.
    if (ranks.rank === 0) writeToStderr(`error: ${message}\n`);
    code = 1;
  }
  const highest = Math.max(...gatherInt32(ranks, code));
  ranks.close();
  return highest;
}
