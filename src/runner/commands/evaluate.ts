/**
 * The command `evaluate`: a trained model measured on a file of pairs.
 */
import { FileError } from "../../files/errors.ts";
import { LineRemarks } from "../line_remarks.ts";
import { openLines, readLines } from "../../data/line_stream.ts";
import { measureLines } from "../measure_lines.ts";
import {
  formatOf,
  PAIR_FORMATS,
  type PairFormat,
} from "../../data/pair_lines.ts";
import { writeToStdout } from "../streams.ts";
import { loadTrainedModel } from "../trained_model.ts";
import { defineCommand } from "./command.ts";
import { UsageError } from "./flags.ts";
import { MODEL_FLAG, parseThreads, THREADS_FLAG } from "./shared.ts";

/** The command `evaluate`. */
export const EVALUATE = defineCommand({
  name: "evaluate",
  summary: "measure a trained model on a file of pairs",
  description: `\
Measures a trained model on pairs of source and target, and reports loss,
accuracy and sequence accuracy as JSON.`,
  permissions: "-R",
  flags: {
    model: MODEL_FLAG,
    data: {
      short: "d",
      value: "FILE",
      required: true,
      help: "a text file, one pair a line",
    },
    format: {
      value: "FORMAT",
      help: "tsv: source and target with a tab between them; jsonl: " +
        '{"source": "...", "target": "..."}; without it, by the file\'s name',
    },
    threads: THREADS_FLAG,
  },
  examples: [
    "deno run -R mod.ts evaluate --model model.safetensors --data pairs.tsv",
  ],
  notes: `\
Source and target are texts, cut into tokens as the model's training data were;
integers between white space for a model that was trained on generated data.
Tokens count up to the end of a target, the end included. loss is a mean over
them in nats; accuracy is the share predicted right from the true ones before;
sequence_accuracy is the share of targets predicted right from the source alone.

A line that is no pair or too long is left out and counted (skipped), and
standard error says which and why. The file is read as a stream.
Exit codes: 0 done; 1 lines were left out; 2 wrong usage, model or data file.`,
  async run({ model: path, data, format = formatOf(data), threads = "1" }) {
    if (!isPairFormat(format)) {
      throw new UsageError([
        `Option "--format" is ${JSON.stringify(format)}, wanted ` +
        PAIR_FORMATS.join(" or "),
      ], "evaluate");
    }
    const count = parseThreads(threads, "evaluate");
    const trained = loadTrainedModel(path, count);
    using file = openLines(data);
    const remarks = new LineRemarks(data);
    const lines = readLines(file);
    const measures = await measureLines(lines, trained, format, (remark) => {
      remarks.add(remark);
    });
    remarks.finish();
    if (measures.sequences === 0) {
      throw new FileError(data, "it has no pair that the model can take");
    }
    await writeToStdout(`${JSON.stringify(measures, null, 2)}\n`);
    return measures.skipped === 0 ? 0 : 1;
  },
});

function isPairFormat(text: string): text is PairFormat {
  return PAIR_FORMATS.some((format) => format === text);
}
