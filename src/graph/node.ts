/**
 * Nodes and the graph that owns them. A node is immutable and interned: equal
 * operations on equal inputs are the same object, so common sub-expressions
 * are shared from the start. Inputs always carry lower ids than their users,
 * hence ids are a topological order and no walk ever recurses.
 *
 * What operations mean (shapes, gradients, values) lives in the op records.
 */
import {
  array,
  type ArrayLike,
  describe,
  type NDArray,
  sizeOf,
} from "../array.ts";
import { type Shape, ShapeError } from "./shape.ts";

/** The element type of a node; float32 runs as float64 where asked for. */
export type DType = "float32" | "int32";

/** The attributes of operations that have none. */
export type NoAttrs = Readonly<Record<never, never>>;

/** Every operation and its attributes; the op records are keyed alike. */
export interface OpAttrs {
  /** Fed anew at each run. */
  input: { readonly name: string };
  /** Kept from run to run, shared by name between plans. */
  variable: { readonly name: string };
  /** Fixed when the graph is built. */
  constant: { readonly value: NDArray<Float64Array | Int32Array> };
  /** 0, 1, 2, … along one axis. */
  iota: { readonly size: number };
  /** -x. */
  neg: NoAttrs;
  /** The magnitude. */
  abs: NoAttrs;
  /** e to the power of x. */
  exp: NoAttrs;
  /** The natural logarithm. */
  log: NoAttrs;
  /** The hyperbolic tangent. */
  tanh: NoAttrs;
  /** The square root. */
  sqrt: NoAttrs;
  /** 1 / (1 + exp(-x)). */
  sigmoid: NoAttrs;
  /** To the other element type. */
  cast: { readonly dtype: DType };
  /** The same value, without a gradient. */
  stopGradient: NoAttrs;
  /** a + b. */
  add: NoAttrs;
  /** a - b. */
  sub: NoAttrs;
  /** a b. */
  mul: NoAttrs;
  /** a / b. */
  div: NoAttrs;
  /** The larger of two. */
  maximum: NoAttrs;
  /** The smaller of two. */
  minimum: NoAttrs;
  /** 1 where a = b, else 0. */
  equal: NoAttrs;
  /** 1 where a < b, else 0. */
  less: NoAttrs;
  /** 1 where a <= b, else 0. */
  lessEqual: NoAttrs;
  /** By a condition, the one or the other. */
  select: NoAttrs;
  /** Another shape, the same order. */
  reshape: { readonly shape: Shape };
  /** For each new axis the old one. */
  transpose: { readonly order: readonly number[] };
  /** The block from `start` up to `end`. */
  slice: { readonly start: readonly number[]; readonly end: readonly number[] };
  /** Zeros around. */
  pad: {
    readonly before: readonly number[];
    readonly after: readonly number[];
  };
  /** End to end along an axis. */
  concatenate: { readonly axis: number };
  /** Repeated along axes. */
  broadcast: { readonly shape: Shape };
  /** The sum over axes, kept with size 1. */
  sum: { readonly axes: readonly number[] };
  /** The largest over axes, kept with size 1. */
  max: { readonly axes: readonly number[] };
  /** The position of the largest over axes, kept with size 1. */
  argmax: { readonly axes: readonly number[] };
  /** One letter for every axis of the operands and the result. */
  einsum: {
    readonly labels: {
      readonly a: string;
      readonly b: string;
      readonly out: string;
    };
  };
  /** Rows of a table by index. */
  gather: NoAttrs;
  /** Rows added into a table by index. */
  scatterAdd: { readonly rows: number };
}

/** The name of an operation. */
export type OpName = keyof OpAttrs;

/** A node of a given operation. */
export interface NodeOf<K extends OpName> {
  /** Position in the graph; inputs have lower ids. */
  readonly id: number;
  /** The graph that owns the node. */
  readonly graph: Graph;
  /** The operation. */
  readonly op: K;
  /** The operation's attributes. */
  readonly attrs: OpAttrs[K];
  /** The operands. */
  readonly inputs: readonly Node[];
  /** The size of every axis. */
  readonly shape: Shape;
  /** The element type. */
  readonly dtype: DType;
  /** Where in the model the node was made, such as `decoder.attention`. */
  readonly scope: string;
}

