// The labelling page: one key = the answer is kept, the next image is on screen, then it is sent.

import { actionOf, isTyping } from "./label_keys.js";
import { Outbox, uuid } from "./label_outbox.js";
import { Guidelines, Help, ClassFilter } from "./label_panels.js";
import { AHEAD, TaskQueue } from "./label_queue.js";
import { Sync } from "./label_sync.js";
import { View } from "./label_view.js";

const AWAY_MS = 180000; // without a key or a click for so long, nobody is here
const LONGEST_MS = 30000; // what one image can cost in active time
const BOUNCE_MS = 60; // two presses closer than this are one
const HISTORY = 200;

class Page {
  constructor(setup) {
    this.setup = setup;
    this.view = new View(setup.classes);
    this.outbox = new Outbox(setup.user, setup.project);
    this.queue = new TaskQueue();
    this.history = [];
    this.current = null;
    this.progress = { done: 0, left_in_batch: null };
    this.state = { kind: "saved" };
    this.shownAt = 0;
    this.lastInput = performance.now();
    this.sync = new Sync(setup, this.outbox, this);
    this.classOfKey = new Map(setup.classes.filter((c) => c.key).map((c) => [c.key, c.index]));
  }

  start() {
    const { foreign } = this.outbox;
    if (foreign) this.view.message(`${foreign} answers of another account wait in this browser.`);
    this.sync.now();
  }

  // --- what the sync asks and tells ---

  want() {
    return Math.max(0, AHEAD - this.queue.items.length - (this.current ? 1 : 0));
  }

  holding() {
    const shown = this.current && !this.current.correcting ? [this.current.task.id] : [];
    return [...shown, ...this.queue.ids];
  }

  isHere() {
    return performance.now() - this.lastInput < AWAY_MS;
  }

  onReply(reply, sent) {
    const byId = new Map(sent.map((answer) => [answer.id, answer]));
    for (const result of reply.results ?? []) this.onResult(result, byId.get(result.id));
    this.progress = reply.progress;
    const last = sent.findLast((answer) => answer.kind === "class");
    if (last) this.speakOf(last);
    this.onLost(reply.lost ?? []);
    this.queue.add(reply.tasks, [...this.outbox.tasks, this.current?.task.id]);
    if (!this.current) this.advance();
    if (!this.current) {
      this.view.idle(reply.status);
      this.idle = true;
    }
    this.showProgress();
  }

  onResult(result, answer) {
    if (result.ok) {
      if (result.state === "extra") {
        this.view.message("Somebody else had answered this image; yours is kept as an extra vote.");
      }
      return;
    }
    const shown = this.current?.task.id === answer?.task ? this.current : null;
    if (answer?.kind === "withdrawn" && result.code === "conflict" && shown) {
      shown.correcting = true;
      this.view.showMode(shown);
      return;
    }
    this.view.message(`An answer was not taken: ${result.error}`);
  }

  /** Tasks that somebody else has by now: they leave the queue, and the screen too. */
  onLost(ids) {
    if (!ids.length) return;
    this.queue.drop(new Set(ids));
    if (this.current && !this.current.correcting && ids.includes(this.current.task.id)) {
      this.view.message("Somebody else took this image over while you were away.");
      this.current = null;
      this.advance();
    }
    this.sync.now();
  }

  onState(state) {
    this.state = state;
    this.showSaved();
    if (state.kind === "saved" && !this.current) this.sync.poll();
    else if (state.kind !== "saved" && !this.current && !this.idle) {
      this.view.note("Nothing to show yet", "The images come when the connection is back.");
    }
  }

  // --- what the person does ---

  answer(index, how) {
    if (!this.mayAct() || this.current.state !== "ready") return;
    const item = this.current;
    this.view.flash(index);
    this.leave(item, { index, kind: "class", how });
  }

  skip(how) {
    if (!this.mayAct()) return;
    if (this.current.correcting) this.cancel();
    else this.leave(this.current, { index: null, kind: "skip", how });
  }

  /** Bring the last answer back: its label goes, and the image is on screen again. */
  undo(how) {
    if (this.current?.correcting) {
      this.cancel();
      return;
    }
    const entry = this.history.pop();
    if (!entry) {
      this.view.message("There is nothing to undo on this page.");
      return;
    }
    this.view.forget(entry);
    const { item } = entry;
    this.keep(item, { index: null, kind: "withdrawn", how });
    this.bring(item, entry.index, false);
    this.sync.now();
  }

  /** Show an answered image again; its answer stands until a new one comes. */
  correct(entry) {
    if (this.current?.correcting) this.cancel();
    entry.item.entry = entry;
    this.bring(entry.item, entry.index, true);
  }

