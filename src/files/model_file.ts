/**
 * A trained model from its file, together with what belongs to it: for whoever
 * predicts, evaluates or exports.
 */
import { type PlanOptions, Seq2SeqAttentionModel } from "../nn/model.ts";
import { withFile } from "./byte_source.ts";
import { decodeModel } from "./model_format.ts";
import type { Json } from "./strict_json.ts";

/** What {@linkcode loadModelFile} finds. */
export interface LoadedModel {
  /** The model, ready to predict. */
  readonly model: Seq2SeqAttentionModel;
  /** What its tokens stand for; null if the file does not say. */
  readonly vocabulary: Json;
  /** How it was trained; null if the file does not say. */
  readonly config: Json;
}

/**
 * Reads a model and what belongs to it.
 *
 * @param path The file.
 * @param compile How the model's plans are compiled.
 * @returns The model, its vocabulary and its configuration.
 * @throws {FileError} If the file cannot be read, or is anything but a model's.
 */
export function loadModelFile(
  path: string,
  compile?: PlanOptions,
): LoadedModel {
  const { sizes, parameters, ...rest } = withFile(path, decodeModel);
  const model = new Seq2SeqAttentionModel({
    ...sizes,
    ...(compile === undefined ? {} : { compile }),
  });
  model.setParameters(parameters);
  return { model, ...rest };
}
