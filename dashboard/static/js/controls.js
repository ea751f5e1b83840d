// The time shown, pause, colours, link, downloads and keys.
import { $, el, setText } from "./dom.js";
import { local } from "./format.js";
import { change, clear, isFixed, query, SPANS, view } from "./view.js";

let isPaused = false;
let onPause = () => {};

export const paused = () => isPaused;

export function start(pauseChanged) {
  onPause = pauseChanged;
  $("spans").append(...SPANS.map(([seconds, words]) => {
    const button = el("button", { type: "button", "data-span": String(seconds) }, words);
    button.addEventListener("click", () => show(seconds));
    return button;
  }));
  $("pause").addEventListener("click", togglePause);
  $("custom-open").addEventListener("click", toggleCustom);
  $("custom").addEventListener("submit", showCustom);
  $("copy-link").addEventListener("click", copyLink);
  $("theme").addEventListener("change", () => setTheme($("theme").value));
  document.addEventListener("keydown", onKey);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme($("theme").value));
  matchMedia("(prefers-contrast: more)").addEventListener("change", () => setTheme($("theme").value));
  const kept = localStorage.getItem("theme") ?? "";
  $("theme").value = kept;
  setTheme(kept);
  sync();
}

export function sync() {
  for (const button of $("spans").children) {
    button.setAttribute("aria-pressed", String(!isFixed() && button.dataset.span === view.span));
  }
  $("series-csv").href = `/api/series.csv?${query()}`;
  $("sample-csv").href = `/api/sample.csv?${query()}`;
}

const show = (seconds) => change({ span: String(seconds), start: "", end: "" });

function togglePause() {
  isPaused = !isPaused;
  $("pause").setAttribute("aria-pressed", String(isPaused));
  setText($("pause-words"), isPaused ? "Go on" : "Pause");
  onPause(isPaused);
}

function toggleCustom() {
  const open = $("custom").hidden;
  $("custom").hidden = !open;
  $("custom-open").setAttribute("aria-expanded", String(open));
  if (!open) return;
  const end = isFixed() ? Number(view.end) * 1000 : Date.now();
  $("to").value = local(end);
  $("from").value = local(isFixed() ? Number(view.start) * 1000 : end - Number(view.span) * 1000);
  $("from").focus();
}

function showCustom(event) {
  event.preventDefault();
  const [start, end] = ["from", "to"].map((id) => Math.round(new Date($(id).value).getTime() / 1000));
  $("to").setCustomValidity(end > start && end - start <= 172_800 ? "" : "Choose an end after the start, 48 hours later at most.");
  if ($("custom").reportValidity()) change({ start: String(start), end: String(end) });
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    setText($("copy-link"), "Copied");
  } catch {
    setText($("copy-link"), "Copy it from the address bar");
  }
  setTimeout(() => setText($("copy-link"), "Copy the link of this view"), 2000);
}

function setTheme(chosen) {
  if (chosen) localStorage.setItem("theme", chosen); else localStorage.removeItem("theme");
  const ofSystem = matchMedia("(prefers-contrast: more)").matches ? "contrast"
    : matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = chosen || ofSystem;
  document.dispatchEvent(new Event("theme"));
}

function onKey(event) {
  const typing = event.target.closest?.("input, textarea, select");
  if (event.key === "Escape") {
    $("menu").open = false;
    if (typing) event.target.blur(); else clear();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const place = ["1", "2", "3"].indexOf(event.key);
  if (event.key === "p" || event.key === "P") togglePause();
  else if (place >= 0) show(SPANS[place][0]);
  else if (event.key === "/") { event.preventDefault(); $("search").focus(); }
}
