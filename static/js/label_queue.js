// The tasks that come next, their pictures fetched and decoded ahead.

export const AHEAD = 9; // one on screen, eight decoded
const RETRIES = 2;
const RETRY_MS = 1500;
const THUMB = 84; // pixels

/** Fetch and decode a picture. Throws an Error with the HTTP `status`.

    Not an <img>: what those decode stays in the browser's cache, half a gigabyte after a hundred
    images. A bitmap is gone when it is closed, or handed to the canvas on the page. */
export async function fetchPicture(address) {
  const reply = await fetch(address);
  if (!reply.ok) throw Object.assign(new Error(reply.statusText), { status: reply.status });
  return createImageBitmap(await reply.blob());
}

/** A task with its picture. `whenReady` runs once the picture can be painted, or has failed. */
export class Item {
  constructor(task) {
    this.task = task;
    this.state = "released"; // loading, ready, failed
    this.tries = 0;
    this.before = null; // the class that it had, when it is shown again
    this.correcting = false; // chosen in the strip: the server has an answer already
    this.entry = null; // its place in the history, when it is corrected
    this.whenReady = null;
    this.bitmap = null; // decoded, until it is handed to the page
    this.thumb = null; // a small canvas
    this.status = 0; // of the server, where the picture could not be had
  }

  /** Fetch and decode the picture, unless it is there or on its way. */
  async load() {
    if (this.state !== "released") return;
    this.state = "loading";
    const ticket = (this.ticket = {}); // a later load, or letting go, makes this one void
    const address = this.tries ? `${this.task.image}?try=${this.tries}` : this.task.image;
    let bitmap = null;
    try {
      bitmap = await fetchPicture(address);
    } catch (error) {
      this.status = error.status ?? 0;
    }
    if (ticket !== this.ticket) bitmap?.close();
    else if (bitmap) this.settle("ready", bitmap);
    else this.fail(ticket);
  }

  fail(ticket) {
    if (this.tries < RETRIES) {
      setTimeout(() => ticket === this.ticket && this.retry(), RETRY_MS * (this.tries + 1));
    } else {
      this.settle("failed", null);
    }
  }

  settle(state, bitmap) {
    this.state = state;
    this.bitmap = bitmap;
    if (bitmap) this.thumb = thumbnail(bitmap, bitmap);
    this.whenReady?.();
  }

  /** Load the picture again, after it failed. */
  retry() {
    this.tries += 1;
    this.state = "released";
    this.load();
  }

  /** Hand the picture to a canvas; what was there is gone. */
  paintOn(canvas) {
    if (!this.bitmap) return; // it is there already
    showOn(canvas, this.bitmap, this.task.image);
    this.bitmap = null;
  }

  /** Let go of the picture: thousands of answered images must not stay in memory. */
  release() {
    this.bitmap?.close();
    this.bitmap = null;
    this.ticket = null;
    this.whenReady = null;
    this.state = "released";
  }
}

/** Hand a bitmap to the canvas on the page. */
export function showOn(canvas, bitmap, address) {
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  canvas.getContext("bitmaprenderer").transferFromImageBitmap(bitmap);
  canvas.dataset.src = address;
}

/** Draw a small copy of something that can be drawn. */
export function thumbnail(image, { width, height }, canvas = document.createElement("canvas")) {
  const scale = THUMB / Math.max(width, height);
  [canvas.width, canvas.height] = [THUMB, THUMB];
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = scale < 1;
  pen.imageSmoothingQuality = "high";
  const [left, top] = [(THUMB - width * scale) / 2, (THUMB - height * scale) / 2];
  pen.drawImage(image, left, top, width * scale, height * scale);
  return canvas;
}

export class TaskQueue {
  constructor() {
    this.items = [];
  }

  /** Add tasks that are new here; `taken` are ids that must not come (on screen, unsent). */
  add(tasks, taken) {
    const known = new Set([...taken, ...this.ids]);
    for (const task of tasks) {
      if (known.has(task.id)) continue;
      const item = new Item(task);
      item.load();
      this.items.push(item);
    }
  }

  next() {
    return this.items.shift() ?? null;
  }

  putBack(item) {
    this.items.unshift(item);
  }

  /** Take tasks out; `kept` is an item that goes on screen. */
  drop(ids, kept = null) {
    for (const item of this.items) if (ids.has(item.task.id) && item !== kept) item.release();
    this.items = this.items.filter((item) => !ids.has(item.task.id));
  }

  get ids() {
    return this.items.map((item) => item.task.id);
  }
}
