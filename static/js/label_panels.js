// Beside the image: help, guidelines, comments, and how the picture is shown.

import { get } from "./label_api.js";
import { gettext, interpolate } from "./i18n.js";
import { uuid } from "./label_outbox.js";

const LONGEST = 1000; // characters of a comment

/** Tell whether a dialog is open: then the page's keys rest. */
export const dialogOpen = () => document.querySelector("dialog[open]") !== null;

export class Help {
  constructor() {
    this.dialog = document.getElementById("help");
  }

  toggle() {
    if (this.dialog.open) this.dialog.close();
    else this.dialog.showModal();
  }
}

/** A panel beside the image, opened and closed by the buttons that name it. */
class Panel {
  constructor(name) {
    this.name = name;
    this.panel = document.getElementById(name);
  }

  toggle() {
    if (this.panel.hidden) this.open();
    else this.close();
  }

  open() {
    this.panel.hidden = false;
    this.tell();
  }

  close() {
    this.panel.hidden = true;
    this.tell();
  }

  tell() {
    const button = document.querySelector(`.label-tools [aria-controls="${this.name}"]`);
    button?.setAttribute("aria-expanded", String(!this.panel.hidden));
  }
}

export class Guidelines extends Panel {
  constructor(url) {
    super("guidelines");
    this.url = url;
    this.body = document.getElementById("guidelines-body");
    this.loaded = false;
  }

  async open() {
    super.open();
    if (this.loaded) return;
    try {
      const reply = await fetch(this.url);
      if (!reply.ok || reply.redirected) throw new Error(String(reply.status));
      this.body.innerHTML = await reply.text(); // our own template, everything in it escaped
      this.loaded = true;
    } catch {
      this.body.textContent = gettext("The guidelines could not be fetched. Close the panel and try again.");
    }
  }
}

/** Sliders for those who have no keys. */
export class Looks extends Panel {
  constructor(picture) {
    super("looks");
    this.picture = picture;
    this.sliders = [...this.panel.querySelectorAll("input[type=range]")];
    for (const slider of this.sliders) {
      slider.addEventListener("input", () => picture.lightTo(slider.name, Number(slider.value)));
    }
    picture.onChange = () => this.follow();
  }

  follow() {
    for (const slider of this.sliders) slider.value = this.picture.light[slider.name];
    const words = interpolate(gettext("%(n)s %"), { n: Math.round(100 * this.picture.scale) });
    document.getElementById("zoom-level").textContent = words;
  }
}

/** What people write about the image on screen. It is kept and sent as answers are. */
export class Comments {
  /** `keep(comment)` puts one into the outbox. */
  constructor(url, keep) {
    this.url = url;
    this.keep = keep;
    this.dialog = document.getElementById("comments");
    this.field = this.dialog.querySelector("textarea");
    this.list = this.dialog.querySelector("ul");
    this.dialog.querySelector("form").addEventListener("submit", (event) => this.save(event));
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.save(event);
    });
  }

  async open(task) {
    this.task = task;
    this.field.value = "";
    this.list.replaceChildren();
    this.dialog.showModal();
    this.field.focus();
    try {
      const { comments } = await get(`${this.url}?seq=${task.seq}`);
      if (this.task === task) this.list.prepend(...comments.map(({ text }) => row(text)));
    } catch {
      // offline: earlier comments stay away, a new one can be written all the same
    }
  }

  save(event) {
    event.preventDefault();
    const text = this.field.value.trim().slice(0, LONGEST);
    if (text) this.keep({ id: uuid(), seq: this.task.seq, text });
    this.dialog.close();
  }
}

function row(text) {
  const made = document.createElement("li");
  made.textContent = text;
  made.dir = "auto";
  return made;
}
