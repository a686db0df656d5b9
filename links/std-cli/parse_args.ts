/**
 * Stands in for `jsr:@std/cli/parse-args` on networks that reach npm but not
 * JSR.
 *
 * ```ts
 * import { parseArgs } from "@std/cli/parse-args";
 * import { assertEquals } from "@std/assert";
 *
 * const args = parseArgs(["--config=a.yaml", "--quiet"], {
 *   string: ["config"],
 *   boolean: ["quiet"],
 * });
 * assertEquals(args, { _: [], config: "a.yaml", quiet: true });
 * ```
 *
 * @module
 */

// minimist knows types, aliases, defaults and dotted names. What @std/cli does
// otherwise (negation by declaration only, unknown() with key and value, the
// last value wins) is settled here first, and minimist is given one
// unambiguous `--key=value` for each flag. `stopEarly` is not covered.

// @ts-types="@types/minimist"
import minimist from "minimist";

/** What {@linkcode parseArgs} is told of the flags to expect. */
export interface ParseOptions<
  S extends string = string,
  B extends string = string,
  C extends string = string,
  D extends Record<string, unknown> = Record<string, unknown>,
  R extends boolean = boolean,
> {
  /** Flags whose value stays text; `""` when none follows. */
  string?: S | readonly S[] | undefined;
  /** Flags without a value; false unless given. */
  boolean?: B | readonly B[] | undefined;
  /** String flags gathered in an array; of others the last value counts. */
  collect?: C | readonly C[] | undefined;
  /** Boolean flags that `--no-NAME` sets to false. */
  negatable?: string | readonly string[] | undefined;
  /** Other names for a flag. */
  alias?: Record<string, string | readonly string[]> | undefined;
  /** Values of flags that are not given. */
  default?: D | undefined;
  /** Keeps what follows `--` apart, under the key `--`. */
  "--"?: R | undefined;
  /**
   * Called with each flag not declared above, and with each argument that is
   * none (which has no key and no value). The argument is dropped if it
   * returns false.
   */
  unknown?:
    | ((arg: string, key?: string, value?: unknown) => unknown)
    | undefined;
}

type Fallback<D, K> = K extends keyof D ? D[K] : never;

/** What {@linkcode parseArgs} returns. */
export type Args<
  S extends string = string,
  B extends string = string,
  C extends string = string,
  D = Record<string, unknown>,
  R extends boolean = boolean,
> =
  & { [key: string]: unknown; _: (string | number)[] }
  & { [K in C]: K extends S ? string[] : unknown[] }
  & { [K in Exclude<B, C>]: boolean | Fallback<D, K> }
  & { [K in Exclude<S, C> & keyof D]: string | D[K] }
  & { [K in Exclude<S, C | keyof D>]?: string }
  & (R extends true ? { "--": string[] } : unknown);

/** A flag as it was written: `value` is undefined where none was attached. */
interface Flag {
  key: string;
  value: string | undefined;
}

/** The flags as declared, every alias of one included. */
interface Declared {
  string: Set<string>;
  boolean: Set<string>;
  collect: Set<string>;
  negatable: Set<string>;
  all: Set<string>;
}

/**
 * Parses command line arguments.
 *
 * @param args The arguments, for instance `Deno.args`.
 * @param options The flags to expect.
 * @returns The flags by name, and all other arguments under `_`.
 *
 * @example
 * ```ts
 * import { parseArgs } from "@std/cli/parse-args";
 * import { assertEquals } from "@std/assert";
 *
 * const args = parseArgs(["-o", "r.json", "--set=a", "--set=b"], {
 *   string: ["output", "set"],
 *   collect: ["set"],
 *   alias: { output: "o" },
 * });
 * assertEquals(args.output, "r.json");
 * assertEquals(args.set, ["a", "b"]);
 * ```
 */
export function parseArgs<
  const S extends string = never,
  const B extends string = never,
  const C extends string = never,
  D extends Record<string, unknown> = Record<never, never>,
  R extends boolean = false,
