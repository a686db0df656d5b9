// Models as files: what comes back is the model that went in, and what is no
// model of ours is refused with the reason.
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import type { NDArray } from "../../src/array.ts";
import { Vocabulary } from "../../src/data/vocabulary.ts";
import { FileError, OutputError } from "../../src/files/errors.ts";
import { loadModelFile } from "../../src/files/model_file.ts";
import {
  readSafetensors,
  writeSafetensors,
} from "../../src/files/safetensors.ts";
import { Seq2SeqAttentionModel } from "../../src/nn/model.ts";
import { PARAMETER_NAMES } from "../../src/nn/seq2seq.ts";
import { VERSION } from "../../src/version.ts";
import { namesIn, type Need, testWith, withFolder } from "../helpers.ts";

const FILES: readonly Need[] = ["read", "write"];

const OPTIONS = {
  vocabSize: 5,
  srcLength: 3,
  tgtLength: 2,
  dModel: 4,
  dK: 3,
  dV: 2,
  padToken: 0,
  eosToken: 1,
  randomSeed: 7,
};
const SOURCE = [[2, 3, 4], [4, 2, 0]];
const TARGET = [[3, 1], [2, 4]];

async function trained(options = OPTIONS): Promise<Seq2SeqAttentionModel> {
  const model = new Seq2SeqAttentionModel(options);
  await model.train(SOURCE, TARGET, {
    epochs: 2,
    learningRate: 0.1,
    batchSize: 2,
  });
  return model;
}

testWith(
  FILES,
  "load() gives back the model that save() was given",
  async () => {
    await withFolder(async (folder) => {
      const { padToken: _, eosToken: __, ...plain } = OPTIONS;
      for (const options of [OPTIONS, plain as typeof OPTIONS]) {
        const model = await trained(options);
        const path = `${folder}/model.safetensors`;
        await model.save(path);
        const loaded = await Seq2SeqAttentionModel.load(path);
        assertEquals(loaded.sizes, model.sizes);
        assertEquals(loaded.parameters(), model.parameters());
        assertEquals(await loaded.predict(SOURCE), await model.predict(SOURCE));
        assertEquals(
          await loaded.evaluate(SOURCE, TARGET),
          await model.evaluate(SOURCE, TARGET),
        );
        assertEquals(namesIn(folder), ["model.safetensors"]);
      }
    });
  },
);

testWith(
  FILES,
  "save() writes the names, types and metadata promised",
  async () => {
    await withFolder(async (folder) => {
      const model = await trained();
      const path = `${folder}/model.safetensors`;
      const vocabulary = new Vocabulary("characters", ["é", "\n"]);
      await model.save(path, { vocabulary, config: { data: { n: 1 } } });
      const { tensors, metadata } = readSafetensors(Deno.readFileSync(path));
      assertEquals(Object.keys(tensors).sort(), [...PARAMETER_NAMES].sort());
      assertEquals(tensors, model.parameters());
      const { model: sizes, ...rest } = metadata;
      assertEquals(rest, {
        format: "weft",
        weft: VERSION,
        vocabulary:
          '{"kind":"characters","tokens":["<pad>","<eos>","<unk>","é","\\n"]}',
        config: '{"data":{"n":1}}',
      });
      assertEquals(JSON.parse(sizes!), {
        vocab_size: 5,
        src_length: 3,
        tgt_length: 2,
        d_model: 4,
        d_k: 3,
        d_v: 2,
        pad_token: 0,
        eos_token: 1,
        random_seed: 7,
      });
      const loaded = loadModelFile(path);
      assertEquals(loaded.vocabulary?.tokens, vocabulary.tokens);
      assertEquals([...loaded.vocabulary!.encode("\né")], [4, 3]);
      assertEquals(loaded.config, { data: { n: 1 } });
      assertEquals(loaded.model.parameters(), model.parameters());
    });
  },
);

testWith(FILES, "save() writes the same bytes for the same model", async () => {
  await withFolder(async (folder) => {
    for (const name of ["one", "two"]) {
      await (await trained()).save(`${folder}/${name}`);
    }
    const one = Deno.readFileSync(`${folder}/one`);
    assertEquals(one, Deno.readFileSync(`${folder}/two`));
    const { vocabulary, config } = loadModelFile(`${folder}/one`);
    assertEquals([vocabulary, config], [null, null]);
  });
});

