/**
 * Measurements as tables, in Markdown.
 */
import type { Row } from "./contest.ts";
import type { Job } from "./measure.ts";

/** Everything that was measured. */
export interface Report {
  /** Where. */
  readonly machine: string;
  /** When, in UTC. */
  readonly date: string;
  /** All measurements. */
  readonly rows: readonly Row[];
  /** Who could not be measured, and why. */
  readonly missing: readonly string[];
  /** Whether all have computed the same. */
  readonly ok: boolean;
}

/** What stands in a table. */
export type Cell = string | number | undefined;

/** A table in Markdown; numbers get three digits. */
export function table(
  head: readonly string[],
  body: readonly Cell[][],
): string {
  const text = body.map((row) => row.map(formatCell));
  const widths = head.map((title, column) =>
    Math.max(title.length, ...text.map((row) => row[column]!.length))
  );
  const line = (cells: readonly string[]): string =>
    `| ${
      cells.map((cell, column) =>
        column === 0
          ? cell.padEnd(widths[column]!)
          : cell.padStart(widths[column]!)
      ).join(" | ")
    } |`;
  const rule = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : "-".repeat(width - 1) + ":"
  );
  return [line(head), line(rule), ...text.map(line)].join("\n");
}

function formatCell(cell: Cell): string {
  if (cell === undefined) return "";
  if (typeof cell === "string") return cell;
  return cell >= 100 ? cell.toFixed(0) : cell.toPrecision(3);
}

/** The rows of a task, one table row a competitor, one column a subject. */
function timeTable(rows: readonly Row[], title: string): string {
  const subjects = [...new Set(rows.map(({ subject }) => subject))];
  const competitors = [...new Set(rows.map(({ competitor }) => competitor))];
  const body = competitors.map((name) => [
    name,
    ...subjects.map((subject) => {
      const row = rows.find((row) =>
        row.competitor === name && row.subject === subject
      );
      if (!row) return undefined;
      const time = formatCell(row.milliseconds);
      return row.agrees ? time : `${time} WRONG`;
    }),
  ]);
  return table([title, ...subjects], body);
}

/**
 * Our time by that of the fastest of some kind: the one with the largest ratio,
 * since each has run in turns with us but not with the others.
 */
function ratioTo(
  rows: readonly Row[],
  kind: Row["kind"],
): Cell {
  const ratios = rows.filter((row) => row.kind === kind)
    .flatMap(({ ratio }) => ratio ?? []);
  return ratios.length > 0 ? Math.max(...ratios) : undefined;
}

const RATIOS: readonly (readonly [string, Row["kind"]])[] = [
  ["weft / its interpreter", "interpreter"],
  ["weft / fastest PyTorch as written", "as written"],
  ["weft / fastest of tensorflow.js, jax-js", "js"],
  ["weft / PyTorch hoisted by hand", "by hand"],
];

function ratioTable(rows: readonly Row[], title: string): string {
  const subjects = [...new Set(rows.map(({ subject }) => subject))];
  const body = RATIOS.map(([name, kind]): Cell[] => [
    name,
    ...subjects.map((subject) =>
      ratioTo(rows.filter((row) => row.subject === subject), kind)
    ),
  ]);
  const measured = body.filter((row) =>
    row.slice(1).some((cell) => cell !== undefined)
  );
  return table([title, ...subjects], measured);
}

function planTable(rows: readonly Row[]): string {
  const ours = rows.filter(({ plan }) => plan);
  const line = (
    name: string,
    value: (plan: NonNullable<Row["plan"]>, row: Row) => Cell,
  ): Cell[] => [name, ...ours.map((row) => value(row.plan!, row))];
  return table(["training plan", ...ours.map(({ subject }) => subject)], [
    line("compile, first in a process, ms", (plan) => plan.coldCompile),
    line("compile, warm, ms", (plan) => plan.warmCompile),
    line("arena, kB", (plan) => plan.arenaBytes / 1000),
    line("module, kB", (plan) => plan.moduleBytes / 1000),
    line(
      "million multiply-adds, as written",
      (plan) => plan.multiplyAddsBefore / 1e6,
    ),
    line(
      "million multiply-adds, rewritten",
      (plan) => plan.multiplyAddsAfter / 1e6,
    ),
    line(
      "multiply-adds, rewritten / as written",
      (plan) => plan.multiplyAddsAfter / plan.multiplyAddsBefore,
    ),
  ]);
}

function memoryTable(rows: readonly Row[]): string {
  const inMegabytes = rows.map((row) => ({
    ...row,
    milliseconds: row.peakBytes / 1e6,
    agrees: true,
  }));
  return timeTable(inMegabytes, "peak memory of the process, MB");
}

const TITLES: Readonly<Record<Job["task"], string>> = {
  train: "training step, ms",
  predict: "greedy prediction of 64 sequences, ms",
  cold: "process start to the end of the first training step, ms",
  mlp: "training step of a classifier, ms",
  transformer: "training step of a transformer block, ms",
};

/** The whole report. */
export function formatReport(
  { machine, date, rows, missing, ok }: Report,
): string {
  const parts = [`${machine}\n${date}, one thread`];
  for (const task of Object.keys(TITLES) as Job["task"][]) {
    const own = rows.filter((row) => row.task === task);
    if (own.length === 0) continue;
    parts.push(timeTable(own, TITLES[task]));
    if (own.some(({ ratio }) => ratio !== undefined)) {
      parts.push(ratioTable(own, "time / time"));
    }
    if (task !== "train") continue;
    parts.push(planTable(own), memoryTable(own));
  }
  parts.push(...missing);
  if (!ok) parts.push("WRONG: not all have computed the same.");
  return parts.join("\n\n");
}
