// One image beside the grid: large, with its votes and its past; class keys change its label.

import { gettext } from "./i18n.js";
import { announce, csrfToken } from "./shell.js";

export class Panel {
  constructor(box, setup, { onClosed, onMove }) {
    this.box = box;
    this.setup = setup;
    this.onClosed = onClosed;
    this.onMove = onMove;
    this.tile = null;
    this.url = "";
    box.addEventListener("click", (event) => this.click(event));
  }

  get isOpen() {
    return !this.box.hidden;
  }

  open(tile) {
    this.tile = tile;
    this.show(tile.querySelector("a").href, tile.dataset.seq);
  }

  openSeq(seq) {
    this.show(this.setup.urls.image.replace(/0\/$/, `${seq}/`), seq);
  }

  async show(url, seq, { focus = true } = {}) {
    this.url = url;
    try {
      const reply = await fetch(url, { headers: { "HX-Request": "true" } });
      const html = await reply.text();
      if (url !== this.url) return; // somebody has gone on meanwhile
      this.box.innerHTML = html;
    } catch {
      announce(gettext("No connection to the server."), "warn");
      return;
    }
    this.box.hidden = false;
    document.getElementById("browse").classList.add("has-panel");
    history.replaceState(null, "", `#image=${seq}`);
    document.dispatchEvent(new CustomEvent("htmx:afterSwap")); // relative times
    if (focus) this.box.focus({ preventScroll: true });
  }

  close() {
    if (!this.isOpen) return false;
    this.box.hidden = true;
    this.box.replaceChildren();
    document.getElementById("browse").classList.remove("has-panel");
    history.replaceState(null, "", location.pathname + location.search);
    this.onClosed(this.tile);
    return true;
  }

  /** Take a key while the panel is open; return whether it was one of ours. */
  key(event) {
    if (!this.isOpen) return false;
    const step = { ArrowRight: 1, ArrowLeft: -1, j: 1, k: -1 }[event.key];
    if (step && !event.target.closest(".pic")) {
      const next = this.onMove(step);
      if (next) this.open(next);
      return true;
    }
    const found = this.setup.classes.find((one) => one.key && one.key === event.key.toLowerCase());
    if (!found || !this.box.querySelector("[data-decide]") || event.repeat) return false;
    this.act("label", found.index);
    return true;
  }

  click(event) {
    const button = event.target.closest("[data-panel], [data-act]");
    const tile = event.target.closest(".pics-alike .pic");
    if (tile) {
      event.preventDefault();
      this.tile = null;
      this.show(tile.querySelector("a").href, tile.dataset.seq);
    } else if (button?.dataset.panel === "close") this.close();
    else if (button?.dataset.panel === "copy") this.copy(button);
    else if (button?.dataset.panel === "alike") this.alike(button);
    else if (button) this.act(button.dataset.act, button.dataset.class ?? this.box.querySelector("#panel-class")?.value);
  }

  async act(action, index) {
    const form = this.box.querySelector("[data-decide]");
    if (!form || this.busy) return;
    this.busy = true;
    const body = new URLSearchParams({ action });
    if (action === "label") body.set("class", index);
    const headers = { "X-CSRFToken": csrfToken(), Accept: "application/json" };
    try {
      const reply = await fetch(form.dataset.decide, { method: "POST", body, headers });
      const content = await reply.json();
      if (!reply.ok) throw new Error(content.error);
      if (action === "label") this.relabel(Number(index));
      else if (action === "exclude") this.tell(gettext("excluded"), "is-out");
      await this.show(this.url, location.hash.replace(/\D/g, ""), { focus: false });
      document.getElementById("spoken").textContent = gettext("Saved.");
    } catch (error) {
      announce(error.message || gettext("No connection to the server."), "warn");
    } finally {
      this.busy = false;
    }
  }

  relabel(index) {
    this.tell(this.setup.classes.find((one) => one.index === index)?.name ?? "", "is-human");
  }

  /** Show in the grid what has become of the image. */
  tell(words, mark) {
    const tile = this.tile;
    if (!tile) return;
    tile.querySelector(".pic-label .truncate").textContent = words;
    tile.querySelector(".pic-mark").className = `pic-mark ${mark}`;
    tile.querySelector(".pic-note")?.remove();
  }

  async copy(button) {
    const words = button.querySelector("[data-copied]");
    try {
      await navigator.clipboard.writeText(location.href);
      words.textContent = words.dataset.copied;
    } catch {
      announce(location.href, "info"); // plain http has no clipboard: there it can be marked by hand
    }
  }

  async alike(button) {
    const section = button.closest("[data-alike]");
    button.disabled = true;
    const reply = await fetch(section.dataset.alike, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!reply) return announce(gettext("No connection to the server."), "warn");
    section.querySelector("[data-alike-here]").innerHTML = await reply.text();
    return undefined;
  }
}
