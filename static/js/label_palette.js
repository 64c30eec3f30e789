// Many classes: type a part of a name, Enter takes the first. An ARIA combobox in a dialog.

import { gettext, interpolate, ngettext } from "./i18n.js";
import { pressesOf } from "./label_keys.js";
import { Index } from "./label_search.js";

const SHOWN = 100; // rows at once
const RECENT = 8;

export class Palette {
  /** `choose(index)` runs with the chosen class; the dialog is closed by then.
      `classes` are {index, name, aliases?, colour?}. */
  constructor(classes, choose, dialog = document.getElementById("palette")) {
    this.classes = new Map(classes.map((one) => [one.index, one]));
    this.index = new Index(classes);
    this.choose = choose;
    this.recent = [];
    this.dialog = dialog;
    this.field = dialog.querySelector("input");
    this.list = dialog.querySelector("[role=listbox]");
    this.count = dialog.querySelector("[data-count]");
    this.field.addEventListener("input", () => this.show());
    this.field.addEventListener("keydown", (event) => this.onKey(event));
    this.list.addEventListener("click", (event) => this.onClick(event));
    this.list.addEventListener("mousedown", (event) => event.preventDefault()); // focus stays
  }

  get isOpen() {
    return this.dialog.open;
  }

  /** Open with what was typed already; `top` are the machine's guesses, the likeliest first. */
  open({ text = "", top = [] } = {}) {
    this.top = top.filter((index) => this.classes.has(index)).slice(0, 5);
    this.dialog.showModal();
    this.field.value = text;
    if (text || !matchMedia("(pointer: coarse)").matches) this.field.focus();
    else this.list.focus(); // no screen keyboard before somebody wants one
    this.show();
  }

  close() {
    this.dialog.close();
  }

  /** Note that a class was given: the last ones come first next time. */
  used(index) {
    this.recent = [index, ...this.recent.filter((one) => one !== index)].slice(0, RECENT);
  }

  show() {
    const text = this.field.value;
    const found = text.trim() ? this.index.find(text, this.recent) : this.usual();
    this.rows = found.slice(0, SHOWN + this.top.length);
    const guesses = text.trim() ? 0 : this.top.length;
    this.list.replaceChildren(...this.rows.map((index, n) => this.row(index, n, n < guesses)));
    this.mark(0);
    const total = text.trim() ? found.length : this.classes.size;
    this.count.textContent = total
      ? interpolate(ngettext("%(n)s class", "%(n)s classes", total), { n: total })
      : gettext("No class is called like this.");
  }

  /** Nothing typed: the guesses, the last ones used, then all in their order. */
  usual() {
    return [...new Set([...this.top, ...this.recent, ...this.classes.keys()])];
  }

  row(index, place, guess) {
    const row = document.createElement("li");
    row.id = `palette-${place}`;
    row.setAttribute("role", "option");
    row.dataset.index = index;
    if (guess) row.append(element("kbd", "kbd", String(place + 1)));
    const name = element("span", "palette-name", this.classes.get(index).name);
    name.dir = "auto";
    row.append(name);
    if (guess) row.append(element("span", "palette-note", gettext("guess")));
    else if (!this.field.value.trim() && this.recent.includes(index)) {
      row.append(element("span", "palette-note", gettext("used before")));
    }
    return row;
  }

  mark(place) {
    this.list.children[this.place]?.setAttribute("aria-selected", "false");
    this.place = place;
    const row = this.list.children[place];
    row?.setAttribute("aria-selected", "true");
    row?.scrollIntoView({ block: "nearest" });
    if (row) this.field.setAttribute("aria-activedescendant", row.id);
    else this.field.removeAttribute("aria-activedescendant");
  }

  onKey(event) {
    if (event.isComposing || event.keyCode === 229) return;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (step) {
      event.preventDefault();
      this.mark(Math.min(Math.max(this.place + step, 0), this.rows.length - 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (!event.repeat) this.pick(this.place);
    } else if (!this.field.value && this.guessOf(event) !== null) {
      event.preventDefault();
      if (!event.repeat) this.pick(this.guessOf(event));
    } else if (event.key === "Backspace" && !this.field.value && !event.repeat) {
      event.preventDefault();
      this.close();
    }
  }

  guessOf(event) {
    const digit = Number(pressesOf(event)[0]);
    return digit >= 1 && digit <= this.top.length ? digit - 1 : null;
  }

  onClick(event) {
    const row = event.target.closest("[role=option]");
    if (row) this.pick([...this.list.children].indexOf(row));
  }

  pick(place) {
    const index = this.rows[place];
    if (index === undefined) return;
    this.close();
    this.choose(index);
  }
}

function element(tag, style, text) {
  const made = document.createElement(tag);
  made.className = style;
  made.textContent = text;
  return made;
}
