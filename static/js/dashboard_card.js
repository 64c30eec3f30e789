// One chart with its words: plot, readout, the numbers as a table, CSV and PNG.
//
// A kind is { empty(data), spec(data, theme, choice), table(data), chooser?(card, data) }; a spec is
// { plot: uPlot options, rows: uPlot data, draw(pen), before?(pen), readout(index) }.

import { Pen, readTheme } from "./dashboard_plot.js";
import { gettext } from "./i18n.js";

export class ChartCard {
  constructor(element, kind, fileName) {
    this.element = element;
    this.kind = kind;
    this.fileName = fileName;
    this.choice = null;
    this.place = element.querySelector("[data-plot]");
    this.readout = element.querySelector("[data-readout]");
    this.numbers = element.querySelector(".dash-numbers");
    this.title = element.querySelector("h2").textContent;
    this._watch();
  }

  /** Draw these numbers: without flicker where the plot is there already. */
  update(data) {
    this.data = data;
    const nothing = this.kind.empty(data);
    this._showEmpty(nothing);
    if (nothing) {
      this._drop();
      return;
    }
    this.kind.chooser?.(this, data);
    this._draw();
    if (this.numbers.open) this._fillTable();
  }

  /** Draw all of it anew: other colours, another choice. */
  redraw() {
    this._drop();
    if (this.data && !this.kind.empty(this.data)) this._draw();
  }

  _draw() {
    this.theme = readTheme();
    this.spec = this.kind.spec(this.data, this.theme, this.choice);
    if (this.plot && this.plot.series.length === this.spec.plot.series.length) {
      // setData() keeps the series of before: a line that is dashed now would stay solid.
      this.spec.plot.series.forEach((series, at) => (this.plot.series[at].dash = series.dash ?? []));
      this.plot.setData(this.spec.rows);
    } else {
      this._drop();
      this.plot = new uPlot(this._options(), this.spec.rows, this.place);
    }
    this._read(null);
  }

  _options() {
    const options = this.spec.plot;
    return {
      ...options,
      ...this._size(),
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      // The newest spec is asked on each draw, so that setData() draws the newest rules.
      scales: Object.fromEntries(
        Object.entries(options.scales).map(([name, scale]) => [
          name,
          { ...scale, range: () => this.spec.plot.scales[name].range },
        ]),
      ),
      hooks: {
        drawAxes: [(u) => this.spec.before?.(new Pen(u, this.theme))],
        draw: [(u) => this.spec.draw(new Pen(u, this.theme))],
        setCursor: [(u) => this._read(u.cursor.left >= 0 ? u.cursor.idx : null)],
      },
    };
  }

  _size() {
    return { width: Math.max(200, this.place.clientWidth), height: this.place.clientHeight };
  }

  _read(index) {
    this.readout.replaceChildren(...this.spec.readout(index).flatMap(words));
  }

  _drop() {
    this.plot?.destroy();
    this.plot = null;
  }

  _showEmpty(text) {
    const empty = this.element.querySelector("[data-empty]");
    empty.textContent = text || "";
    empty.hidden = !text;
    for (const part of [this.place, this.readout, this.numbers]) part.hidden = Boolean(text);
    for (const button of this.element.querySelectorAll("[data-csv], [data-png], .dash-chooser")) {
      button.hidden = Boolean(text);
    }
  }

  _watch() {
    new ResizeObserver(() => this.plot?.setSize(this._size())).observe(this.place);
    const again = () => requestAnimationFrame(() => this.redraw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    new MutationObserver(again).observe(document.documentElement, {
      attributes: true,
      attributeFilter: ["data-theme"],
    });
    this.numbers.addEventListener("toggle", () => this.numbers.open && this._fillTable());
    this.element.querySelector("[data-csv]").addEventListener("click", () => this._saveCsv());
    this.element.querySelector("[data-png]").addEventListener("click", () => this._savePng());
  }

  _fillTable() {
    const { head, rows } = this.kind.table(this.data);
    const table = document.createElement("table");
    table.className = "table";
    const caption = table.createCaption();
    caption.className = "visually-hidden";
    caption.textContent = this.title;
    const top = table.createTHead().insertRow();
    for (const name of head) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.className = "num";
      cell.textContent = gettext(name);
      top.append(cell);
    }
    const body = table.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      for (const value of row) {
        const cell = line.insertCell();
        cell.className = "num";
        cell.textContent = value ?? "";
      }
    }
    this.element.querySelector("[data-table]").replaceChildren(table);
  }

  _saveCsv() {
    const { head, rows } = this.kind.table(this.data);
    const quote = (value) => `"${String(value ?? "").replaceAll('"', '""')}"`;
    const text = [head, ...rows].map((row) => row.map(quote).join(",")).join("\r\n");
    save(new Blob([text, "\r\n"], { type: "text/csv" }), `${this.fileName}.csv`);
  }

  _savePng() {
    const source = this.plot.ctx.canvas;
    const canvas = document.createElement("canvas");
    const ratio = uPlot.pxRatio;
    const margin = 16 * ratio;
    const head = 32 * ratio;
    canvas.width = source.width + 2 * margin;
    canvas.height = source.height + head + 2 * margin;
    const ctx = canvas.getContext("2d");
    ctx.fillStyle = this.theme.raised;
    ctx.fillRect(0, 0, canvas.width, canvas.height);
    ctx.fillStyle = this.theme.fg;
    ctx.font = `600 ${16 * ratio}px ${this.theme.font.split(" ").slice(1).join(" ")}`;
    ctx.fillText(this.title, margin, margin + 16 * ratio);
    ctx.drawImage(source, margin, margin + head);
    canvas.toBlob((blob) => save(blob, `${this.fileName}.png`));
  }
}

/** Turn "plain" and ["bold"] parts of a readout into nodes. */
function words(part) {
  if (!Array.isArray(part)) return [document.createTextNode(part)];
  const bold = document.createElement("b");
  bold.textContent = part[0];
  return [bold];
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
