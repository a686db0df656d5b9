/**
 * Shows how far the training is: a bar where standard error is a terminal,
 * otherwise a line now and then. It measures nothing but time.
 */
import type { EpochMetrics, Metrics } from "./history.ts";
import type { Logger } from "./logging.ts";

/** The size of the training to be shown. */
export interface ProgressOptions {
  /** Epochs in all. */
  readonly epochs: number;
  /** Steps in all epochs. */
  readonly steps: number;
  /** Steps taken before, where training goes on; 0 by default. */
  readonly done?: number;
  /** Milliseconds since any moment; by default those of the process. */
  readonly now?: () => number;
}

/** Milliseconds between two redraws of the bar. */
const REDRAW_INTERVAL = 100;

/** Milliseconds between two lines within an epoch. */
const STEP_LINE_INTERVAL = 5000;

/** Milliseconds between a line and that for the end of an epoch. */
const EPOCH_LINE_INTERVAL = 1000;

const BAR_WIDTH = 20;

/** The progress of one training. */
export class Progress {
  readonly #log: Logger;
  readonly #epochs: number;
  readonly #steps: number;
  readonly #done: number;
  readonly #now: () => number;
  #step: number;
  /** When the first step was over, which had the plan to compile. */
  #first: number | undefined;
  #lastLine = -Infinity;
  #lastDraw = -Infinity;

  /**
   * Shows nothing yet.
   *
   * @param log Where lines go, at level info.
   * @param options The size of the training.
   */
  constructor(log: Logger, options: ProgressOptions) {
    this.#log = log;
    this.#epochs = options.epochs;
    this.#steps = options.steps;
    this.#done = options.done ?? 0;
    this.#step = this.#done;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * Shows a step if the last sign of life is old enough.
   *
   * @param epoch The epoch it belongs to, from 1.
   * @param metrics The step's.
   */
  step(epoch: number, metrics: Metrics): void {
    this.#step++;
    const now = this.#now();
    this.#first ??= now;
    if (now - this.#lastDraw >= REDRAW_INTERVAL) {
      this.#lastDraw = now;
      this.#draw(epoch, metrics, now);
    }
    if (now - this.#lastLine >= STEP_LINE_INTERVAL) {
      this.#lastLine = now;
      const text = `epoch ${epoch}/${this.#epochs}, ${formatMetrics(metrics)}`;
      this.#write(`${text}, ${this.#formatPace(now)}`);
    }
  }

  /**
   * Shows the end of an epoch, unless a line has just been written. The last
   * epoch's is always shown.
   *
   * @param epoch The epoch, from 1.
   * @param metrics The epoch's.
   */
  epoch(epoch: number, metrics: EpochMetrics): void {
    const now = this.#now();
    const isLast = epoch === this.#epochs;
    if (!isLast && now - this.#lastLine < EPOCH_LINE_INTERVAL) return;
    this.#lastLine = now;
    const text = `epoch ${epoch}/${this.#epochs} done, mean ` +
      `${formatMetrics(metrics)}${formatValidation(metrics)}, ` +
      this.#formatPace(now);
    if (isLast) this.#log.info(text);
    else this.#write(text);
  }

  /** Removes the bar. */
  finish(): void {
    this.#log.console.status("");
  }

  /** A terminal shows the bar instead; the log file has only lines. */
  #write(line: string): void {
    if (this.#log.console.isTerminal) this.#log.record("info", line);
    else this.#log.info(line);
  }

  #draw(epoch: number, metrics: Metrics, now: number): void {
    if (!this.#log.console.isTerminal || !this.#log.includes("info")) return;
    const filled = Math.floor(BAR_WIDTH * this.#step / this.#steps);
    const bar = "#".repeat(filled).padEnd(BAR_WIDTH, "-");
    const pace = this.#paceAt(now);
    const left = pace ? `, ${pace.left}` : "";
    const shown = `epoch ${epoch}/${this.#epochs}, ${formatMetrics(metrics)}`;
    this.#log.console.status(`[${bar}] ${shown}${left}`);
  }

  #formatPace(now: number): string {
    const pace = this.#paceAt(now);
    const place = `step ${this.#step}/${this.#steps}`;
    return pace ? `${place}, ${pace.rate}, ${pace.left}` : place;
  }

  /** How fast it goes; the first step says nothing about the others. */
  #paceAt(now: number): { rate: string; left: string } | undefined {
    const taken = this.#step - this.#done - 1;
    if (taken < 1) return undefined;
    const seconds = Math.max(now - this.#first!, 1e-3) / 1000;
    const rest = seconds * (this.#steps - this.#step) / taken;
    return {
      rate: `${formatRate(taken / seconds)} steps/s`,
      left: `${formatDuration(rest)} left`,
    };
  }
}

function formatMetrics({ loss, accuracy }: Metrics): string {
  return `loss ${loss.toFixed(4)}, accuracy ${accuracy.toFixed(4)}`;
}

function formatValidation(metrics: EpochMetrics): string {
  const { validationLoss, validationAccuracy } = metrics;
  const { validationSequenceAccuracy } = metrics;
  if (validationLoss === undefined) return "";
  const sequences = validationSequenceAccuracy === undefined
    ? ""
    : `, sequence accuracy ${validationSequenceAccuracy.toFixed(4)}`;
  return `; held out: loss ${validationLoss.toFixed(4)}, accuracy ` +
    `${validationAccuracy?.toFixed(4)}${sequences}`;
}

/** Three digits, or more where the number has them. */
function formatRate(rate: number): string {
  return rate < 999.5 ? rate.toPrecision(3) : rate.toFixed(0);
}

function formatDuration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
