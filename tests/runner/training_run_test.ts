// Runs with the options of training on: what they leave behind, that they go on
// as if never stopped, and that files are split by their sources.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { generateCopyTaskData } from "../../src/data/copy_task.ts";
import { loadModelFile } from "../../src/files/model_file.ts";
import { holdOut } from "../../src/nn/hold_out.ts";
import { Seq2SeqAttentionModel } from "../../src/nn/model.ts";
import { deriveSeed } from "../../src/random.ts";
import { resolveConfig } from "../../src/runner/config.ts";
import {
  type Config,
  ConfigError,
  type PartialConfig,
} from "../../src/runner/config_types.ts";
import { prepareRun, runExperiment } from "../../src/runner/experiment.ts";
import { Logger } from "../../src/runner/logging.ts";
import { findResumed } from "../../src/runner/resume.ts";
import type { Results } from "../../src/runner/results.ts";
import type { RunOptions } from "../../src/runner/run_options.ts";
import { StatusConsole } from "../../src/runner/status_console.ts";
import { namesIn, type Need, testWith, withFolder } from "../helpers.ts";

const FILES: readonly Need[] = ["read", "write"];

const TRAINING = {
  epochs: 30,
  learning_rate: 0.05,
  batch_size: 4,
  weight_decay: 0.02,
  clip_norm: 0.5,
  label_smoothing: 0.1,
  validation_fraction: 0.3,
  schedule: { type: "plateau", patience: 0, factor: 0.5, metric: "loss" },
  early_stopping: { metric: "validation_sequence_accuracy", patience: 2 },
  verbose: false,
} satisfies PartialConfig["training"];

function configIn(folder: string, partial: PartialConfig = {}): Config {
  return resolveConfig({
    data: {
      n_samples: 20,
      n_test: 4,
      src_length: 3,
      tgt_length: 2,
      ...partial.data,
    },
    model: { d_model: 4, d_k: 3, d_v: 2 },
    training: { ...TRAINING, ...partial.training },
    logging: { level: "info", file: `${folder}/log` },
    output: { dir: `${folder}/run`, checkpoint_every: 2, report: true },
  });
}

function run(config: Config, options: RunOptions = {}): Promise<Results> {
  return runExperiment(config, quiet(config), options);
}

/** Only the file hears. */
function quiet({ logging }: Config): Logger {
  const console = new StatusConsole({
    isTerminal: false,
    columns: () => 80,
    write: () => {},
  });
  return new Logger(logging, console);
}

async function resume(config: Config): Promise<Results> {
  const prepared = await prepareRun(config, { resume: true });
  const { snapshot } = findResumed(prepared, config);
  const options = snapshot === undefined ? {} : { resume: snapshot };
  return await runExperiment(config, quiet(config), options, prepared);
}

function readLines(path: string): Record<string, unknown>[] {
  return Deno.readTextFileSync(path).trimEnd().split("\n")
    .map((line) => JSON.parse(line));
}

testWith(FILES, "a run that ends early tells so everywhere", async () => {
  await withFolder(async (folder) => {
    const config = configIn(folder);
    const { status, data, train, test } = await run(config);
    assertEquals(status, "early_stopped");
    assertEquals([data.train_sequences, data.validation_sequences], [14, 6]);
    const { history, best_epoch } = train;
    const epochs = history.loss.length;
    assertEquals(epochs, best_epoch! + 2);
    for (const name of Object.keys(history)) {
      assertEquals(history[name as "loss"].length, epochs, name);
    }
    assertEquals(Object.keys(history), [
      "loss",
      "accuracy",
      "validation_loss",
      "validation_accuracy",
      "validation_sequence_accuracy",
    ]);
    const lines = readLines(`${folder}/run/metrics.jsonl`);
    const told = lines.filter(({ kind }) => kind === "epoch");
    const rates = told.map(({ learning_rate }) => learning_rate as number);
    assertEquals(
      told,
      history.loss.map((loss, at) => ({
        kind: "epoch",
        step: 4 * (at + 1),
        epoch: at + 1,
        loss,
        accuracy: history.accuracy[at],
        validation_loss: history.validation_loss![at],
        validation_accuracy: history.validation_accuracy![at],
        validation_sequence_accuracy: history.validation_sequence_accuracy![at],
        learning_rate: rates[at]!,
      })),
    );
    assertEquals(rates[0], 0.05);
    const steps = lines.filter(({ kind }) => kind === "step");
    assertEquals(steps[0]!.learning_rate, 0.05);
    // The model that is tested and kept is that of the best epoch.
    const { model } = loadModelFile(`${folder}/run/model.safetensors`);
    const seed = deriveSeed(0, "test");
    const sizes = { srcLength: 3, tgtLength: 2, vocabSize: 20 };
    const { xSrc, xTgt } = generateCopyTaskData({
      ...sizes,
      nSamples: 4,
      randomSeed: seed,
    });
    assertEquals((await model.evaluate(xSrc, xTgt)).loss, test.loss);
    const report = Deno.readTextFileSync(`${folder}/run/report.html`);
    assertStringIncludes(report, "stopped early, as configured");
    assertStringIncludes(report, ">validation</text>");
    assertStringIncludes(report, `best weights: epoch ${best_epoch}<`);
    assertStringIncludes(report, "best by validation sequence accuracy.");
    assertStringIncludes(
      report,
      "The training loss is that of smoothed targets",
    );
    const log = Deno.readTextFileSync(`${folder}/log`);
    assertStringIncludes(log, "Training on 14 sequences, 6 held out for 30 ep");
    assertStringIncludes(
      log,
      `Ended early after epoch ${epochs}; the best by ` +
        `validation_sequence_accuracy was epoch ${best_epoch}`,
    );
  });
});

