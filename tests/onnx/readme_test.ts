// The loop of the README, run as it stands with the package it is written for.
// `deno test --doc` is told to ignore it: that package is not the project's.
import { assertEquals } from "@std/assert";
import { toNested } from "../../src/array.ts";
import { Seq2SeqAttentionModel } from "../../src/nn/model.ts";
import { exportOnnx } from "../../src/onnx/export_model.ts";
import { processTest, ROOT, withFolder } from "../helpers.ts";
import { ARGUMENTS, PACKAGE, Runtime } from "./runtime.ts";

processTest("the README's loop predicts what we predict", async () => {
  // Whoever is first fetches the package.
  await (await Runtime.start())[Symbol.asyncDispose]();
  const readme = Deno.readTextFileSync(new URL("README.md", ROOT));
  const [, code] = /^```js ignore\n([^]*?)^```/m.exec(readme)!;
  const sizes = { vocabSize: 6, srcLength: 4, tgtLength: 4 };
  const widths = { dModel: 16, dK: 16, dV: 16 };
  const model = new Seq2SeqAttentionModel({ ...sizes, ...widths });
  await withFolder(async (cwd) => {
    for (const form of ["encode", "decode"] as const) {
      Deno.writeFileSync(`${cwd}/${form}.onnx`, exportOnnx(model, { form }));
    }
    const script = `${cwd}/predict.mjs`;
    Deno.writeTextFileSync(script, code!.replace("onnxruntime-node", PACKAGE));
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: [...ARGUMENTS, script],
      cwd,
      stderr: "inherit",
    }).output();
    const predicted = await model.predict([[3, 1, 4, 1], [5, 0, 2, 5]]);
    const got = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals(got, toNested(predicted));
  });
});
