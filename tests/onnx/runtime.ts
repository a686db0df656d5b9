// ONNX Runtime, as the tests use it: the process started, models opened in it
// and run.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { NDArray } from "../../src/array.ts";
import {
  type Answer,
  fromWire,
  type Opened,
  type Request,
  toWire,
  type ValueMetadata,
  VERSION,
} from "./wire.ts";

/** A model that was read and found sound. */
export interface OnnxModel {
  readonly inputs: readonly ValueMetadata[];
  readonly outputs: readonly ValueMetadata[];
  /** Runs it once. */
  run(
    feeds: Readonly<Record<string, NDArray>>,
  ): Promise<Record<string, NDArray>>;
}

const LOCK = new URL("runtime.lock", import.meta.url).pathname;
const SCRIPT = new URL("runtime_process.ts", import.meta.url).pathname;

/** The package, as a script that runs with {@linkcode ARGUMENTS} imports it. */
export const PACKAGE = `npm:onnxruntime-node@${VERSION}`;

/** The arguments with which Deno runs what imports ONNX Runtime. */
export const ARGUMENTS: readonly string[] = [
  "run",
  "-A",
  "--quiet",
  "--no-config",
  `--lock=${LOCK}`,
  "--frozen",
];

/** The running process; end it with `await using`. */
export class Runtime {
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(process: ChildProcess) {
    this.#process = process;
    const lines = createInterface({ input: process.stdout! });
    this.#answers = lines[Symbol.asyncIterator]();
  }

  /** Starts it. */
  static async start(): Promise<Runtime> {
    // One after another: the first may have to fetch the package.
    using file = await Deno.open(LOCK);
    await file.lock(true);
    const runtime = new Runtime(
      spawn(Deno.execPath(), [...ARGUMENTS, SCRIPT], {
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
    await runtime.#read();
    return runtime;
  }

  /**
   * Reads a model.
   *
   * @throws {Error} If ONNX Runtime refuses it.
   */
  async open(bytes: Uint8Array): Promise<OnnxModel> {
    const model = bytes.toBase64();
    const { session, inputs, outputs } = await this.#ask({ model }) as Opened;
    return {
      inputs,
      outputs,
      run: async (feeds) => {
        const packed = Object.entries(feeds).map(([name, value]) =>
          [name, toWire(value)] as const
        );
        const request = { session, feeds: Object.fromEntries(packed) };
        const answer = await this.#ask(request);
        if (!("results" in answer)) throw new Error("not an answer to a run");
        const results = Object.entries(answer.results).map(([name, tensor]) =>
          [name, fromWire(tensor)] as const
        );
        return Object.fromEntries(results);
      },
    };
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#process.on("exit", resolve));
    this.#process.stdin!.end();
    await ended;
  }

  async #ask(request: Request): Promise<Exclude<Answer, { error: string }>> {
    this.#process.stdin!.write(`${JSON.stringify(request)}\n`);
    const answer = JSON.parse(await this.#read()) as Answer;
    if ("error" in answer) throw new Error(answer.error);
    return answer;
  }

  async #read(): Promise<string> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error("ONNX Runtime has ended");
    return value;
  }
}
