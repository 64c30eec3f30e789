// The grid: select images that belong together, one key labels them all, one step undoes it.

import { gettext, interpolate, ngettext, number } from "./i18n.js";
import { ApiError, post } from "./label_api.js";
import { Outbox, uuid } from "./label_outbox.js";
import { Sync } from "./label_sync.js";
import { Tiles } from "./grid_tiles.js";
import { GridView } from "./grid_view.js";
import { Presence } from "./presence.js";

const WIDE = 60; // images at once
const NARROW = 30;
const ALIKE = 20; // that "more like these" brings
const MOST = 120; // images on the page, with those
const ASK_FROM = 51; // so many are labelled at once only after a question
const LONGEST_MS = 30000; // what one image can cost in active time
const UNDO = 200; // steps

export class GridPage extends Presence {
  constructor(setup, keys) {
    super();
    this.setup = setup;
    this.keys = keys;
    this.view = new GridView(setup, keys);
    this.outbox = new Outbox(setup.user, setup.project, {
      onAdopted: () => this.onAdopted(),
      onClash: (ids) => this.giveWay(ids),
    });
    this.tiles = new Tiles(document.getElementById("tiles"), {
      nameOf: (tile) => this.nameOf(tile),
      onChange: () => this.showSelected(),
      onOpen: (tile) => this.view.large(tile),
    });
    this.steps = []; // [{tiles, index, kind}], oldest first
    this.state = { kind: "saved" };
    this.progress = {};
    this.since = performance.now();
    this.sync = new Sync(setup, this.outbox, this);
    this.onClass = () => {}; // told of each class that is given
  }

  async start() {
    await this.outbox.open();
    this.started = true;
    this.sync.now();
  }

  // --- what the sync asks and tells ---

  get size() {
    return window.innerWidth < 700 ? NARROW : WIDE;
  }

  want() {
    return Math.max(0, this.size - this.tiles.tiles.length);
  }

  holding() {
    return this.tiles.tiles.filter((tile) => !tile.correcting).map((tile) => tile.key);
  }

  onScreen() {
    return null; // many are: all leases stay soft
  }

  onReply(reply, sent) {
    const byId = new Map(sent.map((answer) => [answer.id, answer]));
    this.tellResults(reply.results ?? [], byId);
    this.progress = { ...this.progress, ...reply.progress };
    this.onLost(reply.lost ?? []);
    this.take(reply.tasks);
    if (this.tiles.tiles.length) this.view.note(null);
    else this.view.idle(reply.status);
    this.view.progress(this.progress);
    if (sent.length) this.speakOf(sent);
  }

  /** Show tasks that are new here; return their keys. */
  take(tasks, after = null) {
    const waiting = this.outbox.tasks;
    const fresh = tasks.filter((task) => !this.tiles.get(task.id) && !waiting.has(task.id));
    const tiles = fresh.map((task) => ({
      key: task.id,
      task,
      seq: task.seq,
      image: task.image,
      width: task.width,
      height: task.height,
      caption: captionOf(task),
      note: task.note,
    }));
    if (tiles.length) this.tiles.add(tiles, after);
    return tiles.map((tile) => tile.key);
  }

  tellResults(results, byId) {
    const extra = results.filter((result) => result.state === "extra").length;
    if (extra) {
      const words = ngettext("Somebody else had answered %(n)s of these images; yours is kept as an extra vote.", "Somebody else had answered %(n)s of these images; yours are kept as extra votes.", extra);
      this.view.message(interpolate(words, { n: number(extra) }));
    }
    for (const result of results) if (!result.ok) this.onRefused(result, byId.get(result.id));
  }

  onRefused(result, answer) {
    const tile = answer && this.tiles.get(answer.task);
    if (answer?.kind === "withdrawn" && result.code === "conflict" && tile) {
      tile.correcting = true; // its batch is complete: the answer stands until another one comes
      this.tiles.describe(tile);
      this.view.message(gettext("Too late to take it back: give another class to correct it, or skip to keep it."));
      return;
    }
    if (answer?.kind === "class") this.comeBack(answer);
    this.view.message(interpolate(gettext("An answer was not taken: %(why)s"), { why: result.error }));
  }

