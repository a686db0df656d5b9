/**
 * The messages of ONNX that an export consists of, by the names and numbers of
 * its `onnx.proto`. It knows nothing of our graphs.
 */
import { sizeOf } from "../array.ts";
import {
  bytes,
  encode,
  type Field,
  integer,
  integers,
  message,
  text,
  texts,
} from "./protobuf.ts";

/** The version of the operators: the lowest that has all we use. */
export const OPSET = 17;

/** The version of the format that belongs to it (ONNX 1.12). */
const IR_VERSION = 8;

/** The element types, by their numbers in `TensorProto.DataType`. */
export const ELEMENT = { float32: 1, int32: 6, int64: 7, bool: 9 } as const;

/** The name of an element type. */
export type ElementType = keyof typeof ELEMENT;

/** A value that is part of the file. */
export interface Tensor {
  /** Unique among the values of the graph. */
  readonly name: string;
  /** What its elements are. */
  readonly type: ElementType;
  /** The size of every axis. */
  readonly shape: readonly number[];
  /** The elements, as many as the shape says. */
  readonly data: Float32Array | Int32Array | BigInt64Array;
}

/** The type of an input or an output; a size may be a name. */
export interface ValueInfo {
  /** Unique among the values of the graph. */
  readonly name: string;
  /** What its elements are. */
  readonly type: ElementType;
  /** The size of every axis. */
  readonly shape: readonly (number | string)[];
}

/** What an operator is told beside its operands. */
export type Attributes = Readonly<
  Record<string, number | string | readonly number[]>
>;

/** The use of an operator. */
export interface Operator {
  /** Such as `"MatMul"`. */
  readonly type: string;
  /** The names of its operands. */
  readonly inputs: readonly string[];
  /** The name of its result. */
  readonly output: string;
  /** What it is told beside them. */
  readonly attributes: Attributes;
}

/** All that a file says. */
export interface Model {
  /** The name of the graph. */
  readonly name: string;
  /** Who wrote it. */
  readonly producer: { readonly name: string; readonly version: string };
  /** What is fed at every run. */
  readonly inputs: readonly ValueInfo[];
  /** What a run gives. */
  readonly outputs: readonly ValueInfo[];
  /** What is part of the file. */
  readonly initializers: readonly Tensor[];
  /** Each after those whose results it uses. */
  readonly operators: readonly Operator[];
  /** Whatever a reader may want to know. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The bytes of a file. */
export function encodeModel(model: Model): Uint8Array<ArrayBuffer> {
  const { name, producer, inputs, outputs, initializers, operators } = model;
  return encode([
    integer(1, IR_VERSION),
    text(2, producer.name),
    text(3, producer.version),
    message(7, [
      ...operators.map((operator) => message(1, operatorFields(operator))),
      text(2, name),
      ...initializers.map((tensor) => message(5, tensorFields(tensor))),
      ...inputs.map((value) => message(11, valueFields(value))),
      ...outputs.map((value) => message(12, valueFields(value))),
    ]),
    message(8, [text(1, ""), integer(2, OPSET)]),
    ...Object.entries(model.metadata).map(([key, value]) =>
      message(14, [text(1, key), text(2, value)])
    ),
  ]);
}

function operatorFields(operator: Operator): Field[] {
  const { type, inputs, output, attributes } = operator;
  return [
    texts(1, inputs),
    text(2, output),
    // Profilers and messages name operators; results have a name anyway.
    text(3, output),
    text(4, type),
    ...Object.entries(attributes).map(([name, value]) =>
      message(5, [text(1, name), ...attributeFields(value)])
    ),
  ];
}

/** The value, and its type by the numbers of `AttributeProto.AttributeType`. */
function attributeFields(value: Attributes[string]): Field[] {
  if (typeof value === "number") return [integer(3, value), integer(20, 2)];
  if (typeof value === "string") return [text(4, value), integer(20, 3)];
  return [integers(8, value), integer(20, 7)];
}

function tensorFields({ name, type, shape, data }: Tensor): Field[] {
  if (sizeOf(shape) !== data.length) {
    throw new Error(`internal: ${name} has ${data.length} elements`);
  }
  // Little-endian by definition, as WebAssembly and every engine's machine are.
  const { buffer, byteOffset, byteLength } = data;
  return [
    integers(1, shape),
    integer(2, ELEMENT[type]),
    text(8, name),
    bytes(9, new Uint8Array(buffer, byteOffset, byteLength)),
  ];
}

function valueFields({ name, type, shape }: ValueInfo): Field[] {
  const dimensions = shape.map((extent) =>
    message(1, [
      typeof extent === "number" ? integer(1, extent) : text(2, extent),
    ])
  );
  const tensor = [integer(1, ELEMENT[type]), message(2, dimensions)];
  return [text(1, name), message(2, [message(1, tensor)])];
}
