/**
 * `compile`: from outputs and updates to a plan that can be run. The plan
 * checks what it is fed and hands the work to an executor.
 */
import {
  array,
  type ArrayLike,
  formatShape,
  type NDArray,
  sameShape,
  type TypedArray,
} from "../array.ts";
import type { Node } from "../graph/node.ts";
import { verify } from "../graph/verify.ts";
import { checkInteger } from "../checks.ts";
import { type CompiledOptions, CompiledProgram } from "./compiled.ts";
import { Interpreter } from "./interpreter.ts";
import {
  checkFrozen,
  checkNodes,
  checkOptions,
  checkUpdates,
  usesInterpreter,
} from "./check_compile.ts";
import { feedType, type Precision } from "./memory.ts";
import {
  type Binding,
  buildProgram,
  type Executor,
  type Location,
  type Update,
} from "./program.ts";
import { Variables } from "./variables.ts";

/** Options of {@linkcode compile}. */
export interface CompileOptions<K extends string = string>
  extends CompiledOptions {
  /** What each run returns, by name. */
  outputs: Readonly<Record<K, Node>>;
  /**
   * New values of variables. All are computed from the old values, and take
   * effect together at the end of a run.
   */
  updates?: readonly Update[];
  /** Where the variables live; by default the plan has its own. */
  variables?: Variables;
  /** `"float64"` evaluates float32 nodes as float64; `"float32"` by default. */
  precision?: Precision;
  /**
   * What runs the plan: a WebAssembly module made for it, or the reference
   * interpreter, slow and plain. `"compiled"` by default in float32.
   */
  executor?: "compiled" | "interpreter";
}

/** Values for the inputs of a plan, by name. */
export type Feeds = Readonly<Record<string, ArrayLike>>;

/**
 * A compiled graph, made by {@linkcode compile}. `run` is the safe way: it
 * checks, copies in and copies out. A loop that must not allocate writes into
 * `input(name)`, calls `step()` and reads `output(name)`.
 *
 * @typeParam K The names of the outputs.
 *
 * @example Without a copy
 * ```ts
 * import { compile, Graph, mul } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const x = new Graph().input("x", [2]);
 * const plan = compile({ outputs: { y: mul(x, 10) } });
 * plan.input("x").set([1, 2]);
 * plan.step();
 * assertEquals([...plan.output("y")], [10, 20]);
 * ```
 *
 * @example Many steps in one call
 * ```ts
 * import { add, compile, Graph, mul } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const balance = new Graph().variable("balance", 100);
 * const next = add(balance, mul(balance, 0.5));
 * const plan = compile({ outputs: { next }, updates: [[balance, next]] });
 * plan.step(2);
 * assertEquals([...plan.output("next")], [225]);
 * ```
 */
export interface Plan<K extends string = string> {
  /** The variables, which may be shared with other plans. */
  readonly variables: Variables;
  /** The size in bytes of inputs, constants, results and intermediates. */
  readonly arenaBytes: number;
  /** How many threads share a step, the caller's included. */
  readonly threads: number;

  /**
   * Feeds the inputs, computes, and applies the updates.
   *
   * @param feeds One value for every input, of the input's shape.
   * @returns A copy of every output.
   * @throws {TypeError} If an input is missing, unknown, or of another shape;
   * nothing has changed then.
   * @throws {RangeError} If an int32 input holds no integers, or an index is
   * outside its table; no variable has changed then.
   */
  run(feeds?: Feeds): Record<K, NDArray>;

  /**
   * Computes what depends on frozen variables alone. `run` does so by itself;
   * before `step` it is the caller's to do, once after each change of them.
   */
  prepare(): void;

  /**
   * Computes from the inputs as they lie in memory, and applies the updates.
   *
   * @param times How many steps are made, 1 by default: each begins with the
   * variables that the one before has left, and outputs are those of the last.
   * Threads that need nothing of one another do not meet in between.
   * @throws {TypeError} If `times` is no number.
   * @throws {RangeError} If `times` is no integer from 1 to 2^31 - 1, or an
   * index is outside its table: in the step that finds it no variable has
   * changed then. Of plans that are not `atomic` some have; and where threads
   * need not meet, they may be some steps apart, and the index that is named
   * may be one of the next step.
   */
  step(times?: number): void;

  /**
   * Resolves when the threads of the plan have started. Wait for it before the
   * first step in a worker of a web page, where workers start only while the
   * program waits; elsewhere there is no need to.
   */
  ready(): Promise<void>;

  /**
   * An input in place, to be written; valid until another plan that shares the
   * variables is compiled.
   *
   * @param name The input's name.
   * @returns Its elements.
   * @throws {TypeError} If there is no such input.
   */
  input(name: string): TypedArray;

  /**
   * An output in place, to be read; valid until the next step.
   *
   * @param name The output's name.
   * @returns Its elements.
   * @throws {TypeError} If there is no such output.
   */
  output(name: K): TypedArray;
}

/** The most steps that a module counts. */
const MOST_TIMES = 2 ** 31 - 1;

let programFrom: (plan: Plan) => CompiledProgram | undefined;

/** The program that a plan runs, unless it is interpreted: for jobs. */
export function programOf(plan: Plan): CompiledProgram | undefined {
  return programFrom(plan);
}

