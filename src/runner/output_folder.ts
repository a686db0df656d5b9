/**
 * The folder of a run, `output.dir`: which files are in it, and that no run
 * writes over another. What is in the files is decided elsewhere.
 */
import { join } from "node:path";
import { renderReport } from "../report/report.ts";
import type { Samples } from "../report/samples.ts";
import { describeFileError } from "./files.ts";
import { MetricsFile } from "./metrics_file.ts";
import { openOutput, OutputError } from "./output.ts";
import { formatResults, type Results } from "./results.ts";

/** The files of a run by what they hold. */
export const RUN_FILES = {
  results: "results.json",
  metrics: "metrics.jsonl",
  samples: "samples.json",
  report: "report.html",
} as const;

/** The folder of one run. */
export class OutputFolder {
  /** Where it is. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes the folder, or takes one that holds no run.
   *
   * @param path Where it is to be, relative to the working directory.
   * @returns The folder.
   * @throws {OutputError} If it cannot be made, or holds the files of a run.
   */
  static open(path: string): OutputFolder {
    let present: string[];
    try {
      Deno.mkdirSync(path, { recursive: true });
      present = Array.from(Deno.readDirSync(path), ({ name }) => name);
    } catch (error) {
      throw new OutputError(path, describeFileError(error));
    }
    const ours = Object.values(RUN_FILES).find((name) =>
      present.includes(name)
    );
    if (ours !== undefined) {
      throw new OutputError(
        path,
        `it holds a run already (${ours}), wanted a folder without one ` +
          `(output.dir)`,
      );
    }
    return new OutputFolder(path);
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
   * @param after The steps that are done already.
   * @returns The file, to be closed.
   * @throws {OutputError} If it cannot be written.
   */
  metrics(after = 0): MetricsFile {
    return new MetricsFile(this.pathOf(RUN_FILES.metrics), after);
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
