/**
 * The command `check`: everything that a run would refuse is refused, and what
 * it would do is told. It trains nothing and writes nothing.
 */
import { stringify } from "@std/yaml";
import { loadConfig } from "../config.ts";
import { openDataset } from "../dataset.ts";
import { Logger } from "../logging.ts";
import { openOutput } from "../output.ts";
import { outlineRun } from "../outline.ts";
import { parseOverrides } from "../overrides.ts";
import { writeToStdout } from "../streams.ts";
import { defineCommand } from "./command.ts";
import { CONFIG_FLAGS } from "./shared.ts";

/** The command `check`. */
export const CHECK = defineCommand({
  name: "check",
  summary: "check a configuration; say what would be trained, train nothing",
  description: `\
Checks everything that a run with the configuration would check, and says what
it would train. It trains nothing and leaves no file behind.`,
  permissions: "-R -W",
  flags: CONFIG_FLAGS,
  examples: [
    "deno run -R -W mod.ts check --config configs/tiny.yaml",
    "deno run -R -W mod.ts check --set model.d_model=256",
  ],
  notes: `\
Files of data are read to their end, and wrong lines told. Standard output gets
YAML: sizes and parameters of the model, what is in the data, steps of the
training, an upper bound of the memory in bytes, and the whole configuration
with its defaults. Writing (-W) is needed only to try whether logging.file can
be written.
Exit codes: 0 nothing is wrong; 2 something is.`,
  async run({ config: path, set }) {
    const config = loadConfig(path, parseOverrides(set));
    const dataset = await openDataset(config);
    if (config.logging.file !== null) openOutput(config.logging.file);
    dataset.tell(new Logger({ level: config.logging.level, file: null }));
    await writeToStdout(stringify(outlineRun(config, dataset)));
    return 0;
  },
});
