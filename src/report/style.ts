/**
 * The look of the report: one style sheet, light and dark, for wide screens,
 * phones and paper. Colours have a contrast of at least 4.5 to 1 where they
 * are text.
 */

/** The style sheet. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f7f7f5;
  --card: #ffffff;
  --text: #1d1f23;
  --quiet: #5d6470;
  --rule: #e2e4e8;
  --accent: #2456b8;
  --second: #b4530a;
  --right: #1e7a3c;
  --wrong: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #131518;
    --card: #1b1e23;
    --text: #e7e9ec;
    --quiet: #a0a7b4;
    --rule: #31353d;
    --accent: #86b0ff;
    --second: #f2a35e;
    --right: #6fcf8b;
    --wrong: #ff8f87;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0;
  background: var(--page);
  color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
  -webkit-text-size-adjust: 100%;
}
main { max-width: 64rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: .95rem; margin: 0 0 .5rem; }
p { margin: .25rem 0 .75rem; }
.quiet, figcaption, .axis, .tick { color: var(--quiet); }
.status { font-weight: 600; }
.status.good { color: var(--right); }
.status.bad { color: var(--wrong); }
.figures, .charts, .samples, .tables {
  display: grid; gap: 1rem; margin: 0; padding: 0; list-style: none;
}
.figures { grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); }
.charts { grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); }
.samples { grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); align-items: start; }
.tables { grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); align-items: start; }
.card {
  min-width: 0; margin: 0; padding: 1rem;
  background: var(--card); border: 1px solid var(--rule); border-radius: .5rem;
}
.samples .wide { grid-column: 1 / -1; }
.figures .card { display: flex; flex-direction: column; justify-content: space-between; }
.figures dt { color: var(--quiet); font-size: .85rem; }
.figures dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
figcaption { font-size: .85rem; margin-bottom: .5rem; }
.scroll { overflow-x: auto; }
svg { display: block; font-family: inherit; }
svg.chart { width: 100%; height: auto; }
svg.heatmap { flex: none; }
svg text { fill: var(--text); font-size: 12px; }
svg .axis, svg .tick { fill: var(--quiet); }
svg .tick, svg .token { font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--rule); }
svg .mark { stroke: var(--quiet); stroke-dasharray: 3 3; }
svg .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .line.series0 { stroke: var(--accent); }
svg .line.series1 { stroke: var(--second); }
svg .dot.series0 { fill: var(--accent); }
svg .dot.series1 { fill: var(--second); }
svg .frame { fill: none; stroke: var(--rule); }
svg .cell { fill: var(--accent); }
svg .verdict.right { fill: var(--right); }
svg .wrong, svg .wanted { fill: var(--wrong); }
svg .wanted { text-decoration: underline; }
.verdict.right { color: var(--right); }
.verdict.wrong { color: var(--wrong); }
.scale { display: flex; align-items: center; gap: .5rem; font-size: .85rem; color: var(--quiet); margin-bottom: .75rem; }
.scale i {
  width: 8rem; height: .75rem; border: 1px solid var(--rule);
  background: linear-gradient(to right, transparent, var(--accent));
}
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
tr:last-child > * { border-bottom: 0; }
th { font-weight: 500; color: var(--quiet); }
td { overflow-wrap: anywhere; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
td.bar { width: 30%; min-width: 4rem; vertical-align: middle; padding-right: 0; }
td.bar i { display: block; height: .5rem; background: var(--accent); border-radius: .25rem; }
@media print {
  body { background: none; }
  .card { break-inside: avoid; }
}
`;
