/**
 * Questions about files: what is there, whether two paths mean the same file,
 * and what went wrong, in words that help without a stack trace. It changes no
 * file.
 */
import { resolve } from "node:path";

/**
 * Finds what a path leads to.
 *
 * @param path The path; links are followed.
 * @returns What is there, undefined if nothing is, or "unreadable" if that may
 * not be known.
 * @throws {Error} If the path makes no sense, such as links in a circle.
 */
export function inspect(
  path: string,
): Deno.FileInfo | undefined | "unreadable" {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (isDenial(error)) return "unreadable";
    throw error;
  }
}

/**
 * Whether two paths lead to one file, or would if it existed.
 *
 * @param one A path.
 * @param other Another path.
 * @returns True if they do, as far as may be read.
 */
export function isSameFile(one: string, other: string): boolean {
  if (resolve(one) === resolve(other)) return true;
  try {
    const [a, b] = [inspect(one), inspect(other)];
    return typeof a === "object" && typeof b === "object" &&
      a.ino !== null && a.ino === b.ino && a.dev === b.dev;
  } catch {
    return false;
  }
}

/**
 * Whether the system or Deno denies an action, as opposed to its failing.
 *
 * @param error What was thrown.
 * @returns True if it is a matter of permission.
 */
export function isDenial(error: unknown): boolean {
  return error instanceof Deno.errors.NotCapable ||
    error instanceof Deno.errors.PermissionDenied;
}

/**
 * Describes an error of the file system.
 *
 * @param error What was thrown.
 * @returns A phrase to stand in brackets or after a colon.
 */
export function describeFileError(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) {
    return "no such file or folder";
  }
  if (error instanceof Deno.errors.IsADirectory) return "it is a folder";
  if (error instanceof Deno.errors.AlreadyExists) {
    // Of what is made, only folders are not looked for first.
    return "it is a file, not a folder";
  }
  if (error instanceof Deno.errors.NotADirectory) {
    return "a part of its path is not a folder";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "the system denies it to this user";
  }
  if (error instanceof Deno.errors.NotCapable) {
    // Deno names the permission and the flag that would grant it.
    const [reason = ""] = error.message.split(", run again");
    const flag = /--allow-\w+/.exec(error.message)?.[0] ?? "--allow-all";
    return `${lowerFirst(reason)}, which Deno was not granted (${flag})`;
  }
  return error instanceof Error ? error.message : String(error);
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