>(
  args: readonly string[],
  options: ParseOptions<S, B, C, D, R> = {},
): Args<S, B, C, D, R> {
  const declared = declare(options);
  const defaults = options.default ?? {};
  const split = args.indexOf("--");
  const rest = split < 0 ? [] : args.slice(split + 1);
  const { plain, flags } = read(
    split < 0 ? args : args.slice(0, split),
    declared,
    options.unknown,
  );
  const bare = flags.filter((flag) => flag.value === undefined);
  const parsed = minimist(
    // Positional arguments go first: behind a flag they could pass for a value.
    [
      ...plain,
      ...flags.map(({ key, value = "true" }) => `--${key}=${value}`),
      "--",
      ...rest,
    ],
    {
      string: [...declared.string],
      boolean: [...declared.boolean, ...bare.map((flag) => flag.key)],
      alias: Object.fromEntries(
        Object.entries(options.alias ?? {}).map(([k, v]) => [k, list(v)]),
      ),
      default: defaults,
      "--": options["--"] ?? false,
    },
  );
  gather(parsed, declared, defaults);
  return parsed as Args<S, B, C, D, R>;
}

function list(names: string | readonly string[] | undefined): string[] {
  return typeof names === "string" ? [names] : [...names ?? []];
}

function declare(
  options: ParseOptions<string, string, string, Record<string, unknown>>,
): Declared {
  const groups = Object.entries(options.alias ?? {})
    .map(([name, others]) => [name, ...list(others)]);
  function withAliases(names: string | readonly string[] | undefined) {
    return new Set(
      list(names).flatMap((name) => [
        name,
        ...groups.filter((group) => group.includes(name)).flat(),
      ]),
    );
  }
  const string = withAliases(options.string);
  const boolean = withAliases(options.boolean);
  const collect = withAliases(options.collect);
  const negatable = withAliases(options.negatable);
  const all = new Set([
    ...[string, boolean, collect, negatable].flatMap((names) => [...names]),
    ...groups.flat(),
  ]);
  return { string, boolean, collect, negatable, all };
}

/** Tells flags and other arguments apart, and gives each flag its value. */
function read(
  args: readonly string[],
  declared: Declared,
  unknown: ParseOptions["unknown"],
): { plain: string[]; flags: Flag[] } {
  const plain: string[] = [];
  const flags: Flag[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    const found = flagsOf(arg, declared);
    const last = found.at(-1);
    if (last === undefined) {
      if (unknown?.(arg) !== false) plain.push(arg);
      continue;
    }
    const next = args[i + 1] ?? "";
    if (last.value === undefined && takesNext(last.key, next, declared)) {
      last.value = next;
      i++;
    }
    for (const flag of found) {
      if (flag.value === undefined && declared.string.has(flag.key)) {
        flag.value = "";
      }
      if (
        declared.all.has(flag.key) ||
        unknown?.(arg, flag.key, flag.value ?? true) !== false &&
          !inherited(flag.key)
      ) {
        flags.push(flag);
      }
    }
  }
  return { plain, flags };
}

/** Whether minimist would take an object's own methods for the flag's. */
function inherited(key: string): boolean {
  return key.split(".").some((part) => part in Object.prototype);
}

/** The flags that one argument holds: none, one, or a cluster as in `-abc`. */
function flagsOf(arg: string, { negatable }: Declared): Flag[] {
  const long = /^--([^=]+)(?:=(.*))?$/s.exec(arg);
  if (long !== null) {
    const [, key = "", value] = long;
    const positive = key.replace(/^no-/, "");
    return key !== positive && negatable.has(positive)
      ? [{ key: positive, value: "false" }]
      : [{ key, value }];
  }
  if (!/^-[^-]/.test(arg)) return [];
  const flags: Flag[] = [];
  for (let i = 1; i < arg.length; i++) {
    const key = arg.charAt(i);
    const attached = arg.slice(i + 1);
    // -n5, -o=r.json and -o./r.json carry a value; -abc is three flags.
    if (/^\W/.test(attached) || /[A-Za-z].*\d\.?$/.test(key + attached)) {
      flags.push({ key, value: attached.replace(/^=/, "") });
      break;
    }
    flags.push({ key, value: undefined });
  }
  return flags;
}

function takesNext(key: string, next: string, { boolean }: Declared): boolean {
  return boolean.has(key) ? /^(?:true|false)$/.test(next) : /^[^-]/.test(next);
}

/** The last value of a repeated flag, or all of them where they collect. */
function gather(
  parsed: minimist.ParsedArgs,
  { collect }: Declared,
  defaults: Record<string, unknown>,
): void {
  for (const key of collect) parsed[key] = [parsed[key] ?? []].flat();
  for (const [key, value] of Object.entries(parsed)) {
    const own = ["_", "--"].includes(key) || collect.has(key);
    if (!own && Array.isArray(value) && value !== defaults[key]) {
      parsed[key] = value.at(-1);
    }
  }
}
