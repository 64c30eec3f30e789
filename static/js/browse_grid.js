// A grid of images: arrows move, Space selects, Shift selects a range, Enter opens.

export class Grid {
  constructor(list, { onOpen, onSelect, onNearEnd }) {
    this.list = list;
    this.onOpen = onOpen;
    this.onSelect = onSelect;
    this.onNearEnd = onNearEnd;
    this.selected = new Set(); // numbers of images
    this.anchor = null; // where a range begins
    list.addEventListener("click", (event) => this.click(event));
    list.addEventListener("keydown", (event) => this.keydown(event));
    list.addEventListener("focusin", (event) => this.focused(event.target.closest(".pic")));
    list.addEventListener("error", (event) => event.target.closest(".pic")?.setAttribute("data-broken", ""), true);
    this.longPress();
    this.rove(this.tiles[0]);
  }

  get tiles() {
    return [...this.list.children];
  }

  get size() {
    return this.list.children.length;
  }

  /** Append a fragment of tiles, those that are here already left out; return how many are new. */
  append(html) {
    const known = new Set(this.tiles.map((tile) => tile.dataset.seq));
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const fresh = [...holder.content.children].filter((tile) => !known.has(tile.dataset.seq));
    const first = !this.size;
    this.list.append(...fresh);
    for (const tile of fresh) tile.querySelector("a").tabIndex = -1;
    if (first) this.rove(fresh[0]);
    return fresh.length;
  }

  // --- moving ---

  /** Only one tile is in the order of the Tab key. */
  rove(tile) {
    for (const one of this.list.querySelectorAll("a")) one.tabIndex = -1;
    this.current = tile ?? null;
    if (tile) tile.querySelector("a").tabIndex = 0;
  }

  focused(tile) {
    if (!tile) return;
    if (this.current) this.current.querySelector("a").tabIndex = -1;
    this.current = tile;
    tile.querySelector("a").tabIndex = 0;
  }

  get columns() {
    const tiles = this.list.children;
    let count = 1;
    while (count < tiles.length && tiles[count].offsetTop === tiles[0].offsetTop) count += 1;
    return count;
  }

  /** Go to the tile `step` places on and return it. */
  move(step, { focus = true } = {}) {
    const tiles = this.tiles;
    const at = tiles.indexOf(this.current);
    const next = tiles[Math.max(0, Math.min(tiles.length - 1, at + step))];
    if (!next) return null;
    if (focus) next.querySelector("a").focus();
    else this.focused(next);
    next.scrollIntoView({ block: "nearest" });
    if (tiles.length - tiles.indexOf(next) < 2 * this.columns) this.onNearEnd();
    return next;
  }

  keydown(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns };
    const tile = event.target.closest(".pic");
    if (!tile || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) {
      event.preventDefault();
      const from = tile;
      const next = this.move(steps[event.key]);
      if (event.shiftKey && next) this.range(this.anchor ?? from, next);
    } else if (event.key === " ") {
      event.preventDefault();
      this.toggle(tile);
    } else if (event.key === "a" && event.shiftKey) {
      event.preventDefault();
      this.range(this.tiles[0], this.tiles.at(-1));
    }
  }

  // --- selecting ---

  click(event) {
    const tile = event.target.closest(".pic");
    if (!tile) return;
    event.preventDefault();
    if (event.shiftKey && this.anchor) this.range(this.anchor, tile);
    else if (event.ctrlKey || event.metaKey || event.target.closest(".pic-tick")) this.toggle(tile);
    else if (this.pressed) this.pressed = false;
    else this.onOpen(tile);
  }

  longPress() {
    let timer = 0;
    this.list.addEventListener("pointerdown", (event) => {
      const tile = event.target.closest(".pic");
      if (!tile || event.pointerType === "mouse") return;
      timer = setTimeout(() => {
        this.pressed = true;
        this.toggle(tile);
      }, 450);
    });
    for (const name of ["pointerup", "pointercancel", "pointermove"]) {
      this.list.addEventListener(name, () => clearTimeout(timer));
    }
    this.list.addEventListener("contextmenu", (event) => this.pressed && event.preventDefault());
  }

  toggle(tile) {
    this.mark(tile, !this.selected.has(tile.dataset.seq));
    this.anchor = tile;
    this.onSelect([...this.selected]);
  }

  range(from, to) {
    const tiles = this.tiles;
    const [first, last] = [tiles.indexOf(from), tiles.indexOf(to)].sort((a, b) => a - b);
    for (const tile of tiles.slice(first, last + 1)) this.mark(tile, true);
    this.anchor = from;
    this.onSelect([...this.selected]);
  }

  mark(tile, on) {
    tile.classList.toggle("is-selected", on);
    tile.querySelector("a").setAttribute("aria-pressed", String(on));
    tile.querySelector("a").setAttribute("role", "button");
    if (on) this.selected.add(tile.dataset.seq);
    else this.selected.delete(tile.dataset.seq);
  }

  selectNone() {
    for (const tile of this.tiles) if (this.selected.has(tile.dataset.seq)) this.mark(tile, false);
    this.anchor = null;
    this.onSelect([]);
  }
}
