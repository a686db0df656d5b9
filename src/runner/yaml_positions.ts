/**
 * Finds where a YAML text mentions a key, for error messages. It is no parser:
 * it runs on text the parser has accepted (or has found broken elsewhere) and
 * knows mappings in block and flow style, quotes and comments. Anything more
 * unusual at worst leaves a message without its line.
 */

/** A place in a text, both counted from 1. */
export interface Position {
  /** The line. */
  readonly line: number;
  /** The column, in UTF-16 code units. */
  readonly column: number;
}

/**
 * Finds the keys of a YAML text.
 *
 * @param text The YAML text.
 * @returns Positions by key path, the keys joined by dots.
 */
export function locateKeys(text: string): Map<string, Position> {
  const positions = new Map<string, Position>();
  const open: Level[] = [];
  const lines = text.split(/\r\n|\r|\n/);
  for (const [index, line] of lines.entries()) {
    scanLine(line, open, (path, column) => {
      const key = path.join(".");
      if (!positions.has(key)) positions.set(key, { line: index + 1, column });
    });
  }
  return positions;
}

/** A mapping that is still open: its latest key, and how it was opened. */
interface Level {
  key: string;
  /** The indentation of its keys, or undefined in flow style. */
  readonly indent: number | undefined;
}

const KEY =
  /(?:"((?:[^"\\]|\\.)*)"|'((?:[^']|'')*)'|([^\s"'{}[\],#&*!|>%@`:-][^{}[\],#:]*?))\s*:(?=\s|$)/y;

function scanLine(
  line: string,
  open: Level[],
  found: (path: string[], column: number) => void,
): void {
  let at = line.search(/\S|$/);
  let expectsKey = true;
  while (at < line.length) {
    const inFlow = open.length > 0 && open.at(-1)!.indent === undefined;
    const match = expectsKey ? matchAt(KEY, line, at) : null;
    if (match !== null) {
      const key = match[1] ?? match[2] ?? match[3]!;
      if (inFlow) open.at(-1)!.key = key;
      else openBlock(open, key, at);
      found(open.map((level) => level.key), at + 1);
      at += match[0].length;
      expectsKey = false;
      // A plain value lasts to the end of its line, whatever it contains.
      if (!inFlow && /^\s*[^\s{["'&!#]/.test(line.slice(at))) return;
      continue;
    }
    const character = line[at]!;
    if (character === "{") open.push({ key: "", indent: undefined });
    if (character === "}" && inFlow) open.pop();
    if (startsComment(line, at)) return;
    expectsKey = character === "{" || (character === "," && inFlow) ||
      (expectsKey && character === " ");
    at += startsScalar(line, at) ? quotedLength(line, at) : 1;
  }
}

function openBlock(open: Level[], key: string, indent: number): void {
  while (open.length > 0 && (open.at(-1)!.indent ?? indent) >= indent) {
    open.pop();
  }
  open.push({ key, indent });
}

function matchAt(
  pattern: RegExp,
  line: string,
  at: number,
): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(line);
}

function startsComment(line: string, at: number): boolean {
  return line[at] === "#" && (at === 0 || /\s/.test(line[at - 1]!));
}

function startsScalar(line: string, at: number): boolean {
  return at === 0 || /[\s{[,:]/.test(line[at - 1]!);
}

/** The length of the quoted scalar at a place, 1 if there is none. */
function quotedLength(line: string, at: number): number {
  const quoted = matchAt(QUOTED, line, at);
  return quoted === null ? 1 : quoted[0].length;
}

const QUOTED = /"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'/y;