testWith(FILES, "save() replaces a file as a whole or not at all", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/model.safetensors`;
    Deno.writeTextFileSync(path, "what was there before");
    const model = await trained();
    const broken = model.parameters();
    broken.output_bias.data[3] = NaN;
    // Nobody can set it, but a training that diverges leaves it.
    const diverged = Object.create(model, {
      parameters: { value: () => broken },
      sizes: { value: model.sizes },
    });
    await assertRejects(
      () => Seq2SeqAttentionModel.prototype.save.call(diverged, path),
      RangeError,
      "whose output_bias[3] is NaN: wanted a finite number",
    );
    assertEquals(Deno.readTextFileSync(path), "what was there before");
    await model.save(path);
    assertEquals(loadModelFile(path).model.parameters(), model.parameters());
    assertEquals(namesIn(folder), ["model.safetensors"]);
    await assertRejects(() => model.save(folder), OutputError, "is a folder");
    await assertRejects(
      () => model.save(`${folder}/none/m`),
      OutputError,
      "there is no folder",
    );
  });
});

testWith(FILES, "load() refuses what is no regular file", async () => {
  await withFolder(async (folder) => {
    const load = (path: string) => Seq2SeqAttentionModel.load(path);
    await assertRejects(() => load(folder), FileError, "it is a folder");
    const none = `${folder}/none`;
    const error = await assertRejects(() => load(none), FileError, "no such");
    assertEquals(error.file, none);
    if (Deno.build.os === "windows") return;
    // To read from it would not end.
    await assertRejects(() => load("/dev/zero"), FileError, "no regular file");
  });
});

type Change = (
  tensors: Record<string, NDArray>,
  metadata: Record<string, string>,
) => void;

/** Changes what the metadata say of the sizes. */
function withSizes(sizes: Record<string, unknown>): Change {
  return (_, metadata) => {
    const known = JSON.parse(metadata["model"]!);
    metadata["model"] = JSON.stringify({ ...known, ...sizes });
  };
}

const REFUSED: readonly [what: string, change: Change, reason: string][] = [
  [
    "another program's arrays",
    (_, metadata) => delete metadata["format"],
    'it is no model of weft: its metadata have no format "weft"',
  ],
  [
    "a missing array",
    (tensors) => delete tensors["output_bias"],
    "missing output_bias, foreign none",
  ],
  [
    "a foreign array",
    (tensors) => tensors["lm_head"] = tensors["output_bias"]!,
    "missing none, foreign lm_head",
  ],
  [
    "a wrong type",
    (tensors) =>
      tensors["output_bias"] = { data: new Float64Array(5), shape: [5] },
    "output_bias is F64 (5), wanted F32 (5)",
  ],
  [
    "a wrong shape",
    (tensors) =>
      tensors["query_projection"] = {
        data: tensors["query_projection"]!.data,
        shape: [3, 4],
      },
    "query_projection is F32 (3, 4), wanted F32 (4, 3)",
  ],
  [
    "a parameter that is not finite",
    (tensors) => tensors["source_position"]!.data[5] = Infinity,
    "source_position[1][1] is Infinity, wanted a finite number",
  ],
  [
    "sizes that are missing",
    (_, metadata) => delete metadata["model"],
    'the "model" of its metadata is no JSON object',
  ],
  [
    "sizes that are not JSON",
    (_, metadata) => metadata["model"] = "{",
    'the "model" of its metadata is not JSON',
  ],
  [
    "a size that is not its arrays'",
    withSizes({ src_length: 4 }),
    "source_position is F32 (3, 4), wanted F32 (4, 4)",
  ],
  [
    "sizes that would not fit any memory",
    withSizes({ vocab_size: 2 ** 24, d_model: 2 ** 24 }),
    "Cannot make a model of ",
  ],
  ["a size that is text", withSizes({ d_k: "3" }), 'dK = "3"'],
  ["a token out of range", withSizes({ pad_token: 5 }), "padToken = 5"],
  ["a seed that is none", withSizes({ random_seed: -1 }), "randomSeed = -1"],
  ["an unknown size", withSizes({ heads: 2 }), "has unknown keys: heads"],
  [
    "a vocabulary that is not JSON",
    (_, metadata) => metadata["vocabulary"] = "{'a'}",
    'the "vocabulary" of its metadata is not JSON',
  ],
  [
    "a vocabulary that is none",
    (_, metadata) => metadata["vocabulary"] = '{"kind":"syllables"}',
    'its vocabulary is wrong: Cannot use kind = "syllables"',
  ],
  [
    "a vocabulary of another size",
    (_, metadata) =>
      metadata["vocabulary"] = JSON.stringify(new Vocabulary("words", ["a"])),
    "its vocabulary has 4 tokens, wanted 5 as the model has",
  ],
  [
    "a configuration with a key twice",
    (_, metadata) => metadata["config"] = '{"a":1,"a":1}',
    'the key "a" is there twice',
  ],
];

for (const [what, change, reason] of REFUSED) {
  testWith(FILES, `loadModelFile() refuses ${what}`, async () => {
    await withFolder(async (folder) => {
      const path = `${folder}/model.safetensors`;
      await new Seq2SeqAttentionModel(OPTIONS).save(path);
      const file = readSafetensors(Deno.readFileSync(path));
      const tensors = { ...file.tensors };
      const metadata = { ...file.metadata };
      change(tensors, metadata);
      Deno.writeFileSync(path, writeSafetensors(tensors, metadata));
      const load = () => loadModelFile(path);
      const { message } = assertThrows(load, FileError, reason);
      assertStringIncludes(message, JSON.stringify(path));
    });
  });
}

testWith(FILES, "loadModelFile() refuses every truncated file", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/model.safetensors`;
    await new Seq2SeqAttentionModel(OPTIONS).save(path);
    const bytes = Deno.readFileSync(path);
    const lengths = [0, 7, 8, 9, 500, bytes.length - 4, bytes.length - 1];
    for (const length of lengths) {
      assert(length < bytes.length);
      Deno.writeFileSync(path, bytes.subarray(0, length));
      assertThrows(() => loadModelFile(path), FileError, "truncated");
    }
  });
});

testWith(FILES, "loadModelFile() reads a huge file's header only", async () => {
  await withFolder((folder) => {
    const path = `${folder}/model.safetensors`;
    // Sparse: a terabyte that takes no room, and would take all memory.
    using file = Deno.openSync(path, { write: true, createNew: true });
    file.writeSync(new Uint8Array([255, 255, 0, 0, 0, 0, 0, 0]));
    file.truncateSync(2 ** 40);
    assertThrows(() => loadModelFile(path), FileError, "header is not JSON");
  });
});
