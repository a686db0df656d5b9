/**
 * Answers lines of text with a model, a line for a line. What is wrong with a
 * line costs that line alone. It reads and writes nothing.
 */
import type { NDArray } from "../array.ts";
import type { Seq2SeqAttentionModel } from "../nn/model.ts";
import type { Line } from "../data/line_stream.ts";
import { describeUnknown, encodeSide, type TextCodec } from "./text_codec.ts";

/** What is said of a line beside its answer. */
export interface Remark {
  /** The line, counted from 1. */
  readonly line: number;
  /** Whether there is no answer, or only one to be doubted. */
  readonly level: "error" | "warning";
  /** What is to be said, in words. */
  readonly text: string;
}

/** Answers to lines. */
export interface Answers {
  /** As many lines as there were, each with a line feed. */
  readonly text: string;
  /** What is to be said of them. */
  readonly remarks: readonly Remark[];
}

/** What the answer to a line is made of. */
interface Answer {
  readonly line: number;
  /** What is wrong; there is nothing else then. */
  readonly error?: string;
  /** The source without padding. */
  readonly source: Int32Array;
  /** The prediction up to its end, the end included. */
  readonly tokens: Int32Array;
  /** Of each of these tokens. */
  readonly logProbabilities: Float32Array;
  /** Of each of these tokens, over the source. */
  readonly attention: readonly Float32Array[];
}

/** Nothing: what an empty line is answered with. */
const NOTHING = {
  source: new Int32Array(),
  tokens: new Int32Array(),
  logProbabilities: new Float32Array(),
  attention: [],
};

/**
 * Answers lines.
 *
 * @param lines The lines.
 * @param model The model that answers.
 * @param codec How it reads and writes texts.
 * @param isDetailed Whether answers are JSON with log-probabilities and
 * attention; otherwise they are the predicted texts.
 * @returns The answers. A line that cannot be answered has an empty one, or one
 * with an `error`.
 */
export async function answerLines(
  lines: readonly Line[],
  model: Seq2SeqAttentionModel,
  codec: TextCodec,
  isDetailed: boolean,
): Promise<Answers> {
  const remarks: Remark[] = [];
  const read = lines.map((line) => readLine(line, model, codec, remarks));
  const sources = read.filter((source) => source.length > 0);
  const answered = await predict(sources, model, isDetailed);
  let next = 0;
  const answers = lines.map(({ number }, at): Answer => {
    if (read[at]!.length > 0) return { line: number, ...answered[next++]! };
    const remark = remarks.find(({ line, level }) =>
      line === number && level === "error"
    );
    const error = remark === undefined ? {} : { error: remark.text };
    return { line: number, ...error, ...NOTHING };
  });
  const format = isDetailed
    ? (answer: Answer) => JSON.stringify(detail(answer, model, codec))
    : (answer: Answer) =>
      onOneLine(codec.decode(withoutEnd(answer.tokens, model)));
  return { text: answers.map((each) => `${format(each)}\n`).join(""), remarks };
}

/** Line breaks are characters as well; lines must still pair with lines. */
function onOneLine(text: string): string {
  return text.replace(/\r\n|[\r\n]/g, " ");
}

/** The tokens of a line; none if it cannot be answered. */
function readLine(
  { number, text, problem }: Line,
  { sizes }: Seq2SeqAttentionModel,
  codec: TextCodec,
  remarks: Remark[],
): Int32Array {
  const refuse = (text: string) => {
    remarks.push({ line: number, level: "error", text });
    return new Int32Array();
  };
  if (problem !== undefined) return refuse(problem);
  const encoded = encodeSide(text, "source", codec, sizes);
  if ("problem" in encoded) return refuse(encoded.problem);
  const { tokens, unknown } = encoded;
  if (tokens.length === 0) {
    const text = "it is empty, and so is its answer";
    remarks.push({ line: number, level: "warning", text });
  }
  if (unknown.length > 0) {
    const text = describeUnknown(unknown);
    remarks.push({ line: number, level: "warning", text });
  }
  return tokens;
}

async function predict(
  sources: readonly Int32Array[],
  model: Seq2SeqAttentionModel,
  isDetailed: boolean,
): Promise<Omit<Answer, "line">[]> {
  if (sources.length === 0) return [];
  const { srcLength: S, tgtLength: T, padToken = 0, eosToken } = model.sizes;
  const data = new Int32Array(sources.length * S).fill(padToken);
  sources.forEach((source, at) => data.set(source, at * S));
  const batch: NDArray<Int32Array> = { data, shape: [sources.length, S] };
  const { tokens, logProbabilities, attention } = isDetailed
    ? await model.predictDetailed(batch)
    : { ...NOTHING_DETAILED, tokens: await model.predict(batch) };
  return sources.map((source, at) => {
    const predicted = tokens.data.subarray(at * T, (at + 1) * T);
    const end = eosToken === undefined ? -1 : predicted.indexOf(eosToken);
    const length = end < 0 ? T : end + 1;
    const rows = Array.from({ length }, (_, t) => {
      const start = (at * T + t) * S;
      return attention.data.subarray(start, start + source.length);
    });
    return {
      source,
      tokens: predicted.subarray(0, length),
      logProbabilities: logProbabilities.data.subarray(at * T, at * T + length),
      attention: rows,
    };
  });
}

const NOTHING_DETAILED = {
  logProbabilities: { data: new Float32Array() },
  attention: { data: new Float32Array() },
};

function withoutEnd(
  tokens: Int32Array,
  { sizes: { eosToken } }: Seq2SeqAttentionModel,
): Int32Array {
  return tokens.length > 0 && tokens.at(-1) === eosToken
    ? tokens.subarray(0, -1)
    : tokens;
}

/** The keys of a line of `--json`. */
function detail(
  { line, error, source, tokens, logProbabilities, attention }: Answer,
  model: Seq2SeqAttentionModel,
  codec: TextCodec,
): Record<string, unknown> {
  if (error !== undefined) return { line, error };
  const namesOf = (tokens: Int32Array) =>
    Array.from(tokens, (token) => codec.nameOf(token));
  const logs = Array.from(logProbabilities, round);
  return {
    line,
    prediction: codec.decode(withoutEnd(tokens, model)),
    log_probability: round(logProbabilities.reduce((a, b) => a + b, 0)),
    source_tokens: namesOf(source),
    tokens: namesOf(tokens),
    log_probabilities: logs,
    attention: attention.map((row) => Array.from(row, round)),
  };
}

/** To what float32 can tell apart, which has shorter digits. */
function round(value: number): number {
  return Number(value.toPrecision(7));
}
