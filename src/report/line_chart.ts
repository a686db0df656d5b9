/**
 * Curves as SVG, drawn for a width that a phone has, so that text stays
 * readable there. Colours come from the classes of the page's style.
 */
import { type Content, type Markup, markup } from "./markup.ts";

/** One curve; null is a value that was not finite. */
export interface Series {
  /** What the legend calls it. */
  readonly name: string;
  /** One value an epoch, the first that of epoch 1. */
  readonly values: readonly (number | null)[];
}

/** What a chart is of. */
export interface LineChartOptions {
  /** The heading, for those who cannot see as well. */
  readonly title: string;
  /** What the vertical axis counts. */
  readonly unit: string;
  /** At most as many as the style has colours: two. */
  readonly series: readonly Series[];
  /** The top of the vertical axis, where it is known; else from the values. */
  readonly top?: number;
  /** How the axis and the tips write a value. */
  readonly format: (value: number) => string;
  /** An epoch to be marked, with what it is. */
  readonly mark?: { readonly epoch: number; readonly name: string };
}

const WIDTH = 350;
const HEIGHT = 230;
const LEFT = 48;
const RIGHT = 14;
const TOP = 34;
const BOTTOM = 42;

/**
 * Draws curves over epochs, from 0 upwards.
 *
 * @param options What is drawn.
 * @returns An `svg` element.
 */
export function lineChart(options: LineChartOptions): Markup {
  const { title, unit, series, format, mark } = options;
  const epochs = Math.max(1, ...series.map(({ values }) => values.length));
  const ticks = ticksTo(options.top ?? largest(series), 4);
  const top = ticks.at(-1)!;
  const x = (epoch: number): number =>
    epochs === 1
      ? (LEFT + WIDTH - RIGHT) / 2
      : LEFT + (WIDTH - LEFT - RIGHT) * (epoch - 1) / (epochs - 1);
  const y = (value: number): number =>
    HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top;
  return markup`<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">
<title>${title}</title><desc>${describe(options)}</desc>
${
    ticks.map((tick) =>
      markup`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${
        at(y(tick))
      }" y2="${at(y(tick))}"/><text class="tick" x="${LEFT - 8}" y="${
        at(y(tick) + 4)
      }" text-anchor="end">${format(tick)}</text>`
    )
  }
${
    epochTicks(epochs).map((epoch) =>
      markup`<text class="tick" x="${at(x(epoch))}" y="${
        HEIGHT - BOTTOM + 18
      }" text-anchor="middle">${epoch}</text>`
    )
  }
<text class="axis" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${
    HEIGHT - 6
  }" text-anchor="middle">epoch</text>
<text class="axis" x="8" y="16">${unit}</text>
${
    mark !== undefined &&
    markup`<line class="mark" x1="${at(x(mark.epoch))}" x2="${
      at(x(mark.epoch))
    }" y1="${TOP}" y2="${
      HEIGHT - BOTTOM
    }"><title>${mark.name}: epoch ${mark.epoch}</title></line>`
  }
${series.map(({ values }, index) => curve(values, index, { x, y, format }))}
${legend(series)}
</svg>`;
}

interface Scales {
  readonly x: (epoch: number) => number;
  readonly y: (value: number) => number;
  readonly format: (value: number) => string;
}

/** More points than this are not marked one by one. */
const MARKED_POINTS = 40;

function curve(
  values: readonly (number | null)[],
  index: number,
  { x, y, format }: Scales,
): Content {
  let path = "";
  let pen = "M";
  for (const [step, value] of values.entries()) {
    // What is not finite leaves a gap.
    if (value !== null) path += `${pen}${at(x(step + 1))} ${at(y(value))}`;
    pen = value === null ? "M" : "L";
  }
  const points = values.length > MARKED_POINTS
    ? []
    : values.map((value, step) =>
      value !== null &&
      markup`<circle class="dot series${index}" cx="${at(x(step + 1))}" cy="${
        at(y(value))
      }" r="3"><title>epoch ${step + 1}: ${format(value)}</title></circle>`
    );
  return [markup`<path class="line series${index}" d="${path}"/>`, points];
}

/** One curve is named by the axis already. */
function legend(series: readonly Series[]): Content {
  if (series.length < 2) return undefined;
  const width = 84;
  const start = WIDTH - RIGHT - width * series.length;
  return series.map(({ name }, index) => {
    const left = start + index * width;
    return markup`<line class="line series${index}" x1="${left}" x2="${
      left + 16
    }" y1="12" y2="12"/><text class="tick" x="${
      left + 22
    }" y="16">${name}</text>`;
  });
}

function describe({ series, format }: LineChartOptions): string {
  return series.map(({ name, values }) => {
    const finite = values.filter((value) => value !== null);
    const [first] = finite;
    const last = finite.at(-1);
    return first === undefined || last === undefined
      ? `${name}: no values`
      : `${name}: from ${format(first)} to ${format(last)}`;
  }).join("; ");
}

function largest(series: readonly Series[]): number {
  let most = 0;
  for (const { values } of series) {
    for (const value of values) most = Math.max(most, value ?? 0);
  }
  return most || 1;
}

/**
 * Round numbers from 0 to at least a limit.
 *
 * @param limit More than 0.
 * @param count About how many steps.
 * @returns The numbers; their steps are 1, 2 or 5 times a power of ten.
 */
export function ticksTo(limit: number, count: number): number[] {
  const power = 10 ** Math.floor(Math.log10(limit / count));
  const factor = [1, 2, 5, 10].find((each) => each * power * count >= limit) ??
    10;
  const step = factor * power;
  const steps = Math.ceil(limit / step - 1e-9);
  // By division where steps are below 1, so that 3 tenths are 0.3.
  return Array.from(
    { length: steps + 1 },
    (_, at) => step < 1 ? at / Math.round(1 / step) : at * step,
  );
}

/** At most some seven whole epochs, the first and the last among them. */
function epochTicks(epochs: number): number[] {
  const step = Math.max(1, ticksTo(epochs, 6)[1]!);
  const ticks = [1];
  for (let epoch = step; epoch < epochs; epoch += step) {
    // Not where it would touch its neighbour.
    const isFree = epoch - 1 >= step / 2 && epochs - epoch >= step / 2;
    if (epoch > 1 && isFree) ticks.push(epoch);
  }
  if (epochs > 1) ticks.push(epochs);
  return ticks;
}

/** To a tenth of a pixel. */
function at(value: number): number {
  return Math.round(value * 10) / 10;
}
