// The report as its reader sees it, in a browser where there is one, and the
// figures it is made of.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStringIncludes,
} from "@std/assert";
import { pathToFileURL } from "node:url";
import { lineChart, ticksTo } from "../../src/report/line_chart.ts";
import { markup } from "../../src/report/markup.ts";
import { renderReport } from "../../src/report/report.ts";
import {
  describeSample,
  LengthCounts,
  type Predicted,
  type Sample,
  SampleChooser,
  type Samples,
} from "../../src/report/samples.ts";
import { DEFAULT_CONFIG } from "../../src/runner/config_types.ts";
import { buildResults, type Results } from "../../src/runner/results.ts";
import { withFolder } from "../helpers.ts";
import { CHROMIUM, type Page, type Picture, withPage } from "./browser.ts";

const DATA: Results["data"] = {
  train_sequences: 1280,
  validation_sequences: 0,
  test_sequences: 256,
  vocab_size: 20,
  src_length: 10,
  tgt_length: 10,
  broken: 0,
  too_long: 0,
  unknown_tokens: 0,
};

const RESULTS: Results = buildResults({
  status: "completed",
  config: DEFAULT_CONFIG,
  data: DATA,
  history: {
    loss: [2.5, 1.2, NaN, 0.3],
    accuracy: [0.1, 0.5, 0.7, 0.9],
    validation: {
      validationLoss: [2.4, 1.3, 0.9, 1.8],
      validationAccuracy: [0.2, 0.4, 0.6, 0.5],
    },
    bestEpoch: 3,
  },
  test: { loss: 0.25, accuracy: 0.9312, sequence_accuracy: 0.75 },
  timing: {
    data: 0.1,
    build: 0.1,
    train: 2.5,
    evaluate: 0.1,
    total: 2.8,
    steps_per_second: 350,
  },
});

const RIGHT: Sample = {
  source: ["a", "b"],
  target: ["b", "<&>"],
  prediction: ["b", "<&>"],
  attention: [[0, 1], [0.75, 0.25]],
};

const WRONG: Sample = {
  source: ["thirty", "one"],
  target: ["3", "1"],
  prediction: ["3", "7"],
  attention: [[0.9, 0.1], [0.5, 0.5]],
};

const SAMPLES: Samples = {
  schema_version: 1,
  samples: [RIGHT, WRONG],
  by_length: [
    { length: 2, sequences: 30, token_accuracy: 0.95, sequence_accuracy: 0.9 },
    { length: 3, sequences: 10, token_accuracy: 0.8, sequence_accuracy: 0.5 },
  ],
};

/** Where something is on the page, by a selector, the `index`-th of them. */
interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

async function boxOf(page: Page, selector: string, index = 0): Promise<Box> {
  return await page.evaluate(
    `(({ x, y, width, height }) => ({ x: x + scrollX, y: y + scrollY, width, height }))(
      document.querySelectorAll(${JSON.stringify(selector)})[${index}]
        .getBoundingClientRect())`,
  ) as Box;
}

/** Whether any pixel of a box differs much from the one beside the box. */
function isInked(picture: Picture, { x, y, width, height }: Box): boolean {
  const [background] = picture.at(x - 2, y - 2);
  for (let row = y; row < y + height; row++) {
    for (let column = x; column < x + width; column++) {
      if (Math.abs(picture.at(column, row)[0] - background) > 60) return true;
    }
  }
  return false;
}

/** A colour over another, as opaque as `share` says. */
function blend(over: number[], under: number[], share: number): number[] {
  return over.map((value, at) => value * share + under[at]! * (1 - share));
}

