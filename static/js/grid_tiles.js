// Many small images: which has the focus, which are selected, by mouse, touch and keyboard.
// An ARIA grid: rows of cells, one of them in the tab order. It knows nothing of answers.

const BAND_FROM = 6; // pixels: a smaller movement is a click
const PIXEL_ART = 200; // images smaller than this are scaled up without blur
const AGAIN_MS = 1500;
const SIZES = ["s", "m", "l"];

export class Tiles {
  /** `nameOf(tile)` says what a screen reader reads; `onChange()` runs when the selection did.
      With `marks` a click marks one image more, else it selects this one alone. */
  constructor(box, { nameOf, onChange = () => {}, onOpen = () => {}, onBroken = () => {}, marks = false }) {
    Object.assign(this, { box, nameOf, onChange, onOpen, onBroken, marks });
    this.tiles = []; // {key, seq, image, element, ...}, as they are shown
    this.selected = new Set(); // keys
    this.focus = null; // key of the tile in the tab order
    this.anchor = null; // where a range starts
    box.addEventListener("click", (event) => this.onClick(event));
    box.addEventListener("dblclick", (event) => this.tileAt(event) && this.onOpen(this.tileAt(event)));
    box.addEventListener("focusin", (event) => this.onFocus(event));
    box.addEventListener("pointerdown", (event) => this.onPointer(event));
    new ResizeObserver(() => this.layOut()).observe(box);
  }

  get(key) {
    return this.tiles.find((tile) => tile.key === key) ?? null;
  }

  /** Show more images: behind the tile `after`, at the "front", or (null) at the end. */
  add(tiles, after = null) {
    const behind = this.tiles.findIndex((tile) => tile.key === after) + 1;
    const place = after === null ? this.tiles.length : behind;
    for (const tile of tiles) this.draw(tile);
    this.tiles.splice(place, 0, ...tiles);
    this.focus ??= this.tiles[0]?.key ?? null;
    this.layOut(true);
  }

  remove(keys) {
    const gone = new Set(keys);
    if (!gone.size) return;
    const at = this.tiles.findIndex((tile) => tile.key === this.focus);
    const hadFocus = this.box.contains(document.activeElement);
    const left = this.tiles.filter((tile) => !gone.has(tile.key));
    if (gone.has(this.focus)) {
      const before = this.tiles.slice(0, at).filter((tile) => !gone.has(tile.key)).length;
      this.focus = (left[before] ?? left.at(-1))?.key ?? null;
    }
    this.tiles = left;
    for (const key of gone) this.selected.delete(key);
    if (gone.has(this.anchor)) this.anchor = null;
    this.layOut(true);
    if (hadFocus) this.get(this.focus)?.element.focus({ preventScroll: true });
    this.onChange();
  }

  clear() {
    this.remove(this.tiles.map((tile) => tile.key));
  }

  /** Draw one tile; `caption` is a word upon it. */
  draw(tile) {
    const element = document.createElement("div");
    element.className = "tile";
    element.setAttribute("role", "gridcell");
    element.dataset.key = tile.key;
    const image = document.createElement("img");
    image.alt = "";
    image.draggable = false;
    image.decoding = "async";
    image.src = tile.image.replace(/display\/$/, "thumb/");
    if (Math.max(tile.width, tile.height) < PIXEL_ART) image.classList.add("label-pixels");
    image.addEventListener("error", () => this.onFailed(tile, image));
    image.addEventListener("load", () => (tile.state = "ready"));
    const check = document.createElement("span");
    check.className = "tile-check";
    check.setAttribute("aria-hidden", "true");
    const caption = document.createElement("span");
    caption.className = "tile-caption";
    caption.dir = "auto";
    element.append(image, check, caption);
    tile.element = element;
    this.describe(tile);
  }

  /** Once more, then say that nobody can see it. */
  onFailed(tile, image) {
    if (tile.state === "again") {
      tile.state = "broken";
      tile.element.setAttribute("data-broken", "");
      this.onBroken(tile);
      this.describe(tile);
      return;
    }
    tile.state = "again";
    setTimeout(() => (image.src = `${image.src}?again`), AGAIN_MS);
  }

  describe(tile) {
    tile.element.setAttribute("aria-selected", String(this.selected.has(tile.key)));
    tile.element.setAttribute("aria-label", this.nameOf(tile));
    tile.element.tabIndex = tile.key === this.focus ? 0 : -1;
    tile.element.lastElementChild.textContent = tile.caption ?? "";
    tile.element.title = tile.note ?? "";
  }

