/**
 * The process that measures weft itself: training and greedy prediction, by the
 * compiled plan or by the interpreter. What others do is in peers/.
 */
import { type NDArray, toNested } from "../src/array.ts";
import { graphCost } from "../src/compile/cost.ts";
import { rewrite } from "../src/compile/pipeline.ts";
import { Seq2SeqAttentionModel } from "../src/nn/model.ts";
import { PARAMETER_NAMES } from "../src/nn/seq2seq.ts";
import { CompiledProgram } from "../src/run/compiled.ts";
import { compile, type CompileOptions } from "../src/run/plan.ts";
import { Variables } from "../src/run/variables.ts";
import { type Bundle, readBundle } from "./bundle.ts";
import {
  type Answer,
  answer,
  type Job,
  LEARNING_RATE,
  measure,
  measureTraining,
  median,
  peakBytes,
  type PlanFacts,
  readJob,
} from "./measure.ts";
import { definePrediction, defineTraining } from "./model.ts";
import { type Shape, sizesOf } from "./shapes.ts";

/** How often a warm compilation is repeated. */
const COMPILATIONS = 5;

/** Milliseconds of an action, and what it gave. */
function timed<T>(action: () => T): [milliseconds: number, result: T] {
  const start = performance.now();
  const result = action();
  return [performance.now() - start, result];
}

async function train(bundle: Bundle, job: Job): Promise<Answer> {
  const executor = job.variant as NonNullable<CompileOptions["executor"]>;
  const step = defineTraining(bundle);
  const [coldCompile, plan] = timed(() => compile({ ...step, executor }));
  const { data } = bundle.arrays.source!;
  plan.input("source").set(data);
  plan.input("target").set(data);
  plan.input("learning_rate")[0] = LEARNING_RATE;
  const measured = await measureTraining(() => {
    plan.step();
    return plan.output("loss")[0]!;
  }, job);
  const peak = peakBytes();
  if (executor === "interpreter") return { ...measured, peakBytes: peak };
  const facts = { coldCompile, arenaBytes: plan.arenaBytes };
  return {
    ...measured,
    peakBytes: peak,
    plan: { ...facts, ...lookInto(bundle) },
  };
}

/** What a plan does not tell by itself. */
function lookInto(
  bundle: Bundle,
): Omit<PlanFacts, "coldCompile" | "arenaBytes"> {
  const compilations = Array.from({ length: COMPILATIONS }, () => {
    const step = defineTraining(bundle);
    return timed(() => compile(step))[0];
  });
  const { outputs, updates } = defineTraining(bundle);
  const values = updates.map(([, value]) => value);
  const written = [...Object.values(outputs), ...values];
  const variables = new Variables();
  const program = new CompiledProgram(outputs, updates, variables, {});
  return {
    warmCompile: median(compilations),
    moduleBytes: program.moduleBytes,
    multiplyAddsBefore: graphCost(written).multiplyAdds,
    multiplyAddsAfter: graphCost(rewrite(written)).multiplyAdds,
  };
}

async function predict(bundle: Bundle, job: Job): Promise<Answer> {
  const { sizes, arrays } = bundle;
  const source = arrays.questions!;
  if (job.variant === "interpreter") {
    const outputs = { tokens: definePrediction(bundle) };
    const plan = compile({ outputs, executor: "interpreter" });
    return await measurePrediction(() => plan.run({ source }).tokens, job);
  }
  const model = new Seq2SeqAttentionModel(sizesOf(sizes as unknown as Shape));
  model.setParameters(
    Object.fromEntries(PARAMETER_NAMES.map((name) => [name, arrays[name]!])),
  );
  return await measurePrediction(() => model.predict(source), job);
}

async function measurePrediction(
  predict: () => NDArray | Promise<NDArray>,
  job: Job,
): Promise<Answer> {
  const tokens = toNested(await predict()) as number[][];
  const timing = await measure(predict, job);
  return { timing, tokens, peakBytes: peakBytes() };
}

const job = readJob();
const bundle = readBundle(job.data);
answer(
  job.task === "train" ? await train(bundle, job) : await predict(bundle, job),
);
