/**
 * The folder of a run, `output.dir`: which files are in it, and that no run
 * writes over another. What is in the files is decided elsewhere.
 */
import { join } from "node:path";
import { Checkpoints } from "../files/checkpoints.ts";
import { probeReplace } from "../files/place.ts";
import type { Seq2SeqAttentionModel, TrainingState } from "../nn/model.ts";
import { renderReport } from "../report/report.ts";
import type { Samples } from "../report/samples.ts";
import type { Config } from "./config_types.ts";
import type { Dataset } from "./dataset.ts";
import { describeFileError, inspect } from "./files.ts";
import type { Logger } from "./logging.ts";
import { MetricsFile } from "./metrics_file.ts";
import { openOutput, OutputError } from "./output.ts";
import { formatResults, type Results } from "./results.ts";

/** The files of a run by what they hold. */
export const RUN_FILES = {
  model: "model.safetensors",
  results: "results.json",
  metrics: "metrics.jsonl",
  samples: "samples.json",
  report: "report.html",
} as const;

/** The folder of checkpoints within that of a run. */
const CHECKPOINTS = "checkpoints";

/** The folder of one run. */
export class OutputFolder {
  /** Where it is. */
  readonly path: string;
  /** Its checkpoints. */
  readonly checkpoints: Checkpoints;

  private constructor(path: string) {
    this.path = path;
    this.checkpoints = new Checkpoints(join(path, CHECKPOINTS));
  }

  /**
   * Makes the folder, or takes one that holds no run, or the run to resume.
   *
   * @param path Where it is to be, relative to the working directory.
   * @param resume Whether a run in it is to be gone on with.
   * @returns The folder.
   * @throws {OutputError} If it cannot be made or written to, or holds the files
   * of a run that is not to be resumed.
   */
  static open(path: string, resume = false): OutputFolder {
    let present: string[];
    try {
      Deno.mkdirSync(path, { recursive: true });
      present = Array.from(Deno.readDirSync(path), ({ name }) => name);
      probeReplace(path);
    } catch (error) {
      throw new OutputError(path, describeFileError(error));
    }
    const folder = new OutputFolder(path);
    if (resume) return folder;
    const names: string[] = Object.values(RUN_FILES);
    if (folder.checkpoints.steps().length > 0) names.push(CHECKPOINTS);
    const ours = names.find((name) => present.includes(name));
    if (ours !== undefined) {
      throw new OutputError(
        path,
        `it holds a run already (${ours}), wanted a folder without one ` +
          `(output.dir), or --resume to go on with that run`,
      );
    }
    return folder;
  }

  /**
   * Whether a run has ended here, however it did.
   *
   * @returns True if there are results or a model.
   */
  hasResults(): boolean {
    return [RUN_FILES.results, RUN_FILES.model].some((name) =>
      inspect(this.pathOf(name)) !== undefined
    );
  }

  /**
   * The path of a file in the folder.
   *
   * @param name Its name.
   * @returns Its path.
   */
  pathOf(name: string): string {
    return join(this.path, name);
  }

  /**
   * Opens `metrics.jsonl`.
   *
   * @param resumed The training that is gone on with, if any.
   * @param log Told if the file can no longer be written to.
   * @returns The file, to be closed.
   * @throws {OutputError} If it cannot be opened.
   */
  metrics(resumed: TrainingState | undefined, log: Logger): MetricsFile {
    const { step = 0, epoch = 1 } = resumed ?? {};
    const done = { step, epoch: epoch - 1 };
    const path = this.pathOf(RUN_FILES.metrics);
    return new MetricsFile(path, done, ({ message }) => log.error(message));
  }

  /**
   * Writes the model.
   *
   * @param model The model.
   * @param config What it was trained with.
   * @param dataset What it was trained on.
   * @throws {OutputError} If it cannot be written.
   * @throws {RangeError} If one of its parameters is not finite.
   */
  async saveModel(
    model: Seq2SeqAttentionModel,
    config: Config,
    { vocabulary }: Dataset,
  ): Promise<void> {
    await model.save(this.pathOf(RUN_FILES.model), { config, vocabulary });
  }

  /**
   * Writes what is known at the end of a run.
   *
   * @param results The results.
   * @param samples Sample predictions, if the run has come that far.
   * @param hasReport Whether a report is wanted.
   * @throws {OutputError} If a file cannot be written.
   */
  async finish(
    results: Results,
    samples: Samples | undefined,
    hasReport: boolean,
  ): Promise<void> {
    if (samples !== undefined) {
      await this.#write(RUN_FILES.samples, `${JSON.stringify(samples)}\n`);
    }
    await this.#write(RUN_FILES.results, formatResults(results));
    if (!hasReport) return;
    await this.#write(RUN_FILES.report, renderReport(results, samples));
  }

  async #write(name: string, text: string): Promise<void> {
    await openOutput(this.pathOf(name)).write(text);
  }
}
