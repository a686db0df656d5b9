/**
 * What a compiled plan should compute: the graph interpreter on a copy of the
 * plan's inputs and variables.
 */
import type { TypedArray } from "../array.ts";
import type { Node } from "../graph/node.ts";
import { Interpreter } from "./interpreter.ts";
import type { Precision } from "./memory.ts";
import {
  type Binding,
  buildProgram,
  type Location,
  type Program,
  type Update,
} from "./program.ts";
import { Variables } from "./variables.ts";

/** A graph in one precision, on memory of its own. */
export class Oracle {
  /** The variables, updated by every step. */
  readonly variables: Variables;
  readonly #program: Program;
  readonly #interpreter: Interpreter;

  /** Prepares the graph of a plan. */
  constructor(
    outputs: Readonly<Record<string, Node>>,
    updates: readonly Update[],
    precision: Precision,
  ) {
    this.variables = new Variables({ precision });
    this.#program = buildProgram(outputs, updates, this.variables, {});
    this.#interpreter = new Interpreter(this.#program);
  }

  /** Takes up a plan's inputs and variables as they are. */
  capture({ memory, inputs }: Binding, variables: Variables): void {
    for (const [name, { offset, size, dtype }] of inputs) {
      const values = memory.view(offset, size, dtype, "float32");
      this.#view(this.#program.inputs.get(name)!).set(values);
    }
    for (const name of this.variables.names()) {
      this.variables.view(name).set(variables.view(name));
    }
  }

  /** Evaluates the graph and updates the variables. */
  step(): void {
    this.#interpreter.step(1);
  }

  /** An output of the last step. */
  output(name: string): TypedArray {
    return this.#view(this.#program.outputs.get(name)!);
  }

  #view({ offset, size, dtype }: Location): TypedArray {
    const { memory, precision } = this.#program;
    return memory.view(offset, size, dtype, precision);
  }
}