  /** Leave a correction: the answer stays as it was. */
  cancel() {
    const item = this.current;
    if (!item.entry) this.remember({ item, index: item.before }); // an undo that came too late
    Object.assign(item, { correcting: false, before: null, entry: null });
    this.current = null;
    this.advance();
    if (!this.current) this.sync.now();
  }

  // --- the steps behind ---

  mayAct() {
    return this.current !== null && performance.now() - this.shownAt >= BOUNCE_MS;
  }

  /** The next image first, then the answer: nobody waits for the network. */
  leave(item, given) {
    const ms = this.activeMs();
    const old = item.entry;
    Object.assign(item, { correcting: false, before: null, entry: null });
    this.current = null;
    this.advance();
    this.keep(item, given, ms);
    if (old) this.drop(old);
    this.remember({ item, index: given.index });
    this.sync.now();
  }

  remember(entry) {
    this.history.push(entry);
    if (this.history.length > HISTORY) this.history.shift();
    this.view.remember(entry, () => this.correct(entry));
  }

  drop(entry) {
    this.view.forget(entry);
    this.history = this.history.filter((other) => other !== entry);
  }

  keep(item, { index, kind, how }, ms = 0) {
    this.outbox.add({
      id: uuid(),
      task: item.task.id,
      token: item.task.token,
      kind,
      class: index,
      active_ms: ms,
      how,
      guideline_version: this.setup.guidelineVersion,
    });
    this.showSaved();
  }

  /** Put this item on screen; what was there comes next. */
  bring(item, before, correcting) {
    if (this.current) this.queue.putBack(this.current);
    this.queue.drop(new Set([item.task.id]));
    Object.assign(item, { before, correcting });
    this.put(item);
  }

  advance() {
    const item = this.queue.next();
    if (item) this.put(item);
    else this.view.note("Fetching the next images…");
  }

  put(item) {
    this.idle = false;
    this.current = item;
    item.whenReady = () => {
      if (this.current === item) this.put(item);
    };
    this.view.show(item);
    this.shownAt = performance.now();
    this.hiddenMs = 0;
  }

  activeMs() {
    const ms = performance.now() - this.shownAt - this.hiddenMs;
    return Math.round(Math.min(Math.max(ms, 0), LONGEST_MS));
  }

  onVisibility() {
    if (document.hidden) {
      this.hiddenAt = performance.now();
      return;
    }
    this.hiddenMs += performance.now() - (this.hiddenAt ?? performance.now());
    this.onInput();
    this.sync.now();
  }

  /** Somebody who comes back learns at once which tasks went to others meanwhile. */
  onInput() {
    const wasAway = !this.isHere();
    this.lastInput = performance.now();
    if (wasAway) this.sync.beat();
  }

  showProgress() {
    this.view.progress(this.progress.done, this.progress.left_in_batch);
  }

  showSaved() {
    this.view.saved(this.state, this.outbox.size, this.outbox.durable);
  }

  speakOf(answer) {
    const name = this.view.names.get(answer.class);
    this.view.speak(`Saved: ${name}, ${this.progress.left_in_batch} left`);
  }
}

const page = new Page(JSON.parse(document.getElementById("label-setup").textContent));
const help = new Help();
const guidelines = new Guidelines(page.setup.urls.guidelines);
const filter = new ClassFilter((index) => page.answer(index, "key"));

function leaveAll() {
  if (page.current?.correcting) page.cancel();
  else guidelines.close();
}

function act({ name, index }, how) {
  if (name === "class") page.answer(index, how);
  if (name === "skip") page.skip(how);
  if (name === "undo") page.undo(how);
  if (name === "help") help.toggle();
  if (name === "guidelines") guidelines.toggle();
  if (name === "filter") filter.focus();
  if (name === "leave") leaveAll();
  if (name === "retry") page.current?.retry();
}

document.addEventListener("keydown", (event) => {
  page.onInput();
  if (event.defaultPrevented || help.isOpen || isTyping(event.target)) return;
  const action = actionOf(event, page.classOfKey);
  if (!action || (action.name === "filter" && !filter.exists)) return;
  event.preventDefault();
  if (!event.repeat) act(action, "key");
});

document.addEventListener("click", (event) => {
  page.onInput();
  const button = event.target.closest("[data-class], [data-action]");
  if (!button) return;
  if (event.detail) button.blur(); // a click, not a key: the next Space must skip, not repeat it
  const index = Number(button.dataset.class);
  act(button.dataset.action ? { name: button.dataset.action } : { name: "class", index }, "click");
});

document.addEventListener("visibilitychange", () => page.onVisibility());
window.addEventListener("beforeunload", (event) => {
  if (page.outbox.size) event.preventDefault();
});
page.start();
