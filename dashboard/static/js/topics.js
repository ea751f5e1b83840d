// What do they talk about: terms that rose or fell; a click searches the sample.
import { $, el, foreign, replaceIfChanged, setText } from "./dom.js";
import * as say from "./format.js";
import { bar } from "./labels.js";
import { change, view } from "./view.js";

export function topics(page) {
  $("talk").hidden = page.terms === null;
  if (page.terms === null) return;
  const { terms, labels } = page;
  setText($("terms-hint"), hint(page));
  for (const [id, title, list] of [["rising", "More than before", terms.rising], ["falling", "Less than before", terms.falling]]) {
    replaceIfChanged($(id), [list, labels, terms.texts], () => [
      el("h3", {}, title),
      list.length
        ? el("ul", {}, ...list.map((one) => row(one, terms, labels)))
        : el("p", { class: "hint" }, "Nothing that chance would not explain."),
    ]);
  }
}

function hint(page) {
  const { terms } = page;
  if (Math.min(terms.texts, terms.texts_before) < terms.least) {
    return `Too few texts to compare: ${say.exact(terms.texts)} now, ${say.exact(terms.texts_before)} before; ${terms.least} each are needed.`;
  }
  const against = terms.basis === "before"
    ? `against ${say.exact(terms.texts_before)} texts of the time before`
    : `in the later half of this time, against ${say.exact(terms.texts_before)} in the earlier half`;
  const whose = view.label ? `texts labelled ${view.label}` : "texts";
  return `Words and hashtags in a sample of ${say.exact(terms.texts)} ${whose}, ${against}.`;
}

function row(one, terms, labels) {
  const [now, before] = [one.now / terms.texts, one.before / terms.texts_before].map(say.roundPercent);
  const share = `${now}, was ${before}`;
  const button = el("button", { type: "button", title: "Search the sample for it" }, foreign(one.term));
  button.addEventListener("click", () => {
    change({ text: one.term.replace(/^#/, "") });
    $("show").scrollIntoView({ block: "start" });
  });
  return el("li", { class: "term" }, button, bar(labels, one.labels), el("span", { class: "number", title: "share of the texts that hold it" }, share));
}
