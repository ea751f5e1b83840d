// Show me: the newest records; one opens with its probabilities and its place in Kafka.
import { $, el, foreign, setText } from "./dom.js";
import * as say from "./format.js";
import { mark } from "./labels.js";

const WORDS = {
  waiting: "reading the text",
  gone: "the input record is gone: retention or compaction has deleted it",
  forbidden: "Kafka denies READ on the input topic",
  unreadable: "the input record holds no text by --format and --text-field",
  unreachable: "the input record could not be read",
  no_source: "the result does not say where its input is",
  hidden: "texts are not shown here",
};
const rows = new Map();
const opened = new Set();

export function sample(page) {
  const list = $("sample");
  const wanted = page.sample.map((one) => row(one, page));
  wanted.forEach((node, at) => {
    if (list.children[at] !== node) list.insertBefore(node, list.children[at] ?? null);
  });
  while (list.children.length > wanted.length) list.lastElementChild.remove();
  const kept = new Set(page.sample.map((one) => one.number));
  for (const number of rows.keys()) if (!kept.has(number)) { rows.delete(number); opened.delete(number); }
  setText($("sample-hint"), hint(page));
}

function hint(page) {
  if (page.sample.length) {
    return `The newest ${page.sample.length}${page.rate > 50 ? ", of a sample of 50 a second" : ""}. Open one for its probabilities and its place.`;
  }
  return page.read.results ? "No record of the sample matches. Clear the filters, or wait for one that does." : "Nothing yet.";
}

function row(one, page) {
  const key = JSON.stringify([one.state, one.text, one.label, page.polarity]);
  const kept = rows.get(one.number);
  if (kept?.key === key) return kept.node;
  const node = kept?.node ?? el("li", { class: "record" });
  rows.set(one.number, { key, node });
  const button = el("button", { type: "button", "aria-expanded": String(opened.has(one.number)) },
    el("span", { class: "when" }, say.time(one.at_ms)),
    el("span", { class: "verdict" }, mark(one.label), foreign(one.label), el("span", { class: "number" }, say.fraction(one.score)),
      one.uncertain ? el("span", { class: "flag", title: "below the threshold of the model" }, "unsure") : null),
    said(one));
  button.addEventListener("click", () => toggle(one, node, button));
  const hadFocus = node.contains(document.activeElement);
  node.replaceChildren(button, ...(opened.has(one.number) ? [more(one)] : []));
  node.classList.toggle("open", opened.has(one.number));
  if (hadFocus) button.focus({ preventScroll: true });
  return node;
}

function said(one) {
  if (one.state !== "here") return el("span", { class: "said absent" }, WORDS[one.state]);
  return el("span", { class: "said" }, foreign(one.text),
    one.cut_chars ? el("span", { class: "hint" }, ` … and ${say.exact(one.cut_chars)} characters more`) : null);
}

function toggle(one, node, button) {
  const open = !opened.has(one.number);
  if (open) opened.add(one.number); else opened.delete(one.number);
  button.setAttribute("aria-expanded", String(open));
  node.classList.toggle("open", open);
  if (open) node.append(more(one)); else node.lastElementChild.remove();
}

function more(one) {
  const place = (where) => where && `${where[0]}, partition ${where[1]}, offset ${where[2]}`;
  const facts = [
    ["Input", place(one.source)],
    ["Result", place(one.place)],
    ["Id", one.id],
    ["Time of the input", say.dateTime(one.at_ms)],
    ["Scored", one.scored_ms === null ? null : `${say.dateTime(one.scored_ms)}, ${say.duration(Math.max(0, one.scored_ms - one.at_ms))} later`],
    ["Model", one.model],
    ["Group", one.group],
    ["Notes", notes(one).join("; ")],
  ].filter(([, value]) => value);
  return el("div", { class: "more" }, probabilities(one.probabilities),
    el("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, foreign(value))])));
}

function notes(one) {
  return [
    one.uncertain && "uncertain",
    one.segments > 1 && `long: read in ${one.segments} segments`,
    one.truncated && "truncated: its end was not read",
  ].filter(Boolean);
}

export function probabilities(found) {
  const ordered = Object.entries(found).toSorted((a, b) => b[1] - a[1]).slice(0, 10);
  return el("ul", { class: "shares-list" }, ...ordered.map(([label, value]) => {
    const meter = el("div", { class: "bar", "aria-hidden": "true" }, el("i", { class: mark(label).classList[1] }));
    meter.firstElementChild.style.width = `${100 * value}%`;
    return el("li", { class: "share" }, mark(label), foreign(label), el("span", { class: "number" }, say.percent(value)), meter);
  }));
}
