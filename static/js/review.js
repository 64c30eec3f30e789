// The reviewers' queue: one image, one key, and the next one is there.

import { gettext, interpolate } from "./i18n.js";
import { post } from "./label_api.js";
import { KeyMap, cap, isTyping, pressesOf } from "./label_keys.js";
import { dialogOpen, Guidelines, Help } from "./label_panels.js";
import { ReviewView } from "./review_view.js";
import { at } from "./status_view.js";

const AHEAD = 4; // images fetched beside the one on screen
const RENEW_MS = 60000; // the server holds images for five minutes
const IDLE_MS = 5000;
const TRIES = 4;
const LONGEST_MS = 30000; // what one image can cost in active time

const setup = JSON.parse(at("review-setup").textContent);
const reasons = new Map([...at("reason").options].filter((o) => o.value).map((o) => [o.value, o.dataset.words]));
const view = new ReviewView(setup.classes, reasons);
const keys = new KeyMap(setup.classes, { ...setup.keyMap["*"], ...Object.values(setup.keyMap).at(-1) });
const free = (key) => !keys.searches && !setup.classes.some((c) => keys.keyOf(`class:${c.index}`) === key);
const letters = { a: "accept", s: "send_back", x: "exclude" };
const help = new Help();
const guidelines = new Guidelines(setup.urls.guidelines);

let queue = []; // the first one is on screen
let shown = 0; // when it came there
let done = 0;
let fetching = false;
let asked = 0; // grows when other reviews are wanted: what comes for the old wish is not shown
const sending = new Set(); // decided here, not yet there
let waiting = null;
let undoing = false; // until it is done nothing is decided: the image on screen is about to change
const decided = []; // what can be taken back, the newest last: {item, reply, entry}

/** Keep the queue full; show the first one where nothing is on screen. */
async function fill() {
  clearTimeout(waiting);
  if (fetching) return;
  fetching = true;
  const wish = asked;
  try {
    const reply = await post(setup.urls.next, {
      reason: at("reason").value,
      count: Math.max(0, 1 + AHEAD - queue.length),
      holding: [...queue.map((item) => item.id), ...sending].slice(0, 10),
      blind: at("blind").checked,
    });
    at("sign-in").hidden = true;
    if (wish !== asked) return;
    const known = new Set([...queue.map((item) => item.id), ...sending]);
    const empty = !queue.length;
    for (const item of reply.reviews) if (!known.has(item.id)) queue.push(withPicture(item));
    view.counts(done, reply.open);
    if (empty) show();
  } catch (error) {
    trouble(error);
  } finally {
    fetching = false;
    waiting = setTimeout(fill, wish !== asked ? 0 : queue.length ? RENEW_MS : IDLE_MS);
  }
}

function withPicture(raw) {
  const item = { ...raw, picture: new Image(), failed: false };
  item.picture.addEventListener("error", () => {
    item.failed = true;
    if (queue[0] === item) view.show(item);
  });
  item.picture.src = item.image;
  return item;
}

function show() {
  view.closeBack();
  shown = performance.now();
  const [item] = queue;
  at("blind-field").hidden = item?.reason !== "sample";
  if (item) view.show(item);
  else view.empty(gettext("Nothing waits for a reviewer"), gettext("Images appear here when people disagree, skip, cannot tell, or when a manager draws a sample."));
}

function trouble(error) {
  at("sign-in").hidden = !error.isSignedOut;
  if (error.isSignedOut) view.message(gettext("You are signed out."));
  else view.message(error.message || gettext("The server has trouble, trying again."));
}

/** Fetch an image that this reviewer holds as it is by now; put it behind `place` others. */
async function showAgain(id, place = 0) {
  const reply = await patiently(setup.urls.next, {
    reason: at("reason").value,
    count: 0,
    holding: [...queue.map((item) => item.id), id].slice(0, 10),
    again: id,
    blind: at("blind").checked,
  });
  const [on] = queue;
  queue = queue.filter((item) => item.id !== id);
  queue.splice(place, 0, ...reply.reviews.map(withPicture));
  view.counts(done, reply.open);
  if (queue[0] !== on) show();
}

/** Carry out a decision: the next image comes at once, the reply later. */
async function decide(decision) {
  const [item] = queue;
  if (!item || undoing || sending.has(item.id)) return;
  if (decision.decision === "accept" && item.label === null) {
    view.message(gettext("Give the class that you see: its key, or its button."));
    return;
  }
  const body = { ...decision, active_ms: Math.round(Math.min(performance.now() - shown, LONGEST_MS)) };
  const one = remembered(item);
  queue.shift();
  sending.add(item.id);
  show();
  if (queue.length < 2) fill(); // else after the decision is stored, so that the counts are true
  one.reply = send(item, body);
  try {
    said(one, await one.reply);
  } catch (error) {
    forget(one);
    await refused(item, error);
  } finally {
    sending.delete(item.id);
    fill();
  }
}

/** An image that was not decided comes back, where somebody can still decide it. */
async function refused(item, error) {
  if (error.status === 0 || error.isSignedOut || error.status >= 500) queue.unshift(item);
  // Next, not at once: the reviewer's hand is on the image on screen.
  else if (error.code === "label_changed") await showAgain(item.id, 1).catch(trouble);
  trouble(error);
  if (queue[0] === item) show();
}

function remembered(item) {
  const one = { item, reply: null, entry: null };
  decided.push(one);
  view.undoable(true);
  return one;
}

function forget(one) {
  decided.splice(decided.indexOf(one), 1);
  view.undoable(decided.length > 0);
}

