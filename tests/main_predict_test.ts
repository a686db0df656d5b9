// predict as a process: in a pipe, by hand, with half of its lines wrong.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Vocabulary } from "../src/data/vocabulary.ts";
import { Seq2SeqAttentionModel } from "../src/nn/model.ts";
import {
  processTest,
  runCommandLine,
  startCommandLine,
  withFolder,
} from "./helpers.ts";

const WORDS = new Vocabulary("words", ["one", "two", "three"]);
const WIDTHS = { dModel: 6, dK: 5, dV: 4 };
const READ = ["--allow-read"];

/** Saves a model of words, of at most three, to `model.safetensors`. */
async function saveModel(folder: string): Promise<Seq2SeqAttentionModel> {
  const model = new Seq2SeqAttentionModel({
    vocabSize: WORDS.size,
    srcLength: 3,
    tgtLength: 3,
    padToken: WORDS.pad,
    eosToken: WORDS.eos,
    ...WIDTHS,
  });
  await model.save(`${folder}/model.safetensors`, { vocabulary: WORDS });
  return model;
}

/** What the model says of a line. */
async function answerOf(
  model: Seq2SeqAttentionModel,
  text: string,
): Promise<string> {
  const row = new Int32Array(3);
  row.set(WORDS.encode(text));
  const { data } = await model.predict({ data: row, shape: [1, 3] });
  return WORDS.decode(data);
}

const MODEL = ["predict", "--model", "model.safetensors"];

processTest(
  "predict answers a line before it has read the next",
  () =>
    withFolder(async (cwd) => {
      const model = await saveModel(cwd);
      const process = startCommandLine(MODEL, {
        cwd,
        permissions: READ,
        isFed: true,
      });
      const writer = process.stdin.getWriter();
      const reader = process.stdout
        .pipeThrough(new TextDecoderStream()).getReader();
      for (const text of ["one two", "three", "two two two"]) {
        await writer.write(new TextEncoder().encode(`${text}\n`));
        const { value } = await reader.read();
        assertEquals(value, `${await answerOf(model, text)}\n`);
      }
      await writer.close();
      assertEquals((await reader.read()).done, true);
      assertEquals(await new Response(process.stderr).text(), "");
      assertEquals((await process.status).code, 0);
    }),
);

processTest(
  "predict gives a line for a line, whatever the lines are",
  () =>
    withFolder(async (cwd) => {
      const model = await saveModel(cwd);
      const good = await answerOf(model, "one");
      const unknown = await answerOf(model, "four one");
      const lines = ["one", "one one one one", "", "four one", "\xff", "one"];
      // Each character one byte, so that "\xff" is no UTF-8.
      const input = Uint8Array.from(lines.join("\r\n"), (c) => c.charCodeAt(0));
      for (const isFile of [false, true]) {
        Deno.writeFileSync(`${cwd}/in.txt`, input);
        const { code, stdout, stderr } = await runCommandLine(
          isFile ? [...MODEL, "--input", "in.txt"] : MODEL,
          { cwd, permissions: READ, ...(isFile ? {} : { input }) },
        );
        assertEquals(stdout, [good, "", "", unknown, "", good, ""].join("\n"));
        assertEquals(code, 1);
        const name = isFile ? "in.txt" : "stdin";
        assertEquals(stderr.trimEnd().split("\n"), [
          `error: ${name}:2: it has 4 tokens, wanted at most 3, the model's ` +
          `source length`,
          `warning: ${name}:3: it is empty, and so is its answer`,
          `warning: ${name}:4: not in the model's vocabulary: "four"`,
          `error: ${name}:5: it is not UTF-8`,
        ]);
      }
    }),
);

processTest(
  "predict counts what it does not show",
  () =>
    withFolder(async (cwd) => {
      await saveModel(cwd);
      const input = "one one one one\n".repeat(100);
      const { code, stdout, stderr } = await runCommandLine(
        [...MODEL, "--json"],
        { cwd, permissions: READ, input },
      );
      assertEquals(code, 1);
      const answers = stdout.trimEnd().split("\n").map((line) =>
        JSON.parse(line)
      );
      assertEquals(
        answers.map(({ line }) => line),
        Array.from({ length: 100 }, (
          _,
          at,
        ) => at + 1),
      );
      const lines = stderr.trimEnd().split("\n");
      assertEquals(lines.length, 11);
      assertEquals(lines[10], "error: the same of 90 more lines");
    }),
);

