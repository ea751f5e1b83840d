// How do people feel now, and since when: the figure, its interval, the time before, and shares.
import { $, el, foreign, replaceIfChanged } from "./dom.js";
import * as say from "./format.js";
import { mark } from "./labels.js";
import { isFixed } from "./view.js";

export function headline(page) {
  const { mood, counts, labels } = page;
  const total = Object.values(counts).reduce((sum, one) => sum + one, 0);
  replaceIfChanged($("headline"), [mood, counts, labels, page.start_s, page.polarity, page.models], () => {
    if (!total) return empty(page);
    return [figure(mood, counts, labels, total), ...sentences(page), shares(page, total)];
  });
}

function empty(page) {
  const read = page.read.results;
  const words = read
    ? "No results in this time. Choose a longer one, or clear the filters."
    : "No results yet. They appear here within a second of their commit.";
  const old = page.read.outside + page.read.expired;
  return [
    el("p", { class: "sentence" }, words),
    old ? el("p", { class: "hint" }, `${say.exact(old)} results are older than 48 hours.`) : null,
  ].filter(Boolean);
}

function figure(mood, counts, labels, total) {
  if (!mood.net) {
    const top = labels.toSorted((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0))[0];
    return el("div", {},
      el("p", { class: "big-name" }, "Most frequent: ", foreign(top)),
      el("p", { class: "big" }, say.roundPercent((counts[top] ?? 0) / total)),
      el("p", { class: "interval" }, `${say.exact(total)} results. Their labels have no order from bad to good, so there is no net figure.`));
  }
  return el("div", {},
    el("p", { class: "big-name" }, "Net sentiment, from −1 to +1"),
    el("p", { class: "big" }, say.net(mood.net.value)),
    el("p", { class: "interval" },
      `95 % interval ${say.net(mood.net.low)} to ${say.net(mood.net.high)}, ${say.exact(total)} results`));
}

function sentences(page) {
  const { trend, since, net_before: before } = page.mood;
  const length = say.span(page.end_s - page.start_s);
  const found = [];
  if (trend) {
    const word = trend.change < 0 ? "Down" : "Up";
    found.push(trend.clear
      ? `${word} ${say.fraction(Math.abs(trend.change))} on the ${length} before (${say.net(before)}).`
      : `Not clearly different from the ${length} before (${say.net(before)}).`);
  } else if (page.mood.net && !isFixed()) {
    found.push(`The ${length} before are not complete, so there is no comparison yet.`);
  }
  if (since) {
    const word = since.after < since.before ? "Lower" : "Higher";
    const at = page.width_s < 60 ? say.time(since.at_s * 1000) : say.shortTime(since.at_s * 1000);
    found.push(`${word} since ${at}: from ${say.net(since.before)} to ${say.net(since.after)}.`);
    const newest = newestModel(page);
    if (newest) found.push(modelSentence(newest, since, page.width_s));
  }
  return found.map((words) => el("p", { class: "sentence" }, words));
}

// The last model whose first result is in the time shown, after those of another.
function newestModel(page) {
  const came = page.models.toSorted((a, b) => a.first_ms - b.first_ms).slice(1);
  return came.findLast((one) => one.first_ms > page.start_s * 1000 && one.first_ms < page.end_s * 1000);
}

// Is it the model or the people: two buckets around a change are as near as its moment is known.
function modelSentence(newest, since, widthS) {
  const isNear = Math.abs(newest.first_ms / 1000 - since.at_s) <= 2 * widthS;
  const at = widthS < 60 ? say.time(newest.first_ms) : say.shortTime(newest.first_ms);
  return isNear ? `A new model came at ${at}, with this change: it may be the model.`
    : `A new model came at ${at}, not with this change.`;
}

function shares(page, total) {
  const before = page.mood.before;
  const totalBefore = before && Object.values(before).reduce((sum, one) => sum + one, 0);
  return el("ul", { class: "shares-list" }, ...page.labels.map((label) => {
    const now = (page.counts[label] ?? 0) / total;
    const change = totalBefore ? now - (before[label] ?? 0) / totalBefore : null;
    const points = change === null ? "" : `${change < 0 ? "−" : "+"}${say.decimal(Math.abs(100 * change))} pt`;
    return el("li", { class: "share" },
      mark(label), foreign(label), el("span", { class: "number" }, say.percent(now)),
      el("span", { class: "number", title: "against the time before, in percentage points" }, points));
  }));
}
