// Try it: a text of the viewer's, scored in place; the stream stays as it is.
import { $, el, foreign } from "./dom.js";
import * as say from "./format.js";
import { mark } from "./labels.js";
import { probabilities } from "./sample.js";
import { why } from "./why.js";

export function tryIt(page) {
  $("try").hidden = !page.fixed.can_score;
}

export function start() {
  $("try-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = $("try-text").value;
    if (!text.trim()) return $("try-text").focus();
    $("try-send").disabled = true;
    try {
      $("try-result").replaceChildren(...await scored(text));
    } catch {
      $("try-result").replaceChildren(el("p", {}, "The dashboard does not answer. Is it running?"));
    } finally {
      $("try-send").disabled = false;
    }
  });
}

async function scored(text) {
  const answer = await fetch("/api/score", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text }),
  });
  const found = await answer.json();
  if (!answer.ok) return [el("p", {}, foreign(found.detail))];
  const { result, took_ms: took } = found;
  return [
    el("p", { class: "sentence" }, mark(result.label), " ", foreign(result.label), ` ${say.fraction(result.score)}`,
      el("span", { class: "hint" }, ` in ${say.duration(took)}, by `, foreign(`${result.model.name} ${result.model.version}`),
        result.uncertain ? "; uncertain" : "")),
    probabilities(result.probabilities),
    why(text),
  ];
}
