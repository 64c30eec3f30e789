// The answers of this session: undo at any depth, and the strip of the last thirty. What was
// answered outlives a reload of the page (sessionStorage); pictures are kept as thumbnails only.

import { gettext, interpolate } from "./i18n.js";
import { Item, thumbnail } from "./label_queue.js";

const STRIP = 30;
const STORED = 500; // answers that a reload remembers
const PIXEL_ART = 200; // pictures smaller than this are scaled up without blur

export class History {
  /** `nameOf(entry)` says what was answered; `onPick(entry)` runs when one is chosen. */
  constructor(setup, nameOf, onPick) {
    this.place = `mcal.history.${setup.user}.${setup.project}`;
    this.nameOf = nameOf;
    this.onPick = onPick;
    this.entries = []; // oldest first: {item, id, kind, index, refused?, row?}
    this.strip = document.getElementById("strip");
    this.restore();
  }

  /** Note an answer; its row comes once the next image is painted. */
  add(entry) {
    this.entries.push(entry);
    afterPaint(() => {
      if (this.entries.includes(entry, -STRIP)) this.addRow(entry);
      this.store();
    });
  }

  /** Take the last answer out, for undo; null where there is none. */
  pop() {
    const entry = this.entries.pop() ?? null;
    if (entry) this.clear(entry);
    return entry;
  }

  remove(entry) {
    this.entries = this.entries.filter((other) => other !== entry);
    this.clear(entry);
  }

  clear(entry) {
    entry.row?.remove();
    entry.row = null;
    this.store();
  }

  /** The answer before or after one (`step` -1 or 1); from null, the last one. */
  beside(entry, step) {
    const at = entry ? this.entries.indexOf(entry) : this.entries.length;
    return this.entries[at + step] ?? null;
  }

  /** Say on its picture that the server did not take an answer. */
  refuse(answerId) {
    const entry = this.entries.findLast((one) => one.id === answerId);
    if (!entry) return null;
    entry.refused = true;
    if (entry.row) this.describe(entry);
    return entry;
  }

  addRow(entry) {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.append(this.thumbnail(entry.item), document.createElement("span"));
    button.addEventListener("click", (event) => {
      if (event.detail) button.blur(); // a click, not a key: the next Space must not repeat it
      this.onPick(entry);
    });
    row.append(button);
    entry.row = row;
    this.describe(entry);
    this.strip.prepend(row);
    while (this.strip.children.length > STRIP) this.strip.lastElementChild.remove();
    const gone = this.entries.at(-STRIP - 1);
    if (gone) gone.row = null; // thousands of thumbnails must not stay in memory
  }

  describe(entry) {
    const name = this.nameOf(entry);
    const button = entry.row.firstElementChild;
    const caption = button.querySelector("span");
    caption.textContent = entry.refused ? interpolate(gettext("not taken: %(name)s"), { name }) : name;
    caption.dir = "auto";
    button.title = interpolate(gettext("%(name)s: choose to correct"), { name: caption.textContent });
    button.toggleAttribute("data-refused", Boolean(entry.refused));
  }

  thumbnail(item) {
    const canvas = item.thumb ?? document.createElement("canvas");
    item.thumb = null;
    canvas.classList.toggle("label-pixels", Math.max(item.task.width, item.task.height) < PIXEL_ART);
    if (!canvas.hasAttribute("width")) fetchInto(canvas, item.task.image.replace(/display\/$/, "thumb/"));
    return canvas;
  }

  /** Mark the picture that is being corrected. */
  mark(entry) {
    this.strip.querySelector("[aria-current]")?.removeAttribute("aria-current");
    entry?.row?.firstElementChild.setAttribute("aria-current", "true");
    entry?.row?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  store() {
    const rows = this.entries.slice(-STORED).map(({ item, id, kind, index, refused }) => {
      return { task: item.task, id, kind, index, refused };
    });
    try {
      sessionStorage.setItem(this.place, JSON.stringify(rows));
    } catch {
      // full or forbidden: a reload forgets the strip, nothing else
    }
  }

  restore() {
    let rows = [];
    try {
      rows = JSON.parse(sessionStorage.getItem(this.place)) ?? [];
    } catch {
      return;
    }
    this.entries = rows.map(({ task, ...rest }) => ({ item: new Item(task), ...rest }));
    for (const entry of this.entries.slice(-STRIP)) this.addRow(entry);
  }
}

/** Run something once the browser has painted what is there now. */
export function afterPaint(work) {
  if (globalThis.requestIdleCallback) requestIdleCallback(work, { timeout: 200 });
  else setTimeout(work, 50);
}

function fetchInto(canvas, address) {
  const image = new Image();
  image.src = address;
  image.decode().then(
    () => thumbnail(image, { width: image.naturalWidth, height: image.naturalHeight }, canvas),
    () => {}, // no picture: its caption stays
  );
}
