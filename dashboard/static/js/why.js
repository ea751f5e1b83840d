// Why: the words of a text with what each adds to the log-odds of its label, or takes from them.
import { el, foreign } from "./dom.js";
import * as say from "./format.js";

const STEPS = 4;
const LEAST = 0.1; // Of the largest weight; below it a word has neither colour nor number.

export function why(text) {
  const place = el("div", { class: "why" });
  const button = el("button", { type: "button" }, "Why?");
  place.append(button);
  button.addEventListener("click", async () => {
    button.disabled = true;
    place.append(el("p", { class: "hint" }, "Scoring it without each of its words …"));
    try {
      place.replaceChildren(...await explained(text));
    } catch {
      place.replaceChildren(el("p", {}, "The dashboard does not answer. Is it running?"));
    }
  });
  return place;
}

async function explained(text) {
  const answer = await fetch("/api/explain", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text }),
  });
  const found = await answer.json();
  if (!answer.ok) return [el("p", {}, foreign(found.detail))];
  const largest = Math.max(...found.words.map((one) => Math.abs(one.weight)), 0);
  return [
    el("p", { class: "hint" }, "What each word adds to the log-odds of ", foreign(found.label),
      ", by leaving it out; a word with a minus speaks against it."),
    el("p", { class: "words" }, ...found.words.flatMap((one) => [word(one, largest), " "])),
  ];
}

function word({ text, weight }, largest) {
  const share = largest ? Math.abs(weight) / largest : 0;
  if (share < LEAST) return foreign(text);
  const side = weight < 0 ? "against" : "towards";
  return el("span", { class: `word ${side} step-${Math.ceil(share * STEPS)}` },
    foreign(text), el("sub", { class: "number" }, say.net(weight)));
}
