/**
 * What several tests share: tests that need permissions, temporary folders,
 * and the command line as a process.
 */

/** A permission that a test may need. */
export type Need = "read" | "write" | "run";

/**
 * Registers a test that is ignored where a permission it needs was not
 * granted, the reason in its name: a plain `deno test` neither prompts nor
 * fails.
 *
 * @param needs The permissions, each for everything.
 * @param name A sentence.
 * @param fn The test.
 */
export function testWith(
  needs: readonly Need[],
  name: string,
  fn: () => void | Promise<void>,
): void {
  const missing = needs.filter((need) =>
    Deno.permissions.querySync({ name: need }).state !== "granted"
  );
  const reason = missing.map((need) => `--allow-${need}`).join(" ");
  Deno.test({
    name: missing.length === 0 ? name : `${name} (ignored: needs ${reason})`,
    ignore: missing.length > 0,
    fn,
  });
}

/**
 * Registers a test that runs processes, ignored where it may not.
 *
 * @param name A sentence.
 * @param fn The test.
 */
export function processTest(name: string, fn: () => Promise<void>): void {
  testWith(["run", "read", "write"], name, fn);
}

/**
 * Lends a fresh folder, and removes it afterwards whatever happens.
 *
 * @param use What to do with it, given its absolute path.
 */
export async function withFolder(
  use: (folder: string) => void | Promise<void>,
): Promise<void> {
  const folder = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    await use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** The names in a folder, sorted. */
export function namesIn(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
}

/** Lets nothing be written to any file until it is disposed of. */
export function fullDisk(): Disposable {
  const { prototype } = Deno.FsFile;
  const { writeSync } = prototype;
  prototype.writeSync = () => {
    throw new Error("No space left on device (os error 28)");
  };
  return { [Symbol.dispose]: () => void (prototype.writeSync = writeSync) };
}

/** The folder of the project, ending in a slash. */
export const ROOT = new URL("../", import.meta.url);

/** How {@linkcode startCommandLine} starts. */
export interface ProcessOptions {
  /** Permission flags; by default all that a run ever needs. */
  readonly permissions?: readonly string[];
  /** The working directory. */
  readonly cwd: string;
  /** What stands on standard input, all of it at once; nothing by default. */
  readonly input?: string | Uint8Array<ArrayBuffer>;
  /** Whether standard input is a pipe that the caller writes to. */
  readonly isFed?: boolean;
}

/** The outcome of a process. */
export interface Outcome {
  /** The exit code. */
  readonly code: number;
  /** Everything on standard output. */
  readonly stdout: string;
  /** Everything on standard error. */
  readonly stderr: string;
}

/**
 * Starts the command line as its users do, its standard streams piped.
 *
 * @param args The arguments.
 * @param options Working directory and permissions.
 * @returns The process.
 */
export function startCommandLine(
  args: readonly string[],
  { cwd, permissions = ["--allow-read", "--allow-write"], isFed }:
    ProcessOptions,
): Deno.ChildProcess {
  const entry = new URL("mod.ts", ROOT).href;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissions, "--no-prompt", entry, ...args],
    cwd,
    stdin: isFed ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/**
 * Runs the command line to its end.
 *
 * @param args The arguments.
 * @param options Working directory and permissions.
 * @returns Its outcome.
 */
export async function runCommandLine(
  args: readonly string[],
  options: ProcessOptions,
): Promise<Outcome> {
  const { input } = options;
  const isFed = input !== undefined;
  const process = startCommandLine(args, { ...options, isFed });
  if (isFed) await feed(process, input);
  const { code, stdout, stderr } = await process.output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** Writes all of an input; a process that ends before is its own affair. */
async function feed(
  process: Deno.ChildProcess,
  input: string | Uint8Array<ArrayBuffer>,
): Promise<void> {
  try {
    await new Blob([input]).stream().pipeTo(process.stdin);
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
