// One person in front of one image: one key = the answer is kept, the next image is on screen,
// then the answer is sent. Nobody waits for the network.

import { gettext, interpolate, ngettext, number } from "./i18n.js";
import { History } from "./label_history.js";
import { Outbox, uuid } from "./label_outbox.js";
import { AHEAD, TaskQueue } from "./label_queue.js";
import { Sync } from "./label_sync.js";
import { View } from "./label_view.js";
import { Presence } from "./presence.js";

const LONGEST_MS = 30000; // what one image can cost in active time
const BOUNCE_MS = 60; // two presses closer than this are one

export class Page extends Presence {
  constructor(setup, keys, picture) {
    super();
    this.setup = setup;
    this.view = new View(setup, keys);
    this.picture = picture;
    this.outbox = new Outbox(setup.user, setup.project, {
      onAdopted: () => this.onAdopted(),
      onClash: (ids) => this.giveWay(ids),
    });
    this.queue = new TaskQueue();
    this.history = new History(setup, (entry) => this.view.nameOf(entry), (entry) => this.correct(entry));
    this.current = null;
    this.progress = { done: 0, left_in_batch: null };
    this.state = { kind: "saved" };
    this.shownAt = 0;
    this.sync = new Sync(setup, this.outbox, this);
    this.onClass = () => {}; // told of each class that is given
  }

  async start() {
    await this.outbox.open();
    const { foreign } = this.outbox;
    const words = ngettext(
      "%(n)s answer of another account waits in this browser.",
      "%(n)s answers of another account wait in this browser.",
      foreign,
    );
    if (foreign) this.view.message(interpolate(words, { n: number(foreign) }));
    this.started = true;
    this.sync.now();
  }

  // --- what the sync asks and tells ---

  want() {
    return Math.max(0, AHEAD - this.queue.items.length - (this.current ? 1 : 0));
  }

  holding() {
    const shown = this.onScreen();
    return [...(shown === null ? [] : [shown]), ...this.queue.ids];
  }

  onScreen() {
    return this.current && !this.current.correcting ? this.current.task.id : null;
  }

  onReply(reply, sent) {
    const byId = new Map(sent.map((answer) => [answer.id, answer]));
    for (const result of reply.results ?? []) this.onResult(result, byId.get(result.id));
    this.progress = { ...this.progress, ...reply.progress };
    this.speakOf(sent.at(-1));
    this.onLost(reply.lost ?? []);
    this.queue.add(reply.tasks, [...this.outbox.tasks, this.current?.task.id]);
    if (!this.current) this.advance();
    if (!this.current) this.rest(reply.status);
    this.view.progress(this.progress.done ?? 0, this.progress.left_in_batch);
  }

  rest(status) {
    this.picture.hold(null);
    this.view.idle(status, this.outbox.tabs.holding.length > 0);
    this.idle = true;
  }

  onResult(result, answer) {
    if (result.ok) {
      if (result.state === "extra") {
        this.view.message(gettext("Somebody else had answered this image; yours is kept as an extra vote."));
      }
      return;
    }
    const shown = this.current?.task.id === answer?.task ? this.current : null;
    if (answer?.kind === "withdrawn" && result.code === "conflict" && shown) {
      shown.correcting = true;
      this.view.showMode(shown);
      return;
    }
    const entry = this.history.refuse(result.id);
    if (result.code === "unknown_class" && entry) this.onClassGone(entry);
    else this.view.message(interpolate(gettext("An answer was not taken: %(why)s"), { why: result.error }));
  }

  /** The class was removed while the image was on screen: the image is asked again. */
  onClassGone(entry) {
    const name = this.view.nameOf(entry);
    this.view.retire(entry.index);
    this.history.remove(entry);
    this.bring(entry.item, null, false);
    this.view.message(interpolate(gettext("The class %(name)s was removed. Choose another one for this image."), { name }));
  }

  /** Tasks that somebody else has by now: they leave the queue, and the screen too. */
  onLost(ids) {
    this.outbox.tabs.forget(ids);
    const held = new Set(this.holding());
    const lost = new Set(ids.filter((id) => held.has(id)));
    if (!lost.size) return; // those of another page: it hears of them itself
    this.queue.drop(lost);
    if (lost.has(this.onScreen())) {
      this.view.message(gettext("Somebody else took this image over while you were away."));
      this.next();
    }
    this.sync.now();
  }

  /** Another page of this person shows these: this one goes on with others. */
  giveWay(ids) {
    this.queue.drop(new Set(ids));
    if (ids.includes(this.onScreen())) this.next();
    this.sync.now();
  }

  onState(state) {
    this.state = state;
    this.showSaved();
    if (state.kind === "saved" && !this.current) this.sync.poll();
    else if (state.kind !== "saved" && !this.current && !this.idle) {
      this.view.note(gettext("Nothing to show yet"), gettext("The images come when the connection is back."));
    }
  }

  onComments(results) {
    const refused = results.find((result) => !result.ok);
    if (refused) this.view.message(interpolate(gettext("A comment was not taken: %(why)s"), { why: refused.error }));
  }

  onAdopted() {
    this.showSaved();
    if (this.started) this.sync.now();
  }

  // --- what the person does ---

  answer(index, how) {
    if (!this.mayAct() || this.current.state !== "ready") return;
    if (!this.view.names.has(index)) return;
    this.view.flash(index);
    this.onClass(index);
    this.leave(this.current, { index, kind: "class", how });
  }

