// What the viewer has chosen: kept in the address, so that a link carries it.
const NAMES = ["span", "start", "end", "label", "topic", "model", "group", "text"];
const listeners = [];

export const SPANS = [[300, "5 min"], [3600, "1 h"], [86400, "24 h"]];
export const view = read();

function read() {
  const given = new URLSearchParams(location.search);
  const found = Object.fromEntries(NAMES.map((name) => [name, given.get(name) ?? ""]));
  if (!SPANS.some(([seconds]) => String(seconds) === found.span)) found.span = "300";
  return found;
}

export function query() {
  const chosen = Object.entries(view).filter(([name, value]) => value && !(name === "span" && view.start));
  return new URLSearchParams(chosen).toString();
}

export function change(changes) {
  Object.assign(view, changes);
  const text = query();
  history.replaceState(null, "", text === "span=300" ? location.pathname : `?${text}`);
  for (const listener of listeners) listener();
}

export function onChange(listener) {
  listeners.push(listener);
}

export const isFixed = () => view.start !== "";
export const clear = () => change({ start: "", end: "", label: "", topic: "", model: "", group: "", text: "" });
