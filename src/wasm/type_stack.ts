// The simulated operand stack of one function: WebAssembly's validation rules, applied while code is
// written, so that a wrong program is refused where it is emitted. Writes no bytes.

import type { ValueType } from "./instructions.ts";

/** The target of branches: a block's end or a loop's start. */
export interface Label {
  readonly depth: number;
}

interface Frame extends Label {
  /** Types a branch to the label wants; none for a loop, which is entered with nothing. */
  readonly branch: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly height: number;
  /** After an unconditional branch any operand may be taken from below the frame's floor. */
  unreachable: boolean;
}

/** Types of the values a function has on its stack, and its open blocks. */
export class TypeStack {
  readonly #function: string;
  readonly #types: ValueType[] = [];
  readonly #frames: Frame[] = [];

  /** Creates an empty stack; `name` is the function's, for errors. */
  constructor(name: string) {
    this.#function = name;
  }

  /** Puts a value on the stack. */
  push(type: ValueType): void {
    this.#types.push(type);
  }

  /** Takes one value of the wanted type. */
  pop(instruction: string, type: ValueType): void {
    const types = this.#types;
    const frame = this.#frames[this.#frames.length - 1]!;
    if (types.length > frame.height && types[types.length - 1] === type) {
      types.pop();
    } else if (types.length > frame.height || !frame.unreachable) {
      throw this.#mismatch(instruction, [type], 0);
    }
  }

  /** Takes one value of any type. */
  popAny(instruction: string): void {
    const frame = this.#frames.at(-1)!;
    if (this.#types.length > frame.height) this.#types.pop();
    else if (!frame.unreachable) {
      throw this.error(instruction, "[]", "a value");
    }
  }

  /** Takes the operands of an instruction and leaves its results. */
  apply(
    instruction: string,
    params: readonly ValueType[],
    results: readonly ValueType[],
  ): void {
    const types = this.#types;
    const frame = this.#frames[this.#frames.length - 1]!;
    for (let i = params.length - 1; i >= 0; i--) {
      const inside = types.length > frame.height;
      if (!inside && frame.unreachable) break;
      if (!inside || types[types.length - 1] !== params[i]) {
        throw this.#mismatch(instruction, params, i);
      }
      types.pop();
    }
    for (let i = 0; i < results.length; i++) types.push(results[i]!);
  }

  /** Opens a block. */
  open(
    branch: readonly ValueType[],
    results: readonly ValueType[],
  ): Label {
    const { length: height } = this.#types;
    const depth = this.#frames.length;
    const frame = { depth, branch, results, height, unreachable: false };
    this.#frames.push(frame);
    return frame;
  }

  /** Closes the innermost block, which must be that of `label`, and leaves its results. */
  close(label: Label): void {
    const frame = this.#frames.at(-1);
    if (frame === undefined || frame !== label) {
      throw this.error("end", "an open block", "all blocks closed");
    }
    this.apply("end", frame.results, []);
    if (this.#types.length !== frame.height) {
      const rest = this.#types.slice(frame.height).join(", ");
      throw this.error("end", `[${rest}] left over`, "an empty stack");
    }
    this.#frames.pop();
    for (const type of frame.results) this.#types.push(type);
  }

  /** Checks an unconditional branch and returns how many blocks out it goes. */
  branch(instruction: string, label: Label): number {
    const frame = this.#target(instruction, label);
    this.apply(instruction, frame.branch, []);
    return this.#frames.length - 1 - frame.depth;
  }

  /** Checks a conditional branch, its condition taken already, and returns how many blocks out it goes. */
  branchIf(instruction: string, label: Label): number {
    const frame = this.#target(instruction, label);
    this.apply(instruction, frame.branch, frame.branch);
    return this.#frames.length - 1 - frame.depth;
  }

  /** Notes that the code up to the end of the block cannot be reached. */
  markUnreachable(): void {
    const frame = this.#frames.at(-1)!;
    this.#types.length = frame.height;
    frame.unreachable = true;
  }

  /** An error that names the instruction, the function, what was found and what was wanted. */
  error(instruction: string, found: string, wanted: string): TypeError {
    return new TypeError(
      `Cannot emit "${instruction}" in function "${this.#function}": found ${found}, wanted ${wanted}`,
    );
  }

  #target(instruction: string, label: Label): Frame {
    const frame = this.#frames[label.depth];
    if (frame !== undefined && frame === label) return frame;
    throw this.error(
      instruction,
      "a label of another block",
      "one of an enclosing block",
    );
  }

  #mismatch(
    instruction: string,
    params: readonly ValueType[],
    at: number,
  ): TypeError {
    const floor = this.#frames.at(-1)!.height;
    // Operands taken already had their types: they are part of what was found.
    const found = [...this.#types.slice(floor), ...params.slice(at + 1)];
    return this.error(
      instruction,
      `[${found.slice(-params.length).join(", ")}]`,
      `[${params.join(", ")}]`,
    );
  }
}