/** A program with its executor. */
class ProgramPlan<K extends string> implements Plan<K> {
  static {
    programFrom = (plan) => {
      const executor = (plan as ProgramPlan<string>).#executor;
      return executor instanceof CompiledProgram ? executor : undefined;
    };
  }

  readonly variables: Variables;
  readonly arenaBytes: number;
  readonly threads: number;
  readonly #program: Binding;
  readonly #executor: Executor;
  readonly #views = new Map<Location, TypedArray>();

  constructor(program: Binding, executor: Executor, variables: Variables) {
    this.#program = program;
    this.#executor = executor;
    this.variables = variables;
    this.arenaBytes = program.arenaBytes;
    this.threads = program.threads;
  }

  run(feeds: Feeds = {}): Record<K, NDArray> {
    const values = this.#check(feeds);
    for (const [name, { data }] of values) this.input(name).set(data);
    this.prepare();
    this.step();
    const results = [...this.#program.outputs].map(([name, { shape }]) => [
      name,
      { data: this.output(name as K).slice(), shape },
    ]);
    return Object.fromEntries(results);
  }

  prepare(): void {
    this.#executor.prepare();
  }

  step(times: number = 1): void {
    if (times !== 1) checkInteger(times, "times", 1, MOST_TIMES);
    this.#executor.step(times);
  }

  async ready(): Promise<void> {
    await this.#executor.ready?.();
  }

  input(name: string): TypedArray {
    const location = this.#program.inputs.get(name);
    if (location) return this.#view(location);
    throw new TypeError(`Cannot feed "${name}": ${this.#wanted()}`);
  }

  output(name: K): TypedArray {
    const location = this.#program.outputs.get(name);
    if (location) return this.#view(location);
    throw new TypeError(
      `Cannot read output "${name}": the plan has ` +
        [...this.#program.outputs.keys()].map((key) => `"${key}"`).join(", "),
    );
  }

  #view(location: Location): TypedArray {
    const { memory, precision } = this.#program;
    const known = this.#views.get(location);
    if (known && known.buffer === memory.buffer) return known;
    const { offset, size, dtype } = location;
    const view = memory.view(offset, size, dtype, precision);
    this.#views.set(location, view);
    return view;
  }

  #check(feeds: Feeds): [string, NDArray][] {
    const { inputs } = this.#program;
    for (const name of Object.keys(feeds)) {
      if (!inputs.has(name)) {
        throw new TypeError(`Cannot feed "${name}": ${this.#wanted()}`);
      }
    }
    return [...inputs].map(([name, { shape, dtype }]) => {
      const given = feeds[name];
      if (given === undefined) {
        throw new TypeError(`Cannot run without input "${name}"`);
      }
      const type = { name, ...feedType(dtype, this.#program.precision) };
      const flat = ArrayBuffer.isView(given);
      const value = array(given, flat ? { ...type, shape } : type);
      if (!sameShape(value.shape, shape)) {
        throw new TypeError(
          `Cannot feed "${name}" shape ${formatShape(value.shape)}: ` +
            `wanted ${formatShape(shape)}`,
        );
      }
      return [name, value];
    });
  }

  #wanted(): string {
    const names = [...this.#program.inputs.keys()].map((name) => `"${name}"`);
    return `the plan has ${names.join(", ") || "no inputs"}`;
  }
}

/**
 * Compiles a graph: decides the order of work and the place of every value,
 * once, for any number of runs.
 *
 * @param options What to compute, what to update, and how.
 * @returns The plan.
 * @throws {TypeError} If outputs and updates do not belong to one graph, an
 * update's target is no variable, is updated twice or has another type than
 * its new value, shared variables differ from those of the graph, or an
 * option is none.
 * @throws {RangeError} If an option that is an integer is out of its range, or
 * `without` names a pass that does not exist.
 *
 * @example A counter
 * ```ts
 * import { add, compile, Graph, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const count = new Graph().variable("count", 0);
 * const next = add(count, 1);
 * const plan = compile({ outputs: { next }, updates: [[count, next]] });
 * plan.run();
 * assertEquals(toNested(plan.run().next), 2);
 * ```
 */
export function compile<K extends string>(
  options: CompileOptions<K>,
): Plan<K> {
  return makePlan(options, false);
}

/** The same, but a module is made only where a step of the plan is asked for. */
export function compileDeferred<K extends string>(
  options: CompileOptions<K>,
): Plan<K> {
  return makePlan(options, true);
}

function makePlan<K extends string>(
  options: CompileOptions<K>,
  deferred: boolean,
): Plan<K> {
  const { outputs, updates = [] } = options;
  checkOptions(options);
  const variables = options.variables ??
    new Variables({ precision: options.precision ?? "float32" });
  if (options.precision && options.precision !== variables.precision) {
    throw new TypeError(
      `Cannot compile for ${options.precision}: the variables are kept in ` +
        variables.precision,
    );
  }
  checkNodes(outputs, updates);
  checkUpdates(updates);
  checkFrozen(options.frozen ?? [], updates);
  verify([...Object.values<Node>(outputs), ...updates.flat()]);
  if (usesInterpreter(options, variables)) {
    const program = buildProgram(outputs, updates, variables, options);
    return new ProgramPlan<K>(program, new Interpreter(program), variables);
  }
  const compiled = new CompiledProgram(
    outputs,
    updates,
    variables,
    options,
    deferred,
  );
  return new ProgramPlan<K>(compiled, compiled, variables);
}
