/**
 * The plans of one model: each is compiled when first needed, for one batch
 * size, and all share the model's variables.
 */
import type { NDArray, TypedArray } from "../array.ts";
import { sum } from "../graph/broadcast.ts";
import { sub } from "../graph/elementwise.ts";
import { Graph, type Node } from "../graph/node.ts";
import { compile, type CompileOptions, type Plan } from "../run/plan.ts";
import { canShare, coreCount } from "../run/threads.ts";
import type { Variables } from "../run/variables.ts";
import { zeros } from "./init.ts";
import { partsOf } from "./chunks.ts";
import { PredictPlans } from "./predict_plans.ts";
import {
  declareParameters,
  type ParameterName,
  type Parameters,
  score,
  type Seq2SeqSizes,
  type SpecialTokens,
  teacherForced,
} from "./seq2seq.ts";
import {
  type BatchGraph,
  gradientShape,
  gradientStep,
  gradientVariables,
  type StepOptions,
  STOPS,
  trainingStep,
  updateStep,
} from "./steps.ts";

/** A training step: outputs are computed before the update. */
export type TrainPlan = Plan<"loss" | "accuracy">;
/** Sums over the tokens of each sequence. */
export type EvaluatePlan = Plan<"loss" | "correct">;

/** Weights, and the logarithm of the probability of each target token. */
export type ExplainPlan = Plan<"weights" | "logProbabilities">;

/** How a model's plans are compiled, and who looks into them. */
export type PlanOptions = Pick<
  CompileOptions,
  "check" | "cores" | "debug" | "deterministic" | "onDebug" | "threads"
>;

/** How many threads: a number, or as many as pay. */
export type ThreadCount = number | "auto";

/** Compiles and keeps the plans of one model. */
export class Plans {
  readonly #sizes: Seq2SeqSizes & SpecialTokens;
  readonly #variables: Variables;
  readonly #initial: (name: ParameterName) => NDArray;
  readonly #options: PlanOptions;
  #threads: ThreadCount;
  #used = 1;
  readonly #train = new Map<string, TrainPlan>();
  readonly #gradients = new Map<string, Plan<never>>();
  readonly #update = new Map<string, TrainPlan>();
  readonly #evaluate = new Map<string, EvaluatePlan>();
  readonly #attention = new Map<string, Plan<"weights">>();
  readonly #explain = new Map<string, ExplainPlan>();
  readonly #predict = new Map<string, PredictPlans>();

  /**
   * @param sizes The model's sizes and special tokens.
   * @param variables Where parameters and optimiser state live.
   * @param initial The first value of each parameter.
   * @param options How plans are compiled.
   */
  constructor(
    sizes: Seq2SeqSizes & SpecialTokens,
    variables: Variables,
    initial: (name: ParameterName) => NDArray,
    options: PlanOptions = {},
  ) {
    this.#options = options;
    this.#threads = options.threads ?? 1;
    this.#sizes = sizes;
    this.#variables = variables;
    this.#initial = initial;
  }

  /** How many threads share the steps of the plans asked for from now on. */
  get threads(): ThreadCount {
    return this.#threads;
  }

  set threads(threads: ThreadCount) {
    this.#threads = threads;
  }

  /** The most threads that have shared a step so far. */
  get usedThreads(): number {
    return this.#used;
  }

  /** The most threads that plans asked for from now on may have. */
  get mostThreads(): number {
    if (!canShare()) return 1;
    return this.#threads === "auto"
      ? this.#options.cores ?? coreCount()
      : this.#threads;
  }