/** Take back the last decision; again, the one before. Its image is on screen then. */
async function undo() {
  const one = decided.at(-1);
  if (!one || undoing) return;
  undoing = true;
  view.message(gettext("Taking your last decision back…"));
  try {
    await one.reply.catch(() => null); // it is being sent
    if (!decided.includes(one)) return; // it was refused: there is nothing to take back
    await patiently(`${setup.urls.next}${one.item.id}/undo/`, {});
    forget(one);
    one.entry?.remove();
    done -= 1;
    await showAgain(one.item.id);
    view.message(gettext("Your decision is taken back."));
    view.speak(gettext("Your decision is taken back."));
  } catch (error) {
    if (error.status >= 400 && error.status < 500 && !error.isSignedOut) forget(one); // it stands
    trouble(error);
  } finally {
    undoing = false;
  }
}

const send = (item, body) => patiently(`${setup.urls.next}${item.id}/`, body);

/** POST with patience: the server does the same thing once only. */
async function patiently(url, body) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await post(url, body);
    } catch (error) {
      if (tried >= TRIES || (error.status !== 0 && error.status < 500)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** tried));
    }
  }
}

function said(one, reply) {
  const { item } = one;
  done += 1;
  view.counts(done, null);
  const facts = { before: reply.before === null ? "–" : view.name(reply.before), after: reply.after === null ? "–" : view.name(reply.after) };
  const words = {
    accepted: reply.before === null ? "%(after)s" : gettext("%(after)s: right"),
    corrected: gettext("%(before)s → %(after)s"),
    sent_back: gettext("sent back"),
    excluded: gettext("nobody can tell"),
  };
  const text = interpolate(words[reply.outcome], facts);
  one.entry = view.remember(item, text);
  view.speak(interpolate(gettext("Saved: %(what)s"), { what: text }));
  if (reply.stands) view.message(gettext("Counted. The label itself stands: it proves the machine's error."));
  else if (item.hidden && reply.outcome === "corrected") view.message(interpolate(gettext("People had said %(before)s."), facts));
}

function act(name) {
  const [item] = queue;
  if (name === "guidelines") guidelines.toggle();
  else if (name === "help") help.toggle();
  else if (name === "undo") undo();
  else if (name === "cancel") view.closeBack();
  else if (!item) return;
  else if (name === "accept") decide({ decision: name, class: item.label });
  else if (name === "exclude") decide({ decision: name });
  else if (name === "send_back" && item.reason !== "sample" && !undoing) view.askBack(item);
}

function commandOf(event) {
  if (event.key === "Enter" && !event.target.closest?.("button, a, summary")) return "accept";
  if (event.key === "Escape") return "cancel";
  for (const press of pressesOf(event)) {
    const letter = press.replace("Shift+", "");
    if (letters[letter] && (press.startsWith("Shift+") || free(letter))) return letters[letter];
  }
  return null;
}

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.defaultPrevented || dialogOpen()) return;
  if (isTyping(event)) {
    if (event.key === "Escape") view.closeBack();
    return;
  }
  const command = commandOf(event);
  if (command) {
    event.preventDefault();
    act(command);
    return;
  }
  const action = keys.actionOf(event);
  if (action?.name === "class") {
    event.preventDefault();
    decide({ decision: "class", class: action.index });
  } else if (["undo", "help", "guidelines"].includes(action?.name)) {
    event.preventDefault();
    act(action.name);
  } else if (action?.name === "palette") {
    event.preventDefault();
    at("filter-field").hidden = false;
    at("filter").focus();
    if (action.text) at("filter").value = action.text;
    at("filter").dispatchEvent(new Event("input"));
  }
});

document.addEventListener("click", (event) => {
  event.target.closest("dialog [data-close]")?.closest("dialog").close();
  const button = event.target.closest("[data-do], [data-class]");
  if (!button || !button.closest("#review")) return;
  if (button.dataset.class !== undefined) decide({ decision: "class", class: Number(button.dataset.class) });
  else act(button.dataset.do);
  if (event.detail) button.blur(); // a click by pointer: Enter means "accept" again
});

at("back").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [item] = queue;
  const note = at("words").value.trim();
  if (!item || !note || sending.has(item.id)) return;
  sending.add(item.id);
  try {
    const reply = await send(item, { decision: "send_back", note, person: Number(at("person").value) || null });
    const one = remembered(item);
    one.reply = Promise.resolve(reply);
    queue = queue.filter((other) => other !== item);
    show();
    said(one, reply);
  } catch (error) {
    at("back-error").textContent = error.message;
  } finally {
    sending.delete(item.id);
    fill();
  }
});

at("filter").addEventListener("input", () => {
  const text = at("filter").value.trim().toLocaleLowerCase();
  for (const one of setup.classes) {
    const found = [one.name, ...one.aliases].some((name) => name.toLocaleLowerCase().includes(text));
    view.buttons.get(one.index).hidden = !found;
  }
});
at("filter").addEventListener("keydown", (event) => {
  if (event.key === "Escape" || event.key === "Enter") {
    const first = setup.classes.find((one) => !view.buttons.get(one.index).hidden);
    if (event.key === "Enter" && first && at("filter").value.trim()) decide({ decision: "class", class: first.index });
    at("filter").value = "";
    at("filter").dispatchEvent(new Event("input"));
    at("filter").blur();
    event.preventDefault();
  }
});

for (const id of ["reason", "blind"]) {
  at(id).addEventListener("change", () => {
    queue = [];
    asked += 1;
    at(id).blur();
    show();
    fill();
  });
}

for (const button of document.querySelectorAll("[data-cap]")) {
  const letter = button.dataset.cap;
  button.textContent = cap(free(letter) ? letter : `Shift+${letter}`);
}
view.caps(keys);
fill();