testWith(
  FILES,
  "a run is what train() does with the same options",
  async () => {
    await withFolder(async (folder) => {
      const config = configIn(folder, {
        training: {
          epochs: 4,
          early_stopping: null,
          schedule: { type: "warmup_cosine", warmup_steps: 3 },
        },
      });
      const { train } = await run(config);
      const sizes = { srcLength: 3, tgtLength: 2, vocabSize: 20 };
      const { xSrc, xTgt } = generateCopyTaskData({
        ...sizes,
        nSamples: 20,
        randomSeed: deriveSeed(0, "train"),
      });
      const widths = { dModel: 4, dK: 3, dV: 2 };
      const model = new Seq2SeqAttentionModel({ ...sizes, ...widths });
      const history = await model.train(xSrc, xTgt, {
        epochs: 4,
        learningRate: 0.05,
        batchSize: 4,
        weightDecay: 0.02,
        clipNorm: 0.5,
        labelSmoothing: 0.1,
        validationFraction: 0.3,
        schedule: { type: "warmupCosine", warmupSteps: 3 },
      });
      assertEquals(train.history.loss, history.loss);
      assertEquals(train.history.validation_loss, history.validationLoss);
      assertEquals(holdOut(20, 0.3, 0).validation.length, 6);
    });
  },
);

/** Everything a run leaves that does not tell of time or place. */
function lasting(results: Results, folder: string): unknown {
  const { environment: _, timing: __, ...rest } = results;
  return {
    results: rest,
    metrics: Deno.readTextFileSync(`${folder}/run/metrics.jsonl`),
    model: Deno.readFileSync(`${folder}/run/model.safetensors`),
    checkpoints: namesIn(`${folder}/run/checkpoints`).map((name) => [
      name,
      Deno.readFileSync(`${folder}/run/checkpoints/${name}`),
    ]),
  };
}

const RESUMED: Record<string, PartialConfig["training"]> = {
  "plateau, ending early": {},
  "cosine, to the last epoch": {
    epochs: 3,
    schedule: { type: "warmup_cosine", warmup_steps: 5 },
    early_stopping: { metric: "loss", mode: "max", patience: 9 },
  },
};

for (const [name, training] of Object.entries(RESUMED)) {
  testWith(
    FILES,
    `a run with all options goes on as if never stopped: ${name}`,
    async () => {
      await withFolder(async (folder) => {
        const config = configIn(folder, { training: training! });
        const whole = lasting(await run(config), folder);
        // Within an epoch, at the end of one, and after a best one.
        for (const stop of [3, 4, 9, 12]) {
          Deno.removeSync(`${folder}/run`, { recursive: true });
          const controller = new AbortController();
          const stopped = await run(config, {
            signal: controller.signal,
            onStep: ({ step }) => void (step === stop && controller.abort()),
          });
          assertEquals(stopped.status, "interrupted", `${stop}`);
          assertEquals(stopped.train.best_epoch, undefined);
          const resumed = await resume(config);
          assertEquals(lasting(resumed, folder), whole, `stopped at ${stop}`);
        }
      });
    },
  );
}

