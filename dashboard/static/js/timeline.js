// Shares of the labels and the number of results over time; dragging chooses a time. With its table twin.
import uPlot from "/vendor/uplot/uPlot.esm.js";
import { $, el, foreign, replaceIfChanged, setText } from "./dom.js";
import * as say from "./format.js";
import { colourOf, mark } from "./labels.js";
import { change } from "./view.js";

const STEP_PX = 12;
const MERGED = [1, 2, 5, 10, 15, 30, 60];
let shares = null;
let volume = null;
let built = "";
let page = null;

export function timeline(next) {
  page = next;
  replaceIfChanged($("legend"), [page.labels, page.polarity], () =>
    page.labels.map((label) => el("span", {}, mark(label), foreign(label))));
  const asTable = $("timeline-twin").getAttribute("aria-pressed") === "true";
  for (const id of ["shares", "volume", "legend"]) $(id).hidden = asTable;
  $("timeline-table").hidden = !asTable;
  if (asTable) return table();
  const needed = JSON.stringify([page.labels, page.polarity, document.documentElement.dataset.theme]);
  if (built !== needed) build(needed);
  const steps = series(($("shares").clientWidth || 600) / STEP_PX);
  // A step is drawn from its time to the next one, so the last needs an end.
  const edges = [...steps.times.map((at) => Math.max(at, page.start_s)), page.end_s];
  shares.setData([edges, ...stacked(steps).map(closed)]);
  volume.setData([edges, closed(rates(steps))]);
  describe(steps.totals);
}

export const refresh = () => page && timeline(page);

// Steps of a chart, each of several buckets where there are more of these than the eye can tell apart.
function series(most) {
  const buckets = Math.round((page.end_s - page.start_s) / page.width_s);
  const step = page.width_s * (MERGED.find((one) => buckets / one <= most) ?? MERGED.at(-1));
  // By the clock, so that a step does not change while the time goes on.
  const first = Math.floor(page.start_s / step) * step;
  const length = Math.ceil((page.end_s - first) / step);
  const times = Array.from({ length }, (_, number) => first + number * step);
  const counts = Object.fromEntries(page.labels.map((label) => [label, new Array(length).fill(0)]));
  for (const label of page.labels) {
    page.series[label]?.forEach((value, at) => {
      counts[label][Math.floor((page.start_s + at * page.width_s - first) / step)] += value;
    });
  }
  const totals = times.map((_, at) => page.labels.reduce((sum, label) => sum + counts[label][at], 0));
  return { times, step, counts, totals };
}

function stacked({ times, counts, totals }) {
  const below = new Array(times.length).fill(0);
  // A step without results is a gap, not a share of 0.
  return page.labels.map((label) => times.map((_, at) => {
    below[at] += counts[label][at];
    return totals[at] ? below[at] / totals[at] : null;
  }));
}

const closed = (values) => [...values, values.at(-1)];

// The first and the last step are not full: their rate is that of the part that is shown.
function rates({ times, step, totals }) {
  return totals.map((value, at) => {
    const seconds = Math.min(times[at] + step, page.end_s) - Math.max(times[at], page.start_s);
    return value / Math.max(seconds, page.width_s);
  });
}

function build(needed) {
  built = needed;
  shares?.destroy();
  volume?.destroy();
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = (more) => ({
    stroke: colour("--soft"), font: "12px system-ui, sans-serif", grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false }, ...more,
  });
  const common = (height) => ({
    width: $("shares").clientWidth || 600, height, legend: { show: false },
    cursor: { sync: { key: "time" }, drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false },
    hooks: { setSelect: [choose], draw: [models] },
    padding: [8, 0, 0, 0],
  });
  const times = { space: 90, values: (_, ticks) => ticks.map((at) => timeLabel(at)) };
  shares = new uPlot({
    ...common(230),
    scales: { y: { range: [0, 1] } },
    axes: [axis({ ...times, size: 4, values: (_, ticks) => ticks.map(() => "") }),
      axis({ size: 52, values: (_, ticks) => ticks.map(say.roundPercent) })],
    series: [{}, ...page.labels.map((label, at) => ({
      stroke: colour("--panel"), width: at === page.labels.length - 1 ? 0 : 1, fill: at ? undefined : colourOf(label),
      points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }),
    }))],
    bands: page.labels.slice(1).map((label, at) => ({ series: [at + 2, at + 1], fill: colourOf(label) })),
  }, [[], ...page.labels.map(() => [])], $("shares"));
  volume = new uPlot({
    ...common(96),
    scales: { y: { range: (_, low, high) => [0, Math.max(1, high || 1)] } },
    axes: [axis(times), axis({ size: 52, space: 22, values: (_, ticks) => ticks.map((value) => `${say.count(value)}/s`) })],
    series: [{}, {
      stroke: colour("--edge"), fill: colour("--line"), width: 1, points: { show: false },
      paths: uPlot.paths.stepped({ align: 1 }),
    }],
  }, [[], []], $("volume"));
}

const timeLabel = (at) => (page.width_s < 60 ? say.time(at * 1000) : say.shortTime(at * 1000));

function choose(chart) {
  const { left, width } = chart.select;
  if (width < 4) return;
  const [start, end] = [chart.posToVal(left, "x"), chart.posToVal(left + width, "x")].map(Math.round);
  chart.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  if (end > start) change({ start: String(start), end: String(end) });
}

// A line where the first result of a further model version is.
function models(chart) {
  for (const model of changesOf(page)) {
    const x = Math.round(chart.valToPos(model.first_ms / 1000, "x", true));
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--ink");
    ctx.lineWidth = 1.5;
    ctx.setLineDash([4, 4]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  }
}

export function changesOf(shown) {
  const ordered = shown.models.toSorted((a, b) => a.first_ms - b.first_ms).slice(1);
  return ordered.filter(({ first_ms: ms }) => ms / 1000 >= shown.start_s && ms / 1000 < shown.end_s);
}

function describe(totals) {
  const all = totals.reduce((sum, one) => sum + one, 0);
  const words = page.labels.map((label) => `${label} ${all ? say.roundPercent((page.counts[label] ?? 0) / all) : "0"}`);
  const label = `Share of each label over ${say.span(page.end_s - page.start_s)}: ${words.join(", ")}. The button Table has the figures.`;
  if ($("shares").getAttribute("aria-label") !== label) $("shares").setAttribute("aria-label", label);
}

function table() {
  const { times, counts, totals } = series(Infinity);
  const rows = times.map((at, number) => [at, number]).reverse().filter(([, number]) => totals[number]);
  replaceIfChanged($("timeline-table"), [page.labels, page.series, page.start_s], () => el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Time"), el("th", { scope: "col" }, "Results"),
      ...page.labels.map((label) => el("th", { scope: "col" }, foreign(label))))),
    el("tbody", {}, ...rows.map(([at, number]) => el("tr", {},
      el("th", { scope: "row" }, say.dateTime(at * 1000)), el("td", {}, say.exact(totals[number])),
      ...page.labels.map((label) => el("td", {}, say.percent(counts[label][number] / totals[number]))))))));
}

export function start() {
  $("timeline-twin").addEventListener("click", () => {
    const pressed = $("timeline-twin").getAttribute("aria-pressed") !== "true";
    $("timeline-twin").setAttribute("aria-pressed", String(pressed));
    setText($("timeline-twin"), pressed ? "Chart" : "Table");
    refresh();
  });
  new ResizeObserver(() => {
    const width = $("shares").clientWidth;
    if (!width || !shares) return;
    shares.setSize({ width, height: 230 });
    volume.setSize({ width, height: 96 });
  }).observe($("feel"));
}
