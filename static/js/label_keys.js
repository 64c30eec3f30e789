// From a key press to an action. Digits go by the place on the keyboard, so they work on layouts
// that put them on Shift; letters go by what is printed on the key, then by its place.
// A press has a name: "1", "a", "Shift+b", "Space", "ArrowLeft", "?".

import { gettext } from "./i18n.js";

/** Up to so many classes have keys of their own; more are found by typing. */
export const MOST_KEYS = 36;
/** From so many classes on letters search: commands move to Shift. */
export const SEARCH_FROM = 11;

/** The commands in the order of the help. `keys`: the first that is free; `also`: further ones. */
export const COMMANDS = [
  { name: "undo", keys: ["Backspace"], also: ["Ctrl+z"], words: () => gettext("Undo the last answer; again for the one before") },
  { name: "skip", keys: ["Space"], words: () => gettext("Skip this image") },
  { name: "unsure", keys: ["Shift+Space"], words: () => gettext("Cannot tell: an expert looks at it") },
  { name: "palette", keys: ["/"], words: () => gettext("Find a class by typing") },
  { name: "back", keys: ["ArrowLeft"], words: () => gettext("Go back through your answers to correct one") },
  { name: "forward", keys: ["ArrowRight"], words: () => gettext("Go forward through your answers") },
  { name: "comment", keys: ["c", "Shift+c"], words: () => gettext("Comment on this image") },
  { name: "guidelines", keys: ["g", "Shift+g"], words: () => gettext("Guidelines beside the image") },
  { name: "fit", keys: ["f", "Shift+f"], words: () => gettext("Fit the image into the window") },
  { name: "zoom_in", keys: ["+"], also: ["="], repeats: true, words: () => gettext("Larger") },
  { name: "zoom_out", keys: ["-"], repeats: true, words: () => gettext("Smaller") },
  { name: "original", keys: ["o", "Shift+o"], words: () => gettext("The original file in its own size") },
  { name: "bright_up", keys: ["b", "Shift+b"], repeats: true, words: () => gettext("Brighter") },
  { name: "bright_down", keys: ["Shift+b", "Shift+v"], repeats: true, words: () => gettext("Darker") },
  { name: "contrast_up", keys: ["n", "Shift+n"], repeats: true, words: () => gettext("More contrast") },
  { name: "contrast_down", keys: ["Shift+n", "Shift+m"], repeats: true, words: () => gettext("Less contrast") },
  { name: "help", keys: ["?"], words: () => gettext("This help") },
];

const FIXED = { Escape: "leave", ArrowUp: "up", ArrowDown: "down" };
const REPEATS = new Set(["up", "down", ...COMMANDS.filter((c) => c.repeats).map((c) => c.name)]);
const SUGGESTIONS = ["1", "2", "3", "4", "5"];

/** Which key does what: the person's own choices first, then the classes', then the commands'. */
export class KeyMap {
  constructor(classes, own = {}) {
    this.classes = classes;
    this.searches = classes.length >= SEARCH_FROM;
    this.load(own);
  }

  /** Take the person's own keys, {id: key}; an id is "class:3" or "action:skip". */
  load(own) {
    const { classes } = this;
    this.own = own;
    this.actions = new Map(); // key -> {name, index?, id}
    this.keys = new Map(); // id -> key
    const known = new Set([...classes.map((c) => `class:${c.index}`), ...COMMANDS.map((c) => `action:${c.name}`)]);
    for (const [id, key] of Object.entries(own)) if (known.has(id)) this.take(id, [key]);
    if (classes.length <= MOST_KEYS) for (const c of classes) this.take(`class:${c.index}`, c.key ? [c.key] : []);
    else SUGGESTIONS.forEach((key, n) => this.take(`suggestion:${n}`, [key]));
    for (const { name, keys, also = [] } of COMMANDS) {
      this.take(`action:${name}`, keys.filter((key) => !this.isForSearch(key)));
      for (const key of also) this.bind(key, `action:${name}`);
    }
  }

  take(id, candidates) {
    if (this.keys.has(id)) return;
    const key = candidates.find((one) => !this.actions.has(one));
    if (key === undefined) return;
    this.keys.set(id, key);
    this.bind(key, id);
  }

  bind(key, id) {
    if (this.actions.has(key)) return;
    const [kind, rest] = id.split(":");
    this.actions.set(key, kind === "action" ? { name: rest, id } : { name: kind, index: Number(rest), id });
  }

  isForSearch(key) {
    return this.searches && /^\p{L}$/u.test(key);
  }

  keyOf(id) {
    return this.keys.get(id) ?? "";
  }

  /** Return what a press means: {name, index?, text?}, or null where the page has no use for it. */
  actionOf(event) {
    const presses = pressesOf(event);
    if (presses.includes("Space") && isControl(event.target)) return null; // a focused button's own
    for (const press of presses) {
      const action = this.actions.get(press);
      if (action) return action;
    }
    if (FIXED[presses[0]]) return { name: FIXED[presses[0]] };
    return this.searches && /^(Shift\+)?[\p{L}\p{N}]$/u.test(presses[0] ?? "") ? { name: "palette", text: event.key } : null;
  }
}

/** Tell whether a held key may repeat this. */
export const mayRepeat = (action) => REPEATS.has(action.name);

/** Tell whether the press belongs to the field that has the focus; a slider wants only its arrows. */
export function isTyping({ target, key }) {
  const field = target.closest?.("input, textarea, select, [contenteditable]");
  return field?.type === "range" ? /^(Arrow|Page|Home|End)/.test(key) : Boolean(field);
}

/** Return the names of a press, the likeliest first; none for what is the browser's or an IME's. */
export function pressesOf(event) {
  if (event.isComposing || event.keyCode === 229 || ["Dead", "Process"].includes(event.key)) return [];
  if (event.altKey || event.getModifierState?.("AltGraph")) return [];
  if (event.ctrlKey || event.metaKey) {
    return event.key.toLowerCase() === "z" && !event.shiftKey ? ["Ctrl+z"] : [];
  }
  const shift = event.shiftKey ? "Shift+" : "";
  if (event.key === " ") return [`${shift}Space`];
  if (event.key.length > 1 && !isOneLetter(event.key)) return [shift + event.key];
  return [digitOf(event) ?? printed(event.key, shift), ...placeOf(event, shift)];
}

function digitOf(event) {
  if (/^[0-9]$/.test(event.key)) return event.key;
  const place = /^Digit([0-9])$/.exec(event.code);
  return place && !event.shiftKey ? place[1] : null;
}

function printed(key, shift) {
  return /^\p{L}/u.test(key) ? shift + key.toLowerCase() : key; // "?" is "?" wherever it is printed
}

/** A layout without Latin letters: the place stands in for the letter. */
function placeOf(event, shift) {
  const place = /^Key([A-Z])$/.exec(event.code);
  return place && !/^[a-z]$/i.test(event.key) ? [shift + place[1].toLowerCase()] : [];
}

function isOneLetter(key) {
  return [...key].length === 1;
}

/** A button or link that has the focus keeps its Space. */
function isControl(target) {
  return Boolean(target.closest?.("button, a, summary"));
}

/** Return how a key is written on the screen: "Shift+b" -> "⇧B". */
export function cap(key) {
  const shown = { Space: gettext("Space"), Backspace: "⌫", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
  if (key === "Shift+Space") return "⇧␣";
  if (key.startsWith("Shift+")) return `⇧${cap(key.slice(6))}`;
  if (key.startsWith("Ctrl+")) return `Ctrl ${cap(key.slice(5))}`;
  return shown[key] ?? key.toUpperCase();
}
