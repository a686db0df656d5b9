/**
 * Reads configurations: from a YAML file, a YAML text or an object to a
 * complete, checked {@linkcode Config}. It acts on nothing it reads.
 */
import { parse } from "@std/yaml";
import { withDefaults } from "./config_defaults.ts";
import { findProblems } from "./config_schema.ts";
import {
  type Config,
  ConfigError,
  type ConfigProblem,
  type PartialConfig,
} from "./config_types.ts";
import { describeFileError, isSameFile } from "./files.ts";
import {
  applyOverrides,
  attributeProblems,
  type Override,
} from "./overrides.ts";
import { locateKeys } from "./yaml_positions.ts";

/**
 * Reads a configuration file.
 *
 * @param path The file, relative to the working directory. Without one the
 * built-in defaults are used.
 * @param overrides What goes in place of, or beside, what the file says.
 * @returns The complete configuration.
 * @throws {ConfigError} If the file cannot be read, is not YAML, or anything
 * in it is wrong.
 */
export function loadConfig(
  path?: string,
  overrides: readonly Override[] = [],
): Config {
  if (path === undefined) return completeConfig({}, overrides);
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(path);
  } catch (error) {
    const found = `nothing that can be read (${describeFileError(error)})`;
    throw fileError(path, found, "a YAML file");
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw fileError(path, "bytes that are not UTF-8", "a YAML file in UTF-8");
  }
  const config = parseConfig(text, path, overrides);
  const log = config.logging.file;
  if (log !== null && isSameFile(log, path)) {
    throw new ConfigError([{
      path: "logging.file",
      found: `${JSON.stringify(log)}, the configuration itself`,
      wanted: "another file",
    }], path);
  }
  return config;
}

/**
 * Parses the text of a configuration file.
 *
 * @param text YAML.
 * @param file What messages call the text.
 * @param overrides What goes in place of, or beside, what the text says.
 * @returns The complete configuration.
 * @throws {ConfigError} If the text is not YAML or anything in it is wrong.
 */
export function parseConfig(
  text: string,
  file?: string,
  overrides: readonly Override[] = [],
): Config {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ConfigError([describeSyntaxError(error)], file);
  }
  return completeConfig(value, overrides, { text, file });
}

/**
 * Completes and checks a configuration given as an object.
 *
 * @param partial Any part of a configuration.
 * @returns The complete configuration.
 * @throws {ConfigError} If anything in it is wrong.
 */
export function resolveConfig(partial: PartialConfig): Config {
  return completeConfig(partial, []);
}

/** Where a configuration came from. */
interface Source {
  readonly text: string;
  readonly file: string | undefined;
}

function completeConfig(
  value: unknown,
  overrides: readonly Override[],
  { text, file }: Source = { text: "", file: undefined },
): Config {
  const complete = applyOverrides(value, overrides);
  const problems = findProblems(complete);
  if (problems.length === 0) return withDefaults(complete as PartialConfig);
  const before = overrides.length === 0 ? problems : findProblems(value);
  const attributed = attributeProblems(problems, overrides, before);
  throw new ConfigError(withPositions(attributed, text), file);
}

function fileError(path: string, found: string, wanted: string): ConfigError {
  return new ConfigError([{ path: "", found, wanted }], path);
}

/** The parser's messages end in "at line 3, column 5:" and an excerpt. */
function describeSyntaxError(error: SyntaxError): ConfigProblem {
  const [firstLine = ""] = error.message.split("\n");
  const match = /^(.*?),? at line (\d+), column (\d+)/.exec(firstLine);
  const reason = match?.[1] ?? firstLine;
  return {
    path: "",
    found: `a syntax error, "${reason}"`,
    wanted: "a YAML mapping",
    ...(match === null
      ? {}
      : { line: Number(match[2]), column: Number(match[3]) }),
  };
}

/** Adds the places, and sorts the problems by them. */
function withPositions(
  problems: readonly ConfigProblem[],
  text: string,
): ConfigProblem[] {
  const positions = locateKeys(text);
  const nowhere = { line: Number.MAX_SAFE_INTEGER, column: 0 };
  return problems
    .map((problem) => ({
      position: problem.option === undefined
        ? positions.get(problem.path)
        : undefined,
      problem,
    }))
    .sort(({ position: a = nowhere }, { position: b = nowhere }) =>
      a.line - b.line || a.column - b.column
    )
    .map(({ position, problem }) => ({ ...problem, ...position }));
}
