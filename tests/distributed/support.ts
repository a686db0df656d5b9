/**
 * Programs under mpirun, for tests that start several ranks on this machine.
 */
import { fileURLToPath } from "node:url";
import { type Outcome, ROOT, testWith } from "../helpers.ts";

/** The command line as mpirun starts it. */
export const MOD = fileURLToPath(new URL("mod.ts", ROOT));

/** How a rank begins. */
export const DENO_RUN: readonly string[] = [Deno.execPath(), "run"];

/** What mpirun and ranks are told by their environment. */
const ENVIRONMENT = {
  NO_COLOR: "1",
  // Runs as root, and with more ranks than cores.
  OMPI_ALLOW_RUN_AS_ROOT: "1",
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1",
  OMPI_MCA_rmaps_base_oversubscribe: "1",
  // Other tests want the cores as well, and other ranks the very same ones.
  OMPI_MCA_hwloc_base_binding_policy: "none",
  // Ranks that wait for each other fail a test instead of stopping it.
  MPIEXEC_TIMEOUT: "100",
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
 * @param last That of one more rank, if there is to be one.
 * @returns mpirun's process, its streams piped.
 */
export function startRanks(
  ranks: number,
  program: readonly string[],
  last?: readonly string[],
): Deno.ChildProcess {
  const run = ([name, ...args]: readonly string[]) => {
    const entry = new URL(`tests/distributed/${name}`, ROOT);
    return ["-A", "--no-prompt", fileURLToPath(entry), ...args];
  };
  return startDeno(ranks, run(program), last && [...DENO_RUN, ...run(last)]);
}

/**
 * Starts `deno run` on several ranks.
 *
 * @param ranks How many.
 * @param args What follows `deno run`.
 * @param last The whole command of one more rank, if there is to be one.
 * @param cwd Where it starts the first ones; by default here.
 * @returns mpirun's process, its streams piped.
 */
export function startDeno(
  ranks: number,
  args: readonly string[],
  last?: readonly string[],
  cwd = Deno.cwd(),
): Deno.ChildProcess {
  const others = last === undefined ? [] : [":", "-n", "1", ...last];
  return new Deno.Command("mpirun", {
    args: ["-n", String(ranks), ...DENO_RUN, ...args, ...others],
    cwd,
    env: ENVIRONMENT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/**
 * The ranks of a run: the kernel tells their commands.
 *
 * @param part Part of the command, such as a path.
 * @param mpirun The process that has started them.
 * @returns Their process ids, by rank.
 */
export function ranksOf(
  part: string,
  { pid }: Deno.ChildProcess,
): number[] {
  return Array.from(Deno.readDirSync("/proc"), ({ name }) => Number(name))
    .filter((id) => {
      try {
        const command = Deno.readTextFileSync(`/proc/${id}/cmdline`);
        return id !== pid && command.includes(part);
      } catch {
        // No process, or one that has just ended.
        return false;
      }
    }).sort((a, b) => a - b);
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
