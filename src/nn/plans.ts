/**
 * The plans of one model: each is compiled when first needed, for one batch
 * size, and all share the model's variables.
 */
import type { NDArray, TypedArray } from "../array.ts";
import { sum } from "../graph/broadcast.ts";
import { sub } from "../graph/elementwise.ts";
import { Graph, type Node } from "../graph/node.ts";
import { opensKernels } from "../run/compiled.ts";
import { estimateJob, type Job, type Jobs, makeJobs } from "../run/jobs.ts";
import {
  compile,
  compileDeferred,
  type CompileOptions,
  type Plan,
} from "../run/plan.ts";
import { canShare, coreCount } from "../run/threads.ts";
import type { Variables } from "../run/variables.ts";
import { zeros } from "./init.ts";
import { PredictJob } from "./predict_job.ts";
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
export type EvaluateJob = Job<"loss" | "correct">;
/** Where each target position looks. */
export type AttentionJob = Job<"weights">;
/** Weights, and the logarithm of the probability of each target token. */
export type ExplainJob = Job<"weights" | "logProbabilities">;

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
  readonly #evaluate = new Map<number, EvaluateJob>();
  readonly #attention = new Map<number, AttentionJob>();
  readonly #explain = new Map<number, ExplainJob>();
  readonly #predict = new Map<number, PredictJob>();
  /** Those who do jobs, by how many threads they have. */
  readonly #jobs = new Map<object, Map<number, unknown>>();
  readonly #estimates = new Map<object, number>();

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

  /** The most threads that may share the work of plans from now on. */
  get mostThreads(): number {
    if (!canShare() || opensKernels(this.#options)) return 1;
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

  /** Measures so many sequences with teacher forcing. */
  evaluate(batch: number): EvaluateJob {
    return remember(this.#evaluate, batch, () => {
      const { parameters, source, target } = this.#define(batch);
      const { padToken } = this.#sizes;
      const { logits } = teacherForced(parameters, source, target, padToken);
      const { loss, correct } = score(logits, target, padToken);
      const outputs = { loss: sum(loss, [1]), correct: sum(correct, [1]) };
      return this.#teacherForced(parameters, outputs);
    });
  }

  /** Weights (B, T, S), with teacher forcing. */
  attention(batch: number): AttentionJob {
    return remember(this.#attention, batch, () => {
      const { parameters, source, target } = this.#define(batch);
      const { padToken } = this.#sizes;
      const { weights } = teacherForced(parameters, source, target, padToken);
      return this.#teacherForced(parameters, { weights });
    });
  }

  /** Weights and logarithms of probabilities (B, T), with teacher forcing. */
  explain(batch: number): ExplainJob {
    return remember(this.#explain, batch, () => {
      const { parameters, source, target } = this.#define(batch);
      const { padToken } = this.#sizes;
      const decoded = teacherForced(parameters, source, target, padToken);
      const { loss } = score(decoded.logits, target, padToken);
      return this.#teacherForced(parameters, {
        weights: decoded.weights,
        // Not its negative, which would make -0 of a loss of 0.
        logProbabilities: sub(0, loss),
      });
    });
  }

  /** Greedy prediction of so many sequences at once. */
  predict(batch: number): PredictJob {
    return remember(
      this.#predict,
      batch,
      () =>
        new PredictJob(batch, {
          sizes: this.#sizes,
          variables: this.#variables,
          initial: this.#initial,
          compile: (options) => this.#compileFrozen(options),
        }),
    );
  }

  /**
   * How many threads are to share jobs.
   *
   * @param count How many jobs there are.
   * @param job Makes what is done for each in one thread; called where it
   * decides.
   * @returns As many as were asked for or, with `"auto"`, as pay.
   */
  threadsFor(count: number, job: () => Job<string>): number {
    const most = this.mostThreads;
    if (most === 1) return 1;
    if (this.#threads !== "auto" || this.#used > 1) return most;
    const each = job();
    const time = remember(this.#estimates, each, () => estimateJob(each));
    return count * time > START ? most : 1;
  }

  /** Those who do evaluations or predictions, with so many threads. */
  jobs<O extends string>(job: Job<O>, threads: number): Jobs<O> {
    const known = remember(this.#jobs, job, () => new Map<number, unknown>());
    this.#used = Math.max(this.#used, threads);
    return remember(
      known,
      threads,
      () => makeJobs(job, this.#variables, threads),
    ) as Jobs<O>;
  }

  /** A plan of targets that are known, in which parameters stay, as a job. */
  #teacherForced<K extends string>(
    parameters: Parameters<Node>,
    outputs: Readonly<Record<K, Node>>,
  ): Job<K> {
    const frozen = Object.values(parameters);
    const plan = this.#compileFrozen({ outputs, frozen });
    const views = Object.keys(outputs).map((name) => [
      name,
      () => plan.output(name as K),
    ]);
    return {
      stages: [{ plan, times: 1 }],
      inputs: {
        source: () => plan.input("source"),
        target: () => plan.input("target"),
      },
      outputs: Object.fromEntries(views),
    };
  }

  /**
   * A plan in which parameters stay; prepare it when they have changed. It runs
   * in one thread: others run it on other sequences.
   */
  #compileFrozen<K extends string>(options: CompileOptions<K>): Plan<K> {
    const own = { threads: 1, variables: this.#variables };
    return compileDeferred({ ...options, ...this.#options, ...own });
  }

  #compile<K extends string>(options: CompileOptions<K>): Plan<K> {
    const sharing = { threads: this.#threads, variables: this.#variables };
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

/** What it takes to start threads, in nanoseconds. */
const START = 2e7;

function remember<K, T>(plans: Map<K, T>, key: K, make: () => T): T {
  const known = plans.get(key);
  if (known !== undefined) return known;
  const made = make();
  plans.set(key, made);
  return made;
}
