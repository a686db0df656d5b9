// Commands as processes: check, init, schema.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parse } from "@std/yaml";
import { loadConfig } from "../../src/runner/config.ts";
import { DEFAULT_CONFIG } from "../../src/runner/config_types.ts";
import { describeConfig } from "../../src/runner/json_schema.ts";
import type { Outline } from "../../src/runner/outline.ts";
import {
  namesIn,
  processTest,
  runCommandLine,
  withFolder,
} from "../helpers.ts";

processTest(
  "check says what would be trained, and trains nothing",
  () =>
    withFolder(async (cwd) => {
      const config = "data: { n_samples: 10, vocab_size: 3, src_length: 5, " +
        "tgt_length: 2 }\nmodel: { d_model: 7, d_k: 11, d_v: 13 }\n" +
        "training: { batch_size: 4 }\nlogging: { file: run.log }\n";
      Deno.writeTextFileSync(`${cwd}/c.yaml`, config);
      const args = ["check", "-c", "c.yaml", "--set", "training.epochs=6"];
      const { code, stdout, stderr } = await runCommandLine(args, { cwd });
      assertEquals([code, stderr], [0, ""]);
      assertEquals(namesIn(cwd), ["c.yaml"]);
      const outline = parse(stdout) as Outline;
      assertEquals(outline.model, {
        vocab_size: 3,
        src_length: 5,
        tgt_length: 2,
        // By hand from the table of parameters, V 3, S 5, T 2, D 7.
        parameters: 3 * 7 + 5 * 7 + 4 * 7 + 2 * 7 + // embeddings, positions
          7 * 11 + 7 * 11 + 7 * 13 + // query, key, value
          (13 + 7) * 7 + 7 + // attention_combine and its bias
          7 * 3 + 3, // output and its bias
      });
      assertEquals(outline.training, {
        sequences: 10,
        epochs: 6,
        steps_per_epoch: 3,
        steps: 18,
      });
      const { total, ...parts } = outline.memory_bytes;
      assertEquals(
        total,
        Object.values(parts).reduce((sum, part) => sum + part),
      );
      assertEquals(outline.config.training.epochs, 6);
      assertEquals(outline.config.training.learning_rate, 0.003);
    }),
);

processTest(
  "check refuses what a run refuses",
  () =>
    withFolder(async (cwd) => {
      const cases: [string[], string][] = [
        [
          ["--set", "training.epchs=5"],
          "--set training.epchs=5: training.epchs",
        ],
        [["--config", "none.yaml"], "no such file or folder"],
        [["--set", "logging.file=none/run.log"], "there is no folder"],
      ];
      for (const [args, wanted] of cases) {
        const { code, stdout, stderr } = await runCommandLine(
          ["check", ...args],
          { cwd },
        );
        assertEquals([code, stdout], [2, ""], stderr);
        assert(stderr.startsWith("error: "), stderr);
        assertStringIncludes(stderr, wanted);
      }
      assertEquals(namesIn(cwd), []);
    }),
);

processTest("--set reaches a run", () =>
  withFolder(async (cwd) => {
    const set = ["data.n_samples=8", "data.n_test=4", "training.epochs=2"];
    const args = set.flatMap((text) => ["--set", text]);
    const { code, stdout, stderr } = await runCommandLine(args, { cwd });
    assertEquals(code, 0, stderr);
    const { config, train } = JSON.parse(stdout);
    assertEquals(config.data.n_samples, 8);
    assertEquals(train.history.loss.length, 2);
  }));

processTest(
  "init writes the defaults and overwrites nothing",
  () =>
    withFolder(async (cwd) => {
      const permissions = ["--allow-write"];
      for (
        const [args, name] of [[[], "weft.yaml"], [["a b.yaml"], "a b.yaml"]]
      ) {
        const line = ["init", ...args!];
        const first = await runCommandLine(line, { cwd, permissions });
        assertEquals([first.code, first.stdout], [0, ""]);
        assertEquals(first.stderr, `Wrote "${name}"\n`);
        assertEquals(loadConfig(`${cwd}/${name}`), DEFAULT_CONFIG);
      }
      const text = Deno.readTextFileSync(`${cwd}/weft.yaml`);
      assertStringIncludes(text, "--config weft.yaml --output results.json");
      assertStringIncludes(
        text,
        "many as it has.\n  n_samples: 1280",
      );
      Deno.writeTextFileSync(`${cwd}/weft.yaml`, "mine");
      const { code, stderr } = await runCommandLine(["init"], {
        cwd,
        permissions,
      });
      assertEquals(code, 2);
      assertStringIncludes(stderr, 'Cannot write to "weft.yaml": it exists');
      assertEquals(Deno.readTextFileSync(`${cwd}/weft.yaml`), "mine");
    }),
);

processTest(
  "schema prints the schema, without a permission",
  () =>
    withFolder(async (cwd) => {
      const { code, stdout, stderr } = await runCommandLine(["schema"], {
        cwd,
        permissions: [],
      });
      assertEquals([code, stderr], [0, ""]);
      assertEquals(JSON.parse(stdout), describeConfig());
    }),
);
