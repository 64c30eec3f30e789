// A slider of "what if": a number and a range that say the same. The number is what is sent; the
// range is there where scripts run. `data-log`: equal ways are equal factors.

import { language } from "./i18n.js";

const WAYS = 200; // positions of a slider of factors
const DIGITS = 3; // of a price that was found by sliding

export class Slider {
  constructor(element, changed) {
    this.element = element;
    this.name = element.dataset.slider;
    this.present = element.dataset.present;
    this.number = element.querySelector("input[type=number]");
    this.range = element.querySelector("input[type=range]");
    this.unit = element.querySelector(".affix > span").textContent;
    this.log = "log" in element.dataset;
    if (this.log) this._asFactors();
    this.range.hidden = false;
    this.range.addEventListener("input", () => {
      this.number.value = this._fromRange();
      this._say();
      changed(false);
    });
    this.range.addEventListener("change", () => changed(true));
    this.number.addEventListener("input", () => {
      this._toRange();
      changed(false);
    });
    this.number.addEventListener("change", () => changed(true));
    this._toRange();
  }

  get value() {
    return this.number.value.trim();
  }

  /** Whether it stands elsewhere than the run's own value. */
  get differs() {
    return this.value !== "" && (this.present === "" || Number(this.value) !== Number(this.present));
  }

  set(value) {
    this.number.value = value;
    this._toRange();
  }

  enable(on) {
    this.number.disabled = !on;
    this.range.disabled = !on;
  }

  _asFactors() {
    this.low = Math.log(Number(this.range.min));
    this.high = Math.log(Number(this.range.max));
    this.range.min = 0;
    this.range.max = WAYS;
    this.range.step = 1;
  }

  _fromRange() {
    if (!this.log) return String(Number(this.range.value));
    const way = Number(this.range.value) / WAYS;
    const value = Math.exp(this.low + way * (this.high - this.low));
    const exact = Number(this.present);
    // the place of the present value means exactly that
    return String(this._place(exact) === Number(this.range.value) ? exact : Number(value.toPrecision(DIGITS)));
  }

  _place(value) {
    return Math.round((WAYS * (Math.log(value) - this.low)) / (this.high - this.low));
  }

  _toRange() {
    const value = Number(this.value);
    if (this.value !== "" && Number.isFinite(value)) {
      this.range.value = this.log ? this._place(Math.max(value, Math.exp(this.low))) : value;
    }
    this._say();
  }

  _say() {
    const words = Number(this.value).toLocaleString(language, { maximumFractionDigits: 6 });
    this.range.setAttribute("aria-valuetext", `${words} ${this.unit}`.trim());
    this.element.classList.toggle("is-changed", this.differs);
  }
}