Deno.test({
  name: `a browser shows titles, axes and cells of the right colour${
    CHROMIUM === undefined ? " (ignored: needs Chromium)" : ""
  }`,
  ignore: CHROMIUM === undefined,
  fn: async () => {
    await withFolder(async (folder) => {
      const path = `${folder}/report.html`;
      Deno.writeTextFileSync(path, renderReport(RESULTS, SAMPLES));
      const url = String(pathToFileURL(path));
      await withPage(async (page) => {
        const colors = {
          light: { card: [255, 255, 255], accent: [0x24, 0x56, 0xb8] },
          dark: { card: [0x1b, 0x1e, 0x23], accent: [0x86, 0xb0, 0xff] },
        };
        for (const scheme of ["light", "dark"] as const) {
          await page.open(url, { width: 1000, height: 700, scheme });
          const picture = await page.screenshot();
          const { card, accent } = colors[scheme];
          const weights = [...RIGHT.attention, ...WRONG.attention].flat();
          for (const [at, weight] of weights.entries()) {
            const box = await boxOf(page, "svg.heatmap rect.cell", at);
            const wanted = blend(accent, card, weight);
            const found = picture.at(box.x + 12, box.y + 12);
            for (const channel of [0, 1, 2] as const) {
              assertAlmostEquals(found[channel], wanted[channel]!, 2);
            }
          }
          for (const selector of ["h1", "h2", "text.axis", "text.tick"]) {
            assert(isInked(picture, await boxOf(page, selector)), selector);
          }
          // Those of training and of validation, and the best epoch.
          for (const line of ["path.series0", "path.series1", "line.mark"]) {
            const box = await boxOf(page, line);
            const width = Math.max(1, box.width);
            assert(isInked(picture, { ...box, width }), line);
          }
        }
      });
    });
  },
});

Deno.test({
  name: `a phone shows the report without scrolling sideways${
    CHROMIUM === undefined ? " (ignored: needs Chromium)" : ""
  }`,
  ignore: CHROMIUM === undefined,
  fn: async () => {
    await withFolder(async (folder) => {
      const path = `${folder}/report.html`;
      const long = Array.from({ length: 40 }, (_, at) => `token${at}`);
      const attention = long.map((_, at) => long.map((_, to) => +(at === to)));
      const wide = {
        source: long,
        target: long,
        prediction: long,
        attention,
      };
      const samples = { ...SAMPLES, samples: [RIGHT, wide] };
      Deno.writeTextFileSync(path, renderReport(RESULTS, samples));
      await withPage(async (page) => {
        await page.open(String(pathToFileURL(path)), {
          width: 360,
          height: 640,
          scheme: "light",
        });
        const width = await page.evaluate(
          "document.documentElement.scrollWidth",
        );
        assertEquals(width, 360);
        const tick = await boxOf(page, "svg.chart text.tick");
        // The line box of a text of 10 pixels, the least that can be read.
        assert(tick.height >= 11, `ticks are ${tick.height} pixels high`);
        const overlaps = await page.evaluate(`(() => {
          const texts = [...document.querySelectorAll("svg text")]
            .map((text) => [text, text.getBoundingClientRect()]);
          return texts.flatMap(([a, p], at) => texts.slice(at + 1)
            .filter(([b, q]) => a.ownerSVGElement === b.ownerSVGElement &&
              p.left < q.right - 1 && q.left < p.right - 1 &&
              p.top < q.bottom - 4 && q.top < p.bottom - 4)
            .map(([b]) => a.textContent + " over " + b.textContent));
        })()`);
        assertEquals(overlaps, []);
      });
    });
  },
});

Deno.test({
  name: `a wide screen shows heatmaps and labels whole, and figures in line${
    CHROMIUM === undefined ? " (ignored: needs Chromium)" : ""
  }`,
  ignore: CHROMIUM === undefined,
  fn: async () => {
    await withFolder(async (folder) => {
      const path = `${folder}/report.html`;
      const samples = [10, 14, 28].map((length): Sample => {
        const tokens = Array.from({ length }, (_, at) => `w${at + 10}`);
        const attention = tokens.map(() => tokens.map(() => 1 / length));
        const prediction = tokens.with(3, "much else");
        return { source: tokens, target: tokens, prediction, attention };
      });
      const page = renderReport(RESULTS, { ...SAMPLES, samples });
      Deno.writeTextFileSync(path, page);
      await withPage(async (page) => {
        const screen = { width: 1100, height: 700, scheme: "light" } as const;
        await page.open(String(pathToFileURL(path)), screen);
        const hidden = await page.evaluate(`[...document.querySelectorAll(
          ".scroll")].map((box) => box.scrollWidth - box.clientWidth)`);
        assertEquals(hidden, [0, 0, 0, 0]);
        const cut = await page.evaluate(`[...document.querySelectorAll(
          "svg text")].filter((text) => {
            const [inner, outer] = [text, text.ownerSVGElement]
              .map((each) => each.getBoundingClientRect());
            return inner.left < outer.left || inner.right > outer.right;
          }).map((text) => text.textContent)`);
        assertEquals(cut, []);
        const first = await boxOf(page, ".figures dd");
        const second = await boxOf(page, ".figures dd", 1);
        assertEquals(first.y, second.y);
      });
    });
  },
});

