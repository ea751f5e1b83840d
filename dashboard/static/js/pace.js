// Is it keeping up: rate, lag, latency, dead letters, and what the consumers' metrics say. Only what is connected.
import { $, el, foreign, replaceIfChanged } from "./dom.js";
import * as say from "./format.js";

export function pace(page) {
  const tiles = [
    ["Results", `${say.decimal(page.rate)}/s`, "over the last minute"],
    latency(page.latency),
    lag(page.status.lag),
    letters(page),
    ...metrics(page.status.metrics),
    unread(page),
  ].filter(Boolean);
  replaceIfChanged($("tiles"), tiles, () => tiles.map(([name, value, more]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value, more ? el("p", { class: "hint" }, foreign(more)) : null))));
  replaceIfChanged($("letters"), page.letters, () => page.letters.kinds.length
    ? el("div", { class: "letters" }, el("h3", {}, "What was lost, and why"), ...page.letters.kinds.map(letter))
    : []);
}

function latency(found) {
  if (!found) return null;
  const slow = found.p95_ms === null ? "over 60 s" : say.duration(found.p95_ms);
  const half = found.p50_ms === null ? "over 60 s" : say.duration(found.p50_ms);
  return ["To the score, 95 %", slow, `half within ${half}; from the input record's timestamp`];
}

function lag(found) {
  if (!found) return null;
  if (found.why) return ["Lag", "unknown", found.why];
  const where = found.records ? `most in ${found.worst}: ${say.exact(found.worst_records)}` : `group ${found.group}`;
  return ["Lag, in records", say.count(found.records), where];
}

function letters(page) {
  if (!page.fixed.letter_topics.length) return null;
  const missing = page.status.missing_topics;
  if (missing.length === page.fixed.letter_topics.length) return ["Dead letters", "not connected", `no topic ${missing[0]}`];
  const total = Object.values(page.counts).reduce((sum, one) => sum + one, 0);
  const share = total + page.letters.n ? page.letters.n / (total + page.letters.n) : 0;
  return ["Dead letters", say.count(page.letters.n), `${say.percent(share)} of the texts in this time`];
}

function metrics(found) {
  if (!found) return [];
  const silent = found.processes - found.answering;
  const drifting = Object.entries(found.drift ?? {}).filter(([, alarm]) => alarm).map(([feature]) => feature);
  return [
    ["Rebalances", say.count(found.rebalances), `of ${found.answering} processes since their start`],
    ["Recoveries", say.count(found.recoveries), found.crash_loops ? `${say.count(found.crash_loops)} crash loops` : "since their start"],
    found.drift ? ["Drift", drifting.length ? "yes" : "none", drifting.join(", ") || "against the model's validation part"] : null,
    silent ? ["Metrics", `${silent} silent`, `of ${found.processes} processes`] : null,
  ];
}

function unread(page) {
  const { unreadable } = page.read;
  return unreadable ? ["Not readable", say.count(unreadable), "records that are no results, or no dead letters"] : null;
}

function letter(one) {
  return el("div", { class: "letter" },
    el("div", {}, `${say.exact(one.n)} × `, foreign(one.error), " at ", foreign(one.stage)),
    el("p", {}, foreign(one.reason)),
    one.place ? el("p", {}, `Newest: ${one.place}, ${say.dateTime(one.last_ms)}`) : null,
    one.command ? el("code", {}, one.command) : null);
}
