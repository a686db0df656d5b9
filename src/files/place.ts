/**
 * Writing files as a whole: a file is written beside its place and moved there,
 * so that neither a crash nor a full disk leaves half of it or costs the
 * previous one. What is in the files is others' business.
 */
import { dirname, join, resolve } from "node:path";
import { OutputError } from "./errors.ts";
import { describeFileError, inspect, isDenial } from "./paths.ts";

/** A place that has been checked. */
export interface Place {
  /**
   * Writes the place's new content as a whole.
   *
   * @param bytes The content.
   * @throws {OutputError} If that fails. A file is then as it was before.
   */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
}

/**
 * Checks a place and leaves it as it is. Links are followed; what is neither a
 * file nor a folder (a pipe, a device) is written to directly, and so is a file
 * where only the file itself may be written, not its folder.
 *
 * @param path The place, relative to the working directory.
 * @returns The place, ready to be written to.
 * @throws {OutputError} If the place cannot be written to.
 */
export function openPlace(path: string): Place {
  const failed = (error: unknown): OutputError =>
    new OutputError(path, describeFileError(error));
  let write: Writer;
  try {
    write = findWriter(path);
  } catch (error) {
    throw failed(error);
  }
  return {
    async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
      try {
        await write(bytes);
      } catch (error) {
        throw failed(error);
      }
    },
  };
}

type Writer = (bytes: Uint8Array<ArrayBuffer>) => void | Promise<void>;

function findWriter(path: string): Writer {
  if (path === "") throw new Error("the path is empty");
  const info = inspect(path);
  if (info === "unreadable") {
    probeOverwrite(path);
    return (bytes) => overwrite(path, bytes);
  }
  if (info?.isDirectory || /[/\\]$/.test(path)) {
    throw new Error("it is a folder, not a file");
  }
  if (info !== undefined && !info.isFile) {
    // Opening a pipe only to try would look to its reader like the end.
    return (bytes) => Deno.writeFile(path, bytes, { create: false });
  }
  const place = info === undefined
    ? followDanglingLinks(path)
    : Deno.realPathSync(path);
  const folder = dirname(place);
  const folderInfo = inspect(folder);
  if (folderInfo === undefined) {
    throw new Error(`there is no folder ${JSON.stringify(folder)}`);
  }
  if (info !== undefined) probeOverwrite(place);
  if (isGranted("read", folder) && isGranted("write", folder)) {
    try {
      probeReplace(folder);
      return (bytes) => replaceFile(place, bytes);
    } catch (error) {
      // A folder may be closed to new files and its files still be writable.
      if (info === undefined || !isDenial(error)) throw error;
    }
  }
  if (info === undefined) probeOverwrite(place);
  return (bytes) => overwrite(place, bytes);
}

/** Where a path leads that does not exist, through links that do. */
function followDanglingLinks(path: string): string {
  let place = resolve(path);
  // The system's own limit; more links than that have failed in inspect().
  for (let links = 0; links < 40; links++) {
    try {
      if (!Deno.lstatSync(place).isSymlink) break;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) break;
      throw error;
    }
    place = resolve(dirname(place), Deno.readLinkSync(place));
  }
  return place;
}

/** Only asks; attempting it could prompt for a file nobody has heard of. */
function isGranted(name: "read" | "write", path: string): boolean {
  return Deno.permissions.querySync({ name, path }).state === "granted";
}

function temporaryFile(folder: string): string {
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
  return join(folder, `.weft-${random.toString(16).padStart(8, "0")}.tmp`);
}

/**
 * Whether a name is of a file on its way to its place.
 *
 * @param name The name without its folder.
 * @returns True if it is; where nobody is writing, it was left behind.
 */
export function isTemporary(name: string): boolean {
  return /^\.weft-[0-9a-f]{8}\.tmp$/.test(name);
}

/**
 * Tries whether files can be written to a folder, and leaves it as it is.
 *
 * @param folder The folder.
 * @throws {Error} If they cannot.
 */
export function probeReplace(folder: string): void {
  const temporary = temporaryFile(folder);
  Deno.openSync(temporary, { write: true, createNew: true }).close();
  Deno.removeSync(temporary);
}

/** Opens without truncating, and tells whether there was anything before. */
function openForWriting(path: string): { file: Deno.FsFile; isNew: boolean } {
  try {
    const file = Deno.openSync(path, { write: true, createNew: true });
    return { file, isNew: true };
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    return { file: Deno.openSync(path, { write: true }), isNew: false };
  }
}

function probeOverwrite(path: string): void {
  const { file, isNew } = openForWriting(path);
  file.close();
  if (isNew) Deno.removeSync(path);
}

/**
 * Writes a file beside its place, flushes it and moves it there, so that the
 * place holds the old content or the new, whatever happens in between.
 *
 * @param place The file; no link.
 * @param bytes Its new content.
 * @throws {Error} If that fails. Nothing has changed then.
 */
export function replaceFile(place: string, bytes: Uint8Array): void {
  const temporary = temporaryFile(dirname(place));
  const previous = inspect(place);
  const file = Deno.openSync(temporary, { write: true, createNew: true });
  try {
    try {
      writeAll(file, bytes);
      file.syncSync();
    } finally {
      file.close();
    }
    const mode = typeof previous === "object" ? previous.mode : null;
    if (mode !== null && Deno.build.os !== "windows") {
      Deno.chmodSync(temporary, mode & 0o777);
    }
    Deno.renameSync(temporary, place);
  } catch (error) {
    removeIfPossible(temporary);
    throw error;
  }
  flushFolder(dirname(place));
}

/** So that the move survives a power failure too, where the system can. */
function flushFolder(folder: string): void {
  try {
    using opened = Deno.openSync(folder);
    opened.syncSync();
  } catch {
    // The file is in its place all the same.
  }
}

/** Truncates last, and undoes on failure what can be undone. */
function overwrite(path: string, bytes: Uint8Array): void {
  const previous = readIfPossible(path);
  const { file, isNew } = openForWriting(path);
  try {
    fill(file, bytes);
  } catch (error) {
    if (previous !== undefined) fill(file, previous);
    if (isNew) removeIfPossible(path);
    throw error;
  } finally {
    file.close();
  }
}

function fill(file: Deno.FsFile, bytes: Uint8Array): void {
  if (!isRegular(file)) return writeAll(file, bytes);
  file.seekSync(0, Deno.SeekMode.Start);
  writeAll(file, bytes);
  file.truncateSync(bytes.length);
  file.syncSync();
}

/** What may not be looked at is taken for a file, as it nearly always is. */
function isRegular(file: Deno.FsFile): boolean {
  try {
    return file.statSync().isFile;
  } catch (error) {
    if (isDenial(error)) return true;
    throw error;
  }
}

function readIfPossible(path: string): Uint8Array | undefined {
  if (!isGranted("read", path)) return undefined;
  try {
    return Deno.readFileSync(path);
  } catch {
    return undefined;
  }
}

function removeIfPossible(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // The failure that led here is the one to report.
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  while (bytes.length > 0) bytes = bytes.subarray(file.writeSync(bytes));
}