  /** Bring the image of an answer that was not taken back. */
  comeBack(answer) {
    for (const step of this.steps) {
      const tile = step.tiles.find((one) => one.key === answer.task);
      if (!tile) continue;
      step.tiles = step.tiles.filter((one) => one !== tile);
      if (!this.tiles.get(tile.key)) this.tiles.add([tile], "front");
    }
  }

  onLost(ids) {
    const here = ids.filter((id) => this.tiles.get(id));
    if (!here.length) return;
    this.tiles.remove(here);
    const words = ngettext("%(n)s image went to somebody else while you were away.", "%(n)s images went to somebody else while you were away.", here.length);
    this.view.message(interpolate(words, { n: number(here.length) }));
    this.sync.now();
  }

  /** Another page of this person shows these. */
  giveWay(ids) {
    this.tiles.remove(ids.filter((id) => this.tiles.get(id)));
    this.sync.now();
  }

  onState(state) {
    this.state = state;
    this.showSaved();
    if (state.kind === "saved" && !this.tiles.tiles.length) this.sync.poll();
    else if (state.kind !== "saved" && !this.tiles.tiles.length) {
      this.view.note(gettext("Nothing to show yet"), gettext("The images come when the connection is back."));
    }
  }

  onAdopted() {
    this.showSaved();
    if (this.started) this.sync.now();
  }

  // --- what the person does ---

  /** Give all selected images a class, after a question where they are many. */
  async give(index, how = "grid") {
    if (!this.view.names.has(index) || this.isEmpty()) return;
    const chosen = this.seen(this.tiles.chosen);
    if (!chosen.length) return;
    if (chosen.length >= ASK_FROM && !(await sure(chosen.length, this.view.names.get(index)))) return;
    this.onClass(index);
    this.leave(chosen, { kind: "class", index, how });
  }

  /** Return the images that can be seen; take the others out of the selection and say so. */
  seen(chosen) {
    const broken = chosen.filter((tile) => tile.state === "broken");
    if (!broken.length) return chosen;
    for (const tile of broken) this.tiles.toggle(tile.key);
    const words = ngettext("%(n)s image could not be loaded and is left out: skip it.", "%(n)s images could not be loaded and are left out: skip them.", broken.length);
    this.view.message(interpolate(words, { n: number(broken.length) }));
    return chosen.filter((tile) => tile.state !== "broken");
  }

  /** Tell whether nothing is selected, and say so. */
  isEmpty() {
    const empty = !this.tiles.selected.size;
    if (empty) this.view.message(gettext("Select some images first."));
    return empty;
  }

  pass(kind) {
    if (this.isEmpty()) return;
    const { chosen } = this.tiles;
    const kept = chosen.filter((tile) => tile.correcting);
    this.tiles.remove(kept.map((tile) => tile.key)); // their answers stand
    const rest = chosen.filter((tile) => !tile.correcting);
    if (rest.length) this.leave(rest, { kind, index: null, how: "grid" });
    else this.sync.now();
  }

  leave(chosen, { kind, index, how }) {
    const ms = this.activeMs(chosen.length);
    for (const tile of chosen) {
      tile.correcting = false;
      this.keep(tile, kind, index, how, ms);
    }
    this.steps.push({ tiles: chosen, index, kind });
    if (this.steps.length > UNDO) this.steps.shift();
    this.tiles.remove(chosen.map((tile) => tile.key));
    this.since = performance.now();
    this.showSaved();
    this.sync.now();
  }

  /** Bring the images of the last step back, selected as they were. */
  undo() {
    const step = this.steps.pop();
    if (!step) {
      this.view.message(gettext("There is nothing to undo on this page."));
      return;
    }
    for (const tile of step.tiles) this.keep(tile, "withdrawn", null, "grid", 0);
    const back = step.tiles.filter((tile) => !this.tiles.get(tile.key));
    this.view.note(null);
    this.tiles.add(back, "front");
    this.tiles.select(step.tiles.map((tile) => tile.key));
    back[0]?.element.scrollIntoView({ block: "nearest" });
    const n = step.tiles.length;
    this.view.speak(interpolate(ngettext("%(n)s image is back", "%(n)s images are back", n), { n: number(n) }));
    this.showSaved();
    this.sync.now();
  }