/** A value in a graph; `switch (node.op)` narrows its attributes. */
export type Node = { [K in OpName]: NodeOf<K> }[OpName];

/** What a node's shape rule decides. */
export interface NodeType {
  /** The size of every axis. */
  readonly shape: Shape;
  /** The element type. */
  readonly dtype: DType;
}

/** Constants of more elements are not compared with one another. */
const INTERNED_CONSTANT_SIZE = 256;

/**
 * A dataflow graph: the owner of nodes. Build nodes with {@linkcode
 * Graph.input}, {@linkcode Graph.variable}, {@linkcode Graph.constant} and the
 * operations; run them with `compile`.
 *
 * @example Define, then run
 * ```ts
 * import { add, compile, Graph, mul, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const x = graph.input("x", [3]);
 * const plan = compile({ outputs: { y: add(mul(x, x), 1) } });
 * assertEquals(toNested(plan.run({ x: [1, 2, 3] }).y), [2, 5, 10]);
 * ```
 */
export class Graph {
  readonly #nodes: Node[] = [];
  readonly #interned = new Map<string, Node>();
  readonly #initial = new Map<string, NDArray>();
  #scope = "";
  #uniqueConstants = 0;

  /** Every node made so far, in topological order. */
  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  /**
   * Declares a value fed at each run.
   *
   * @param name The key in `plan.run({ ... })`, unique in the graph.
   * @param shape The size of every axis.
   * @param dtype `"float32"` by default.
   * @returns The node.
   * @throws {TypeError} If the name is taken, the shape is none, or the dtype
   * is none.
   */
  input(name: string, shape: Shape, dtype: DType = "float32"): Node {
    checkShape(name, shape);
    checkDType(name, dtype);
    return this.#named("input", name, { shape: [...shape], dtype });
  }

  /**
   * Declares a value that persists from run to run: a parameter, or the state
   * of an optimiser. Plans that share variables share it by name.
   *
   * @param name Unique in the graph.
   * @param initial The first value; gives the shape.
   * @param dtype `"float32"` by default.
   * @returns The node.
   * @throws {TypeError} If the name is taken, the value is no array, or the
   * dtype is none.
   */
  variable(name: string, initial: ArrayLike, dtype: DType = "float32"): Node {
    const value = copyOf(initial, dtype, name);
    const node = this.#named("variable", name, { shape: value.shape, dtype });
    this.#initial.set(name, value);
    return node;
  }

  /** The first value of a variable of this graph. */
  initialValue(name: string): NDArray {
    const value = this.#initial.get(name);
    if (value === undefined) {
      throw new RangeError(`Cannot find variable "${name}" in this graph`);
    }
    return value;
  }

  /**
   * Makes a value fixed in the graph.
   *
   * @param value A number, nested arrays or an array.
   * @param dtype `"float32"` by default.
   * @returns The node.
   * @throws {TypeError} If the value is no array, or the dtype is none.
   * @throws {RangeError} If it is to be int32 and a value is no 32-bit integer.
   */
  constant(value: ArrayLike, dtype: DType = "float32"): Node {
    const copy = copyOf(value, dtype, "constant");
    const { data, shape } = copy;
    const text = data.length > INTERNED_CONSTANT_SIZE
      ? `#${this.#uniqueConstants++}`
      : Array.from(data, (x) => Object.is(x, -0) ? "-0" : String(x)).join();
    return this.intern(
      "constant",
      [],
      { value: copy },
      { shape, dtype },
      `${dtype}[${shape.join()}]${text}`,
    );
  }

