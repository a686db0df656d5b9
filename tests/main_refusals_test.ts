// What the command line refuses: one process a mistake, each with its message,
// exit code 2 and nothing written.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { namesIn, processTest, runCommandLine, withFolder } from "./helpers.ts";

/** A mistake, what must be said of it, and what must be granted to make it. */
interface Mistake {
  /** What is wrong. */
  readonly name: string;
  /** The arguments. */
  readonly args: readonly string[];
  /** The text of `c.yaml`, if there is one. */
  readonly config?: string;
  /** What standard error must contain. */
  readonly says: readonly string[];
  /** Permission flags. */
  readonly permissions?: readonly string[];
}

/** A configuration file that is wrong. */
function wrongConfig(name: string, config: string, ...says: string[]): Mistake {
  return { name, args: ["-c", "c.yaml", "-o", "out.json"], config, says };
}

const SIZE = "wanted an integer from 1 to 10000000";

const MISTAKES: readonly Mistake[] = [
  wrongConfig(
    "an empty configuration",
    "",
    '"c.yaml":\n',
    "found an empty document, wanted a mapping of data, model, training",
  ),
  wrongConfig("a configuration of comments", "# x\n", "an empty document"),
  wrongConfig("a configuration that is a list", "- 1\n", "found a list"),
  wrongConfig(
    "a broken configuration",
    "data:\n  n_test: 1\n   oops: 2\n",
    "c.yaml:3:",
    "syntax error",
  ),
  wrongConfig(
    "several unknown keys",
    "data: { n_tests: 1 }\nmodle: {}\n",
    "data.n_tests: found an unknown key (its value is 1)",
    'did you mean "n_test"?',
    "c.yaml:2:1: modle: found an unknown key",
    'did you mean "model"?',
  ),
  wrongConfig(
    "wrong types",
    'data: { n_test: "1" }\ntraining: { verbose: 2 }\nmodel: 3\n',
    'data.n_test: found "1" (text), wanted an integer',
    "training.verbose: found 2, wanted true or false",
    "model: found 3, wanted a mapping of d_model, d_k, d_v",
  ),
  wrongConfig("a size of zero", "data: { n_test: 0 }", `found 0, ${SIZE}`),
  wrongConfig("a negative size", "data: { n_test: -5 }", `found -5, ${SIZE}`),
  wrongConfig("a fraction", "data: { n_test: 1.5 }", `found 1.5, ${SIZE}`),
  wrongConfig(
    "a huge size",
    "data: { n_test: 1e300 }",
    `found 1e+300, ${SIZE}`,
  ),
  wrongConfig(
    "sizes that are huge together",
    "data: { vocab_size: 1000000 }\nmodel: { d_model: 60000 }",
    "wanted at most 2 GiB: ",
  ),
  wrongConfig(
    "a target longer than its source",
    "data: { src_length: 5, tgt_length: 6 }",
    "data.tgt_length: found 6, wanted an integer from 1 to data.src_length, " +
      "which is 5",
  ),
  wrongConfig(
    "a log file in a missing folder",
    "logging: { file: none/run.log }",
    'logging.file: found "none/run.log" (no such file or folder)',
  ),
  {
    name: "a missing configuration",
    args: ["-c", "none.yaml"],
    says: ['"none.yaml"', "no such file or folder"],
  },
  {
    name: "a configuration that is a folder",
    args: ["-c", "."],
    says: ['configuration ".":', "it is a folder"],
  },
  {
    name: "a configuration that may not be read",
    args: ["-c", "c.yaml"],
    config: "",
    permissions: ["--allow-write"],
    says: ['"c.yaml"', "which Deno was not granted (--allow-read)"],
  },
  {
    name: "an output in a missing folder",
    args: ["-o", "none/out.json"],
    says: ['Cannot write to "none/out.json": there is no folder "', '/none"'],
  },
  {
    name: "an output that is a folder",
    args: ["-o", "."],
    says: ['Cannot write to ".": it is a folder, not a file'],
  },
  {
    name: "an empty output",
    args: ["--output="],
    says: ['Option "--output" needs a value'],
  },
  {
    name: "an output that is not granted",
    args: ["-o", "out.json"],
    permissions: ["--allow-read", "--allow-write=elsewhere"],
    says: [
      'Cannot write to "out.json": requires write access to "',
      "which Deno was not granted (--allow-write)",
    ],
  },
  {
    name: "an output that is the configuration",
    args: ["-c", "c.yaml", "-o", "./c.yaml"],
    config: "training: { epochs: 1 }",
    says: ['Cannot write to "./c.yaml": it is the configuration file'],
  },
  {
    name: "an output that is the log file",
    args: ["-c", "c.yaml", "-o", "run.log"],
    config: "logging: { file: run.log }",
    says: ['Cannot write to "run.log": it is the log file'],
  },
  {
    name: "an unknown option",
    args: ["--ouptut", "out.json"],
    says: ['Unknown option "--ouptut", did you mean "--output"?', "--help"],
  },
  {
    name: "an argument that is no option",
    args: ["train"],
    says: ['Unexpected argument "train", wanted only options'],
  },
];

for (const { name, args, config, says, permissions } of MISTAKES) {
  processTest(`main() refuses ${name} and writes nothing`, async () => {
    await withFolder(async (cwd) => {
      if (config !== undefined) {
        Deno.writeTextFileSync(`${cwd}/c.yaml`, config);
      }
      const before = namesIn(cwd);
      const { code, stdout, stderr } = await runCommandLine(args, {
        cwd,
        ...(permissions === undefined ? {} : { permissions }),
      });
      assertEquals([code, stdout], [2, ""], stderr);
      assert(stderr.startsWith("error: "), stderr);
      for (const part of says) assertStringIncludes(stderr, part);
      assert(!/Training|\n +at /.test(stderr), stderr);
      assertEquals(namesIn(cwd), before);
      if (config !== undefined) {
        assertEquals(Deno.readTextFileSync(`${cwd}/c.yaml`), config);
      }
    });
  });
}