Deno.test("the page needs nothing but itself", () => {
  const page = renderReport(RESULTS, SAMPLES);
  assert(!/<script|<link|<img|<iframe|https?:|url\(|@import/.test(page));
  assertStringIncludes(page, 'name="viewport"');
});

Deno.test("tokens, names and values cannot break the page", () => {
  const page = renderReport(RESULTS, SAMPLES);
  assertStringIncludes(page, "&lt;&amp;&gt;");
  assert(!page.includes("<&>"));
  const { text } = markup`<p title="${`"'`}">${["<", [1, false]]}</p>`;
  assertEquals(text, '<p title="&quot;&#39;">&lt;1</p>');
});

Deno.test("a wrong token shows what was wanted", () => {
  const page = renderReport(RESULTS, SAMPLES);
  assertStringIncludes(page, "<title>wanted 1</title>");
  assertEquals(page.match(/✗</g)?.length, 1);
});

Deno.test("of long sequences the beginning is drawn, and all of them judged", () => {
  const pageOf = (length: number): string => {
    const tokens = Array<string>(length).fill("a");
    const attention = tokens.map(() => Array(length).fill(1 / length));
    const prediction = [...tokens.slice(1), "b"];
    const long: Sample = {
      source: tokens,
      target: tokens,
      prediction,
      attention,
    };
    return renderReport(RESULTS, { ...SAMPLES, samples: [long] });
  };
  const page = pageOf(300);
  assertEquals(page.match(/<rect class="cell"/g)?.length, 64 * 64);
  assertStringIncludes(page, "the beginning, of up to 300 tokens");
  assertStringIncludes(page, '<span class="verdict wrong">');
  assertEquals(pageOf(64).includes("the beginning, of"), false);
});

Deno.test("a run without a test and without an epoch has a report as well", () => {
  const empty = buildResults({
    status: "interrupted",
    config: DEFAULT_CONFIG,
    data: DATA,
    history: { loss: [], accuracy: [] },
    test: undefined,
    timing: { ...RESULTS.timing, steps_per_second: null },
  });
  const page = renderReport(empty, undefined);
  assertStringIncludes(page, "ended before its first step");
  assertStringIncludes(page, "interrupted");
  assert(!page.includes("NaN") && !page.includes("undefined"));
});

Deno.test("curves of held-out data are drawn where there are any", () => {
  const page = renderReport(RESULTS, SAMPLES);
  assertStringIncludes(page, "training: from 2.5 to 0.3; validation: from 2.4");
  assertStringIncludes(page, "validation: from 20 % to 50 %");
  assertEquals(page.match(/best weights: epoch 3</g)?.length, 2);
  assertStringIncludes(page, "The model has the weights of epoch 3");
  const { history: _, ...train } = RESULTS.train;
  const { loss, accuracy } = RESULTS.train.history;
  const { best_epoch: __, ...rest } = train;
  const without = { ...rest, history: { loss, accuracy } };
  const plain = renderReport({ ...RESULTS, train: without }, SAMPLES);
  assert(!plain.includes("validation:") && !plain.includes("best weights"));
});

Deno.test("what is not finite leaves a gap in the curve", () => {
  const { text } = lineChart({
    title: "t",
    unit: "u",
    series: [{ name: "a", values: [1, null, 3] }],
    format: String,
  });
  assertEquals(
    /class="line series0" d="([^"]*)"/.exec(text)?.[1]?.split(/[ML]/).length,
    3,
  );
  assert(!text.includes("NaN"));
});

Deno.test("ticks are round numbers that reach the limit", () => {
  assertEquals(ticksTo(1, 4), [0, 0.5, 1]);
  assertEquals(ticksTo(0.3, 4), [0, 0.1, 0.2, 0.3]);
  assertEquals(ticksTo(7, 4), [0, 2, 4, 6, 8]);
  assertEquals(ticksTo(4000, 4), [0, 1000, 2000, 3000, 4000]);
});

const PREDICTED: Predicted = {
  source: ints([6, 3], [4, 5, 0, 4, 5, 3, 3, 3, 3, 4, 0, 0, 5, 5, 0, 4, 4, 0]),
  target: ints([6, 3], [4, 5, 0, 4, 5, 3, 3, 3, 3, 4, 0, 0, 5, 5, 0, 4, 4, 0]),
  prediction: ints(
    [6, 3],
    [4, 5, 9, 4, 5, 4, 3, 3, 3, 4, 9, 9, 5, 4, 0, 3, 3, 0],
  ),
  padToken: 0,
};

function ints(shape: number[], values: number[]): Predicted["source"] {
  return { data: Int32Array.from(values), shape };
}

/** Some of the rows, as a batch of their own. */
function rowsOf(predicted: Predicted, from: number, to: number): Predicted {
  const cut = ({ data }: Predicted["source"]) =>
    ints([to - from, 3], [...data.subarray(3 * from, 3 * to)]);
  const { source, target, prediction, padToken } = predicted;
  return {
    source: cut(source),
    target: cut(target),
    prediction: cut(prediction),
    padToken,
  };
}

Deno.test("counts by length leave padding out, batch by batch", () => {
  const counts = new LengthCounts();
  counts.add(rowsOf(PREDICTED, 0, 2));
  counts.add(rowsOf(PREDICTED, 2, 6));
  assertEquals(counts.rows(), [
    { length: 1, sequences: 1, token_accuracy: 1, sequence_accuracy: 1 },
    { length: 2, sequences: 3, token_accuracy: 0.5, sequence_accuracy: 1 / 3 },
    { length: 3, sequences: 2, token_accuracy: 5 / 6, sequence_accuracy: 0.5 },
  ]);
});

Deno.test("samples are the first sequences and the first wrong ones after them", () => {
  const choose = (predicted: Predicted) =>
    new SampleChooser().choose(predicted);
  assertEquals(choose(PREDICTED), [0, 1, 2, 3, 4, 5]);
  const right = { ...PREDICTED, prediction: PREDICTED.target };
  assertEquals(choose(right), [0, 1, 2, 3]);
  const chooser = new SampleChooser();
  assertEquals(chooser.choose(rowsOf(right, 0, 3)), [0, 1, 2]);
  assertEquals(chooser.choose(rowsOf(PREDICTED, 3, 6)), [0, 1, 2]);
  assertEquals(chooser.choose(rowsOf(PREDICTED, 4, 6)), []);
});

Deno.test("a sample has the names of its tokens and no padding", () => {
  const weights = Float32Array.from([0.25, 0.75, 0, 1, 0, 0, 0, 0, 0]);
  const sample = describeSample(
    PREDICTED,
    4,
    { data: weights, shape: [3, 3] },
    (token) => `#${token}`,
  );
  assertEquals(sample, {
    source: ["#5", "#5"],
    target: ["#5", "#5"],
    prediction: ["#5", "#4"],
    attention: [[0.25, 0.75], [1, 0]],
  });
});

Deno.test("white space that is a token can be seen", () => {
  const spaced = { ...RIGHT, source: ["a", " "], prediction: [" ", "b"] };
  const text = renderReport(RESULTS, { ...SAMPLES, samples: [spaced] });
  assertEquals(text.match(/>␣</g)?.length, 2);
});
