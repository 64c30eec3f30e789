// What the labelling page looks like: it is told what to show and decides nothing.

import { gettext, interpolate, number } from "./i18n.js";
import { cap } from "./label_keys.js";
import { at, StatusView, waitingWords } from "./status_view.js";

const WHY = () => ({
  random: gettext("Why this image: drawn at random"),
  unsure: gettext("Why this image: the machine is unsure here"),
  leftover: gettext("Why this image: the machine leaves it to people"),
  ahead: gettext("Why this image: the machine is learning now and will probably need it"),
  returned: gettext("Why this image: a reviewer sent it back to you"),
  expert: gettext("Why this image: somebody could not tell"),
});
const FLASH_MS = 140;
const PIXEL_ART = 200; // pictures smaller than this are scaled up without blur

export class View extends StatusView {
  constructor(setup, keys) {
    super();
    this.names = new Map(setup.classes.map((one) => [one.index, one.name]));
    this.keys = keys;
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", gettext("The image to label"));
    this.why = WHY();
    this.buttons = new Map([...document.querySelectorAll("[data-class]")].map((b) => [Number(b.dataset.class), b]));
    this.caps(keys);
  }

  nameOf({ kind, index }) {
    if (kind === "skip") return gettext("skipped");
    if (kind === "unsure") return gettext("cannot tell");
    return this.names.get(index) ?? gettext("removed class");
  }

  /** Show a task's picture; where it is still on its way, say so and show it when it comes. */
  show(item) {
    const { task } = item;
    at("why").textContent = this.why[task.purpose_hint] ?? "";
    at("task-note").hidden = !task.note;
    at("task-note-text").textContent = task.note ?? "";
    this.showMode(item);
    this.markBefore(item.before?.index ?? null);
    this.suggest(task.top ?? []);
    if (item.state === "ready") this.paint(item);
    else if (item.state === "failed") this.noteMissing(item);
    else this.note(gettext("Loading the image…"));
  }

  /** Put the picture on the one canvas of the page. */
  paint(item) {
    const { canvas } = this;
    item.paintOn(canvas);
    canvas.classList.toggle("label-pixels", Math.max(canvas.width, canvas.height) < PIXEL_ART);
    if (!canvas.isConnected) at("frame").replaceChildren(canvas);
    at("note").hidden = true;
  }

  /** Write into the stage instead of a picture. */
  note(title, text = "", withActions = false) {
    at("frame").replaceChildren();
    at("note-title").textContent = title;
    at("note-text").textContent = text;
    at("note-actions").hidden = !withActions;
    at("note").hidden = false;
  }

  noteMissing({ task, status }) {
    const words =
      status === 404
        ? gettext("Image %(seq)s: its file is missing on the server. Skip it: a manager can see that it was skipped.")
        : gettext("Image %(seq)s: it is broken, or the connection is gone. Try again, or skip it.");
    this.note(gettext("This image could not be loaded."), interpolate(words, task), true);
  }

  /** No task: say what is going on, and how long it takes where that is known. */
  idle(status, elsewhere) {
    at("why").textContent = "";
    at("task-note").hidden = true;
    this.markBefore(null);
    this.suggest([]);
    at("mode").hidden = true;
    clearInterval(this.clock);
    const finished = status.state === "finished";
    const title = finished ? gettext("All images are labelled") : gettext("Nothing to label right now");
    if (finished) this.note(title, gettext("Thank you. You can still correct your last answers below."));
    else this.waitWith(title, status, elsewhere);
  }

  waitWith(title, status, elsewhere) {
    const stays = ["archived", "failed", "setup", "held"].includes(status.state);
    const until = status.seconds_left === null ? null : performance.now() + 1000 * status.seconds_left;
    const words = () => {
      const parts = [status.message];
      if (elsewhere) parts.push(gettext("Your other page has the images that you hold."));
      if (until !== null) parts.push(left((until - performance.now()) / 1000));
      if (!stays) parts.push(gettext("This page goes on by itself."));
      return parts.filter(Boolean).join(" ");
    };
    this.note(title, words());
    if (until === null) return;
    this.clock = setInterval(() => {
      if (at("note").hidden || at("note-title").textContent !== title) clearInterval(this.clock);
      else at("note-text").textContent = words();
    }, 1000);
  }

  showMode(item) {
    at("mode").hidden = !item.correcting;
    if (!item.correcting) return;
    const name = this.nameOf(item.before ?? { kind: "skip" });
    at("mode-text").textContent = interpolate(gettext("Correcting: it was %(name)s"), { name });
  }

  markBefore(index) {
    const word = at("classes").dataset.beforeWord;
    for (const [one, button] of this.buttons) {
      if (one === index) button.dataset.before = word;
      else delete button.dataset.before;
    }
  }

  /** The machine's guesses, where this image may show them. */
  suggest(top) {
    const row = at("suggestions");
    if (!row) return;
    const buttons = top.slice(0, 5).map((index, n) => this.suggestion(index, n));
    row.replaceChildren(...buttons);
    row.toggleAttribute("data-empty", !buttons.length);
  }

  suggestion(index, place) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.class = index;
    button.className = "label-guess";
    const key = this.keys.keyOf(`suggestion:${place}`) || this.keys.keyOf(`class:${index}`);
    if (key) button.append(element("kbd", "kbd", cap(key)));
    const name = element("span", "", this.names.get(index) ?? "");
    name.dir = "auto";
    button.append(name);
    return button;
  }

  flash(index) {
    const button = this.buttons.get(index);
    if (!button) return;
    button.setAttribute("data-pressed", "");
    setTimeout(() => button.removeAttribute("data-pressed"), FLASH_MS);
  }

  /** A class that the project no longer has. */
  retire(index) {
    const button = this.buttons.get(index);
    if (button) button.disabled = true;
  }

  progress(done, left) {
    at("done").textContent = number(done);
    at("left").textContent = left === null ? "–" : number(left);
  }

  /** A trouble is said with the count of what waits, "0" too. */
  besideTrouble(unsaved) {
    return waitingWords(unsaved);
  }
}

function left(seconds) {
  if (seconds < 1) return gettext("Any moment now.");
  if (seconds < 90) return interpolate(gettext("About %(n)s s left."), { n: Math.ceil(seconds) });
  return interpolate(gettext("About %(n)s min left."), { n: Math.round(seconds / 60) });
}

function element(tag, style, text) {
  const made = document.createElement(tag);
  made.className = style;
  made.textContent = text;
  return made;
}
