/**
 * The values that outlive a run: parameters and optimiser state, by name,
 * shared between the plans of one model.
 */
import {
  array,
  type ArrayLike,
  formatShape,
  type NDArray,
  sameShape,
  sizeOf,
  type TypedArray,
} from "../array.ts";
import type { DType } from "../graph/node.ts";
import type { Shape } from "../graph/shape.ts";
import {
  checkPrecision,
  feedType,
  Memory,
  type Precision,
  widthOf,
} from "./memory.ts";
import { Threads } from "./threads.ts";

interface Entry {
  readonly offset: number;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Options of {@linkcode Variables}. */
export interface VariablesOptions {
  /** How wide float32 variables are kept; `"float32"` by default. */
  precision?: Precision;
}

let memoryFrom: (variables: Variables) => Memory;
let threadsFrom: (variables: Variables) => Threads;

/** Ends the threads of variables that nobody has any more. */
const ABANDONED = new FinalizationRegistry<Threads>((threads) =>
  threads.close()
);

/**
 * Where the values of variables, and the arenas of the plans that share them,
 * lie: for plans and executors, not for users.
 */
export function memoryOf(variables: Variables): Memory {
  return memoryFrom(variables);
}

/** The threads of the plans that share variables, made when first asked for. */
export function threadsOf(variables: Variables): Threads {
  return threadsFrom(variables);
}

/**
 * A store of variables. Give the same one to several `compile` calls and their
 * plans see one another's updates; by default each plan has its own.
 *
 * @example Two plans, one weight
 * ```ts
 * import { compile, Graph, mul, toNested, Variables } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const weight = new Graph().variable("weight", 3);
 * const variables = new Variables();
 * const double = compile({
 *   outputs: {},
 *   updates: [[weight, mul(weight, 2)]],
 *   variables,
 * });
 * const read = compile({ outputs: { weight }, variables });
 * double.run();
 * assertEquals(toNested(read.run().weight), 6);
 * ```
 */
export class Variables {
  static {
    memoryFrom = (variables) => variables.#memory;
    threadsFrom = (variables) => variables.#threads ??= variables.#share();
  }

  /** How wide float32 variables are kept. */
  readonly precision: Precision;
  readonly #memory = new Memory();
  readonly #entries = new Map<string, Entry>();
  #threads: Threads | undefined;

  /**
   * Makes an empty store.
   *
   * @param options How wide variables are kept.
   * @throws {TypeError} If that is no precision.
   */
  constructor(options: VariablesOptions = {}) {
    const { precision = "float32" } = options;
    checkPrecision(precision, "keep variables in");
    this.precision = precision;
  }

  /**
   * What there is.
   *
   * @returns The names, in the order in which they were declared.
   */
  names(): string[] {
    return [...this.#entries.keys()];
  }

  /**
   * A copy of a variable's value.
   *
   * @param name The variable's name.
   * @returns Its value.
   * @throws {RangeError} If there is no such variable.
   */
  get(name: string): NDArray {
    return { data: this.view(name).slice(), shape: this.#find(name).shape };
  }

  /**
   * Sets a variable.
   *
   * @param name The variable's name.
   * @param values Of the variable's shape.
   * @throws {RangeError} If there is no such variable.
   * @throws {TypeError} If the shape differs.
   */
  set(name: string, values: ArrayLike): void {
    const { shape, dtype } = this.#find(name);
    const type = feedType(dtype, this.precision);
    const given = array(values, { name, ...type });
    if (!sameShape(given.shape, shape)) {
      throw new TypeError(
        `Cannot set variable "${name}" to shape ${formatShape(given.shape)}: ` +
          `wanted ${formatShape(shape)}`,
      );
    }
    this.view(name).set(given.data);
  }

  /**
   * The value itself, in place; valid until a plan is compiled.
   *
   * @param name The variable's name.
   * @returns Its elements, to be read or written.
   * @throws {RangeError} If there is no such variable.
   */
  view(name: string): TypedArray {
    const { offset, shape, dtype } = this.#find(name);
    return this.#memory.view(offset, sizeOf(shape), dtype, this.precision);
  }

  /**
   * Makes sure that a variable exists: takes it up with its first value, or
   * checks that it is what was declared before, and leaves its value alone.
   *
   * @param name The variable's name.
   * @param initial The first value; gives the shape.
   * @param dtype `"float32"` by default.
   * @throws {TypeError} If it exists with another shape or dtype.
   */
  declare(name: string, initial: NDArray, dtype: DType = "float32"): void {
    const { data, shape } = initial;
    const known = this.#entries.get(name);
    if (known === undefined) {
      const bytes = sizeOf(shape) * widthOf(dtype, this.precision);
      const offset = this.#memory.reserve(bytes);
      // Frozen, for copies of the value are handed out with it.
      const own = Object.freeze([...shape]);
      this.#entries.set(name, { offset, shape: own, dtype });
      this.view(name).set(data);
    } else if (known.dtype !== dtype || !sameShape(known.shape, shape)) {
      throw new TypeError(
        `Cannot share variable "${name}": it is ${known.dtype} ` +
          `${formatShape(known.shape)} already, found ${dtype} ` +
          formatShape(shape),
      );
    }
  }

  /**
   * Ends the threads of the plans that share the variables, if there are any.
   * There is no need to: they sleep while there is nothing to do, and keep no
   * program from ending. A plan that needs them starts them again.
   */
  close(): void {
    this.#threads?.close();
  }

  /** The same as {@linkcode close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #share(): Threads {
    const threads = new Threads(this.#memory);
    ABANDONED.register(this, threads);
    return threads;
  }

  #find(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry) return entry;
    throw new RangeError(
      `Cannot find variable "${name}": there are ` +
        `${this.names().map((known) => `"${known}"`).join(", ") || "none"}`,
    );
  }
}
