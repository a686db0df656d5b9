/**
 * Greedy prediction of so many sequences at once: one plan encodes the sources,
 * another one decodes a position of every sequence. All that goes from one
 * position to the next lies in variables.
 */
import { FROZEN_STEPS } from "../compile/frozen.ts";
import { add, equal, maximum, select } from "../graph/elementwise.ts";
import { gather } from "../graph/indexing.ts";
import { iota } from "../graph/leaves.ts";
import { reshape } from "../graph/movement.ts";
import { Graph, type Node } from "../graph/node.ts";
import { argmax } from "../graph/reduce.ts";
import { type NDArray, sizeOf } from "../array.ts";
import type { Job, JobStage } from "../run/jobs.ts";
import type { CompileOptions, Plan } from "../run/plan.ts";
import type { Update } from "../run/program.ts";
import type { Variables } from "../run/variables.ts";
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

/**
 * Greedy prediction of so many sequences: tokens (B, S) come in, and (B, T) go
 * out. What follows an end token is left as it was or is not, and means nothing.
 */
export class PredictJob implements Job<"predicted"> {
  /** Puts keys and values of the input source (B, S) into variables. */
  readonly encode: Plan<never>;
  /** Decodes one position, and keeps its tokens for the next. */
  readonly step: Plan<never>;
  readonly stages: readonly JobStage[];
  readonly inputs: Job<"predicted">["inputs"];
  readonly outputs: Job<"predicted">["outputs"];
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
    const { sizes: { tgtLength, eosToken }, variables } = options;
    const until = eosToken === undefined
      ? {}
      : { until: this.#nameOf("ended") };
    this.stages = [
      { plan: this.encode, times: 1 },
      { plan: this.step, times: tgtLength, ...until },
    ];
    this.inputs = { source: () => this.encode.input("source") };
    this.outputs = {
      predicted: () => variables.view(this.#nameOf("predicted")),
    };
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

  /** What the decoder knows of each sequence, from token to token. */
  #decoded(graph: Graph): Decoded {
    const integers = (name: string): Node =>
      this.#integers(graph, name, [this.#batch]);
    return {
      tokens: integers("tokens"),
      position: integers("position"),
      ...this.#options.sizes.eosToken === undefined
        ? {}
        : { ended: integers("ended") },
    };
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
    const { tokens, position, ended } = this.#decoded(graph);
    const all = (value: number): Node =>
      graph.constant(new Int32Array(this.#batch).fill(value), "int32");
    // Every target begins with the token V.
    updates.push([tokens, all(sizes.vocabSize)], [position, all(0)]);
    if (ended) updates.push([ended, all(0)]);
    if (allowed && encoded.allowed) updates.push([allowed, encoded.allowed]);
    return this.#options.compile({
      outputs: {},
      updates,
      frozen: Object.values(parameters),
      atomic: false,
    });
  }

  #stepPlan(): Plan<never> {
    const batch = this.#batch;
    const { sizes, initial } = this.#options;
    const { tgtLength, eosToken } = sizes;
    const graph = new Graph();
    const parameters = declareParameters(graph, initial);
    const { tokens, position, ended } = this.#decoded(graph);
    const predicted = this.#integers(graph, "predicted", [batch, tgtLength]);
    const column = (node: Node): Node => reshape(node, [batch, 1]);
    const { logits } = decode(
      parameters,
      column(tokens),
      gather(parameters.target_position, column(position)),
      this.#attended(graph),
    );
    const next = reshape(argmax(logits, [-1]), [batch]);
    const updates: Update[] = [];
    if (ended) updates.push([ended, maximum(ended, equal(next, eosToken!))]);
    const isHere = equal(iota(position, tgtLength), column(position));
    return this.#options.compile({
      outputs: {},
      updates: [
        ...updates,
        [tokens, next],
        [predicted, select(isHere, column(next), predicted)],
        [position, add(position, 1)],
      ],
      frozen: Object.values(parameters),
      // Of all that are encoded at once each token takes a step.
      frozenSteps: FROZEN_STEPS * tgtLength,
      atomic: false,
    });
  }
}

/** Int32 variables of all sequences (B). */
interface Decoded {
  /** The last token. */
  readonly tokens: Node;
  /** How many have been decoded. */
  readonly position: Node;
  /** Whether one of them was the end; where there is an end token. */
  readonly ended?: Node;
}

/**
 * What follows the end of a sequence is no prediction.
 *
 * @param tokens Predicted tokens (n, T); changed in place.
 * @param sizes The length, and the tokens for the end and what follows it.
 */
export function fillEnds(
  tokens: Int32Array,
  { tgtLength, eosToken, padToken = eosToken }: Seq2SeqSizes & SpecialTokens,
): void {
  if (eosToken === undefined) return;
  for (let start = 0; start < tokens.length; start += tgtLength) {
    const sequence = tokens.subarray(start, start + tgtLength);
    const end = sequence.indexOf(eosToken);
    if (end >= 0) sequence.fill(padToken!, end + 1);
  }
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
