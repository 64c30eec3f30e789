// The tasks that come next, their pictures fetched and decoded ahead.

export const AHEAD = 9; // one on screen, eight decoded
const RETRIES = 2;
const RETRY_MS = 1500;

/** A task with its picture. `whenReady` runs once the picture can be painted, or has failed. */
export class Item {
  constructor(task) {
    this.task = task;
    this.state = "loading"; // ready, failed
    this.tries = 0;
    this.before = null; // the class that it had, when it is shown again
    this.correcting = false; // chosen in the strip: the server has an answer already
    this.whenReady = null;
    this.load();
  }

  load() {
    this.state = "loading";
    const image = new Image();
    image.alt = "";
    image.draggable = false;
    image.src = this.tries ? `${this.task.image}?try=${this.tries}` : this.task.image;
    this.image = image;
    image.decode().then(
      () => this.settle(image, "ready"),
      () => this.fail(image),
    );
  }

  fail(image) {
    if (image !== this.image) return;
    if (this.tries < RETRIES) {
      this.tries += 1;
      setTimeout(() => this.load(), RETRY_MS * this.tries);
    } else {
      this.settle(image, "failed");
    }
  }

  settle(image, state) {
    if (image !== this.image) return;
    this.state = state;
    this.whenReady?.();
  }

  /** Load the picture again, after it failed. */
  retry() {
    this.tries += 1;
    this.load();
  }
}

export class TaskQueue {
  constructor() {
    this.items = [];
  }

  /** Add tasks that are new here; `taken` are ids that must not come (on screen, unsent). */
  add(tasks, taken) {
    const known = new Set([...taken, ...this.ids]);
    for (const task of tasks) {
      if (!known.has(task.id)) this.items.push(new Item(task));
    }
  }

  next() {
    return this.items.shift() ?? null;
  }

  putBack(item) {
    this.items.unshift(item);
  }

  drop(ids) {
    this.items = this.items.filter((item) => !ids.has(item.task.id));
  }

  get ids() {
    return this.items.map((item) => item.task.id);
  }
}