  describeAll() {
    for (const tile of this.tiles) this.describe(tile);
  }

  /** Put the tiles into rows as wide as the window has room for. */
  layOut(changed = false) {
    const columns = getComputedStyle(this.box).gridTemplateColumns.split(" ").length;
    if (!changed && columns === this.columns) return;
    this.columns = columns;
    const count = Math.ceil(this.tiles.length / columns);
    const rows = [...this.box.querySelectorAll("[role=row]")];
    while (rows.length < count) {
      const row = document.createElement("div");
      row.className = "tile-row";
      row.setAttribute("role", "row");
      rows.push(row);
      this.box.append(row);
    }
    for (const row of rows.splice(count)) row.remove();
    rows.forEach((row, n) => {
      const wanted = this.tiles.slice(n * columns, (n + 1) * columns).map((tile) => tile.element);
      const there = [...row.children];
      if (wanted.length !== there.length || wanted.some((one, i) => one !== there[i])) row.replaceChildren(...wanted);
    });
    this.describeAll();
  }

  // --- selection ---

  select(keys, { keep = false } = {}) {
    if (!keep) this.selected.clear();
    for (const key of keys) this.selected.add(key);
    this.changed();
  }

  selectAll() {
    this.select(this.tiles.map((tile) => tile.key));
  }

  toggle(key) {
    if (!this.selected.delete(key)) this.selected.add(key);
    this.anchor = key;
    this.changed();
  }

  range(to, keep) {
    const from = this.tiles.findIndex((tile) => tile.key === (this.anchor ?? this.focus));
    const end = this.tiles.findIndex((tile) => tile.key === to);
    const [low, high] = [Math.min(from, end), Math.max(from, end)];
    this.select(this.tiles.slice(Math.max(low, 0), high + 1).map((tile) => tile.key), { keep });
  }

  changed() {
    this.describeAll();
    this.onChange();
  }

  /** The selected tiles, as they are shown. */
  get chosen() {
    return this.tiles.filter((tile) => this.selected.has(tile.key));
  }

  get focused() {
    return this.get(this.focus);
  }

  // --- keyboard ---

  /** Do what a key means here; return whether it meant anything. */
  onKey(event) {
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === "a") return this.handled(event, () => this.selectAll());
    if (command || event.altKey) return false;
    const columns = this.columns ?? 1;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (step) return this.handled(event, () => this.move(step, event.shiftKey));
    if (event.key === "Home") return this.handled(event, () => this.moveTo(0, event.shiftKey));
    if (event.key === "End") return this.handled(event, () => this.moveTo(this.tiles.length - 1, event.shiftKey));
    if (event.key === " " && this.focus !== null) {
      return this.handled(event, () => !event.repeat && (event.shiftKey && !this.marks ? this.range(this.focus, true) : this.toggle(this.focus)));
    }
    return false;
  }

  handled(event, action) {
    event.preventDefault();
    action();
    return true;
  }

  move(step, extend) {
    const from = this.tiles.findIndex((tile) => tile.key === this.focus);
    const to = from + step;
    if (to >= 0 && to < this.tiles.length) this.moveTo(to, extend);
    else if (step === 1 || step === -1) return;
    else if (step > 0 && Math.floor(from / this.columns) < Math.floor((this.tiles.length - 1) / this.columns)) {
      this.moveTo(this.tiles.length - 1, extend); // the last row is shorter
    }
  }

  moveTo(place, extend) {
    const tile = this.tiles[place];
    if (!tile) return;
    if (extend && !this.marks) {
      this.anchor ??= this.focus;
      this.range(tile.key, false);
    } else {
      this.anchor = null;
    }
    tile.element.focus();
    tile.element.scrollIntoView({ block: "nearest" });
  }

  onFocus(event) {
    const tile = this.tileAt(event);
    if (!tile || tile.key === this.focus) return;
    const before = this.focused;
    this.focus = tile.key;
    if (before) before.element.tabIndex = -1;
    tile.element.tabIndex = 0;
  }

  // --- mouse and touch ---

  tileAt(event) {
    const element = event.target.closest?.(".tile");
    return element ? this.tiles.find((tile) => tile.element === element) : null;
  }

  onClick(event) {
    const tile = this.tileAt(event);
    if (this.dragged) {
      this.dragged = false;
      return;
    }
    if (!tile) {
      if (!this.marks && !event.shiftKey && !event.ctrlKey && !event.metaKey) this.select([]);
      return;
    }
    const adds = event.ctrlKey || event.metaKey;
    const taps = this.marks || this.pointer === "touch" || event.target.closest(".tile-check");
    if (event.shiftKey && !this.marks) this.range(tile.key, adds);
    else if (adds || taps) this.toggle(tile.key);
    else {
      const alone = this.selected.size === 1 && this.selected.has(tile.key);
      this.select(alone ? [] : [tile.key]);
      this.anchor = tile.key;
    }
  }

  onPointer(event) {
    this.pointer = event.pointerType;
    this.dragged = false;
    if (event.pointerType !== "mouse" || event.button !== 0 || this.marks) return;
    if (event.offsetX > this.box.clientWidth && event.target === this.box) return; // the scrollbar
    new Band(this, event);
  }
}

