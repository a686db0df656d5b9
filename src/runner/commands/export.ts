/**
 * The command `export`: a trained model as files of another format.
 */
import { join } from "node:path";
import { loadModelFile } from "../../files/model_file.ts";
import { describeFileError } from "../../files/paths.ts";
import { openPlace } from "../../files/place.ts";
import { exportOnnx, ONNX_FORMS } from "../../onnx/export_model.ts";
import { OutputError } from "../output.ts";
import { writeToStdout } from "../streams.ts";
import { defineCommand } from "./command.ts";
import { UsageError } from "./flags.ts";
import { MODEL_FLAG } from "./shared.ts";

/** The formats there are. */
const FORMATS: readonly string[] = ["onnx"];

/** The command `export`. */
export const EXPORT = defineCommand({
  name: "export",
  summary: "write a trained model as ONNX files, for other programs",
  description: `\
Writes a model as three ONNX files (opset 17) for batches of any size:
encode.onnx and decode.onnx for greedy prediction, forward.onnx for the whole
model with teacher forcing. The README says how they are used.`,
  permissions: "-R -W",
  flags: {
    model: MODEL_FLAG,
    format: {
      value: "FORMAT",
      help: "the format of the files: onnx, which is also the default",
    },
    output: {
      short: "o",
      value: "FOLDER",
      required: true,
      help:
        "where the files go; made if missing; files of the same names are " +
        "replaced",
    },
  },
  examples: [
    "deno run -R -W mod.ts export --format onnx -m model.safetensors -o onnx",
  ],
  notes: `\
Standard output gets the path of each file, one a line. A vocabulary in the
model's file goes into the metadata of each, as JSON under "vocabulary".
Exit codes: 0 done; 2 wrong usage, no model in the file, or no place for files.`,
  async run({ model: path, format = "onnx", output: folder }) {
    if (!FORMATS.includes(format)) {
      throw new UsageError(
        [
          `Option "--format" is ${JSON.stringify(format)}, wanted ` +
          FORMATS.join(", "),
        ],
        "export",
      );
    }
    const { model, vocabulary } = loadModelFile(path);
    const metadata = vocabulary === null
      ? {}
      : { vocabulary: JSON.stringify(vocabulary) };
    makeFolder(folder);
    // All places first: rather none of the files than one of three.
    const places = ONNX_FORMS.map((form) => {
      const file = join(folder, `${form}.onnx`);
      return { form, file, place: openPlace(file) };
    });
    for (const { form, file, place } of places) {
      await place.write(exportOnnx(model, { form, metadata }));
      await writeToStdout(`${file}\n`);
    }
    return 0;
  },
});

function makeFolder(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new OutputError(path, describeFileError(error));
  }
}
