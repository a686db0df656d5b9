/**
 * The command `report`: from the folder of a run to its page. It computes
 * nothing anew.
 */
import { join } from "node:path";
import { renderReport } from "../../report/report.ts";
import type { Samples } from "../../report/samples.ts";
import { describeFileError } from "../files.ts";
import { openOutput } from "../output.ts";
import { RUN_FILES } from "../output_folder.ts";
import type { Results } from "../results.ts";
import { writeToStderr } from "../streams.ts";
import { defineCommand } from "./command.ts";
import { UsageError } from "./flags.ts";

/** The command `report`. */
export const REPORT = defineCommand({
  name: "report",
  summary: "make a page to look at from the folder of a run",
  description: `\
Makes report.html, one page that needs nothing but itself: learning curves,
attention of sample predictions, accuracy by length, configuration and
environment.`,
  permissions: "-R -W",
  flags: {
    output: {
      short: "o",
      value: "FILE",
      help: "where the page goes; without it, report.html in the folder",
    },
  },
  operands: [{ name: "RESULTS_DIR", required: true }],
  examples: [
    "deno run -R -W mod.ts report runs/copy",
  ],
  notes: `\
RESULTS_DIR is what output.dir was in the configuration of a run that has ended;
with output.report: true the run makes the page by itself.
Exit codes: 0 done; 2 the folder holds no run, or the page cannot be written.`,
  async run({ output }, [folder]) {
    const results = readJson(join(folder!, RUN_FILES.results));
    if (results === undefined) {
      throw new UsageError([
        `Cannot report on ${JSON.stringify(folder)}: found no ` +
        `${RUN_FILES.results} in it, wanted the folder of a run (output.dir)`,
      ], "report");
    }
    const samples = readJson(join(folder!, RUN_FILES.samples));
    const page = render(folder!, results as Results, samples as Samples);
    const path = output ?? join(folder!, RUN_FILES.report);
    await openOutput(path).write(page);
    writeToStderr(`The report is in ${JSON.stringify(path)}\n`);
    return 0;
  },
});

/** Files that others have made, or half of one, may lack anything. */
function render(folder: string, results: Results, samples: Samples): string {
  try {
    return renderReport(results, samples);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw foreign(folder, error.message);
  }
}

function foreign(path: string, found: string): UsageError {
  return new UsageError([
    `Cannot report on ${JSON.stringify(path)}: found something else ` +
    `(${found}), wanted what a run of this version has written`,
  ], "report");
}

/** The content of a file of JSON; undefined if there is no such file. */
function readJson(path: string): unknown {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new UsageError([
      `Cannot read ${JSON.stringify(path)}: ${describeFileError(error)}`,
    ], "report");
  }
  let value: { readonly schema_version?: unknown } | null;
  try {
    value = JSON.parse(text);
  } catch {
    throw foreign(path, "no JSON");
  }
  if (value?.schema_version === 1) return value;
  throw foreign(path, "no schema_version of 1");
}
