/**
 * Attention sequence-to-sequence models on a small define-then-run graph
 * engine: build a graph once, differentiate it, compile it, run it.
 *
 * @example Train a model to copy
 * ```ts
 * import {
 *   generateCopyTaskData,
 *   Seq2SeqAttentionModel,
 * } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const sizes = { vocabSize: 4, srcLength: 3, tgtLength: 3 };
 * const data = generateCopyTaskData({ ...sizes, nSamples: 64, randomSeed: 1 });
 * const model = new Seq2SeqAttentionModel({
 *   ...sizes,
 *   dModel: 16,
 *   dK: 16,
 *   dV: 16,
 * });
 * const { loss } = await model.train(data.xSrc, data.xTgt, {
 *   epochs: 2,
 *   learningRate: 0.01,
 *   batchSize: 16,
 * });
 * assertEquals(loss.length, 2);
 * ```
 *
 * @module
 */

import { main } from "./src/main.ts";

// The runner.
export { main };
export { AttentionRunner } from "./src/runner/runner.ts";
export type { RunOptions } from "./src/runner/run_options.ts";
export {
  type BrokenPolicy,
  type Config,
  ConfigError,
  type ConfigProblem,
  type ConstantConfig,
  type DataConfig,
  type DataSource,
  DEFAULT_CONFIG,
  type Distributed,
  type LoggingConfig,
  type LogLevel,
  type MetricName,
  type ModelConfig,
  type OutputConfig,
  type PartialConfig,
  type PartialValue,
  type PlateauConfig,
  type ScheduleConfig,
  type TrainingConfig,
  type WarmupCosineConfig,
  type WatchConfig,
} from "./src/runner/config_types.ts";
export type { DataResults } from "./src/runner/dataset.ts";
export type {
  EnvironmentResults,
  HistoryResults,
  Results,
  RunStatus,
  TestResults,
  TimingResults,
  TrainResults,
} from "./src/runner/results.ts";

// Data.
export type { TooLongPolicy } from "./src/data/pair_scan.ts";
export type { Task } from "./src/data/tasks.ts";
export {
  type CopyTaskData,
  type CopyTaskOptions,
  generateCopyTaskData,
} from "./src/data/copy_task.ts";
export {
  type TokenKind,
  Vocabulary,
  type VocabularyJson,
} from "./src/data/vocabulary.ts";
export { Random, type RandomState } from "./src/random.ts";

// The model.
export { scaledDotProductAttention } from "./src/nn/attention.ts";
export {
  type Batch,
  type Batches,
  type BatchSource,
  type BatchTrainOptions,
  type CompleteSchedule,
  type ConstantSchedule,
  DivergenceError,
  type EarlyStopping,
  type EpochMetric,
  type EpochReport,
  type EvaluateOptions,
  type Evaluation,
  type ModelSizes,
  type PlanOptions,
  type PlateauSchedule,
  type Prediction,
  type SaveOptions,
  type Schedule,
  type ScheduleState,
  Seq2SeqAttentionModel,
  type Seq2SeqOptions,
  type Share,
  type StepReport,
  type TrainHistory,
  type TrainingSnapshot,
  type TrainingState,
  type TrainingTerms,
  type TrainOptions,
  type ValidationPairs,
  type WarmupCosineSchedule,
  type WatchOptions,
  type WatchState,
} from "./src/nn/model.ts";
export type {
  ParameterName,
  Seq2SeqSizes,
  SpecialTokens,
} from "./src/nn/seq2seq.ts";
export {
  exportOnnx,
  type ExportOptions,
  type OnnxForm,
} from "./src/onnx/export_model.ts";

// Files.
export { FileError, OutputError } from "./src/files/errors.ts";
export {
  readSafetensors,
  type Safetensors,
  writeSafetensors,
} from "./src/files/safetensors.ts";
export type { Metadata } from "./src/files/safetensors_header.ts";

// Arrays.
export {
  array,
  type ArrayLike,
  type ArrayOptions,
  type NDArray,
  type Nested,
  toNested,
  type TypedArray,
} from "./src/array.ts";

// The engine: define.
export {
  type DType,
  Graph,
  type NoAttrs,
  type Node,
  type NodeOf,
  type NodeType,
  type OpAttrs,
  type OpName,
} from "./src/graph/node.ts";
export { type Shape, ShapeError } from "./src/graph/shape.ts";
export {
  abs,
  add,
  div,
  equal,
  exp,
  greater,
  greaterEqual,
  less,
  lessEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  type Operand,
  select,
  sigmoid,
  sqrt,
  stopGradient,
  sub,
  tanh,
  toFloat,
  toInt,
} from "./src/graph/elementwise.ts";
export { broadcast, sum } from "./src/graph/broadcast.ts";
export { argmax, max, mean } from "./src/graph/reduce.ts";
export {
  concatenate,
  pad,
  reshape,
  slice,
  transpose,
} from "./src/graph/movement.ts";
export { einsum, matmul, type MatmulOptions } from "./src/graph/einsum.ts";
export { gather, scatterAdd } from "./src/graph/indexing.ts";
export {
  type Attention,
  attention,
  crossEntropy,
  type CrossEntropyOptions,
  gelu,
  layerNorm,
  logSoftmax,
  maskedSoftmax,
  oneHot,
  relu,
  softmax,
} from "./src/graph/composite.ts";

// The engine: differentiate, look, run.
export { grad } from "./src/graph/grad.ts";
export { formatGraph, toDot } from "./src/graph/print.ts";
export { type OnnxOptions, toOnnx } from "./src/onnx/to_onnx.ts";
export { verify } from "./src/graph/verify.ts";
export {
  compile,
  type CompileOptions,
  type Feeds,
  type Plan,
} from "./src/run/plan.ts";
export type { CompiledOptions } from "./src/run/compiled.ts";
export { type Deviation, DeviationError } from "./src/run/deviation.ts";
export type { ProgramOptions, Update } from "./src/run/program.ts";
export { Variables, type VariablesOptions } from "./src/run/variables.ts";
export type { Precision } from "./src/run/memory.ts";
export { adam, type AdamOptions, applyAdam } from "./src/nn/adam.ts";
export { clipByGlobalNorm } from "./src/nn/clip.ts";
export { lecunUniform, normal, zeros } from "./src/nn/init.ts";

if (import.meta.main) Deno.exitCode = await main();

// Several processes that work as one.
export type {
  Communicator,
  Reducible,
} from "./src/distributed/communicator.ts";
export {
  connectMpi,
  MpiCommunicator,
  MpiError,
  type MpiOptions,
} from "./src/distributed/mpi.ts";
