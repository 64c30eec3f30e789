// From a key press to an action. Digits go by the place on the keyboard, so they work on layouts
// that put them on Shift; letters go by what is printed on the key.

/** Return {name, index?} for a key press, or null where the page has nothing to do with it. */
export function actionOf(event, classOfKey) {
  if (event.isComposing || event.keyCode === 229) return null;
  if (event.ctrlKey || event.metaKey) return isUndo(event) ? { name: "undo" } : null;
  if (event.altKey || event.getModifierState("AltGraph")) return null;
  return commandOf(event) ?? classOf(event, classOfKey) ?? guidelinesOf(event);
}

/** Tell whether the press belongs to a field that the person types into. */
export function isTyping(target) {
  return Boolean(target.closest?.("input, textarea, select, [contenteditable]"));
}

function isUndo(event) {
  return event.key.toLowerCase() === "z" && !event.altKey && !event.shiftKey;
}

function commandOf(event) {
  if (event.key === " ") return isControl(event.target) ? null : { name: "skip" };
  const names = { Backspace: "undo", "?": "help", "/": "filter", Escape: "leave" };
  return names[event.key] ? { name: names[event.key] } : null;
}

/** A button or link that has the focus keeps its Space. */
function isControl(target) {
  return Boolean(target.closest?.("button, a, summary"));
}

function classOf(event, classOfKey) {
  const key = digitOf(event) ?? (event.shiftKey ? null : letterOf(event));
  const index = key === null ? undefined : classOfKey.get(key);
  return index === undefined ? null : { name: "class", index };
}

function digitOf(event) {
  if (/^[0-9]$/.test(event.key)) return event.key;
  const place = /^Digit([0-9])$/.exec(event.code);
  return place && !event.shiftKey ? place[1] : null;
}

function letterOf(event) {
  const letter = event.key.toLowerCase();
  if (/^[a-z]$/.test(letter)) return letter;
  const place = /^Key([A-Z])$/.exec(event.code); // a layout without Latin letters
  return place ? place[1].toLowerCase() : null;
}

function guidelinesOf(event) {
  return letterOf(event) === "g" ? { name: "guidelines" } : null;
}
