/**
 * Collects the operators and values of a file while a graph is walked. Sizes
 * that depend on the batch become arithmetic on the batch of an input, done
 * when the file is run.
 */
import type { Attributes, Operator, Tensor } from "./messages.ts";
import type { Extent } from "./trace.ts";

/** An input, and its axis that is as long as the batch. */
export interface BatchAxis {
  /** The name of the input. */
  readonly input: string;
  /** Counted from 0. */
  readonly axis: number;
}

/** The operators and values of a file in the making. */
export class Writer {
  readonly #names = new Set<string>();
  readonly #initializers: Tensor[] = [];
  readonly #operators: Operator[] = [];
  /** What there is already, by what it says. */
  readonly #known = new Map<string, string>();
  readonly #batch: BatchAxis | undefined;
  #prefix = "";
  #begun = 0;

  /**
   * Begins an empty file.
   *
   * @param names The names that users know, no two of which may be the same;
   * no value will get one by chance.
   * @param batch Where the size of the batch is found.
   * @throws {TypeError} If two names are the same.
   */
  constructor(names: readonly string[], batch?: BatchAxis) {
    for (const name of names) {
      if (this.#names.has(name)) {
        throw new TypeError(
          `Cannot call two values "${name}": wanted names of inputs, ` +
            `variables and outputs that differ`,
        );
      }
      this.#names.add(name);
    }
    this.#batch = batch;
  }

  /**
   * Begins a node: the names of values begin with its name from now on.
   *
   * @param name What it should be called.
   * @returns What it is called: nobody else has that name.
   */
  begin(name: string): string {
    this.#prefix = this.#fresh(name);
    this.#begun = this.#operators.length;
    return this.#prefix;
  }

  /**
   * Adds a value that is part of the file.
   *
   * @param tensor The value, without a name.
   * @param name Its name, which nobody else has; by default the node's.
   * @returns Its name.
   */
  tensor(tensor: Omit<Tensor, "name">, name = this.#prefix): string {
    this.#initializers.push({ ...tensor, name });
    return name;
  }

  /**
   * Uses an operator.
   *
   * @param type Such as `"MatMul"`.
   * @param inputs The names of its operands.
   * @param attributes What it is told beside them.
   * @returns The name of its result.
   */
  apply(
    type: string,
    inputs: readonly string[],
    attributes: Attributes = {},
  ): string {
    const output = this.#fresh(`${this.#prefix}.${type}`);
    this.#operators.push({ type, inputs, output, attributes });
    return output;
  }

  /**
   * Gives a result another name, if it is that of the last operator and has
   * not been used since {@linkcode Writer.begin}.
   *
   * @param result What it is called now.
   * @param name The better name.
   * @returns What it is called then.
   */
  rename(result: string, name: string): string {
    const last = this.#operators.slice(this.#begun).at(-1);
    if (last?.output !== result) return result;
    this.#operators.splice(-1, 1, { ...last, output: name });
    return name;
  }

  /** The name of a number that is part of the file. */
  scalar(type: "float32" | "int32", value: number): string {
    return this.#once(`${type} ${value}`, () => {
      const data = type === "int32"
        ? Int32Array.of(value)
        : Float32Array.of(value);
      return this.tensor({ type, shape: [], data }, this.#fresh("number"));
    });
  }

  /** The name of a list of integers that may depend on the batch. */
  extents(values: readonly Extent[]): string {
    const times = values.map((value) => value.times);
    const plus = values.map((value) => value.plus);
    if (times.every((each) => each === 0)) return this.list(plus);
    return this.#once(`extents ${times} ${plus}`, () => {
      const scaled = this.apply("Mul", [this.#batchSize(), this.list(times)]);
      return plus.every((each) => each === 0)
        ? scaled
        : this.apply("Add", [scaled, this.list(plus)]);
    });
  }

  /** The name of a list of integers that is part of the file. */
  list(values: readonly number[]): string {
    return this.#once(`list ${values}`, () =>
      this.tensor({
        type: "int64",
        shape: [values.length],
        data: BigInt64Array.from(values, BigInt),
      }, this.#fresh("list")));
  }

  /**
   * What the wanted values need, each operator after its operands, and none
   * that nobody needs.
   */
  finish(
    wanted: readonly string[],
  ): { initializers: Tensor[]; operators: Operator[] } {
    const needed = new Set(wanted);
    const operators = this.#operators.toReversed()
      .filter(({ inputs, output }) => {
        if (!needed.has(output)) return false;
        inputs.forEach((input) => needed.add(input));
        return true;
      }).reverse();
    const initializers = this.#initializers.filter(({ name }) =>
      needed.has(name)
    );
    return { initializers, operators };
  }

  /** The name of the size of the batch: a list of one integer. */
  #batchSize(): string {
    if (this.#batch === undefined) {
      throw new TypeError(
        "Cannot find the batch: wanted an input with an axis of its size",
      );
    }
    const { input, axis } = this.#batch;
    const range = { start: axis, end: axis + 1 };
    return this.#once("batch", () => this.apply("Shape", [input], range));
  }

  /** The name of what a key stands for, made when first asked for. */
  #once(key: string, make: () => string): string {
    const name = this.#known.get(key) ?? make();
    this.#known.set(key, name);
    return name;
  }

  /** A name that nothing has. */
  #fresh(wanted: string): string {
    let name = wanted;
    for (let count = 2; this.#names.has(name); count++) {
      name = `${wanted}.${count}`;
    }
    this.#names.add(name);
    return name;
  }
}
