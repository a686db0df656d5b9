/**
 * Programs under mpirun, for tests that start several ranks on this machine.
 */
import { fileURLToPath } from "node:url";
import { type Outcome, ROOT, testWith } from "../helpers.ts";

/** Runs as root, and with more ranks than cores. */
const ALLOWANCES = {
  OMPI_ALLOW_RUN_AS_ROOT: "1",
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1",
  OMPI_MCA_rmaps_base_oversubscribe: "1",
};

/** Whether mpirun can be started here. */
function hasMpirun(): boolean {
  if (Deno.permissions.querySync({ name: "run" }).state !== "granted") {
    return false;
  }
  try {
    const { success } = new Deno.Command("mpirun", {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).outputSync();
    return success;
  } catch {
    return false;
  }
}

const HAS_MPIRUN = hasMpirun();

/**
 * Registers a test that needs Open MPI, ignored where it is absent.
 *
 * @param name A sentence.
 * @param fn The test.
 */
export function mpiTest(name: string, fn: () => Promise<void>): void {
  if (HAS_MPIRUN) testWith(["run", "read", "write"], name, fn);
  else {
    Deno.test({ name: `${name} (ignored: no mpirun)`, ignore: true, fn });
  }
}

/**
 * Starts a program of this folder on several ranks.
 *
 * @param ranks How many.
 * @param program Its name in this folder, then its arguments.
 * @returns mpirun's process, its streams piped.
 */
export function startRanks(
  ranks: number,
  [program, ...args]: readonly [string, ...string[]],
): Deno.ChildProcess {
  const entry = fileURLToPath(
    new URL(`tests/distributed/${program}`, ROOT),
  );
  return startDeno(ranks, ["-A", "--no-prompt", entry, ...args]);
}

/**
 * Starts `deno run` on several ranks.
 *
 * @param ranks How many.
 * @param args What follows `deno run`.
 * @param others What else mpirun is to start.
 * @returns mpirun's process, its streams piped.
 */
export function startDeno(
  ranks: number,
  args: readonly string[],
  others: readonly string[] = [],
): Deno.ChildProcess {
  const deno = [Deno.execPath(), "run", ...args];
  return new Deno.Command("mpirun", {
    args: ["-n", String(ranks), ...deno, ...others],
    env: { ...ALLOWANCES, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Waits for a process and for all it wrote. */
export async function outcomeOf(process: Deno.ChildProcess): Promise<Outcome> {
  const { code, stdout, stderr } = await process.output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}
