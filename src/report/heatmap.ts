/**
 * Attention as a heatmap in SVG: a row for each predicted token, a column for
 * each of the source. A cell is one hue, as opaque as its weight, so that the
 * scale is even on light and on dark.
 */
import { type Markup, markup } from "./markup.ts";
import type { Sample } from "./samples.ts";

const CELL = 24;
const TOP = 22;
/** The width of a character of the labels, rather too much than too little. */
const CHARACTER = 8;
/** The sign of right or wrong with the space around it. */
const MARK = 28;
/** Longer labels are cut; their whole text is in the tip. */
const LABEL = 10;

/**
 * Draws the attention of one prediction.
 *
 * @param sample The prediction.
 * @returns An `svg` element.
 */
export function heatmap(sample: Sample): Markup {
  const { source, target, prediction, attention } = sample;
  const left = leftOf(sample);
  const upright = source.every((token) => [...token].length <= 2);
  const below = 14 + (upright ? 12 : labelWidth(source));
  const width = heatmapWidth(sample);
  const right = left + CELL * source.length;
  const bottom = TOP + CELL * target.length;
  const height = bottom + below + 16;
  return markup`<svg class="heatmap" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>Attention of the prediction ${prediction.join(" ")}</title>
<desc>${describe(sample)}</desc>
<text class="axis" x="0" y="12">prediction</text>
<rect class="frame" x="${left - 0.5}" y="${TOP - 0.5}" width="${
    CELL * source.length + 1
  }" height="${CELL * target.length + 1}"/>
${
    attention.map((row, step) =>
      row.map((weight, from) =>
        markup`<rect class="cell" x="${left + CELL * from}" y="${
          TOP + CELL * step
        }" width="${CELL}" height="${CELL}" fill-opacity="${weight}"><title>${
          prediction[step]
        } looks at ${source[from]}: ${
          (100 * weight).toFixed(1)
        } %</title></rect>`
      )
    )
  }
${prediction.map((_, step) => rowLabel(sample, step, left, right))}
${
    source.map((token, from) => {
      const x = left + CELL * (from + 0.5);
      return columnLabel(token, x, bottom, upright);
    })
  }
<text class="axis" x="${(left + right) / 2}" y="${
    height - 4
  }" text-anchor="middle">source</text>
</svg>`;
}

/** What was predicted at a step, and whether that was wanted. */
function rowLabel(
  { target, prediction }: Sample,
  step: number,
  left: number,
  right: number,
): Markup {
  const token = prediction[step]!;
  const same = token === target[step];
  const y = TOP + CELL * step + 16;
  return markup`<text class="token ${same ? "" : "wrong"}" x="${
    left - 8
  }" y="${y}" text-anchor="end">${
    shorten(token)
  }<title>${token}</title></text><text class="verdict ${
    same ? "right" : "wrong"
  }" x="${right + 6}" y="${y}">${same ? "✓" : "✗"}${
    !same &&
    markup`<tspan class="wanted" dx="5">${
      shorten(target[step] ?? "")
    }</tspan><title>wanted ${target[step]}</title>`
  }</text>`;
}

/** A token of the source under its column. */
function columnLabel(
  token: string,
  x: number,
  bottom: number,
  upright: boolean,
): Markup {
  return upright
    ? markup`<text class="token" x="${x}" y="${
      bottom + 16
    }" text-anchor="middle">${shorten(token)}</text>`
    : markup`<text class="token" transform="translate(${x + 4} ${
      bottom + 8
    }) rotate(-90)" text-anchor="end">${
      shorten(token)
    }<title>${token}</title></text>`;
}

/** The most tokens of a side that are drawn: more make a page of megabytes. */
const DRAWN = 64;

/** The part of a sample that is drawn. */
export function drawnPart(sample: Sample): Sample {
  const { source, target, prediction, attention } = sample;
  return {
    source: source.slice(0, DRAWN),
    target: target.slice(0, DRAWN),
    prediction: prediction.slice(0, DRAWN),
    attention: attention.slice(0, DRAWN).map((row) => row.slice(0, DRAWN)),
  };
}

/** How wide the drawing of a prediction is, in pixels. */
export function heatmapWidth(sample: Sample): number {
  const marks = MARK + (isRight(sample) ? 0 : labelWidth(sample.target));
  return leftOf(sample) + CELL * sample.source.length + marks;
}

/** Where the cells begin. */
function leftOf({ prediction }: Sample): number {
  return 30 + labelWidth(prediction);
}

/** Whether every token of a prediction is the wanted one. */
export function isRight({ target, prediction }: Sample): boolean {
  return target.every((token, step) => prediction[step] === token);
}

function describe({ source, target, prediction }: Sample): string {
  const wrong = target.filter((token, step) => prediction[step] !== token);
  return `Source ${source.join(" ")}; wanted ${target.join(" ")}; ` +
    (wrong.length === 0 ? "all right" : `${wrong.length} wrong`);
}

function labelWidth(tokens: readonly string[]): number {
  const longest = tokens.map((token) => [...shorten(token)].length);
  return Math.ceil(CHARACTER * Math.max(1, ...longest));
}

/** What fits, and shows: white space is a token where texts are characters. */
function shorten(token: string): string {
  if (/^\s+$/.test(token)) return "␣";
  const characters = [...token];
  return characters.length <= LABEL
    ? token
    : `${characters.slice(0, LABEL - 1).join("")}…`;
}
