// How the picture on screen is looked at: zoom, pan, brightness, contrast, its own size. Each new
// picture starts fitted into the window; brightness and contrast stay as they were set.

const STEP = 1.25;
const MOST = 40;
const LEAST = 0.02;
const PAN_PX = 80;
const LIGHT_STEP = 0.15;

export class Picture {
  constructor(stage, onChange = () => {}) {
    this.stage = stage;
    this.onChange = onChange;
    this.image = null;
    this.light = { brightness: 1, contrast: 1 };
    this.fit();
    stage.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
  }

  /** Take over the picture that was just put on the stage; null where there is none. */
  hold(image) {
    this.image = image;
    this.original = false;
    this.fit();
    if (image) this.paintLight();
  }

  get isZoomed() {
    return this.scale > 1.001;
  }

  fit() {
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.paint();
  }

  /** Zoom by a factor about a point of the window (default: the middle of the stage). */
  zoomBy(factor, at) {
    const scale = Math.min(Math.max(this.scale * factor, LEAST), MOST);
    const box = this.stage.getBoundingClientRect();
    const x = (at?.x ?? box.x + box.width / 2) - box.x - box.width / 2;
    const y = (at?.y ?? box.y + box.height / 2) - box.y - box.height / 2;
    const grown = scale / this.scale;
    this.x = x - (x - this.x) * grown;
    this.y = y - (y - this.y) * grown;
    this.scale = scale;
    this.paint();
  }

  larger() {
    this.zoomBy(STEP);
  }

  smaller() {
    if (this.scale <= STEP && this.scale >= 1) this.fit();
    else this.zoomBy(1 / STEP);
  }

  panBy(x, y) {
    this.x += x;
    this.y += y;
    this.paint();
  }

  /** Move what is seen by a step: dx and dy are -1, 0 or 1. */
  look(dx, dy) {
    this.panBy(-dx * PAN_PX, -dy * PAN_PX);
  }

  /** Show it so that one pixel of the file is one pixel of the screen. */
  ownSize() {
    if (!this.image) return;
    const { clientWidth, clientHeight, width, height } = this.image;
    const fitted = Math.min(clientWidth / width, clientHeight / height);
    this.x = 0;
    this.y = 0;
    this.scale = 1 / fitted / devicePixelRatio;
    this.paint();
  }

  /** Change brightness or contrast: to a value (1 is as it is), or by steps. */
  lightTo(name, value) {
    this.light[name] = Math.min(Math.max(Math.round(value * 100) / 100, 0.25), 3);
    this.paintLight();
    this.onChange();
  }

  lightBy(name, steps) {
    this.lightTo(name, this.light[name] + steps * LIGHT_STEP);
  }

  plain() {
    this.light = { brightness: 1, contrast: 1 };
    this.paintLight();
    this.fit();
  }

  paint() {
    if (this.image) {
      const still = this.scale === 1 && !this.x && !this.y;
      this.image.style.transform = still ? "" : `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    }
    this.stage.toggleAttribute("data-zoomed", this.isZoomed);
    this.onChange();
  }

  paintLight() {
    if (!this.image) return;
    const { brightness, contrast } = this.light;
    const plain = brightness === 1 && contrast === 1;
    this.image.style.filter = plain ? "" : `brightness(${brightness}) contrast(${contrast})`;
  }

  onWheel(event) {
    const scrolls = document.documentElement.scrollHeight > innerHeight + 1;
    if (!this.image || (scrolls && !event.ctrlKey)) return;
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), event);
  }
}
