/**
 * Greedy prediction of so many sequences at once: one plan encodes the sources,
 * another one decodes a position of every sequence. All that goes from one
 * position to the next lies in variables, so that one call decodes many.
 */
import { FROZEN_STEPS } from "../compile/frozen.ts";
import { add, equal, select } from "../graph/elementwise.ts";
import { gather } from "../graph/indexing.ts";
import { iota } from "../graph/leaves.ts";
import { reshape } from "../graph/movement.ts";
import { Graph, type Node } from "../graph/node.ts";
import { argmax } from "../graph/reduce.ts";
import { type NDArray, sizeOf } from "../array.ts";
import type { CompileOptions, Plan } from "../run/plan.ts";
import type { Update } from "../run/program.ts";
import type { Variables } from "../run/variables.ts";
import { partsOf } from "./chunks.ts";
import { zeros } from "./init.ts";
import {
  type Attended,
  combineValues,
  declareParameters,
  decode,
  encode,
  type ParameterName,
  type Seq2SeqSizes,
  type SpecialTokens,
} from "./seq2seq.ts";

/**
 * How many positions are decoded before somebody looks whether all sequences
 * have ended.
 */
const POSITIONS_AT_ONCE = 4;

/** What the plans of one model have in common. */
export interface PredictOptions {
  /** The model's sizes and special tokens. */
  readonly sizes: Seq2SeqSizes & SpecialTokens;
  /** Where parameters live, and what goes from plan to plan. */
  readonly variables: Variables;
  /** The first value of each parameter. */
  readonly initial: (name: ParameterName) => NDArray;
  /** Compiles a plan in which parameters stay. */
  readonly compile: (options: CompileOptions<never>) => Plan<never>;
}

/** The plans of greedy prediction for one batch size. */
export class PredictPlans {
  /** Puts keys and values of the input source (B, S) into variables. */
  readonly encode: Plan<never>;
  /** Decodes one position, and keeps its tokens for the next. */
  readonly step: Plan<never>;
  readonly #batch: number;
  readonly #options: PredictOptions;

  /**
   * @param batch How many sequences.
   * @param options What the model's plans have in common.
   */
  constructor(batch: number, options: PredictOptions) {
    this.#batch = batch;
    this.#options = options;
    this.encode = this.#encodePlan();
    this.step = this.#stepPlan();
  }

  /** Prepares both; needed when parameters have changed. */
  prepare(): void {
    this.encode.prepare();
    this.step.prepare();
  }

  /** Resolves when the threads of both have started. */
  async ready(): Promise<void> {
    await this.encode.ready();
    await this.step.ready();
  }

  /**
   * Predicts some sequences.
   *
   * @param source Tokens (n, S), of as many sequences as the plans are for or
   * fewer: others then hold whatever was there before, which does no harm as
   * sequences do not meet.
   * @returns Tokens (n, T).
   */
  predict(source: Int32Array): Int32Array {
    const { srcLength, tgtLength, vocabSize, eosToken } = this.#options.sizes;
    this.encode.input("source").set(source);
    this.encode.step();
    // Every target begins with the token V.
    this.#view("tokens").fill(vocabSize);
    this.#view("position").fill(0);
    const predicted = this.#view("predicted")
      .subarray(0, source.length / srcLength * tgtLength);
    const most = eosToken === undefined ? tgtLength : POSITIONS_AT_ONCE;
    for (let done = 0; done < tgtLength;) {
      const times = Math.min(most, tgtLength - done);
      this.step.step(times);
      done += times;
      if (eosToken === undefined) continue;
      if (haveEnded(predicted, tgtLength, done, eosToken)) break;
    }
    const result = predicted.slice();
    if (eosToken !== undefined) this.#fillEnds(result, eosToken);
    return result;
  }

