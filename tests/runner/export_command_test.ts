// The command `export` as a process: what it writes, and what it refuses.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Vocabulary } from "../../src/data/vocabulary.ts";
import { exportOnnx, ONNX_FORMS } from "../../src/onnx/export_model.ts";
import {
  namesIn,
  processTest,
  runCommandLine,
  withFolder,
} from "../helpers.ts";
import { makeModel } from "../nn/model_cases.ts";

processTest(
  "export writes the three files of a saved model, the vocabulary in them",
  () =>
    withFolder(async (cwd) => {
      const vocabulary = new Vocabulary("words", ["é", "b"]);
      const { size: vocabSize } = vocabulary;
      const model = makeModel({ vocabSize, padToken: 0, eosToken: 1 });
      await model.save(`${cwd}/m.safetensors`, { vocabulary });
      // What was there is replaced.
      Deno.mkdirSync(`${cwd}/new/onnx`, { recursive: true });
      Deno.writeTextFileSync(`${cwd}/new/onnx/decode.onnx`, "old");
      const args = [
        "--format",
        "onnx",
        "-m",
        "m.safetensors",
        "-o",
        "new/onnx",
      ];
      const outcome = await runCommandLine(["export", ...args], { cwd });
      assertEquals(outcome, {
        code: 0,
        stdout: ONNX_FORMS.map((form) => `new/onnx/${form}.onnx\n`).join(""),
        stderr: "",
      });
      const names = ONNX_FORMS.map((form) => `${form}.onnx`);
      assertEquals(namesIn(`${cwd}/new/onnx`), names.toSorted());
      const metadata = { vocabulary: JSON.stringify(vocabulary) };
      for (const form of ONNX_FORMS) {
        const bytes = Deno.readFileSync(`${cwd}/new/onnx/${form}.onnx`);
        assertEquals(bytes, exportOnnx(model, { form, metadata }));
      }
    }),
);

processTest(
  "export refuses before it writes, and says why",
  () =>
    withFolder(async (cwd) => {
      await makeModel().save(`${cwd}/m.safetensors`);
      Deno.writeTextFileSync(`${cwd}/broken.safetensors`, "no model");
      Deno.mkdirSync(`${cwd}/taken/forward.onnx`, { recursive: true });
      const before = namesIn(cwd);
      const refusals: [args: string[], message: string][] = [
        [
          ["-m", "m.safetensors", "-o", "x", "--format", "tflite"],
          "wanted onnx",
        ],
        [["-m", "broken.safetensors", "-o", "x"], 'read "broken.safetensors"'],
        [["-m", "none.safetensors", "-o", "x"], 'read "none.safetensors"'],
        [
          ["-m", "m.safetensors", "-o", "m.safetensors"],
          'write to "m.safetensors": it is a file, not a folder',
        ],
        [["-m", "m.safetensors", "-o", "taken"], "forward.onnx"],
        [["-m", "m.safetensors"], 'Option "--output FOLDER" is missing'],
      ];
      const outcomes = await Promise.all(
        refusals.map(([args]) => runCommandLine(["export", ...args], { cwd })),
      );
      for (const [at, { code, stdout, stderr }] of outcomes.entries()) {
        assertEquals([code, stdout], [2, ""], stderr);
        assertStringIncludes(stderr, refusals[at]![1]);
      }
      assertEquals(namesIn(cwd), before);
      assertEquals(namesIn(`${cwd}/taken`), ["forward.onnx"]);
    }),
);
