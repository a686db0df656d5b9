/**
 * `--set training.epochs=5`: single values of a configuration, given on the
 * command line. What they may be is for the configuration's own check to say.
 */
import { parse } from "@std/yaml";
import { UsageError } from "./commands/flags.ts";
import type { ConfigProblem } from "./config_types.ts";
import { isMapping } from "./mappings.ts";

/** A value for a key of a configuration. */
export interface Override {
  /** As it was written, such as `"training.epochs=5"`. */
  readonly text: string;
  /** The key path. */
  readonly path: readonly string[];
  /** The value, of any kind that YAML has. */
  readonly value: unknown;
}

/**
 * Reads the values of `--set`.
 *
 * @param texts Each `KEY=VALUE`, the key a path joined by dots, the value YAML.
 * @returns The overrides, in the same order.
 * @throws {UsageError} If one is not of that form, all of them at once.
 */
export function parseOverrides(texts: readonly string[]): Override[] {
  const problems: string[] = [];
  const overrides: Override[] = [];
  for (const text of texts) {
    const [, key, yaml] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
    const path = key?.trim().split(".") ?? [];
    if (yaml === undefined || path.includes("")) {
      problems.push(
        `Option "--set" is ${JSON.stringify(text)}, wanted KEY=VALUE such as ` +
          `training.epochs=5`,
      );
      continue;
    }
    try {
      overrides.push({ text, path, value: parse(yaml) });
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      const [reason] = error.message.split(/,? at line /);
      problems.push(
        `Option "--set" is ${JSON.stringify(text)}, wanted a value in YAML ` +
          `(${reason})`,
      );
    }
  }
  if (problems.length > 0) throw new UsageError(problems);
  return overrides;
}

/**
 * Puts overrides into a configuration; of two for one key, the later.
 *
 * @param value What a file contains. It stays as it is.
 * @param overrides What goes into it.
 * @returns The same with the overrides. Where they lead through something that
 * is no mapping that is left as it is, for it is a mistake of its own.
 */
export function applyOverrides(
  value: unknown,
  overrides: readonly Override[],
): unknown {
  return overrides.reduce(
    (result, { path, value }) => setAt(result, path, value),
    value,
  );
}

/**
 * Tells which problems are an option's.
 *
 * @param problems Problems of a configuration with overrides.
 * @param overrides The overrides.
 * @param before Its problems without them.
 * @returns The problems; those that an override has brought name it.
 */
export function attributeProblems(
  problems: readonly ConfigProblem[],
  overrides: readonly Override[],
  before: readonly ConfigProblem[],
): ConfigProblem[] {
  return problems.map((problem) => {
    const { path, found } = problem;
    const isOld = before.some((old) =>
      old.path === path && old.found === found
    );
    const override = overrides.findLast((override) => {
      const key = override.path.join(".");
      // Of an unknown section the section is told, not the keys below it.
      return isBelow(path, key) || (!isOld && isBelow(key, path));
    });
    return override === undefined
      ? problem
      : { ...problem, option: `--set ${override.text}` };
  });
}

/** Whether a key path is another, or leads on from it. */
function isBelow(path: string, other: string): boolean {
  return path === other || path.startsWith(`${other}.`);
}

function setAt(
  root: unknown,
  [key, ...rest]: readonly string[],
  value: unknown,
): unknown {
  if (key === undefined) return value;
  if (!isMapping(root)) return root;
  // null is the word for a mapping that is switched off.
  const inner = Object.hasOwn(root, key) ? root[key] ?? {} : {};
  return { ...root, [key]: setAt(inner, rest, value) };
}
