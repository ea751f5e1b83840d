// Can the answers be believed: the model's card, the histogram of the score, doubts, and the split by source.
import { $, el, foreign, replaceIfChanged, setText, svg } from "./dom.js";
import * as say from "./format.js";
import { bar } from "./labels.js";
import { change } from "./view.js";

let by = "topic";
let page = null;
const NAMES = { topic: "Input topic", model: "Model", group: "Group" };

export function trust(next) {
  page = next;
  replaceIfChanged($("card"), [page.fixed.card, page.models], () => card());
  const asTable = $("confidence-twin").getAttribute("aria-pressed") === "true";
  replaceIfChanged($("confidence"), [page.confidence, asTable], () =>
    page.confidence.n ? [doubts(page.confidence), asTable ? bins(page.confidence) : histogram(page.confidence)]
      : el("p", { class: "hint" }, "No results in this time."));
  split();
}

function card() {
  const found = page.fixed.card;
  const served = page.models.map((one) => one.name).join(", ");
  if (!found) {
    return el("p", { class: "hint" }, "Model ", foreign(served || "unknown"),
      ". Its quality is not known here: start the dashboard with --model to show its card.");
  }
  const figures = [
    found.macro_f1 === null ? null : `macro-F1 ${say.fraction(found.macro_f1)}`,
    found.ece === null ? null : `calibration error ${say.fraction(found.ece)}`,
    found.rows === null ? null : `on ${say.exact(found.rows)} held-out rows`,
  ].filter(Boolean).join(", ");
  const differs = page.models.length && !page.models.some((one) => one.name === `${found.name} ${found.version}`);
  return el("p", {}, foreign(`${found.name} ${found.version}`), figures ? `: ${figures}` : "",
    found.data ? el("span", { class: "hint" }, " Trained on ", foreign(found.data), `, ${say.dateOf(found.created_at)}.`) : null,
    differs ? el("span", { class: "hint" }, " The results come from another model: ", foreign(served), ".") : null);
}

function doubts(found) {
  const tiles = [
    ["Mean score", say.fraction(found.mean)],
    ["Uncertain", say.percent(found.uncertain / found.n)],
    ["Truncated", say.percent(found.truncated / found.n)],
  ];
  return el("dl", { class: "tiles" }, ...tiles.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function histogram(found) {
  const most = Math.max(...found.bins, 1);
  const width = 100 / found.bins.length;
  const bars = found.bins.map((value, at) => {
    const height = (100 * value) / most;
    return svg("rect", {
      x: at * width + 0.25, y: 100 - height, width: width - 0.5, height, class: at * width < 50 ? "weak" : "",
    });
  });
  const label = `Histogram of the score from 0 to 1: most results are near ${say.fraction((found.bins.indexOf(most) + 0.5) / found.bins.length)}`;
  return el("div", {},
    svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", class: "histogram", role: "img", "aria-label": label },
      ...bars, svg("line", { x1: 0, x2: 100, y1: 100, y2: 100 })),
    el("div", { class: "scale" }, ...[0, 0.25, 0.5, 0.75, 1].map((value) => el("span", {}, say.fraction(value)))),
    el("p", { class: "hint" }, "Score of the label that was given. Right answers of a calibrated model are as frequent as it says."));
}

function bins(found) {
  const step = 1 / found.bins.length;
  return el("div", { class: "table-box", tabIndex: 0, role: "region", "aria-label": "Results by score" }, el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Score"), el("th", { scope: "col" }, "Results"))),
    el("tbody", {}, ...found.bins.map((value, at) => el("tr", {},
      el("th", { scope: "row" }, `${say.fraction(at * step)} to ${say.fraction((at + 1) * step)}`),
      el("td", {}, say.exact(value)))))));
}

function split() {
  const choices = ["topic", "model", ...(page.fixed.group_by ? ["group"] : [])];
  const title = (name) => (name === "group" ? page.fixed.group_by : NAMES[name]);
  replaceIfChanged($("split-by"), [choices, by, page.fixed.group_by], () => choices.map((name) => {
    const button = el("button", { type: "button", "aria-pressed": String(name === by) }, foreign(title(name)));
    button.addEventListener("click", () => { by = name; split(); });
    return button;
  }));
  const rows = page.splits[by];
  $("split-table").setAttribute("aria-label", `Results by ${title(by)}`);
  replaceIfChanged($("split-table"), [rows, by, page.labels], () => rows.length ? table(rows, title(by))
    : el("p", { class: "hint" }, "No results in this time."));
}

function table(rows, title) {
  const heads = ["Results", "", ...page.labels, "Mean score", "Uncertain", "Truncated"];
  return el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, foreign(title)),
      ...heads.map((head) => head ? el("th", { scope: "col" }, foreign(head)) : el("td", {})))),
    el("tbody", {}, ...rows.map((row) => el("tr", {},
      el("th", { scope: "row" }, value(row)), el("td", {}, say.exact(row.n)),
      el("td", { class: "bar-cell" }, bar(page.labels, row.labels)),
      ...page.labels.map((label) => el("td", {}, say.percent((row.labels[label] ?? 0) / row.n))),
      el("td", {}, say.fraction(row.mean)), el("td", {}, say.percent(row.uncertain / row.n)),
      el("td", {}, say.percent(row.truncated / row.n))))));
}

function value(row) {
  if (row.value === "(rest)") return row.values ? `${say.exact(row.values)} others` : "the rest";
  if (!row.value) return "unknown";
  const button = el("button", { type: "button", class: "quiet", title: "Show only these" }, foreign(row.value));
  button.addEventListener("click", () => change({ [by]: row.value }));
  return button;
}

export function start() {
  $("confidence-twin").addEventListener("click", () => {
    const pressed = $("confidence-twin").getAttribute("aria-pressed") !== "true";
    $("confidence-twin").setAttribute("aria-pressed", String(pressed));
    setText($("confidence-twin"), pressed ? "Chart" : "Table");
    if (page) trust(page);
  });
}
