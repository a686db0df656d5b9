/**
 * The command `schema`: what a configuration may contain, for editors.
 */
import { describeConfig } from "../json_schema.ts";
import { writeToStdout } from "../streams.ts";
import { defineCommand } from "./command.ts";

/** The command `schema`. */
export const SCHEMA = defineCommand({
  name: "schema",
  summary: "print the JSON Schema of the configuration, for editors",
  description: `\
Prints the JSON Schema (draft 7) of the configuration: keys, types, ranges,
defaults and what each means. Editors complete and check configurations by it.`,
  permissions: "",
  flags: {},
  examples: ["deno run mod.ts schema > weft.schema.json"],
  notes: `\
An editor with the YAML language server (VS Code: the extension YAML by Red Hat)
takes it from a comment in the first line of a configuration:
  # yaml-language-server: $schema=weft.schema.json`,
  async run() {
    await writeToStdout(`${JSON.stringify(describeConfig(), null, 2)}\n`);
    return 0;
  },
});
