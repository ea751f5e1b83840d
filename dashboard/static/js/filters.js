// Filters of the sample and of the sums: fields, and chips that say what is on.
import { $, el, foreign, replaceIfChanged } from "./dom.js";
import * as say from "./format.js";
import { change, isFixed, view } from "./view.js";

const FIELDS = ["label", "topic", "model", "group"];
let typing = 0;

export function filters(page) {
  const values = {
    label: page.labels,
    topic: page.splits.topic.map((one) => one.value),
    model: page.models.map((one) => one.name),
    group: page.splits.group.map((one) => one.value),
  };
  $("group-field").hidden = !page.fixed.group_by;
  replaceIfChanged($("group-name"), page.fixed.group_by, () => foreign(page.fixed.group_by || "Group"));
  for (const name of FIELDS) options($(name), values[name].filter((one) => one && one !== "(rest)"), view[name]);
  chips(page);
}

function options(select, values, chosen) {
  const all = chosen && !values.includes(chosen) ? [...values, chosen] : values;
  replaceIfChanged(select, all, () => [
    el("option", { value: "" }, "All"), ...all.map((value) => el("option", { value }, value)),
  ]);
  if (select.value !== chosen) select.value = chosen;
}

function chips(page) {
  const on = [
    isFixed() ? ["Time", `${say.dateTime(Number(view.start) * 1000)} to ${say.dateTime(Number(view.end) * 1000)}`, { start: "", end: "" }] : null,
    view.text ? ["Text", view.text, { text: "" }] : null,
    view.label ? ["Label", view.label, { label: "" }] : null,
    view.topic ? ["Input topic", view.topic, { topic: "" }] : null,
    view.model ? ["Model", view.model, { model: "" }] : null,
    view.group ? [page.fixed.group_by || "Group", view.group, { group: "" }] : null,
  ].filter(Boolean);
  $("chips").hidden = !on.length;
  replaceIfChanged($("chips"), on, () => on.map(([name, value, changes]) => {
    const button = el("button", { type: "button", class: "chip" }, foreign(`${name}: ${value}`),
      el("span", { "aria-hidden": "true" }, "×"), el("span", { class: "visually-hidden" }, "remove this filter"));
    button.addEventListener("click", () => change(changes));
    return button;
  }));
}

export function start() {
  for (const name of FIELDS) $(name).addEventListener("change", () => change({ [name]: $(name).value }));
  $("search").value = view.text;
  $("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => change({ text: $("search").value }), 250);
  });
}

export function sync() {
  if (document.activeElement !== $("search")) $("search").value = view.text;
}