  /** The open images that look most like the selected ones: they come behind them, selected. */
  async similar() {
    const chosen = this.tiles.chosen;
    const count = Math.min(ALIKE, MOST - this.tiles.tiles.length);
    if (this.searching || this.isEmpty()) return;
    if (count <= 0) {
      this.view.message(gettext("Label some of these images first."));
      return;
    }
    this.searching = true;
    try {
      const selected = chosen.map((tile) => tile.key).slice(-100);
      const holding = [...new Set([...this.holding(), ...this.outbox.tabs.holding])].slice(0, 200);
      this.onAlike(await post(this.setup.urls.similar, { selected, count, holding }), chosen);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.view.message(error.message || gettext("No connection to the server."));
    } finally {
      this.searching = false;
    }
  }

  onAlike(reply, chosen) {
    this.onLost(reply.lost);
    const last = chosen.findLast((tile) => this.tiles.get(tile.key));
    const keys = this.take(reply.tasks, last?.key ?? null);
    this.outbox.tabs.announce(this.holding());
    if (!keys.length) {
      const fixed = gettext("The images of this batch come by lot: none can be picked out of their order.");
      this.view.message(reply.left ? gettext("No other open image looks like these.") : fixed);
      return;
    }
    this.tiles.select(keys, { keep: true });
    this.tiles.get(keys.at(-1)).element.scrollIntoView({ block: "nearest" });
    this.tiles.get(keys[0]).element.scrollIntoView({ block: "nearest" });
    const found = interpolate(ngettext("%(n)s image like these joined them.", "%(n)s images like these joined them.", keys.length), { n: number(keys.length) });
    const among = interpolate(gettext("Searched: the next %(searched)s of %(left)s open images."), { searched: number(reply.searched), left: number(reply.left) });
    this.view.message(reply.complete ? found : `${found} ${among}`);
  }

  // --- the steps behind ---

  keep(tile, kind, index, how, ms) {
    this.outbox.add({
      id: uuid(),
      task: tile.key,
      token: tile.task.token,
      kind,
      class: index,
      active_ms: ms,
      how,
      guideline_version: this.setup.guidelineVersion,
    });
  }

  activeMs(count) {
    const ms = Math.min(performance.now() - this.since - this.hiddenMs, LONGEST_MS * count);
    this.hiddenMs = 0;
    return Math.max(0, Math.round(ms / count));
  }

  nameOf(tile) {
    const name = interpolate(gettext("Image %(n)s"), { n: number(tile.seq) });
    const more = [tile.caption, tile.note, tile.state === "broken" && gettext("could not be loaded"), tile.correcting && gettext("answered before")];
    return [name, ...more.filter(Boolean)].join(", ");
  }

  showSelected() {
    const n = this.tiles.selected.size;
    document.getElementById("selected").textContent = number(n);
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => this.view.speak(interpolate(ngettext("%(n)s selected", "%(n)s selected", n), { n: number(n) })), 300);
  }

  showSaved() {
    this.view.saved(this.state, this.outbox.size, this.outbox.durable);
  }

  speakOf(sent) {
    const last = sent.at(-1);
    if (last.kind === "withdrawn") return;
    const name = last.kind === "class" ? this.view.names.get(last.class) : gettext("skipped");
    const left = number(this.progress.left_in_batch ?? 0);
    this.view.speak(interpolate(gettext("Saved: %(name)s, %(n)s left"), { name: `${name} × ${sent.length}`, n: left }));
  }
}

/** A word upon an image that is not like the others. */
function captionOf(task) {
  if (task.purpose_hint === "returned") return gettext("sent back");
  return task.expert ? gettext("cannot tell?") : "";
}

/** Ask whether so many images are to be labelled at once. */
function sure(count, name) {
  const dialog = document.getElementById("sure");
  const words = gettext("Label %(n)s images as %(name)s? One undo takes all of them back.");
  document.getElementById("sure-text").textContent = interpolate(words, { n: number(count), name });
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
