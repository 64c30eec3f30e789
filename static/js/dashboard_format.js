// Numbers as the page writes them, in its language.

import { gettext, interpolate, language } from "./i18n.js";

const counts = new Intl.NumberFormat(language);

export const count = (value) => (value == null ? "-" : counts.format(Math.round(value)));

const digitsOf = (shown) => (shown > 0 && shown < 0.1 ? 3 : shown > 0 && shown < 1 ? 2 : 1);

/** What was measured or forecast: "3.0 %", with more digits below one percent; none is "0 %", all "100 %". */
export function percent(value) {
  if (value == null) return "-";
  if (value === 0 || value === 1) return tick(value);
  const digits = digitsOf(value * 100);
  const form = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${(value * 100).toLocaleString(language, form)}\u00a0%`;
}

/** What was set, and the marks of an axis: "5 %", "0.5 %". */
export function tick(value) {
  const shown = value * 100;
  return `${shown.toLocaleString(language, { maximumFractionDigits: digitsOf(shown) })}\u00a0%`;
}

const SYMBOLS = { USD: "$", EUR: "€", GBP: "£", JPY: "¥", INR: "₹", CHF: "CHF\u00a0" };

/** Money in the project's currency, as money_words.money writes it; axes leave out the cents. */
export function money(value, currency, whole = false) {
  if (value == null) return "-";
  const size = Math.abs(value);
  const small = size > 0 && size < 0.01;
  const digits = size >= 10000 || (whole && (size >= 20 || Number.isInteger(value))) ? 0 : 2;
  const shown = small ? Number(size.toPrecision(3)) : size;
  const text = shown.toLocaleString(language, { minimumFractionDigits: small ? 0 : digits, maximumFractionDigits: small ? 6 : digits });
  const sign = value < 0 ? "-" : "";
  const symbol = SYMBOLS[currency];
  if (!symbol) return `${sign}${text}\u00a0${currency}`;
  // Translators: an amount of money, e.g. $12.50; 12,50 $ in other languages.
  return sign + interpolate(gettext("%(symbol)s%(amount)s"), { symbol, amount: text });
}

/** The position in `values` that is nearest to `value` on a logarithmic axis. */
export function nearest(values, value) {
  let best = 0;
  values.forEach((other, index) => {
    if (Math.abs(Math.log(other / value)) < Math.abs(Math.log(values[best] / value))) best = index;
  });
  return best;
}

const short = new Intl.NumberFormat(language, { maximumSignificantDigits: 3 });

/** Short for axes: 1,500 -> "1.5k". */
export function compact(value) {
  if (value < 1000) return count(value);
  if (value < 1e6) return `${short.format(value / 1000)}k`;
  return `${short.format(value / 1e6)}M`;
}

/** A number with two decimals, as shares theta are written. */
export const hundredths = (value) =>
  value.toLocaleString(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** Translated words with values put in, cut at <b>...</b>: text, [bold], text, ... */
export function rich(words, values = {}) {
  return interpolate(words, values)
    .split(/<b>(.*?)<\/b>/)
    .map((part, index) => (index % 2 ? [part] : part))
    .filter((part) => part.length && part[0] !== "");
}
