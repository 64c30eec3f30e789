// The page's words in the person's language.
//
// English words are the keys, so an English page loads no catalogue. For other languages base.html
// loads Django's catalogue as a deferred script in front of every module: it comes in parallel with
// them, is kept by the browser for a year, and where it cannot be had the page speaks English.

/** The page's language, as Intl takes it. */
export const language = document.documentElement.lang || "en";

/** The reader's variety of it, for dates: en-GB and en-US write them differently. */
export const locale =
  (navigator.languages ?? []).find((one) => one.split("-")[0] === language) ?? language;

const catalogue = () => globalThis.django || null;

/** Return `msgid` in the page's language. */
export function gettext(msgid) {
  return catalogue()?.gettext(msgid) ?? msgid;
}

/** Mark words that are translated later, where they are shown: gettext(name). */
export const gettext_noop = (msgid) => msgid;

/** Return the form of the words that goes with the number `n`. */
export function ngettext(one, many, n) {
  return catalogue()?.ngettext(one, many, n) ?? (n === 1 ? one : many);
}

/** Return `msgid` as it is meant in this context, e.g. pgettext("noun", "open"). */
export function pgettext(context, msgid) {
  return catalogue()?.pgettext(context, msgid) ?? msgid;
}

/** Put values into words: interpolate("%(n)s left", { n: 3 }) -> "3 left". */
export function interpolate(words, values) {
  return words.replace(/%\((\w+)\)s/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

const plain = new Intl.NumberFormat(language);

/** Return a number as the page's language writes it: 1,234.5 or 1.234,5. */
export const number = (value) => plain.format(value);
