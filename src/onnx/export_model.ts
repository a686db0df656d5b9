/**
 * The model as ONNX files: the whole with teacher forcing, or the two parts
 * that greedy prediction runs, the encoder once and the decoder once a token.
 *
 * B batch, S source length, T target length, V vocabulary.
 */
import { describe } from "../array.ts";
import { gather } from "../graph/indexing.ts";
import { reshape } from "../graph/movement.ts";
import { Graph, type Node } from "../graph/node.ts";
import { argmax } from "../graph/reduce.ts";
import { type ModelSizes, Seq2SeqAttentionModel } from "../nn/model.ts";
import {
  declareParameters,
  decode,
  encode,
  type Encoded,
  type Parameters,
  teacherForced,
} from "../nn/seq2seq.ts";
import { toOnnx } from "./to_onnx.ts";

/** What a file computes; see {@linkcode exportOnnx}. */
export type OnnxForm = "forward" | "encode" | "decode";

/** Every form, in the order in which they are understood best. */
export const ONNX_FORMS: readonly OnnxForm[] = ["encode", "decode", "forward"];

/** Options of {@linkcode exportOnnx}. */
export interface ExportOptions {
  /** What the file is to compute. */
  readonly form: OnnxForm;
  /** Goes into the file's metadata, beside what is there by itself. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes a model as an ONNX file (opset 17) that takes batches of any size B.
 *
 * | form      | inputs                                                    | outputs                                                   |
 * | --------- | --------------------------------------------------------- | --------------------------------------------------------- |
 * | `encode`  | `source` (B, S)                                           | `keys` (B, S, d_k), `values` (B, S, d_v)                  |
 * | `decode`  | `keys`, `values`, `tokens` (B), `position` (1)            | `next_tokens` (B), `logits` (B, V), `weights` (B, S)      |
 * | `forward` | `source` (B, S), `target` (B, T)                          | `logits` (B, T, V), `weights` (B, T, S)                   |
 *
 * To predict, encode the sources once. Then decode for the positions 0 to
 * T - 1; `tokens` are the `next_tokens` of the position before, and V at the
 * first. Where the model has an `eosToken`, what follows the first one in a row
 * does not count. Where it has a `padToken`, `encode` gives also `allowed`
 * (B, 1, S), which `decode` takes.
 *
 * Tokens, positions and `allowed` are int32, all else float32. The metadata say
 * `form`, `begin_token` (V) and `sizes`, the latter as JSON.
 *
 * @param model The model; its parameters are written as they are now.
 * @param options What the file is to compute.
 * @returns The bytes of the file.
 * @throws {TypeError} If the model or the form is none.
 *
 * @example Three files
 * ```ts
 * import { exportOnnx, Seq2SeqAttentionModel } from "jsr:@weft/seq2seq";
 * import { assertGreater } from "@std/assert";
 *
 * const sizes = { vocabSize: 4, srcLength: 3, tgtLength: 3 };
 * const widths = { dModel: 8, dK: 8, dV: 8 };
 * const model = new Seq2SeqAttentionModel({ ...sizes, ...widths });
 * for (const form of ["encode", "decode", "forward"] as const) {
 *   const bytes = exportOnnx(model, { form });
 *   // Deno.writeFileSync(`${form}.onnx`, bytes);
 *   assertGreater(bytes.length, 1000);
 * }
 * ```
 */
export function exportOnnx(
  model: Seq2SeqAttentionModel,
  options: ExportOptions,
): Uint8Array<ArrayBuffer> {
  if (!(model instanceof Seq2SeqAttentionModel)) {
    throw new TypeError(
      `Cannot export ${describe(model)}: wanted a Seq2SeqAttentionModel`,
    );
  }
  const form = options?.form;
  if (!Object.hasOwn(BUILDERS, form)) {
    throw new TypeError(
      `Cannot export the form ${describe(form)}: wanted one of ` +
        `${ONNX_FORMS.join(", ")}`,
    );
  }
  const { sizes } = model;
  const values = model.parameters();
  const build = (batch: number): Readonly<Record<string, Node>> => {
    const graph = new Graph();
    const parameters = declareParameters(graph, (name) => values[name]);
    return BUILDERS[form]({ graph, parameters, batch, sizes });
  };
  return toOnnx(build, {
    name: `weft.${form}`,
    metadata: {
      form,
      begin_token: String(sizes.vocabSize),
      sizes: JSON.stringify(sizes),
      ...options.metadata,
    },
  });
}

/** What a graph is built from. */
interface Parts {
  readonly graph: Graph;
  readonly parameters: Parameters<Node>;
  readonly batch: number;
  readonly sizes: ModelSizes;
}

const BUILDERS: Readonly<
  Record<OnnxForm, (parts: Parts) => Readonly<Record<string, Node>>>
> = {
  forward({ graph, parameters, batch, sizes }) {
    const { srcLength, tgtLength, padToken } = sizes;
    const source = graph.input("source", [batch, srcLength], "int32");
    const target = graph.input("target", [batch, tgtLength], "int32");
    return { ...teacherForced(parameters, source, target, padToken) };
  },
  encode({ graph, parameters, batch, sizes }) {
    const { srcLength, padToken } = sizes;
    const source = graph.input("source", [batch, srcLength], "int32");
    return { ...encode(parameters, source, padToken) };
  },
  decode({ graph, parameters, batch, sizes }) {
    const { vocabSize, srcLength } = sizes;
    const encoded = encodedInputs(graph, batch, sizes);
    const tokens = graph.input("tokens", [batch], "int32");
    const position = graph.input("position", [1], "int32");
    const { logits, weights } = decode(
      parameters,
      reshape(tokens, [batch, 1]),
      gather(parameters.target_position, position),
      encoded,
    );
    return {
      next_tokens: reshape(argmax(logits, [-1]), [batch]),
      logits: reshape(logits, [batch, vocabSize]),
      weights: reshape(weights, [batch, srcLength]),
    };
  },
};

/** What the encoder has given, as inputs under the names of its outputs. */
function encodedInputs(
  graph: Graph,
  batch: number,
  { srcLength, dK, dV, padToken }: ModelSizes,
): Encoded {
  const encoded = {
    keys: graph.input("keys", [batch, srcLength, dK]),
    values: graph.input("values", [batch, srcLength, dV]),
  };
  if (padToken === undefined) return encoded;
  const shape = [batch, 1, srcLength];
  return { ...encoded, allowed: graph.input("allowed", shape, "int32") };
}
