/**
 * A trained model together with the way it reads and writes texts, from its
 * file.
 */
import { FileError } from "../files/errors.ts";
import { loadModelFile } from "../files/model_file.ts";
import type { Seq2SeqAttentionModel } from "../nn/model.ts";
import { integerCodec, type TextCodec, vocabularyCodec } from "./text_codec.ts";

/** A model that can be asked in text. */
export interface TrainedModel {
  /** The model. */
  readonly model: Seq2SeqAttentionModel;
  /** How it reads and writes texts. */
  readonly codec: TextCodec;
}

/**
 * Loads a model.
 *
 * @param path Its file.
 * @param threads How many threads work for it.
 * @returns The model, ready to be asked.
 * @throws {FileError} If it is no model's file, or its vocabulary is not one of
 * this model.
 */
export function loadTrainedModel(
  path: string,
  threads: number | "auto",
): TrainedModel {
  const { model, vocabulary } = loadModelFile(path, { threads });
  if (vocabulary === null) {
    return { model, codec: integerCodec(model.sizes) };
  }
  const { padToken, eosToken } = model.sizes;
  const { pad, eos } = vocabulary;
  if (pad !== padToken || eos !== eosToken) {
    throw new FileError(
      path,
      `its model pads with ${padToken ?? "nothing"} and ends with ` +
        `${eosToken ?? "nothing"}, wanted ${pad} and ${eos} as its ` +
        `vocabulary has`,
    );
  }
  return { model, codec: vocabularyCodec(vocabulary) };
}
