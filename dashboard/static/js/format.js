// Numbers and times in the viewer's locale and time zone.
const whole = new Intl.NumberFormat();
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const one = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const share = new Intl.NumberFormat(undefined, {
  style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1,
});
const roundShare = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });
const two = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const signed = new Intl.NumberFormat(undefined, {
  minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero",
});
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const minute = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

export const count = (value) => (Math.abs(value) < 100_000 ? whole.format(value) : compact.format(value));
export const exact = (value) => whole.format(value);
export const decimal = (value) => one.format(value);
export const percent = (value) => share.format(value);
export const roundPercent = (value) => roundShare.format(value);
export const fraction = (value) => two.format(value);
// The minus sign, which is as wide as the plus.
export const net = (value) => signed.format(value).replace("-", "\u2212");
export const dateOf = (text) => date.format(new Date(text));

// Timestamps are a producer's: any 64 bits.
const isDate = (ms) => Math.abs(ms) <= 8.64e15;
export const time = (ms) => (isDate(ms) ? clock.format(ms) : `${ms} ms`);
export const shortTime = (ms) => (isDate(ms) ? minute.format(ms) : `${ms} ms`);
export const dateTime = (ms) => (isDate(ms) ? day.format(ms) : `${ms} ms`);

export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${decimal(ms / 1000)} s` : `${decimal(ms / 60_000)} min`;
}

export function span(seconds) {
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${decimal(seconds / 3600)} h`;
}

// What datetime-local takes: the viewer's zone, without it being written.
export function local(ms) {
  const at = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return at.toISOString().slice(0, 19);
}