/** A box drawn by the mouse: whatever it touches is selected. */
class Band {
  constructor(tiles, event) {
    this.tiles = tiles;
    this.box = tiles.box;
    this.from = this.point(event);
    this.before = event.ctrlKey || event.metaKey || event.shiftKey ? [...tiles.selected] : [];
    this.listening = new AbortController();
    const { signal } = this.listening;
    window.addEventListener("pointermove", (e) => this.onMove(e), { signal });
    window.addEventListener("pointerup", () => this.end(), { signal });
    window.addEventListener("pointercancel", () => this.end(), { signal });
  }

  /** Where the pointer is in the scrolled content. */
  point(event) {
    const frame = this.box.getBoundingClientRect();
    return { x: event.clientX - frame.left + this.box.scrollLeft, y: event.clientY - frame.top + this.box.scrollTop };
  }

  onMove(event) {
    const to = this.point(event);
    if (!this.element) {
      if (Math.hypot(to.x - this.from.x, to.y - this.from.y) < BAND_FROM) return;
      this.start();
    }
    const frame = this.box.getBoundingClientRect();
    if (event.clientY > frame.bottom - 24) this.box.scrollTop += 16;
    if (event.clientY < frame.top + 24) this.box.scrollTop -= 16;
    const area = {
      left: Math.min(this.from.x, to.x),
      top: Math.min(this.from.y, to.y),
      right: Math.max(this.from.x, to.x),
      bottom: Math.max(this.from.y, to.y),
    };
    Object.assign(this.element.style, {
      left: `${area.left}px`,
      top: `${area.top}px`,
      width: `${area.right - area.left}px`,
      height: `${area.bottom - area.top}px`,
    });
    const hit = this.places.filter((p) => p.left < area.right && p.right > area.left && p.top < area.bottom && p.bottom > area.top);
    this.tiles.select([...this.before, ...hit.map((p) => p.key)]);
  }

  start() {
    this.tiles.dragged = true;
    this.element = document.createElement("div");
    this.element.className = "band";
    this.element.setAttribute("role", "presentation");
    this.box.append(this.element);
    const frame = this.box.getBoundingClientRect();
    const { scrollLeft, scrollTop } = this.box;
    this.places = this.tiles.tiles.map(({ key, element }) => {
      const r = element.getBoundingClientRect();
      const [x, y] = [scrollLeft - frame.left, scrollTop - frame.top];
      return { key, left: r.left + x, right: r.right + x, top: r.top + y, bottom: r.bottom + y };
    });
  }

  end() {
    this.listening.abort();
    this.element?.remove();
    if (this.tiles.dragged) setTimeout(() => (this.tiles.dragged = false)); // after the click that follows
  }
}

/** Larger (1) or smaller (-1) images; the choice stays in this browser. */
export function resize(box, step) {
  const place = SIZES.indexOf(box.dataset.size ?? "m") + step;
  if (!SIZES[place]) return;
  box.dataset.size = SIZES[place];
  try {
    localStorage.setItem("mcal.tiles", SIZES[place]);
  } catch {
    return; // this browser keeps nothing
  }
}

export function restoreSize(box) {
  try {
    const size = localStorage.getItem("mcal.tiles");
    if (SIZES.includes(size)) box.dataset.size = size;
  } catch {
    return; // this browser keeps nothing
  }
}