  /**
   * Gives every node made inside `build` a path such as `"decoder.attention"`,
   * which listings, profiles and messages show.
   *
   * @param name One step of the path.
   * @param build Makes the nodes.
   * @returns What `build` returns.
   */
  scope<T>(name: string, build: () => T): T {
    return this.withScope(this.#scope ? `${this.#scope}.${name}` : name, build);
  }

  /** Like {@linkcode Graph.scope}, with the whole path given. */
  withScope<T>(path: string, build: () => T): T {
    const outer = this.#scope;
    this.#scope = path;
    try {
      return build();
    } finally {
      this.#scope = outer;
    }
  }

  /**
   * The node of this operation, made unless it is there already. The op
   * builders call it with what their shape rule decided; so should nobody else.
   */
  intern<K extends OpName>(
    op: K,
    inputs: readonly Node[],
    attrs: OpAttrs[K],
    type: NodeType,
    attrsKey: string = JSON.stringify(attrs),
  ): Node {
    let key = `${op} ${attrsKey}`;
    for (const input of inputs) {
      if (input.graph !== this) {
        throw new TypeError(
          `Cannot apply ${op} to nodes of two graphs: ${input.op} ` +
            `(node ${input.id}) belongs to another one`,
        );
      }
      key += ` ${input.id}`;
    }
    const known = this.#interned.get(key);
    if (known) return known;
    const node = Object.freeze({
      id: this.#nodes.length,
      graph: this,
      op,
      attrs: freeze(attrs),
      inputs: Object.freeze([...inputs]),
      shape: Object.freeze([...type.shape]),
      dtype: type.dtype,
      scope: this.#scope,
    }) as unknown as Node;
    this.#nodes.push(node);
    this.#interned.set(key, node);
    return node;
  }

  #named(op: "input" | "variable", name: string, type: NodeType): Node {
    if (typeof name !== "string" || name === "") {
      throw new TypeError(
        `Cannot name ${op}: found ${describe(name)}, wanted a non-empty string`,
      );
    }
    const key = JSON.stringify({ name });
    for (const kind of ["input", "variable"]) {
      if (this.#interned.has(`${kind} ${key}`)) {
        throw new TypeError(
          `Cannot name ${op} "${name}": the graph has ${kind} "${name}" already`,
        );
      }
    }
    return this.intern(op, [], { name }, type);
  }
}

/** Freezes plain objects and arrays all through; typed arrays cannot be. */
function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (ArrayBuffer.isView(value)) return value;
  Object.values(value).forEach(freeze);
  return Object.freeze(value);
}

/** A copy as wide as any precision: the caller's array may change. */
function copyOf(
  value: ArrayLike,
  dtype: DType,
  name: string,
): NDArray<Float64Array | Int32Array> {
  checkDType(name, dtype);
  const wanted = dtype === "int32" ? "int32" : "float64";
  const { data, shape } = array(value, { dtype: wanted, name });
  return { data: data.slice() as Float64Array | Int32Array, shape };
}

function checkDType(name: string, dtype: DType): void {
  if (dtype === "float32" || dtype === "int32") return;
  throw new TypeError(
    `Cannot give "${name}" the dtype ${describe(dtype)}: ` +
      `wanted "float32" or "int32"`,
  );
}

function checkShape(name: string, shape: Shape): void {
  const valid = Array.isArray(shape) &&
    shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0) &&
    Number.isSafeInteger(sizeOf(shape));
  if (!valid) {
    throw new ShapeError(
      `Cannot give input "${name}" the shape (${shape}): ` +
        `wanted non-negative integers`,
    );
  }
}

/**
 * Every node the outputs depend on, themselves included, in topological order.
 */
export function reachable(outputs: readonly Node[]): Node[] {
  const seen = new Set<Node>(outputs);
  const pending = [...seen];
  for (let node = pending.pop(); node; node = pending.pop()) {
    for (const input of node.inputs) {
      if (!seen.has(input)) {
        seen.add(input);
        pending.push(input);
      }
    }
  }
  return [...seen].sort((a, b) => a.id - b.id);
}
