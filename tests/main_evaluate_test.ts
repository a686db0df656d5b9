// evaluate as a process: JSON on standard output, the rest on standard error.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Seq2SeqAttentionModel } from "../src/nn/model.ts";
import { processTest, runCommandLine, withFolder } from "./helpers.ts";

const LINE = ["evaluate", "--model", "model.safetensors", "--data"];

function makeModel(): Seq2SeqAttentionModel {
  return new Seq2SeqAttentionModel({
    vocabSize: 5,
    srcLength: 2,
    tgtLength: 2,
    dModel: 6,
    dK: 5,
    dV: 4,
  });
}

processTest(
  "evaluate reports what the model says of a file",
  () =>
    withFolder(async (cwd) => {
      const model = makeModel();
      await model.save(`${cwd}/model.safetensors`);
      const evaluation = await model.evaluate([[1, 2], [3, 4]], [[2, 1], [
        4,
        3,
      ]]);
      const wanted = { loss: evaluation.loss, accuracy: evaluation.accuracy };
      const permissions = ["--allow-read"];
      Deno.writeTextFileSync(`${cwd}/good.tsv`, "1 2\t2 1\n3 4\t4 3\n");
      const good = await runCommandLine([...LINE, "good.tsv"], {
        cwd,
        permissions,
      });
      assertEquals([good.code, good.stderr], [0, ""]);
      const { loss, accuracy, sequences, skipped } = JSON.parse(good.stdout);
      assertEquals({ loss, accuracy }, wanted);
      assertEquals([sequences, skipped], [2, 0]);
      Deno.writeTextFileSync(`${cwd}/bad.txt`, "1 2\t2 1\n3 4\n3 4\t4 3\n");
      const bad = await runCommandLine(
        [...LINE, "bad.txt", "--format", "tsv"],
        {
          cwd,
          permissions,
        },
      );
      assertEquals(bad.code, 1);
      assertEquals(
        bad.stderr,
        "error: bad.txt:2: it has no tab, wanted source<TAB>target\n",
      );
      assertEquals(JSON.parse(bad.stdout), {
        ...JSON.parse(good.stdout),
        skipped: 1,
      });
    }),
);

processTest(
  "evaluate refuses what it cannot measure",
  () =>
    withFolder(async (cwd) => {
      await makeModel().save(`${cwd}/model.safetensors`);
      Deno.writeTextFileSync(`${cwd}/empty.tsv`, "");
      const cases: [string[], number, string][] = [
        [["evaluate"], 2, 'Option "--data FILE" is missing'],
        [[...LINE, "none"], 2, 'Cannot read "none": no such file or folder'],
        [[...LINE, "x", "--format", "csv"], 2, 'is "csv", wanted tsv or jsonl'],
        [
          [...LINE, "empty.tsv"],
          2,
          'Cannot read "empty.tsv": it has no pair that the model can take',
        ],
      ];
      for (const [args, wanted, says] of cases) {
        const { code, stdout, stderr } = await runCommandLine(args, { cwd });
        assertEquals([code, stdout], [wanted, ""], stderr);
        assertStringIncludes(stderr, says);
      }
    }),
);
