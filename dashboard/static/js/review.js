// Needs review: the text of which the model is least sure; one key gives it a label, U takes the last one back.
import { $, el, foreign, replaceIfChanged, setText } from "./dom.js";
import * as say from "./format.js";
import { mark } from "./labels.js";

const UNSURE = "unsure";
const SHOWN = 5;

let page = null;
let given = []; // newest first: { item, verdict, state: "saving" | "saved" | "failed" | "undone", why }
let current = null;

export function review(next) {
  page = next;
  $("review").hidden = page.review === null;
  if (page.review === null) return;
  setText($("review-waiting"), `${say.exact(page.review.waiting)} waiting. Keys, once the box is in focus: ` +
    "a number for a label, 0 for unsure, U to undo.");
  if (!current) take();
  draw();
}

const place = (item) => item.source.join("-");
const verdicts = () => [...page.labels.slice(0, 9), UNSURE];

// The next text that was not given a label here: a frame may be older than the last label.
function take() {
  const taken = new Set(given.filter((one) => one.state === "saving" || one.state === "saved").map((one) => place(one.item)));
  current = page.review.items.find((item) => !taken.has(place(item))) ?? null;
}

function draw() {
  replaceIfChanged($("review-text"), [current && place(current), current?.alike], () => (current ? [
    el("p", { class: "text" }, foreign(current.text)),
    el("p", { class: "hint" }, "The model says ", foreign(current.label), `, ${say.percent(current.margin)} ahead of the next label`,
      current.alike ? `; ${say.exact(current.alike)} more texts are almost the same` : "", "."),
  ] : el("p", { class: "hint" }, "Nothing waits. Texts come here as the sample is read.")));
  replaceIfChanged($("verdicts"), [page.labels, page.polarity, Boolean(current)], () => [
    ...verdicts().map((verdict, at) => {
      const key = verdict === UNSURE ? "0" : String(at + 1);
      const button = el("button", { type: "button", disabled: !current }, verdict === UNSURE ? null : mark(verdict),
        foreign(verdict), el("kbd", {}, key));
      button.addEventListener("click", () => label(verdict));
      return button;
    }),
  ]);
  replaceIfChanged($("given"), given.slice(0, SHOWN).map((one) => [place(one.item), one.verdict, one.state, one.why]), () =>
    given.slice(0, SHOWN).map(line));
}

function line(one) {
  const words = { saving: "saving", saved: "saved", failed: "not saved", undone: "taken back" };
  const button = one.state === "saved" || one.state === "failed"
    ? el("button", { type: "button", class: "quiet" }, one.state === "saved" ? "Undo" : "Try again") : el("span", {});
  button.addEventListener("click", () => (one.state === "saved" ? undo(one) : send(one)));
  return el("li", { "data-state": one.state }, el("span", {}, words[one.state]),
    el("span", {}, foreign(`${one.verdict}: ${one.item.text}`), one.why ? el("span", { class: "hint" }, " ", foreign(one.why)) : null), button);
}

function label(verdict) {
  const name = $("annotator").value.trim();
  if (!name) return $("annotator").focus();
  if (!current) return;
  localStorage.setItem("annotator", name);
  const one = { item: current, verdict, name, state: "saving", why: "" };
  given = [one, ...given].slice(0, 50);
  take();
  draw();
  send(one);
}

async function send(one) {
  one.state = "saving";
  draw();
  const why = await post(one, one.verdict);
  one.state = why ? "failed" : "saved";
  one.why = why;
  draw();
}

async function undo(one) {
  const why = await post(one, null);
  one.why = why;
  if (!why) {
    one.state = "undone";
    current = one.item;
  }
  draw();
}

// Shown as saved only once Kafka has acknowledged it. Returns why it is not, or nothing.
async function post(one, verdict) {
  const [topic, partition, offset] = one.item.source;
  try {
    const answer = await fetch("/api/label", {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ topic, partition, offset, annotator: one.name, verdict }),
    });
    return answer.ok ? "" : (await answer.json()).detail;
  } catch {
    return "The dashboard does not answer.";
  }
}

export function start() {
  $("annotator").value = localStorage.getItem("annotator") ?? "";
  $("desk").addEventListener("keydown", (event) => {
    if (!page?.review || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = given.find((one) => one.state === "saved");
    const verdict = event.key === "0" ? UNSURE : page.labels.slice(0, 9)[Number(event.key) - 1];
    if (verdict !== undefined && /^[0-9]$/.test(event.key)) label(verdict);
    else if (event.key.toLowerCase() === "u" && last) undo(last);
    else return;
    // Not the keys of the page, which are the same.
    event.stopPropagation();
    event.preventDefault();
  });
}
