// Finds classes by what a person types: as people write, not as Unicode does.

const MARKS = /[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u06d6-\u06ed\u0640\ufe0e\ufe0f]/g;
const SAME = new Map(Object.entries({ ß: "ss", ς: "σ", ı: "i", ى: "ي", ی: "ي", ک: "ك", ة: "ه", ٱ: "ا", ø: "o", ł: "l", đ: "d" }));
const WORD = /[\s\-_/.,;:()[\]|]+/u;

/** Return a name as it is compared: width, case, accents and Arabic spellings do not matter. */
export function folded(text) {
  const plain = text.normalize("NFKC").toLowerCase().normalize("NFD").replace(MARKS, "");
  return [...plain].map((letter) => SAME.get(letter) ?? digit(letter)).join("").trim();
}

/** Arabic-Indic and Persian digits are digits. */
function digit(letter) {
  const code = letter.codePointAt(0);
  if (code >= 0x660 && code <= 0x669) return String(code - 0x660);
  return code >= 0x6f0 && code <= 0x6f9 ? String(code - 0x6f0) : letter;
}

export class Index {
  /** `classes` are {index, name, aliases}. */
  constructor(classes) {
    this.rows = classes.map((one) => ({
      index: one.index,
      name: folded(one.name),
      aliases: (one.aliases ?? []).map(folded),
    }));
  }

  /** Return class indexes, best first: exact, prefix, a word's prefix, alias, inside, fuzzy. */
  find(text, recent = []) {
    const wanted = folded(text);
    if (!wanted) return [];
    const fresh = new Map(recent.map((index, place) => [index, place]));
    const found = [];
    for (const row of this.rows) {
      const rank = rankOf(row, wanted);
      if (rank < Infinity) found.push([rank, fresh.get(row.index) ?? Infinity, row.name.length, row.index]);
    }
    found.sort(byParts);
    return found.map((one) => one[3]);
  }
}

function byParts(a, b) {
  for (let n = 0; n < a.length; n += 1) if (a[n] !== b[n]) return a[n] < b[n] ? -1 : 1;
  return 0;
}

function rankOf({ name, aliases }, wanted) {
  if (name === wanted) return 0;
  if (aliases.includes(wanted)) return 1;
  if (name.startsWith(wanted)) return 2;
  if (startsAWord(name, wanted)) return 3;
  if (aliases.some((alias) => alias.startsWith(wanted) || startsAWord(alias, wanted))) return 4;
  if (name.includes(wanted)) return 5;
  if (aliases.some((alias) => alias.includes(wanted))) return 6;
  const gaps = Math.min(gapsOf(name, wanted), ...aliases.map((alias) => gapsOf(alias, wanted) + 2));
  return gaps < Infinity ? 7 + gaps / 1000 : Infinity;
}

function startsAWord(name, wanted) {
  return name.split(WORD).some((word) => word.startsWith(wanted));
}

/** How many letters of the name are passed over to spell `wanted` in order; Infinity: it cannot. */
function gapsOf(name, wanted) {
  let gaps = 0;
  let from = 0;
  for (const letter of wanted) {
    const place = name.indexOf(letter, from);
    if (place < 0) return Infinity;
    gaps += place - from;
    from = place + letter.length;
  }
  return gaps;
}
