// The state line, the notice with what to do, the announcements for screen readers, and the title.
import { $, foreign, replaceIfChanged, setText } from "./dom.js";
import * as say from "./format.js";

const ANNOUNCE_MS = 10_000;
let announcedMs = -ANNOUNCE_MS;
let announced = "";

export function connected(page, isPaused) {
  const { status } = page;
  if (isPaused) return show("paused", "Paused", []);
  const notices = [status.trouble, ...notesOf(page)].filter(Boolean);
  if (status.trouble) return show("trouble", "Reconnecting to Kafka", notices);
  if (status.phase === "connecting") return show("loading", "Connecting to Kafka", notices);
  if (status.phase === "loading") {
    const share = status.to_load ? status.loaded / status.to_load : 1;
    return show("loading", `Loading the history, ${say.roundPercent(share)} of ${say.count(status.to_load)} records`, notices);
  }
  const last = page.read.last_ms;
  const quiet = last ? (page.now_ms - last) / 1000 : 0;
  show("live", quiet > 60 ? `Live; the last record came ${say.span(quiet)} ago` : "Live", notices);
}

function notesOf(page) {
  const { status, fixed } = page;
  return [
    status.history_cut ? "The history is longer than --history-mib takes: its beginning is left out." : null,
    status.texts ? `Texts are missing: ${status.texts}` : null,
    fixed.redacted ? null : "",
  ];
}

export function lost({ words, why }) {
  show("trouble", words, why ? [why] : []);
}

function show(state, words, notices) {
  $("state").dataset.state = state;
  setText($("state-words"), words);
  $("notice").hidden = !notices.length;
  replaceIfChanged($("notice"), notices, () => notices.flatMap((one, at) => [at ? " " : "", foreign(one)]));
}

export function announce(page, isPaused) {
  const net = page.mood.net;
  const total = Object.values(page.counts).reduce((sum, one) => sum + one, 0);
  const words = `${isPaused ? "Paused. " : ""}${say.exact(total)} results${net ? `, net sentiment ${say.net(net.value)}` : ""}`;
  setText(document.querySelector("title"), net ? `${say.net(net.value)} Sentiment` : "Sentiment");
  const now = performance.now();
  if (words === announced || now - announcedMs < ANNOUNCE_MS) return;
  announcedMs = now;
  announced = words;
  setText($("announcer"), words);
}
