// Bulk actions: count, say what will happen, do it in the background, take it back in one step.

import { gettext, interpolate, ngettext, number } from "./i18n.js";
import { announce, csrfToken } from "./shell.js";

const POLL_MS = 700;

export class Bulk {
  constructor(box, setup, grid) {
    this.box = box;
    this.setup = setup;
    this.grid = grid;
    this.seqs = [];
    this.job = null;
    box.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.bulk) this.start(button.dataset.bulk);
      else if (button.id === "clear") grid.selectNone();
      else if (button.id === "bulk-go") this.go("confirm");
      else if (button.id === "bulk-undo") this.go("undo");
      else if (button.id === "bulk-cancel") this.cancel();
    });
  }

  part(id) {
    return document.getElementById(id);
  }

  /** Say whom an action is for: those that are chosen, or all that pass. */
  chosen(seqs) {
    this.seqs = seqs;
    const count = ngettext("%(n)s image selected", "%(n)s images selected", seqs.length);
    const all = gettext("All that pass");
    this.part("chosen").textContent = seqs.length ? interpolate(count, { n: number(seqs.length) }) : all;
    this.part("chosen-help").hidden = seqs.length > 0;
    this.part("clear").hidden = !seqs.length;
  }

  async start(action) {
    this.action = action;
    this.index = this.part("bulk-class").value;
    const body = new URLSearchParams({ action, query: this.setup.query, seqs: this.seqs.join(",") });
    if (action === "label") body.set("class", this.index);
    await this.send(this.setup.urls.bulk, body);
  }

  go(kind) {
    return this.send(this.job.goUrl, new URLSearchParams({ do: kind }));
  }

  cancel() {
    if (this.job?.live) return this.go("cancel");
    const changed = this.job && this.job.stage !== "count";
    this.job = null;
    this.part("bulk-run").hidden = true;
    this.part("bulk-choose").hidden = false;
    if (changed) location.reload();
    return undefined;
  }

  async send(url, body) {
    const headers = { "X-CSRFToken": csrfToken(), Accept: "application/json" };
    try {
      const reply = await fetch(url, body ? { method: "POST", body, headers } : { headers });
      const content = await reply.json();
      if (!reply.ok) throw new Error(content.error);
      this.show(content);
    } catch (error) {
      announce(error.message || gettext("No connection to the server."), "warn");
    }
  }

  show(job) {
    this.job = job;
    this.part("bulk-choose").hidden = true;
    this.part("bulk-run").hidden = false;
    const asks = job.stage === "count" && !job.live && job.total !== null;
    const over = job.stage !== "count" && !job.live;
    this.part("bulk-words").textContent = asks && !job.total ? gettext("No image passes.") : job.words;
    const go = this.part("bulk-go");
    go.hidden = !asks || !job.total;
    if (!go.hidden) go.textContent = this.promise(job.total);
    this.part("bulk-undo").hidden = !(over && job.undoable);
    this.part("bulk-review").hidden = !(over && job.stage === "do" && this.action === "review");
    this.part("bulk-cancel").textContent = over ? gettext("Close") : gettext("Cancel");
    this.part("bulk-bar").hidden = !job.live;
    this.part("bulk-bar").value = job.progress;
    this.part("bulk-worker").hidden = !job.noWorker;
    this.part("bulk-left").replaceChildren(...job.left.map((one) => this.line(one)));
    if (job.live) setTimeout(() => this.job === job && this.send(job.url), POLL_MS);
  }

  line({ why, count }) {
    const item = document.createElement("li");
    const words = ngettext("%(n)s image is left as it was: %(why)s", "%(n)s images are left as they were: %(why)s", count);
    item.textContent = interpolate(words, { n: number(count), why });
    return item;
  }

  /** Return what the button will do, with the exact number. */
  promise(total) {
    const name = this.setup.classes.find((one) => String(one.index) === this.index)?.name ?? "";
    const words = {
      review: ngettext("Send %(n)s image to review", "Send %(n)s images to review", total),
      label: ngettext("Label %(n)s image “%(name)s”", "Label %(n)s images “%(name)s”", total),
      exclude: ngettext("Exclude %(n)s image", "Exclude %(n)s images", total),
      readmit: ngettext("Ask %(n)s image again", "Ask %(n)s images again", total),
    };
    return interpolate(words[this.action], { n: number(total), name });
  }
}
