// What stands around the images of a grid: saved or not, messages, notes, one image large.

import { gettext, interpolate, number } from "./i18n.js";
import { at, StatusView } from "./status_view.js";

export class GridView extends StatusView {
  constructor(setup, keys) {
    super();
    this.names = new Map(setup.classes.map((one) => [one.index, one.name]));
    this.caps(keys);
  }

  progress({ done = 0, left_in_batch: left = null }) {
    at("done").textContent = number(done);
    at("left").textContent = left === null ? "–" : number(left);
  }

  /** Say something in place of the images; without words, show the images. */
  note(title, text = "") {
    at("note").hidden = !title;
    at("note-title").textContent = title ?? "";
    at("note-text").textContent = text;
  }

  /** Nothing to label: why, as the server says. */
  idle(status) {
    const finished = status.state === "finished";
    const stays = ["archived", "failed", "setup"].includes(status.state);
    const title = finished ? gettext("All images are labelled") : gettext("Nothing to label right now");
    this.note(title, finished ? "" : [status.message, stays ? "" : gettext("This page goes on by itself.")].filter(Boolean).join(" "));
  }

  /** Show one image in the size that the window has room for. */
  large(tile) {
    if (!tile) return;
    const image = at("large-image");
    image.src = tile.image;
    image.alt = gettext("The image to label");
    image.classList.toggle("label-pixels", Math.max(tile.width, tile.height) < 200);
    const name = interpolate(gettext("Image %(n)s"), { n: number(tile.seq) });
    at("large-name").textContent = tile.note ? `${name}. ${gettext("The reviewer writes:")} ${tile.note}` : name;
    at("large").showModal();
  }
}
