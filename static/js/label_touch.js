// Fingers and the mouse on the picture: two fingers zoom, one moves a zoomed picture, and on a
// fitted one a swipe answers: right takes the first guess, up skips, left opens the classes.

const FAR_PX = 70;
const SHOWN_PX = 26; // from here on the picture follows the finger

export class Touch {
  /** `swiped(direction)` runs with "right", "left" or "up". */
  constructor(stage, picture, swiped) {
    this.stage = stage;
    this.picture = picture;
    this.swiped = swiped;
    this.fingers = new Map(); // pointer id -> {x, y}
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", (event) => this.up(event));
    stage.addEventListener("pointercancel", (event) => this.cancel(event));
  }

  down(event) {
    if (event.button > 0 || event.target.closest("button, a, input, .label-task-note")) return;
    if (event.pointerType === "mouse") event.preventDefault(); // no dragging of the image itself
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.stage.setPointerCapture(event.pointerId);
    this.start = this.fingers.size === 1 ? { x: event.clientX, y: event.clientY, pointer: event.pointerType } : null;
  }

  move(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    if (this.fingers.size === 2) this.pinch(event.pointerId, before, now);
    else if (this.picture.isZoomed) this.picture.panBy(now.x - before.x, now.y - before.y);
    else this.follow(now);
    this.fingers.set(event.pointerId, now);
  }

  pinch(id, before, now) {
    const [other] = [...this.fingers].filter(([one]) => one !== id).map(([, place]) => place);
    const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
    const was = Math.hypot(before.x - other.x, before.y - other.y);
    if (was > 0) this.picture.zoomBy(Math.hypot(now.x - other.x, now.y - other.y) / was, middle);
    this.picture.panBy((now.x - before.x) / 2, (now.y - before.y) / 2);
  }

  follow(now) {
    if (!this.start || this.start.pointer === "mouse") return;
    const direction = this.direction(now, SHOWN_PX);
    this.stage.dataset.swipe = direction ?? "";
    if (!this.still.matches && this.picture.image) {
      const [x, y] = [now.x - this.start.x, now.y - this.start.y];
      this.picture.image.style.translate = direction ? `${x / 3}px ${Math.min(y, 0) / 3}px` : "";
    }
  }

  up(event) {
    const { start } = this;
    const now = { x: event.clientX, y: event.clientY };
    const direction = start && start.pointer !== "mouse" && !this.picture.isZoomed ? this.direction(now, FAR_PX) : null;
    this.cancel(event);
    if (direction) this.swiped(direction);
  }

  cancel(event) {
    this.fingers.delete(event.pointerId);
    this.start = null;
    delete this.stage.dataset.swipe;
    if (this.picture.image) this.picture.image.style.translate = "";
  }

  direction(now, far) {
    const x = now.x - this.start.x;
    const y = now.y - this.start.y;
    if (Math.abs(x) >= far && Math.abs(x) > 1.5 * Math.abs(y)) return x > 0 ? "right" : "left";
    return -y >= far && -y > 1.5 * Math.abs(x) ? "up" : null;
  }
}