processTest(
  "predict ends when nobody reads on",
  () =>
    withFolder(async (cwd) => {
      await saveModel(cwd);
      const process = startCommandLine(MODEL, {
        cwd,
        permissions: READ,
        isFed: true,
      });
      const writer = process.stdin.getWriter();
      const lines = new TextEncoder().encode("one\n".repeat(1000));
      await writer.write(lines);
      const reader = process.stdout.getReader();
      await reader.read();
      await reader.cancel();
      // It goes on until it cannot write, and then leaves the rest unread.
      try {
        while (true) await writer.write(lines);
      } catch (error) {
        assert(error instanceof Error);
      }
      assertEquals(await new Response(process.stderr).text(), "");
      assertEquals((await process.status).code, 0);
    }),
);

processTest(
  "predict reads integers for a model of integers",
  () =>
    withFolder(async (cwd) => {
      const sizes = { vocabSize: 5, srcLength: 2, tgtLength: 2, ...WIDTHS };
      const model = new Seq2SeqAttentionModel(sizes);
      await model.save(`${cwd}/model.safetensors`);
      const { data } = await model.predict([[4, 0]]);
      const { code, stdout, stderr } = await runCommandLine(MODEL, {
        cwd,
        permissions: READ,
        input: "4 0",
      });
      assertEquals([code, stdout, stderr], [0, `${data[0]} ${data[1]}\n`, ""]);
    }),
);

processTest(
  "predict refuses what is no model or no input",
  () =>
    withFolder(async (cwd) => {
      await saveModel(cwd);
      Deno.writeTextFileSync(`${cwd}/text.txt`, "no model");
      const cases: [string[], string][] = [
        [["predict"], 'Option "--model FILE" is missing'],
        [
          ["predict", "-m", "none"],
          'Cannot read "none": no such file or folder',
        ],
        [["predict", "-m", "text.txt"], 'Cannot read "text.txt": '],
        [
          [...MODEL, "-i", "none"],
          'Cannot read "none": no such file or folder',
        ],
        [[...MODEL, "-i", "."], 'Cannot read ".": it is a folder'],
      ];
      for (const [args, wanted] of cases) {
        const { code, stdout, stderr } = await runCommandLine(args, { cwd });
        assertEquals([code, stdout], [2, ""], stderr);
        assertStringIncludes(stderr, `error: ${wanted}`);
      }
    }),
);

processTest(
  "predict and evaluate answer with threads as they do without",
  () =>
    withFolder(async (cwd) => {
      await saveModel(cwd);
      const lines = Array.from(
        { length: 200 },
        (_, at) =>
          ["one", "two", "three"][at % 3]! + (at % 2 === 0 ? " two" : ""),
      );
      const input = `${lines.join("\n")}\n`;
      Deno.writeTextFileSync(
        `${cwd}/pairs.tsv`,
        lines.map((line) => `${line}\t${line}\n`).join(""),
      );
      const run = async (...args: string[]) => {
        const options = { cwd, permissions: READ, input };
        const { code, stdout, stderr } = await runCommandLine(args, options);
        assertEquals(code, 0, stderr);
        return stdout;
      };
      const measure = ["evaluate", ...MODEL.slice(1), "--data", "pairs.tsv"];
      const threads = ["--threads", "2"];
      assertEquals(await run(...MODEL, ...threads), await run(...MODEL));
      const [alone, shared] = [
        JSON.parse(await run(...measure)),
        JSON.parse(await run(...measure, ...threads)),
      ];
      assertEquals(Math.abs(alone.loss - shared.loss) < 1e-5, true);
      assertEquals(alone.sequence_accuracy, shared.sequence_accuracy);
      const wrong = [...MODEL, "--threads", "many"];
      const { code, stderr } = await runCommandLine(wrong, { cwd });
      assertEquals(code, 2);
      assertStringIncludes(
        stderr,
        'Option "--threads" is "many", wanted an integer from 1 to 256, or auto',
      );
    }),
);
