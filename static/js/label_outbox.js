// Answers that the server has not confirmed yet. Each is one entry of localStorage, so a reload,
// a crash or a second tab loses nothing; it carries the person, so it is never sent as another.

const PREFIX = "mcal.outbox.";
let counter = 0;

/** Return a random UUID (crypto.randomUUID is missing on plain http). */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [8, 12, 16, 20].reduce((text, at, n) => `${text.slice(0, at + n)}-${text.slice(at + n)}`, hex);
}

export class Outbox {
  constructor(user, project) {
    this.own = `${PREFIX}${user}.`;
    this.prefix = `${this.own}${project}.`;
    this.entries = new Map();
    this.durable = true;
    this.load();
  }

  /** Take up what an earlier page left behind. */
  load() {
    for (const key of storedKeys()) {
      if (!key.startsWith(this.prefix)) continue;
      try {
        const { answer, order } = JSON.parse(localStorage.getItem(key));
        this.entries.set(answer.id, { answer, order });
      } catch {
        localStorage.removeItem(key); // not ours, or cut off while it was written
      }
    }
  }

  /** Keep an answer until `remove`; entries leave in the order in which they came. */
  add(answer) {
    const entry = { answer, order: Date.now() + (counter++ % 1000) / 1000 };
    this.entries.set(answer.id, entry);
    try {
      localStorage.setItem(this.prefix + answer.id, JSON.stringify(entry));
    } catch {
      this.durable = false; // storage full or forbidden: the page says so
    }
  }

  remove(id) {
    this.entries.delete(id);
    try {
      localStorage.removeItem(this.prefix + id);
    } catch {
      this.durable = false;
    }
  }

  /** Return the oldest answers, at most `count`. */
  oldest(count) {
    const sorted = [...this.entries.values()].sort((a, b) => a.order - b.order);
    return sorted.slice(0, count).map((entry) => entry.answer);
  }

  get size() {
    return this.entries.size;
  }

  /** Return the tasks of the answers that wait here. */
  get tasks() {
    return new Set([...this.entries.values()].map((entry) => entry.answer.task));
  }

  /** Return how many answers of other accounts wait in this browser. */
  get foreign() {
    return storedKeys().filter((key) => key.startsWith(PREFIX) && !key.startsWith(this.own)).length;
  }
}

function storedKeys() {
  try {
    return Object.keys(localStorage);
  } catch {
    return [];
  }
}
