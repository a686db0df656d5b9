/**
 * The command `predict`: lines in, lines out, in a pipe or from a file.
 */
import { answerLines } from "../answers.ts";
import { LineRemarks } from "../line_remarks.ts";
import { type Line, openLines, readLines } from "../../data/line_stream.ts";
import { offerToStdout, writeToStderr } from "../streams.ts";
import { loadTrainedModel } from "../trained_model.ts";
import { defineCommand } from "./command.ts";
import { MODEL_FLAG, parseThreads, THREADS_FLAG } from "./shared.ts";

/** How many lines are answered at once, so that the first need not wait. */
const BATCH = 64;
/** How many where threads share them, of those that are there. */
const SHARED_BATCH = 1024;

/** The command `predict`. */
export const PREDICT = defineCommand({
  name: "predict",
  summary: "answer lines of standard input with a trained model",
  description: `\
Answers each line of its input with one line on standard output, in the same
order. Lines are answered as they arrive, so it works in a pipe and by hand.`,
  permissions: "-R",
  flags: {
    model: MODEL_FLAG,
    input: {
      short: "i",
      value: "FILE",
      help: "a text file, one source a line; without it, standard input",
    },
    threads: THREADS_FLAG,
    json: {
      help: "answer with JSON: the prediction, its tokens, the natural " +
        "logarithm of the probability of each and of all, and where each " +
        "looks in the source (attention, a row a token)",
    },
  },
  examples: [
    "deno run -R mod.ts predict --model model.safetensors < sources.txt",
    "deno run -R mod.ts predict --model model.safetensors --input s.txt --json",
  ],
  notes: `\
A line is a text, cut into tokens as the model's training data were. For a model
that was trained on generated data it is integers between white space, as many
as the model's source length.

A line that cannot be answered (too long, not UTF-8, no integers) has an empty
line for an answer, or {"line": N, "error": "..."}, and standard error says
which and why; the others are answered. An empty line, and one with tokens that
the vocabulary does not have, is answered with a warning. A line break in a
prediction is written as a space; JSON has it as it is.
Exit codes: 0 done, or nobody reads on; 1 a line could not be answered; 2 wrong
usage, model or input file.`,
  async run({ model: path, input, json, threads = "1" }) {
    const count = parseThreads(threads, "predict");
    const { model, codec } = loadTrainedModel(path, count);
    const batch = count === 1 ? BATCH : SHARED_BATCH;
    const reader = input === undefined ? Deno.stdin : openLines(input);
    if (input === undefined && Deno.stdin.isTerminal()) {
      writeToStderr("One source a line, please; Ctrl-D ends\n");
    }
    const remarks = new LineRemarks(input ?? "stdin");
    try {
      for await (const lines of inBatches(readLines(reader), batch)) {
        const answers = await answerLines(lines, model, codec, json);
        answers.remarks.forEach((remark) => remarks.add(remark));
        if (!await offerToStdout(answers.text)) break;
      }
    } finally {
      reader.close();
    }
    remarks.finish();
    return remarks.errors === 0 ? 0 : 1;
  },
});

async function* inBatches(
  groups: AsyncIterable<readonly Line[]>,
  most: number,
): AsyncGenerator<readonly Line[], void> {
  for await (const lines of groups) {
    for (let start = 0; start < lines.length; start += most) {
      yield lines.slice(start, start + most);
    }
  }
}
