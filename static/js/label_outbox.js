// Answers and comments that the server has not confirmed yet. Each is in memory for this page and
// in the browser's store for the next one, and carries the person, so it is never sent as another.

import { openStore } from "./label_store.js";
import { Tabs } from "./label_tabs.js";

/** Return a random UUID (crypto.randomUUID is missing on plain http). */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [8, 12, 16, 20].reduce((text, at, n) => `${text.slice(0, at + n)}-${text.slice(at + n)}`, hex);
}

export class Outbox {
  /** `onAdopted()` runs when answers of a page that was closed were taken over; `onClash(ids)`
      when another page of this person has these tasks too, and keeps them. */
  constructor(user, project, { onAdopted = () => {}, onClash = () => {} } = {}) {
    this.user = user;
    this.project = project;
    this.page = uuid();
    this.entries = new Map(); // by id, in the order of sending
    this.unkept = new Set(); // ids that no store has
    this.foreign = 0; // entries of other accounts in this browser
    this.elsewhere = new Map(); // project -> entries of this person that wait there
    this.onAdopted = onAdopted;
    this.tabs = new Tabs(user, project, this.page, { onGone: () => this.adopt(), onClash });
    this.opening = openStore();
  }

  /** Take up what earlier pages left behind. Call it once, before sending. */
  async open() {
    this.store = await this.opening;
    await Promise.all([this.adopt(), this.tabs.met]);
  }

  /** Take over the entries of this person's pages that are closed. */
  async adopt() {
    const store = await this.opening;
    const kept = await store.all().catch(() => []);
    this.foreign = kept.filter((entry) => entry.user !== this.user).length;
    const left = kept.filter((e) => e.user === this.user && e.page !== this.page && !this.entries.has(e.id));
    const alive = left.length ? await this.tabs.alive() : new Set();
    const found = left.filter((entry) => !alive.has(entry.page));
    this.elsewhere = new Map();
    const here = [];
    for (const entry of found) {
      if (entry.project === this.project) here.push(entry);
      else this.elsewhere.set(entry.project, [...(this.elsewhere.get(entry.project) ?? []), entry]);
    }
    const own = [...this.entries.values()];
    this.entries = new Map([...here, ...own].map((entry) => [entry.id, entry]));
    if (found.length) this.onAdopted();
  }

  /** Keep a body (it has an `id`) until `remove`; bodies leave in the order in which they came.

      It is written at once, and nobody waits for it: the next image is on screen meanwhile. */
  add(body, what = "answer") {
    const { user, project, page } = this;
    const entry = { id: body.id, user, project, page, what, body };
    this.entries.set(body.id, entry);
    this.keep(entry);
    for (const id of this.unkept) if (id !== body.id) this.keep(this.entries.get(id));
  }

  async keep(entry) {
    try {
      await (this.store ?? (await this.opening)).add(entry);
      this.unkept.delete(entry.id);
      if (!this.entries.has(entry.id)) this.forget([entry.id]); // confirmed meanwhile
    } catch {
      if (this.entries.has(entry.id)) this.unkept.add(entry.id); // full or forbidden: the page says so
    }
  }

  /** Forget what the server has confirmed. */
  remove(...ids) {
    for (const id of ids) {
      this.entries.delete(id);
      this.unkept.delete(id);
    }
    this.forget(ids);
  }

  /** Take entries out of the store. */
  async forget(ids) {
    const store = await this.opening;
    await store.remove(ids).catch(() => {}); // they are sent again some day, harmlessly
  }

  /** Return the oldest bodies of a kind, at most `count`. */
  oldest(count, what = "answer") {
    const wanted = [];
    for (const entry of this.entries.values()) {
      if (wanted.length === count) break;
      if (entry.what === what) wanted.push(entry.body);
    }
    return wanted;
  }

  get size() {
    return this.entries.size;
  }

  /** Tell whether everything unsent would survive closing this page. */
  get durable() {
    return this.unkept.size === 0;
  }

  /** The tasks of the answers that wait here. */
  get tasks() {
    return new Set([...this.entries.values()].map((entry) => entry.body.task).filter(Boolean));
  }
}
