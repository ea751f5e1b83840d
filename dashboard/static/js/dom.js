// Builds elements. A text of the stream only ever becomes the data of a text node, isolated in its direction.

// Controls, direction overrides and isolates, zero-width and line separators: shown by name, since nobody sees them.
const UNSEEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff]/;

export const $ = (id) => document.getElementById(id);

export function el(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key.includes("-") || key === "role" || key === "for") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((one) => one !== null && one !== undefined && one !== false));
  return made;
}

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function foreign(text) {
  const isolated = el("bdi", { dir: "auto" });
  let plain = "";
  for (const char of String(text)) {
    if (!UNSEEN.test(char)) { plain += char; continue; }
    if (plain) isolated.append(plain);
    plain = "";
    const code = char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    isolated.append(el("span", { class: "codepoint" }, `U+${code}`));
  }
  if (plain) isolated.append(plain);
  return isolated;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Replaces the children only where they would look different: focus and selection stay.
export function replaceIfChanged(node, key, make) {
  const signature = JSON.stringify(key);
  if (node.dataset.signature === signature) return;
  const place = [...node.querySelectorAll("button, a")].indexOf(document.activeElement);
  node.dataset.signature = signature;
  node.replaceChildren(...[make()].flat());
  if (place >= 0) node.querySelectorAll("button, a")[place]?.focus({ preventScroll: true });
}
