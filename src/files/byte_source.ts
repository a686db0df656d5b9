/**
 * Bytes that are read where they are needed: of a file, or in memory. What they
 * mean is for others to find out.
 */
import { FileError } from "./errors.ts";
import { describeFileError } from "./paths.ts";

/** Bytes of known number, to be read in any order. */
export interface ByteSource {
  /** What messages call them: a path, if they are a file's. */
  readonly name: string;
  /** How many there are. */
  readonly size: number;
  /**
   * Reads some of them.
   *
   * @param offset Where they begin.
   * @param length How many; none beyond `size`.
   * @returns A copy, alone in its buffer.
   * @throws {FileError} If they cannot be read.
   */
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;
}

/**
 * Makes a source of bytes in memory.
 *
 * @param bytes The bytes.
 * @param name What messages call them.
 * @returns The source.
 */
export function sourceOfBytes(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    size: bytes.length,
    read: (offset, length) =>
      new Uint8Array(bytes.subarray(offset, offset + length)),
  };
}

/**
 * Lends a file as a source and closes it afterwards.
 *
 * @param path The file; links are followed.
 * @param use What to do with it.
 * @returns What that returns.
 * @throws {FileError} If there is no such file, or it cannot be read.
 */
export function withFile<T>(path: string, use: (source: ByteSource) => T): T {
  const attempt = <R>(action: () => R): R => {
    try {
      return action();
    } catch (error) {
      throw new FileError(path, describeFileError(error));
    }
  };
  // Looked at first: to open a pipe would wait for somebody to write to it.
  const { isFile, isDirectory } = attempt(() => Deno.statSync(path));
  if (isDirectory) throw new FileError(path, "it is a folder, not a file");
  if (!isFile) throw new FileError(path, "it is no regular file");
  using file = attempt(() => Deno.openSync(path));
  return use({
    name: path,
    size: attempt(() => file.statSync()).size,
    read: (offset, length) => attempt(() => readAt(file, offset, length)),
  });
}

function readAt(
  file: Deno.FsFile,
  offset: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  file.seekSync(offset, Deno.SeekMode.Start);
  let done = 0;
  while (done < length) {
    const count = file.readSync(bytes.subarray(done));
    if (count === null) {
      throw new Error("it became shorter while it was read");
    }
    done += count;
  }
  return bytes;
}
