// Numbers as the page writes them.

const counts = new Intl.NumberFormat("en");

export const count = (value) => (value == null ? "-" : counts.format(Math.round(value)));

/** "3.1 %", with more digits below one percent. */
export function percent(value) {
  if (value == null) return "-";
  const shown = value * 100;
  const digits = shown > 0 && shown < 0.1 ? 3 : shown > 0 && shown < 1 ? 2 : 1;
  return `${Number(shown.toFixed(digits))}\u00a0%`;
}

const SYMBOLS = { USD: "$", EUR: "€", GBP: "£", JPY: "¥", INR: "₹", CHF: "CHF\u00a0" };

/** Money in the project's currency; axes leave out the cents. */
export function money(value, currency, whole = false) {
  if (value == null) return "-";
  const size = Math.abs(value);
  const digits = whole && (size >= 20 || Number.isInteger(value)) ? 0 : size >= 10000 ? 0 : size >= 0.01 || size === 0 ? 2 : 5;
  const text = size.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const sign = value < 0 ? "-" : "";
  const symbol = SYMBOLS[currency];
  return symbol ? `${sign}${symbol}${text}` : `${sign}${text}\u00a0${currency}`;
}

/** The position in `values` that is nearest to `value` on a logarithmic axis. */
export function nearest(values, value) {
  let best = 0;
  values.forEach((other, index) => {
    if (Math.abs(Math.log(other / value)) < Math.abs(Math.log(values[best] / value))) best = index;
  });
  return best;
}

/** Short for axes: 1,500 -> "1.5k". */
export function compact(value) {
  if (value < 1000) return count(value);
  if (value < 1e6) return `${Number((value / 1000).toPrecision(3))}k`;
  return `${Number((value / 1e6).toPrecision(3))}M`;
}
