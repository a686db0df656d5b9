/**
 * The plain form, without a command's name: train, test, report. `run` is
 * another name for it.
 */
import { parseOverrides } from "../overrides.ts";
import { runCommand } from "../run_command.ts";
import { defineCommand } from "./command.ts";
import { UsageError } from "./flags.ts";
import { CONFIG_FLAGS } from "./shared.ts";

/** The command `run`. */
export const RUN = defineCommand({
  name: "run",
  summary: "train and test a model; what happens without a command",
  description: `\
Trains an attention sequence-to-sequence model on data that are made up or come
from a file of pairs (data.source), tests it and reports the results as JSON.`,
  permissions: "-R -W",
  flags: {
    config: CONFIG_FLAGS.config,
    output: {
      short: "o",
      value: "FILE",
      help: "where the results go; without it, standard output",
    },
    set: CONFIG_FLAGS.set,
    resume: {
      help:
        "go on with the run in output.dir from its newest checkpoint; the " +
        "configuration must be the same, but training.epochs may be more",
    },
    debug: {
      value: "N",
      help: "tell of the compiled plans, to standard error: 1 counts and " +
        "times of compiling; 2 and the time of each kernel; 3 and the graph " +
        "after each pass; 4 and all kernels; 5 and the range of every buffer",
    },
    check: {
      help: "compare every kernel of every step with a plain walk of it, and " +
        "the step with the interpreter: very slow",
    },
  },
  examples: [
    "deno run -R -W mod.ts --output results.json",
    "deno run -R -W mod.ts --config configs/tiny.yaml --output results.json",
    "deno run -R mod.ts --config configs/tiny.yaml > results.json",
    "deno run -R -W mod.ts --set training.epochs=5 --output results.json",
  ],
  notes: `\
Permissions:
  --allow-read (-R)   to read the configuration and files of data
  --allow-write (-W)  to write the results and the log file, if any
Nothing else is needed. Granting the folder of the results lets them replace
the previous ones in one move; granting the file alone is enough as well.

Standard output carries results only; messages go to standard error.
Exit codes: 0 done; 1 the run failed or diverged; 2 wrong usage, configuration,
data or output place; 130, 143 interrupted by SIGINT, SIGTERM (what there is by
then is saved; a second signal ends at once).`,
  run({ config, output, set, resume, debug = "0", check }) {
    if (!/^[0-5]$/.test(debug)) {
      throw new UsageError([
        `Option "--debug" is ${JSON.stringify(debug)}, wanted a number from ` +
        `0 to 5`,
      ]);
    }
    const overrides = parseOverrides(set);
    return runCommand({
      config,
      overrides,
      output,
      resume,
      debug: Number(debug),
      check,
    });
  },
});
