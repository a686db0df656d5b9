/**
 * What a compiled step should come to: the graph interpreter, in float64 and
 * in float32, on the same inputs and variables.
 */
import { sizeOf, type TypedArray } from "../array.ts";
import type { Node } from "../graph/node.ts";
import { compare, DeviationError, isWithin } from "./deviation.ts";
import { Oracle } from "./oracle.ts";
import type { Binding, Update } from "./program.ts";
import type { Variables } from "./variables.ts";

/** Relative to the largest element; other orders of float32 sums stay below. */
const TOLERANCE = 1e-4;
/** What rounding does to the one float32 it may do to the other, and more. */
const SPREADS = 10;

/** Runs the graph beside a compiled plan and compares. */
export class Truth {
  readonly #exact: Oracle;
  readonly #rounded: Oracle;
  readonly #binding: Binding;
  readonly #variables: Variables;
  readonly #shapes = new Map<string, readonly number[]>();

  /**
   * @param outputs The outputs of the plan.
   * @param updates Its updates.
   * @param binding Where the plan keeps inputs and outputs.
   * @param variables The plan's variables.
   */
  constructor(
    outputs: Readonly<Record<string, Node>>,
    updates: readonly Update[],
    binding: Binding,
    variables: Variables,
  ) {
    this.#exact = new Oracle(outputs, updates, "float64");
    this.#rounded = new Oracle(outputs, updates, "float32");
    this.#binding = binding;
    this.#variables = variables;
    for (const [target] of updates) {
      if (target.op !== "variable") continue;
      this.#shapes.set(target.attrs.name, target.shape);
    }
  }

  /** Takes up inputs and variables as they are before a step. */
  capture(): void {
    this.#exact.capture(this.#binding, this.#variables);
    this.#rounded.capture(this.#binding, this.#variables);
  }

  /**
   * Compares outputs and updated variables after the step.
   *
   * @throws {DeviationError} If any deviates.
   */
  compare(): void {
    this.#exact.step();
    this.#rounded.step();
    const { memory, outputs } = this.#binding;
    for (const [name, { offset, size, dtype, shape }] of outputs) {
      const got = memory.view(offset, size, dtype, "float32");
      const [want, rounded] = [
        this.#exact.output(name),
        this.#rounded.output(name),
      ];
      this.#compare(`output "${name}"`, shape, { got, want, rounded });
    }
    for (const [name, shape] of this.#shapes) {
      this.#compare(`variable "${name}"`, shape, {
        got: this.#variables.view(name),
        want: this.#exact.variables.view(name),
        rounded: this.#rounded.variables.view(name),
      });
    }
  }

  #compare(
    buffer: string,
    shape: readonly number[],
    values: Readonly<Record<"got" | "want" | "rounded", TypedArray>>,
  ): void {
    const { got, want, rounded } = values;
    const bound = boundOf(want, rounded);
    const difference = compare(
      got,
      // Where float32 overflows, either answer will do.
      (at) =>
        isWithin(got[at]!, want[at]!, bound) ||
        Object.is(got[at], rounded[at]),
      (at) => Math.abs(got[at]! - want[at]!),
    );
    if (!difference) return;
    const { worst, count, firstNaN } = difference;
    throw new DeviationError({
      kernel: undefined,
      buffer,
      index: unravel(worst, shape),
      got: got[worst]!,
      want: want[worst]!,
      bound,
      count,
      firstNaN: firstNaN < 0 ? undefined : unravel(firstNaN, shape),
    });
  }
}

/** How far rounding may take the elements: the graph itself shows it. */
function boundOf(want: TypedArray, rounded: TypedArray): number {
  let scale = 1e-3;
  let spread = 0;
  for (let at = 0; at < want.length; at++) {
    const size = Math.abs(want[at]!);
    if (size < Infinity) scale = Math.max(scale, size);
    const difference = Math.abs(want[at]! - rounded[at]!);
    if (difference < Infinity) spread = Math.max(spread, difference);
  }
  return TOLERANCE * scale + SPREADS * spread;
}

function unravel(flat: number, shape: readonly number[]): number[] {
  return shape.map((extent, axis) =>
    Math.floor(flat / sizeOf(shape.slice(axis + 1))) % extent
  );
}
