// Drawing on a uPlot canvas: colours from the CSS tokens, axes, rules, labels, error bars.
// Lengths below are CSS pixels; the canvas has uPlot.pxRatio times as many.

const TOKENS = {
  fg: "--fg",
  muted: "--fg-muted",
  line: "--line",
  strong: "--line-strong",
  raised: "--bg-raised",
  human: "--c-human",
  machine: "--c-machine",
  test: "--c-test",
  audit: "--c-audit",
  limit: "--c-limit",
  band: "--c-band",
  open: "--c-open",
  danger: "--danger",
};

/** Return the colours of the page as it looks now. */
export function readTheme() {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const theme = {};
  for (const [name, token] of Object.entries(TOKENS)) {
    probe.style.color = `var(${token})`;
    theme[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  theme.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return theme;
}

/** Return the colour with this opacity (colours come as rgb() or rgba()). */
export function fade(colour, opacity) {
  const parts = colour.match(/[\d.]+/g).slice(0, 3);
  return `rgba(${parts.join(", ")}, ${opacity})`;
}

const STEPS = [1, 2, 5];

/** Return round numbers 1, 2, 5 x 10^k between two values, thinned to at most `most`. */
export function logTicks(low, high, most) {
  for (const steps of [STEPS, [1, 3], [1]]) {
    const ticks = [];
    for (let k = Math.floor(Math.log10(low)); k <= Math.ceil(Math.log10(high)); k += 1) {
      for (const step of steps) {
        const value = Number((step * 10 ** k).toPrecision(1));
        if (value >= low && value <= high) ticks.push(value);
      }
    }
    if (ticks.length <= most) return ticks;
  }
  return [low, high];
}

/** Return whole numbers between two values, at most `most` of them. */
export function wholeTicks(low, high, most) {
  const step = Math.max(1, Math.ceil((high - low) / most));
  const ticks = [];
  for (let value = Math.ceil(low); value <= high; value += step) ticks.push(value);
  return ticks;
}

/** Return an axis in the page's colours. `ticks(low, high, room)` gives the values to mark. */
export function axis(theme, { label, format, ticks, side, size, scale }) {
  return {
    scale,
    side,
    size,
    label,
    labelSize: 18,
    labelFont: theme.font,
    labelGap: 0,
    gap: 4,
    font: theme.font,
    stroke: theme.muted,
    grid: { stroke: theme.line, width: 1 },
    ticks: { stroke: theme.line, width: 1, size: 4 },
    border: { show: side === 2, stroke: theme.strong, width: 1 },
    filter: (_u, splits) => splits,
    values: (_u, splits) => splits.map(format),
    ...(ticks && {
      splits: (u, _index, low, high) => {
        const across = side === 2;
        const room = across ? u.bbox.width / 62 : u.bbox.height / 30;
        return ticks(low, high, Math.max(2, Math.floor(room / uPlot.pxRatio)));
      },
    }),
  };
}

const HIGH = 15; // of a line of text

/** Return places at least `step` apart between `low` and `high`, as near to the sorted `wanted` as that allows. */
export function spread(wanted, step, low, high) {
  const places = [];
  wanted.forEach((y, at) => places.push(Math.max(y, at ? places[at - 1] + step : low)));
  for (let at = places.length - 1, most = high; at >= 0; at -= 1, most = places[at + 1] - step) {
    places[at] = Math.min(places[at], most);
  }
  return places;
}

/** Return at most `most` of these labels: the bold ones, and the others evenly chosen. */
export function thinned(labels, most) {
  if (labels.length <= most) return labels;
  const plain = labels.filter((label) => !label.bold);
  const room = Math.max(0, most - (labels.length - plain.length));
  const kept = new Set(Array.from({ length: room }, (_, at) => plain[Math.floor((at * plain.length) / room)]));
  return labels.filter((label) => label.bold || kept.has(label));
}

/** A pen for one draw of one plot: remembers where labels and points stand, so that no label covers one. */
export class Pen {
  constructor(u, theme) {
    this.u = u;
    this.theme = theme;
    this.ratio = uPlot.pxRatio;
    this.box = u.bbox;
    this.taken = [];
    this.ctx = u.ctx;
  }

  x(value) {
    return this.u.valToPos(value, "x", true);
  }

  y(value) {
    return this.u.valToPos(value, "y", true);
  }

  /** Run `work` clipped to the plotting area. */
  inside(work) {
    const { left, top, width, height } = this.box;
    this.ctx.save();
    this.ctx.beginPath();
    this.ctx.rect(left, top, width, height);
    this.ctx.clip();
    work(this.ctx);
    this.ctx.restore();
  }

  line(points, colour, { width = 1, dash = [] } = {}) {
    this.inside((ctx) => {
      ctx.strokeStyle = colour;
      ctx.lineWidth = width * this.ratio;
      ctx.setLineDash(dash.map((d) => d * this.ratio));
      ctx.beginPath();
      points.forEach(([x, y], index) => (index ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
      ctx.stroke();
    });
  }

  /** A vertical rule with its label at the top. */
  upright(value, text, colour, options = {}) {
    const x = this.x(value);
    const { top, height, left, width } = this.box;
    if (x < left - 1 || x > left + width + 1) return;
    this.line([[x, top], [x, top + height]], colour, { width: 1.25, dash: [4, 3], ...options });
    const y = top + 9 * this.ratio;
    this.text(text, x, y, colour, { align: "left", others: [{ x, y, align: "right" }] });
  }

  /** A level rule with its label above it, at the right end unless told otherwise. */
  level(value, text, colour, options = {}) {
    const y = this.y(value);
    const { left, width } = this.box;
    this.line([[left, y], [left + width, y]], colour, { width: 1.25, dash: [6, 3], ...options });
    const start = options.align === "start";
    const x = start ? left + 4 * this.ratio : left + width - 4 * this.ratio;
    this.text(text, x, y - 8 * this.ratio, colour, { align: start ? "left" : "right", pad: 0 });
  }

  /** A range of x as a shaded strip. */
  strip(low, high, colour) {
    const { top, height } = this.box;
    this.inside((ctx) => {
      ctx.fillStyle = colour;
      const from = this.x(low);
      ctx.fillRect(from, top, Math.max(this.ratio, this.x(high) - from), height);
    });
  }

  /** A point with its interval; a hollow one stands for "none seen". */
  point(x, y, low, high, colour, { hollow = false, size = 3.5 } = {}) {
    const [px, py] = [this.x(x), this.y(y)];
    const [from, to] = [this.y(high), Number.isFinite(low) ? this.y(low) : this.box.top + this.box.height];
    this.line([[px, from], [px, to]], fade(colour, 0.65), { width: 1.5 });
    this.inside((ctx) => {
      ctx.beginPath();
      ctx.arc(px, py, size * this.ratio, 0, 2 * Math.PI);
      ctx.fillStyle = hollow ? this.theme.raised : colour;
      ctx.strokeStyle = colour;
      ctx.lineWidth = 1.5 * this.ratio;
      ctx.fill();
      ctx.stroke();
    });
    const reach = (size + 2) * this.ratio;
    this.taken.push({ left: px - reach, right: px + reach, top: py - reach, bottom: py + reach });
  }

  /** Name the ends of lines right of the plotting area, in their order, with a thin line to each. */
  ends(labels) {
    const { top, height, left, width } = this.box;
    const step = HIGH * this.ratio;
    const inOrder = [...labels].sort((a, b) => a.y - b.y);
    const shown = thinned(inOrder, Math.floor(height / step));
    const places = spread(shown.map(({ y }) => y), step, top + step / 2, top + height - step / 2);
    const edge = left + width;
    shown.forEach(({ words, x, y, colour, bold }, at) => {
      const from = Math.min(Math.max(y, top), top + height);
      this._stroke([[Math.min(x, edge), from], [edge + 5 * this.ratio, places[at]]], fade(colour, 0.5));
      this._write(words, edge + 7 * this.ratio, places[at], colour, bold);
    });
  }

  /** Write text on a patch of the background, moved until it covers no label and no point.
   *
   *  Of the places asked for, `others` among them, the one is taken where it has to move least.
   */
  text(words, x, y, colour, { align = "left", pad = 5, bold = false, others = [] } = {}) {
    const { ratio } = this;
    const { left, width } = this.box;
    const wide = this._width(words, bold);
    const places = [{ x, y, align }, ...others].map((one) => {
      const shift = pad * ratio;
      const wanted = { left: one.x + shift, right: one.x - shift - wide }[one.align] ?? one.x - wide / 2;
      const from = Math.max(left + 2 * ratio, Math.min(wanted, left + width - wide - 2 * ratio));
      const middle = this._free(from, wide, one.y);
      return { from, middle, moved: Math.abs(from - wanted) + Math.abs(middle - one.y) };
    });
    const best = places.reduce((a, b) => (b.moved < a.moved ? b : a));
    this._write(words, best.from, best.middle, colour, bold);
  }

  /** Return the height nearest to `y` at which a text covers nothing; `y` itself where there is none. */
  _free(left, wide, y) {
    const { top, height } = this.box;
    const half = (HIGH * this.ratio) / 2;
    const inBox = (middle) => Math.max(top + half, Math.min(middle, top + height - half));
    const free = (middle) =>
      !this.taken.some(
        (box) => left < box.right && left + wide > box.left && middle - half < box.bottom && middle + half > box.top,
      );
    for (let step = 0; step * 3 * this.ratio < height; step += 1) {
      for (const sign of [-1, 1]) {
        const middle = inBox(y + sign * step * 3 * this.ratio);
        if (free(middle)) return middle;
      }
    }
    return inBox(y);
  }

  _write(words, left, middle, colour, bold) {
    const { ctx, ratio } = this;
    const half = (HIGH * ratio) / 2;
    const right = left + this._width(words, bold);
    this.taken.push({ left: left - 4 * ratio, right: right + 4 * ratio, top: middle - half, bottom: middle + half, words });
    ctx.save();
    ctx.font = this._font(bold);
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.fillStyle = fade(this.theme.raised, 0.82);
    ctx.fillRect(left - 2 * ratio, middle - half, right - left + 4 * ratio, 2 * half);
    ctx.fillStyle = colour;
    ctx.fillText(words, left, middle);
    ctx.restore();
  }

  _stroke(points, colour) {
    const { ctx } = this;
    ctx.save();
    ctx.strokeStyle = colour;
    ctx.lineWidth = this.ratio;
    ctx.beginPath();
    points.forEach(([x, y], index) => (index ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
    ctx.stroke();
    ctx.restore();
  }

  _width(words, bold) {
    this.ctx.save();
    this.ctx.font = this._font(bold);
    const { width } = this.ctx.measureText(words);
    this.ctx.restore();
    return width;
  }

  _font(bold) {
    const [size, ...family] = this.theme.font.split(" ");
    return `${bold ? 600 : 500} ${parseFloat(size) * this.ratio}px ${family.join(" ")}`;
  }
}