  /** Inputs: source (B, S), target (B, T), learning_rate. */
  train(batch: number, options: StepOptions = {}): TrainPlan {
    return remember(this.#train, this.#keyOf(batch, options), () => {
      const defined = this.#define(batch);
      return this.#compile(trainingStep(defined, this.#sizes, options));
    });
  }

  /**
   * The first half of a training step, where several processes share a batch:
   * sums over the tokens of each one's part, in variables that lie one after
   * another, see {@linkcode gradientBlock}. Inputs: source (B, S), target
   * (B, T).
   */
  gradients(batch: number, options: StepOptions = {}): Plan<never> {
    return remember(this.#gradients, this.#keyOf(batch, options), () => {
      this.#declareGradients();
      const defined = this.#define(batch);
      const step = gradientStep(defined, this.#sizes, options);
      return this.#compile<never>(step);
    });
  }

  /**
   * The second half: takes the sums of all parts as those of one batch, and
   * updates the parameters. Input: learning_rate.
   */
  update(options: StepOptions = {}): TrainPlan {
    return remember(
      this.#update,
      this.#keyOf(0, options),
      () => this.#compileUpdate(options),
    );
  }

  /**
   * The sums that {@linkcode gradients} leaves and {@linkcode update} takes, to
   * be added up over the processes: one block, between variables filled up
   * with zeros; the last is {@linkcode STOPS}. Valid until a plan is compiled.
   */
  gradientBlock(): Float32Array {
    this.#declareGradients();
    const [first, last] = [gradientVariables()[0]!, STOPS]
      .map((name) => this.#variables.view(name)) as [TypedArray, TypedArray];
    const bytes = last.byteOffset + last.byteLength - first.byteOffset;
    return new Float32Array(first.buffer, first.byteOffset, bytes / 4);
  }

  /** How many tokens the sums in {@linkcode gradientBlock} are over. */
  gradientTokens(): number {
    return this.#variables.view("gradient.tokens")[0]!;
  }

  /** All at once, before any plan asks for one: so they lie side by side. */
  #declareGradients(): void {
    for (const name of [...gradientVariables(), STOPS]) {
      const shape = gradientShape(name, this.#sizes);
      this.#variables.declare(name, zeros(shape));
    }
  }

  #compileUpdate(options: StepOptions): TrainPlan {
    this.#declareGradients();
    const graph = new Graph();
    const parameters = declareParameters(graph, this.#initial);
    // Rounds alike on all machines, so that processes with the same sums keep
    // the same parameters.
    return compile({
      ...updateStep(graph, parameters, options),
      ...this.#options,
      threads: this.#threads,
      deterministic: true,
      variables: this.#variables,
    });
  }

  /** Inputs: source (B, S), target (B, T). */
  evaluate(batch: number): EvaluatePlan {
    return remember(this.#evaluate, this.#keyOf(batch), () => {
      const { parameters, source, target } = this.#define(batch);
      const { padToken } = this.#sizes;
      const { logits } = teacherForced(parameters, source, target, padToken);
      const { loss, correct } = score(logits, target, padToken);
      const outputs = { loss: sum(loss, [1]), correct: sum(correct, [1]) };
      return this.#compileFrozen(batch, parameters, outputs);
    });
  }

  /** Inputs: source (B, S), target (B, T). */
  attention(batch: number): Plan<"weights"> {
    return remember(this.#attention, this.#keyOf(batch), () => {
      const { parameters, source, target } = this.#define(batch);
      const { padToken } = this.#sizes;
      const { weights } = teacherForced(parameters, source, target, padToken);
      return this.#compileFrozen(batch, parameters, { weights });
    });
  }

  /** Inputs: source (B, S), target (B, T). */
  explain(batch: number): ExplainPlan {
    return remember(this.#explain, this.#keyOf(batch), () => {
      const { parameters, source, target } = this.#define(batch);
      const { padToken } = this.#sizes;
      const decoded = teacherForced(parameters, source, target, padToken);
      const { loss } = score(decoded.logits, target, padToken);
      return this.#compileFrozen(batch, parameters, {
        weights: decoded.weights,
        // Not its negative, which would make -0 of a loss of 0.
        logProbabilities: sub(0, loss),
      });
    });
  }

  /** Greedy prediction of so many sequences at once. */
  predict(batch: number): PredictPlans {
    return remember(
      this.#predict,
      this.#keyOf(batch),
      () =>
        new PredictPlans(batch, {
          sizes: this.#sizes,
          variables: this.#variables,
          initial: this.#initial,
          compile: (options) => this.#compile(options),
        }),
    );
  }

  /** A plan in which parameters stay; prepare it when they have changed. */
  #compileFrozen<K extends string>(
    batch: number,
    parameters: Parameters<Node>,
    outputs: Readonly<Record<K, Node>>,
  ): Plan<K> {
    const frozen = Object.values(parameters);
    const parts = partsOf(this.#sizes, batch);
    return this.#compile({ outputs, frozen, parts });
  }

  /**
   * Training plans have as many threads as were asked for. Others come in many
   * sizes, some for one sequence: of these threads, they take those that pay.
   */
  #compile<K extends string>(options: CompileOptions<K>): Plan<K> {
    const variables = this.#variables;
    const threads = options.frozen === undefined || this.#threads === 1
      ? this.#threads
      : "auto";
    const cores = this.mostThreads;
    const sharing = { threads, cores, variables };
    const plan = compile({ ...options, ...this.#options, ...sharing });
    this.#used = Math.max(this.#used, plan.threads);
    return plan;
  }

  /** What tells plans of one batch size apart; every step asks for it. */
  #keyOf(
    batch: number,
    { weightDecay, clipNorm, labelSmoothing }: StepOptions = {},
  ): string {
    const threads = this.#threads;
    return `${batch} ${threads} ${weightDecay} ${clipNorm} ${labelSmoothing}`;
  }

  #define(batch: number): BatchGraph {
    const { srcLength, tgtLength } = this.#sizes;
    const graph = new Graph();
    return {
      parameters: declareParameters(graph, this.#initial),
      source: graph.input("source", [batch, srcLength], "int32"),
      target: graph.input("target", [batch, tgtLength], "int32"),
    };
  }
}

function remember<K, T>(plans: Map<K, T>, key: K, make: () => T): T {
  const known = plans.get(key);
  if (known !== undefined) return known;
  const made = make();
  plans.set(key, made);
  return made;
}