testWith(FILES, "what a run cannot be gone on with is named", async () => {
  await withFolder(async (folder) => {
    const training = {
      epochs: 2,
      schedule: { type: "warmup_cosine", warmup_steps: 5 },
    } as const;
    await run(configIn(folder, { training }));
    const refuse = async (others: PartialConfig["training"]) => {
      const config = configIn(folder, { training: { ...training, ...others } });
      const prepared = await prepareRun(config, { resume: true });
      try {
        findResumed(prepared, config);
      } catch (error) {
        assert(error instanceof ConfigError);
        return error.problems.map(({ path, found, wanted }) =>
          `${path}: ${found}, ${wanted}`
        );
      }
      return [];
    };
    const as = "as in the run to resume";
    assertEquals(await refuse({ epochs: 3 }), [
      `training.epochs: 3, 2, ${as}, for training.schedule falls until the ` +
      "last of them",
    ]);
    assertEquals(
      await refuse({
        early_stopping: { ...TRAINING.early_stopping, patience: 4 },
        clip_norm: null,
      }),
      [
        `training.clip_norm: null, 0.5, ${as}`,
        `training.early_stopping.patience: 4, 2, ${as}`,
      ],
    );
    assertEquals(await refuse({}), []);
  });
});

/** Pairs of a letter and a number, and each source twice. */
function pairs(count: number): string {
  return Array.from({ length: count }, (_, at) => {
    const source = `${String.fromCharCode(97 + at % 8)} ${at >> 1}`;
    return `${source}\t${source}\n`;
  }).join("").repeat(2);
}

testWith(FILES, "of a file whole sources are held out", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/pairs.tsv`;
    Deno.writeTextFileSync(path, pairs(200));
    const data = {
      source: "file",
      path,
      tokens: "words",
      n_samples: 1280,
      n_test: 256,
      src_length: null,
      tgt_length: null,
    } as const;
    const training = { epochs: 2, validation_fraction: 0.25 };
    const config = configIn(folder, { data, training });
    const { dataset } = await prepareRun(config);
    const parts = [dataset.train(), dataset.validation()!, dataset.test()];
    const sources = await Promise.all(parts.map(async (part) => {
      const found: string[] = [];
      for await (const { rows, source } of part.batches(1, 0)) {
        const width = source.length / rows;
        for (let at = 0; at < rows; at++) {
          found.push(source.slice(at * width, (at + 1) * width).join());
        }
      }
      return found;
    }));
    const counts = sources.map(({ length }) => length);
    const { train_sequences, validation_sequences, test_sequences } =
      dataset.results;
    assertEquals(counts, [
      train_sequences,
      validation_sequences,
      test_sequences,
    ]);
    assertEquals(counts.reduce((a, b) => a + b), 400);
    assert(validation_sequences > 60 && validation_sequences < 130);
    const [train, held] = sources.map((part) => new Set(part));
    for (const source of held!) {
      // An unknown token may stand for several.
      if (source.includes(`${dataset.vocabulary!.unk}`)) continue;
      assert(!train!.has(source), source);
    }
    const { train: trained, status } = await run(config);
    assertEquals(status, "completed");
    assertEquals(trained.history.validation_loss!.length, 2);
  });
});

testWith(FILES, "what a file is too small for is refused", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/pairs.tsv`;
    Deno.writeTextFileSync(path, pairs(20));
    const data = {
      source: "file",
      path,
      tokens: "words",
      n_samples: 1280,
      n_test: 256,
      src_length: null,
      tgt_length: null,
    } as const;
    const attempt = async (training: PartialConfig["training"]) => {
      const config = configIn(folder, { data, training: training! });
      return await prepareRun(config).then(() => "", ({ message }) => message);
    };
    assertStringIncludes(
      await attempt({ validation_fraction: 1e-9 }),
      "it has no pair to validate on, wanted a larger " +
        "training.validation_fraction or more data",
    );
    assertStringIncludes(
      await attempt({ validation_fraction: 1 - 1e-9 }),
      "it has no pair to train on, wanted a smaller " +
        "training.validation_fraction",
    );
    assertStringIncludes(
      await attempt({
        epochs: 1,
        schedule: { type: "warmup_cosine", warmup_steps: 50 },
      }),
      "training.schedule.warmup_steps: found 50, wanted less than the number " +
        "of all steps, which is ",
    );
  });
});

testWith(
  FILES,
  "held-out data may tell first that a run diverges",
  async () => {
    await withFolder(async (folder) => {
      const config = configIn(folder, {
        // The one step of an epoch has the loss of the parameters before it.
        training: { learning_rate: 1e38, batch_size: 64 },
      });
      const { status, train, nonfinite } = await run(config);
      assertEquals(status, "diverged");
      assert(Number.isFinite(train.loss));
      assertEquals(train.history.validation_loss, [null]);
      assertEquals(nonfinite, ["train.history.validation_loss[0]"]);
      const names = namesIn(`${folder}/run`);
      assert(!names.includes("model.safetensors"));
    });
  },
);
