/**
 * The two ways in which a file can fail a program: it cannot be read as what
 * it should be, or it cannot be written. What went wrong is found elsewhere.
 */

/** A file that cannot be read, or whose content is not what it should be. */
export class FileError extends Error {
  /** The error's name, `"FileError"`. */
  override name = "FileError";
  /** The file's path, or what else the bytes are called. */
  readonly file: string;
  /** What was found, and what was wanted. */
  readonly reason: string;

  /**
   * Describes why a file cannot be read.
   *
   * @param file Its path, or what else the bytes are called.
   * @param reason What was found, and what was wanted.
   */
  constructor(file: string, reason: string) {
    super(`Cannot read ${JSON.stringify(file)}: ${reason}`);
    this.file = file;
    this.reason = reason;
  }
}

/** An output place that cannot be used. */
export class OutputError extends Error {
  /** The error's name, `"OutputError"`. */
  override name = "OutputError";
  /** The place, as it was given. */
  readonly path: string;

  /**
   * Describes why a place cannot be used.
   *
   * @param path The place, as it was given.
   * @param reason What is wrong with it.
   */
  constructor(path: string, reason: string) {
    super(`Cannot write to ${JSON.stringify(path)}: ${reason}`);
    this.path = path;
  }
}
