// The stream of frames: opened anew for each view, and again after every interruption.
import { query } from "./view.js";

const RETRY_MS = 1500;
// A server sends a frame every 2 s even where nothing happens.
const STALE_MS = 8000;

let source = null;
let timer = 0;
let lastMs = performance.now();
let onFrame = () => {};
let onState = () => {};

export function connect(frame, state) {
  onFrame = frame;
  onState = state;
  open();
  setInterval(check, 1000);
}

export function open() {
  clearTimeout(timer);
  source?.close();
  source = new EventSource(`/api/stream?${query()}`);
  const own = source;
  own.addEventListener("frame", (event) => {
    if (own !== source) return;
    lastMs = performance.now();
    onFrame(JSON.parse(event.data));
  });
  own.addEventListener("error", () => own === source && lost());
}

async function lost() {
  source.close();
  onState({ kind: "lost", words: "Reconnecting", why: "" });
  timer = setTimeout(open, RETRY_MS);
  // An event source does not say why it was refused.
  try {
    const answer = await fetch(`/api/page?${query()}`);
    if (!answer.ok) onState({ kind: "lost", words: "Not connected", why: (await answer.json()).detail });
  } catch {
    onState({ kind: "lost", words: "Reconnecting", why: "The dashboard does not answer. Is it running?" });
  }
}

function check() {
  const quietMs = performance.now() - lastMs;
  if (quietMs > STALE_MS && source.readyState === EventSource.OPEN) {
    onState({ kind: "lost", words: `Stale for ${Math.round(quietMs / 1000)} s`, why: "" });
  }
}
