/**
 * The report of a run as one HTML page: it needs no script, no network and no
 * other file. It reads and writes nothing.
 *
 * The curves and heatmaps are drawn here, since the charting libraries that
 * were looked at want a DOM or weigh megabytes for two kinds of picture.
 */
import type { Results } from "../runner/results.ts";
import { drawnPart, heatmap, heatmapWidth, isRight } from "./heatmap.ts";
import { lineChart, type Series } from "./line_chart.ts";
import { type Content, Markup, markup } from "./markup.ts";
import type { Sample, Samples } from "./samples.ts";
import { STYLE } from "./style.ts";

/**
 * Renders a report.
 *
 * @param results The results of the run.
 * @param samples Sample predictions and accuracy by length; undefined where the
 * run ended before its test.
 * @returns A whole HTML document.
 */
export function renderReport(
  results: Results,
  samples: Samples | undefined,
): string {
  const title = `weft: ${titleOf(results)}`;
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<main>
${heading(results)}
${figures(results)}
${notices(results)}
${curves(results)}
${samples !== undefined && predictions(samples.samples)}
${samples !== undefined && lengths(samples)}
${details(results)}
</main>
</body>
</html>
`;
  return page.text;
}

function titleOf({ config }: Results): string {
  const { source, path } = config.data;
  return source === "file" ? `pairs of ${path}` : `${source} task`;
}

const OUTCOMES: Readonly<Record<Results["status"], string>> = {
  completed: "completed",
  early_stopped: "stopped early, as configured",
  interrupted: "interrupted",
  diverged: "diverged",
};

function heading(results: Results): Content {
  const { status, timing, environment } = results;
  const isGood = status === "completed" || status === "early_stopped";
  return markup`<header>
<h1>Training report: ${titleOf(results)}</h1>
<p class="quiet"><span class="status ${isGood ? "good" : "bad"}">${
    OUTCOMES[status]
  }</span>, ${seconds(timing.total)} in all, weft ${environment.weft}</p>
</header>`;
}

function figures({ test, train, timing }: Results): Content {
  const shown: [string, string][] = [
    ["Test accuracy", percentOr(test.accuracy)],
    ["Sequence accuracy", percentOr(test.sequence_accuracy)],
    ["Test loss", numberOr(test.loss)],
    ["Epochs", String(train.history.loss.length)],
    ["Training time", seconds(timing.train)],
    ["Steps a second", numberOr(timing.steps_per_second)],
  ];
  return markup`<dl class="figures">${
    shown.map(([name, value]) =>
      markup`<div class="card"><dt>${name}</dt><dd>${value}</dd></div>
`
    )
  }</dl>`;
}

function notices({ nonfinite }: Results): Content {
  if (nonfinite.length === 0) return undefined;
  return markup`<p class="status bad">Not finite: ${nonfinite.join(", ")}</p>`;
}

function curves(results: Results): Content {
  const { train } = results;
  const { history } = train;
  if (history.loss.length === 0) {
    return markup`<h2>Learning curves</h2>
<p class="quiet">The run ended before its first step.</p>`;
  }
  const mark = train.best_epoch === undefined
    ? {}
    : { mark: { epoch: train.best_epoch, name: "best weights" } };
  return markup`<h2>Learning curves</h2>
<div class="charts">
<figure class="card"><h3>Loss</h3>${
    lineChart({
      title: "Loss by epoch",
      unit: "loss (nats a token)",
      series: seriesOf(history.loss, history.validation_loss),
      format: compact,
      ...mark,
    })
  }</figure>
<figure class="card"><h3>Accuracy</h3>${
    lineChart({
      title: "Accuracy by epoch",
      unit: "accuracy (of tokens)",
      series: seriesOf(history.accuracy, history.validation_accuracy),
      top: 1,
      format: (value) => `${compact(100 * value)} %`,
      ...mark,
    })
  }</figure>
</div>
${remarks(results)}`;
}

/** What the curves do not say by themselves. */
function remarks({ train, config }: Results): Content {
  const { label_smoothing, early_stopping } = config.training;
  const metric = (early_stopping?.metric ?? "").replaceAll("_", " ");
  const best = train.best_epoch !== undefined &&
    markup`The model has the weights of epoch ${train.best_epoch}, the dashed line: the
best by ${metric}. `;
  const smoothed = label_smoothing > 0 &&
    markup`The training loss is that of smoothed targets. `;
  return (best || smoothed) && markup`<p class="quiet">${best}${smoothed}</p>`;
}

function seriesOf(
  training: Series["values"],
  validation: Series["values"] | undefined,
): Series[] {
  const series = [{ name: "training", values: training }];
  if (validation === undefined) return series;
  return [...series, { name: "validation", values: validation }];
}

/** What fits into half the page, in pixels; wider heatmaps get a whole row. */
const HALF_WIDTH = 450;

function predictions(samples: readonly Sample[]): Content {
  return markup`<h2>Sample predictions</h2>
<p class="quiet">Each row is a predicted token, each column a token of the
source; the darker the cell on a light page, the brighter on a dark one, the
more the prediction looked there. ✓ is right; after ✗ stands what was
wanted.</p>
<div class="scale">0 %<i></i>100 % of the attention</div>
<div class="samples">
${
    samples.map((sample, at) => {
      const right = isRight(sample);
      const drawn = drawnPart(sample);
      const size = heatmapWidth(drawn) > HALF_WIDTH ? "wide" : "";
      const longest = Math.max(sample.source.length, sample.target.length);
      const cut =
        longest > Math.max(drawn.source.length, drawn.target.length) &&
        markup` <span class="quiet">the beginning, of up to ${longest} tokens</span>`;
      return markup`<figure class="card ${size}"><h3>${
        at + 1
      }. <span class="verdict ${right ? "right" : "wrong"}">${
        right ? "right" : "wrong"
      }</span>${cut}</h3><div class="scroll">${heatmap(drawn)}</div></figure>
`;
    })
  }</div>`;
}

function lengths({ by_length }: Samples): Content {
  return markup`<h2>By length</h2>
<div class="card scroll"><table>
<thead><tr><th class="number">Source length</th><th class="number">Sequences</th><th class="number">Tokens right</th><th class="number">Sequences right</th><th></th></tr></thead>
<tbody>
${
    by_length.map((row) =>
      markup`<tr><td class="number">${row.length}</td><td class="number">${row.sequences}</td><td class="number">${
        percentOr(row.token_accuracy)
      }</td><td class="number">${
        percentOr(row.sequence_accuracy)
      }</td><td class="bar"><i style="width:${
        (100 * row.sequence_accuracy).toFixed(1)
      }%"></i></td></tr>
`
    )
  }</tbody>
</table></div>`;
}

function details({ config, data, environment, timing }: Results): Content {
  const sections = [
    ...Object.entries(config).map(([name, section]) =>
      [`Configuration: ${name}`, section] as const
    ),
    ["What is in the data", data] as const,
    ["Environment", environment] as const,
    ["Timing (seconds)", timing] as const,
  ];
  return markup`<h2>Configuration, data and environment</h2>
<div class="tables">
${
    sections.map(([name, section]) =>
      markup`<section class="card"><h3>${name}</h3><table><tbody>
${
        Object.entries(section as object).map(([key, value]) =>
          markup`<tr><th scope="row">${key}</th><td>${
            typeof value === "string" ? value : JSON.stringify(value)
          }</td></tr>
`
        )
      }</tbody></table></section>
`
    )
  }</div>`;
}

function percentOr(share: number | null): string {
  return share === null ? "none" : `${(100 * share).toFixed(1)} %`;
}

function numberOr(value: number | null): string {
  return value === null ? "none" : compact(value);
}

function seconds(value: number): string {
  return value < 120
    ? `${compact(value)} s`
    : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

/** Three digits, without zeros that say nothing. */
function compact(value: number): string {
  if (Math.abs(value) >= 1000) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}