  /** What follows the end of a sequence is no prediction. */
  #fillEnds(tokens: Int32Array, eosToken: number): void {
    const { tgtLength, padToken = eosToken } = this.#options.sizes;
    for (let start = 0; start < tokens.length; start += tgtLength) {
      const sequence = tokens.subarray(start, start + tgtLength);
      const end = sequence.indexOf(eosToken);
      if (end >= 0) sequence.fill(padToken, end + 1);
    }
  }

  #view(name: string): Int32Array {
    return this.#options.variables.view(this.#nameOf(name)) as Int32Array;
  }

  #nameOf(name: string): string {
    return `predict.${this.#batch}.${name}`;
  }

  #integers(graph: Graph, name: string, shape: readonly number[]): Node {
    const initial = { data: new Int32Array(sizeOf(shape)), shape };
    return graph.variable(this.#nameOf(name), initial, "int32");
  }

  /** The encoded source as variables, between encoding and decoding. */
  #attended(graph: Graph): Attended {
    const batch = this.#batch;
    const { sizes } = this.#options;
    const { srcLength, dModel, dK, dV, padToken } = sizes;
    const combined = paysToCombine(batch, sizes);
    const keys = zeros([batch, srcLength, dK]);
    const values = zeros([batch, srcLength, combined ? dModel : dV]);
    const attended: Attended = {
      keys: graph.variable(this.#nameOf("keys"), keys),
      values: graph.variable(this.#nameOf("values"), values),
      ...combined ? { combined } : {},
    };
    if (padToken === undefined) return attended;
    const allowed = this.#integers(graph, "allowed", [batch, 1, srcLength]);
    return { ...attended, allowed };
  }

  #encodePlan(): Plan<never> {
    const { sizes, initial } = this.#options;
    const graph = new Graph();
    const parameters = declareParameters(graph, initial);
    const shape = [this.#batch, sizes.srcLength];
    const source = graph.input("source", shape, "int32");
    const { keys, values, combined, allowed } = this.#attended(graph);
    const plain = encode(parameters, source, sizes.padToken);
    const encoded = combined ? combineValues(parameters, plain) : plain;
    const updates: Update[] = [[keys, encoded.keys], [values, encoded.values]];
    if (allowed && encoded.allowed) updates.push([allowed, encoded.allowed]);
    return this.#options.compile({
      outputs: {},
      updates,
      frozen: Object.values(parameters),
      atomic: false,
      parts: partsOf(sizes, this.#batch),
    });
  }

  #stepPlan(): Plan<never> {
    const batch = this.#batch;
    const { sizes, initial } = this.#options;
    const { tgtLength } = sizes;
    const graph = new Graph();
    const parameters = declareParameters(graph, initial);
    const tokens = this.#integers(graph, "tokens", [batch]);
    // The same of all sequences, but each with its own: threads that share the
    // sequences need nothing of one another then.
    const position = this.#integers(graph, "position", [batch]);
    const predicted = this.#integers(graph, "predicted", [batch, tgtLength]);
    const column = (node: Node): Node => reshape(node, [batch, 1]);
    const { logits } = decode(
      parameters,
      column(tokens),
      gather(parameters.target_position, column(position)),
      this.#attended(graph),
    );
    const next = reshape(argmax(logits, [-1]), [batch]);
    const isHere = equal(iota(position, tgtLength), column(position));
    return this.#options.compile({
      outputs: {},
      updates: [
        [tokens, next],
        [predicted, select(isHere, column(next), predicted)],
        [position, add(position, 1)],
      ],
      frozen: Object.values(parameters),
      // Of all that are encoded at once each token takes a step.
      frozenSteps: FROZEN_STEPS * tgtLength,
      atomic: false,
      parts: partsOf(sizes, batch),
    });
  }
}

/** Whether every sequence has an end among its first so many tokens. */
function haveEnded(
  predicted: Int32Array,
  length: number,
  done: number,
  eosToken: number,
): boolean {
  for (let start = 0; start < predicted.length; start += length) {
    const tokens = predicted.subarray(start, start + done);
    if (!tokens.includes(eosToken)) return false;
  }
  return true;
}

/**
 * Whether prediction takes fewer multiplications if values are multiplied for
 * the decoder beforehand: as rows of tables, if those are fewer.
 */
function paysToCombine(
  batch: number,
  { vocabSize, srcLength, tgtLength, dModel, dV }: Seq2SeqSizes,
): true | undefined {
  const queries = batch * tgtLength;
  const values = Math.min(batch * srcLength, vocabSize + srcLength);
  const wider = queries * srcLength * (dModel - dV);
  return values * dV * dModel + wider <= queries * dV * dModel || undefined;
}
