// How a label looks: a shape and a colour by its polarity, or by its place in the alphabet.
import { el } from "./dom.js";

let classes = new Map();

export function learn(labels, polarity) {
  const signs = { "-1": "negative", 0: "neutral", 1: "positive" };
  const others = labels.toSorted();
  classes = new Map(labels.map((label) => [
    label,
    polarity && label in polarity ? signs[polarity[label]] : `other-${others.indexOf(label) % 6}`,
  ]));
}

export const classOf = (label) => classes.get(label) ?? "other-2";
export const colourOf = (label) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${classOf(label)}`).trim();
export const mark = (label) => el("span", { class: `mark ${classOf(label)}`, "aria-hidden": "true" });

// A bar of shares; the numbers are in the text next to it.
export function bar(labels, counts) {
  const total = Object.values(counts).reduce((sum, one) => sum + one, 0);
  const made = el("div", { class: "bar", "aria-hidden": "true" });
  for (const label of labels) {
    if (!counts[label] || !total) continue;
    const part = el("i", { class: classOf(label) });
    part.style.width = `${(100 * counts[label]) / total}%`;
    made.append(part);
  }
  return made;
}
