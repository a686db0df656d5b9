/**
 * A trained model from its file, together with what belongs to it: for whoever
 * predicts, evaluates or exports.
 */
import { Vocabulary } from "../data/vocabulary.ts";
import { type PlanOptions, Seq2SeqAttentionModel } from "../nn/model.ts";
import { withFile } from "./byte_source.ts";
import { FileError } from "./errors.ts";
import { decodeModel } from "./model_format.ts";
import type { Json } from "./strict_json.ts";

/** What {@linkcode loadModelFile} finds. */
export interface LoadedModel {
  /** The model, ready to predict. */
  readonly model: Seq2SeqAttentionModel;
  /** What its tokens stand for; null if the file does not say. */
  readonly vocabulary: Vocabulary | null;
  /** How it was trained; null if the file does not say. */
  readonly config: Json;
}

/**
 * Reads a model and what belongs to it.
 *
 * @param path The file.
 * @param compile How the model's plans are compiled.
 * @returns The model, its vocabulary and its configuration.
 * @throws {FileError} If the file cannot be read, is anything but a model's, or
 * has a vocabulary of another size than the model's.
 */
export function loadModelFile(
  path: string,
  compile?: PlanOptions,
): LoadedModel {
  const { sizes, parameters, vocabulary, config } = withFile(path, decodeModel);
  const known = readVocabulary(path, vocabulary);
  if (known !== null && known.size !== sizes.vocabSize) {
    throw new FileError(
      path,
      `its vocabulary has ${known.size} tokens, wanted ${sizes.vocabSize} as ` +
        `the model has`,
    );
  }
  const model = new Seq2SeqAttentionModel({
    ...sizes,
    ...(compile === undefined ? {} : { compile }),
  });
  model.setParameters(parameters);
  return { model, vocabulary: known, config };
}

function readVocabulary(path: string, json: Json): Vocabulary | null {
  if (json === null) return null;
  try {
    return Vocabulary.fromJSON(json);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FileError(path, `its vocabulary is wrong: ${reason}`);
  }
}
