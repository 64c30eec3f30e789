// The keys in the help: which does what, and how a person changes them.

import { post } from "./label_api.js";
import { gettext, interpolate } from "./i18n.js";
import { cap, COMMANDS, pressesOf } from "./label_keys.js";

const OURS = new Set(["Enter", "Tab", "Escape", "ArrowUp", "ArrowDown", "Ctrl+z"]);

export class KeyEditor {
  /** `changed()` runs after the keys are others. */
  constructor(setup, keys, changed) {
    this.setup = setup;
    this.keys = keys;
    this.changed = changed;
    this.dialog = document.getElementById("help");
    this.said = document.getElementById("keys-said");
    this.storing = Promise.resolve();
    this.waiting = null; // {id, key}: which row waits for a key, and the key to be confirmed
    this.dialog.addEventListener("keydown", (event) => this.onKey(event), true);
    this.dialog.addEventListener("close", () => this.stop());
    document.getElementById("keys-reset").addEventListener("click", () => this.reset());
    this.draw();
  }

  draw() {
    const commands = COMMANDS.map((one) => [`action:${one.name}`, one.words()]);
    const classes = this.setup.classes.map((one) => [`class:${one.index}`, one.name]);
    document.getElementById("keys-commands").replaceChildren(...commands.map((row) => this.row(...row)));
    document.getElementById("keys-classes").replaceChildren(...classes.map((row) => this.row(...row)));
  }

  row(id, words) {
    const row = document.createElement("li");
    const key = this.keys.keyOf(id);
    const shown = document.createElement("kbd");
    shown.className = "kbd";
    shown.textContent = key ? cap(key) : "–";
    const name = document.createElement("span");
    name.textContent = words;
    name.dir = "auto";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-sm btn-quiet";
    button.textContent = gettext("Change");
    button.setAttribute("aria-label", interpolate(gettext("Change the key of: %(name)s"), { name: words }));
    button.addEventListener("click", () => this.listen(id, words));
    row.dataset.id = id;
    row.append(shown, name, button);
    return row;
  }

  listen(id, words) {
    this.stop();
    this.waiting = { id, words, key: null };
    this.dialog.querySelector(`[data-id="${id}"]`).toggleAttribute("data-listening", true);
    this.say(interpolate(gettext("Press the new key for: %(name)s. Esc leaves it as it is."), { name: words }));
  }

  stop() {
    this.dialog.querySelector("[data-listening]")?.removeAttribute("data-listening");
    this.waiting = null;
  }

  onKey(event) {
    if (!this.waiting) return;
    if (event.key === "Tab" || event.key === "Shift") return;
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat) return;
    if (event.key === "Escape") {
      this.stop();
      this.say(gettext("Nothing was changed."));
      return;
    }
    const [key] = pressesOf(event);
    if (!key || OURS.has(key) || /^(Shift\+)?(F\d+|[A-Z]\w+Lock|Control|Alt|Meta)$/.test(key)) {
      this.say(gettext("This key cannot be used here. Press another one."));
    } else this.offer(key);
  }

  offer(key) {
    const other = this.keys.actions.get(key)?.id;
    const { id, words } = this.waiting;
    if (other && other !== id && this.waiting.key !== key) {
      this.waiting.key = key;
      const names = { key: cap(key), name: this.nameOf(other) };
      this.say(interpolate(gettext("%(key)s is in use: %(name)s. Press it again to use it here instead."), names));
      return;
    }
    const own = { ...this.keys.own, [id]: key };
    if (other && other !== id) delete own[other];
    this.stop();
    this.take(own);
    this.say(interpolate(gettext("%(key)s is now: %(name)s."), { key: cap(key), name: words }));
    this.dialog.querySelector(`[data-id="${id}"] button`).focus();
  }

  nameOf(id) {
    const [kind, rest] = id.split(":");
    if (kind === "action") return COMMANDS.find((one) => one.name === rest).words();
    if (kind === "suggestion") return interpolate(gettext("guess %(n)s"), { n: Number(rest) + 1 });
    return this.setup.classes.find((one) => one.index === Number(rest)).name;
  }

  reset() {
    this.stop();
    this.take({});
    this.say(gettext("All keys are as they were at the beginning."));
  }

  /** Use these keys at once; changes are stored one after another, so that the last one stands. */
  take(own) {
    this.keys.load(own);
    this.draw();
    this.changed();
    this.storing = this.storing.then(() => this.store(own));
  }

  async store(own) {
    const split = { "*": {}, [this.setup.project]: {} };
    for (const [id, key] of Object.entries(own)) {
      split[id.startsWith("action:") ? "*" : this.setup.project][id] = key;
    }
    try {
      for (const [scope, keys] of Object.entries(split)) await post(this.setup.urls.keys, { scope, keys });
    } catch {
      this.say(gettext("The keys hold on this page, but could not be saved: try again later."));
    }
  }

  say(words) {
    this.said.textContent = words;
  }
}
