// ONNX Runtime as a process of its own. Its package is large, and `deno task`
// fetches all that is in the project's lock file: so it has a lock file here.
//
// After a line that says it is ready: one request a line on standard input, one
// answer a line on standard output.
import { createInterface } from "node:readline";
import process from "node:process";
import type { NDArray } from "../../src/array.ts";
import {
  type Answer,
  fromWire,
  type Request,
  toWire,
  type ValueMetadata,
  VERSION,
} from "./wire.ts";

/** What is used of the package. */
interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array, options: unknown): Promise<Session>;
  };
  readonly Tensor: new (
    type: string,
    data: NDArray["data"],
    shape: readonly number[],
  ) => Tensor;
}

interface Session {
  readonly inputMetadata: readonly ValueMetadata[];
  readonly outputMetadata: readonly ValueMetadata[];
  run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>>;
}

interface Tensor {
  readonly data: NDArray["data"];
  readonly dims: readonly number[];
}

// Not a literal: checking the project is not to look for it.
const { default: runtime }: { default: OnnxRuntime } = await import(
  `npm:onnxruntime-node@${VERSION}`
);

const OPTIONS = {
  logSeverityLevel: 3,
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
};

const sessions: Session[] = [];

async function answer(request: Request): Promise<Answer> {
  if ("model" in request) {
    const model = Uint8Array.fromBase64(request.model);
    const session = await runtime.InferenceSession.create(model, OPTIONS);
    const { inputMetadata: inputs, outputMetadata: outputs } = session;
    return { session: sessions.push(session) - 1, inputs, outputs };
  }
  const feeds: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(request.feeds)) {
    const { data, shape } = fromWire(tensor);
    feeds[name] = new runtime.Tensor(tensor.type, data, shape);
  }
  const found = await sessions[request.session]!.run(feeds);
  const results = Object.entries(found).map(([name, { data, dims }]) =>
    [name, toWire({ data, shape: dims })] as const
  );
  return { results: Object.fromEntries(results) };
}

console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const result = await answer(JSON.parse(line))
    .catch((error): Answer => ({ error: String(error) }));
  console.log(JSON.stringify(result));
}