  /** Take the machine's guess number `place`, where this image shows guesses. */
  suggestion(place, how) {
    const index = this.current?.task.top?.[place];
    if (index !== undefined) this.answer(index, how);
    else if (this.current) this.view.message(gettext("There is no guess for this image."));
  }

  /** Say nothing of the image ("skip"), or that it cannot be told ("unsure"). */
  pass(kind, how) {
    if (!this.mayAct()) return;
    if (this.current.correcting && kind === "skip") this.cancel();
    else if (this.current.correcting) this.view.message(gettext("Undo your answer first, then say that you cannot tell."));
    else this.leave(this.current, { index: null, kind, how });
  }

  /** Bring the last answer back: its label goes, and the image is on screen again. */
  undo(how) {
    if (this.current?.correcting) {
      this.cancel();
      return;
    }
    const entry = this.history.pop();
    if (!entry) {
      this.view.message(gettext("There is nothing to undo on this page."));
      return;
    }
    if (!entry.refused) this.keep(entry.item, { index: null, kind: "withdrawn", how });
    this.bring(entry.item, entry, false);
    this.showSaved();
    this.view.speak(interpolate(ngettext("%(n)s image is back", "%(n)s images are back", 1), { n: 1 }));
    this.sync.now();
  }

  /** Show an answered image again; its answer stands until a new one comes. */
  correct(entry) {
    if (this.current?.correcting) this.putAside(this.current);
    entry.item.entry = entry;
    this.bring(entry.item, entry, true);
    this.history.mark(entry);
  }

  /** Walk the answers: step -1 goes back, 1 forward and in the end to the image that waits. */
  walk(step) {
    const from = this.current?.correcting ? this.current.entry : null;
    if (!from && step > 0) return;
    const entry = this.history.beside(from, step);
    if (entry) this.correct(entry);
    else if (step > 0) this.cancel();
  }

  /** Leave a correction: the answer stays as it was. */
  cancel() {
    this.putAside(this.current);
    this.advance();
    if (!this.current) this.sync.now();
  }

  comment(body) {
    this.outbox.add({ ...body }, "comment");
    this.showSaved();
    this.view.message(gettext("Your comment is kept."));
    this.sync.now();
  }

  // --- the steps behind ---

  mayAct() {
    return this.current !== null && performance.now() - this.shownAt >= BOUNCE_MS;
  }

  /** Keep the answer, show the next image; what can wait happens after that is painted. */
  leave(item, given) {
    const ms = this.activeMs();
    const old = item.entry;
    const id = this.keep(item, given, ms);
    this.leaveScreen();
    Object.assign(item, { correcting: false, before: null, entry: null });
    this.advance();
    if (old) this.history.remove(old);
    this.history.add({ item, id, kind: given.kind, index: given.index });
    this.last = { ...given, id };
    this.showSaved();
    setTimeout(() => this.sync.now());
  }

  /** Put a correction back where it came from. */
  putAside(item) {
    const { entry, before } = item;
    this.leaveScreen();
    Object.assign(item, { correcting: false, before: null, entry: null });
    if (entry) item.thumb = null; // its picture is in the strip
    else this.history.add({ item, id: before?.id, kind: before?.kind, index: before?.index }); // an undo that came too late
    this.history.mark(null);
  }

  keep(item, { index, kind, how }, ms = 0) {
    const id = uuid();
    this.outbox.add({
      id,
      task: item.task.id,
      token: item.task.token,
      kind,
      class: index,
      active_ms: ms,
      how,
      guideline_version: this.setup.guidelineVersion,
    });
    return id;
  }

  /** Put this item on screen; what was there comes next. */
  bring(item, before, correcting) {
    if (this.current) this.putBack();
    this.queue.drop(new Set([item.task.id]), item);
    Object.assign(item, { before: before && { ...before, item: undefined, row: undefined }, correcting });
    item.load();
    this.put(item);
  }

  /** What was on screen comes next; its picture is fetched again, from the browser's cache. */
  putBack() {
    const item = this.current;
    item.release();
    item.load();
    this.queue.putBack(item);
  }

  /** Its picture is gone with the next one: there is one canvas. */
  leaveScreen() {
    this.current.release();
    this.current = null;
  }

  /** Drop the task on screen and go on. */
  next() {
    this.leaveScreen();
    this.advance();
  }

  advance() {
    const item = this.queue.next();
    if (item) this.put(item);
    else {
      this.picture.hold(null);
      this.view.note(gettext("Fetching the next images…"));
    }
  }

  put(item) {
    this.idle = false;
    this.current = item;
    item.whenReady = () => {
      if (this.current === item) this.put(item);
    };
    this.view.show(item);
    this.picture.hold(item.state === "ready" ? this.view.canvas : null);
    if (!item.correcting) this.history.mark(null);
    this.shownAt = performance.now();
    this.hiddenMs = 0;
  }

  activeMs() {
    const ms = performance.now() - this.shownAt - this.hiddenMs;
    return Math.round(Math.min(Math.max(ms, 0), LONGEST_MS));
  }

  showSaved() {
    this.view.saved(this.state, this.outbox.size, this.outbox.durable);
  }

  speakOf(answer) {
    if (!answer || answer.kind === "withdrawn") return;
    const name = this.view.nameOf({ kind: answer.kind, index: answer.class });
    const left = number(this.progress.left_in_batch ?? 0);
    this.view.speak(interpolate(gettext("Saved: %(name)s, %(n)s left"), { name, n: left }));
  }
}
