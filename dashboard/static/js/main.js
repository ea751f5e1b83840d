// Wires the page: each frame goes to every part, unless the page is paused.
import { $, foreign, replaceIfChanged } from "./dom.js";
import * as say from "./format.js";
import * as controls from "./controls.js";
import * as filters from "./filters.js";
import { headline } from "./headline.js";
import { learn } from "./labels.js";
import { pace } from "./pace.js";
import * as review from "./review.js";
import { sample } from "./sample.js";
import * as status from "./status.js";
import * as stream from "./stream.js";
import * as timeline from "./timeline.js";
import { topics } from "./topics.js";
import * as trust from "./trust.js";
import * as tryit from "./tryit.js";
import { onChange } from "./view.js";

let newest = null;
let changed = false;

function draw(page) {
  learn(page.labels, page.polarity);
  for (const part of [headline, timeline.timeline, topics, pace, trust.trust, filters.filters, sample, tryit.tryIt, review.review, foot]) part(page);
}

function foot(page) {
  const { read, fixed } = page;
  const words = `Reads ${[...fixed.result_topics, ...fixed.letter_topics].join(", ")}. Since the start: ` +
    `${say.exact(read.results)} results, ${say.exact(read.letters)} dead letters. sentiment-dashboard ${fixed.version}.`;
  replaceIfChanged($("foot"), words, () => foreign(words));
}

function onFrame(page) {
  newest = page;
  status.connected(page, controls.paused());
  // A paused page still shows what the viewer has chosen since.
  if (!controls.paused() || changed) draw(page);
  changed = false;
  status.announce(page, controls.paused());
}

controls.start((isPaused) => {
  if (!newest) return;
  status.connected(newest, isPaused);
  if (!isPaused) draw(newest);
});
filters.start();
timeline.start();
trust.start();
tryit.start();
review.start();
onChange(() => {
  changed = true;
  controls.sync();
  filters.sync();
  stream.open();
});
document.addEventListener("theme", () => newest && draw(newest));
stream.connect(onFrame, status.lost);
