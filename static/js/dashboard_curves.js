// Error inside the machine-labelled set, by training size, for a few shares theta.

import { compact, count, hundredths, percent, rich, tick } from "./dashboard_format.js";
import { axis, fade, logTicks } from "./dashboard_plot.js";
import { gettext, gettext_noop, interpolate } from "./i18n.js";

const same = (a, b) => Math.abs(a - b) < 1e-9;

/** Where a point stands: with no error seen, at half an error, drawn hollow. */
const height = ([, errors, marks, share]) => (errors ? share : 0.5 / marks);

function chosen(data, choice) {
  return choice ?? data.shown;
}

/** One row of uPlot data per line: x are all sizes at which something was measured or forecast. */
function align(data, indices) {
  const sizes = new Set([...data.grid, ...data.limit.x]);
  for (const index of indices) for (const point of data.points[index]) sizes.add(point[0]);
  const x = [...sizes].sort((a, b) => a - b);
  const at = new Map(x.map((size, position) => [size, position]));
  const row = (keys, values) => {
    const line = new Array(x.length).fill(null);
    keys.forEach((key, i) => (line[at.get(key)] = values[i] > 0 ? values[i] : null));
    return line;
  };
  const rows = [x];
  for (const index of indices) {
    const points = data.points[index];
    rows.push(row(points.map((p) => p[0]), points.map(height)));
    rows.push(row(data.grid, data.median[index] ?? []));
    rows.push(row(data.grid, data.low[index] ?? []));
    rows.push(row(data.grid, data.high[index] ?? []));
  }
  rows.push(row(data.limit.x, data.limit.y));
  return rows;
}

function yRange(data, indices) {
  const points = indices.flatMap((index) => data.points[index]);
  const lines = indices.flatMap((index) => [data.median[index]?.at(-1), data.median[index]?.[0]]);
  const values = [...points.map(height), ...lines, ...data.limit.y].filter((v) => v > 0);
  const highest = Math.max(...values, ...points.map((p) => p[5]), 0.02);
  return [Math.max(Math.min(...values) * 0.6, highest / 3000), Math.min(1, highest * 1.25)];
}

function xRange(data, indices) {
  const sizes = [...data.grid, ...indices.flatMap((i) => data.points[i].map((p) => p[0]))];
  return [Math.min(...sizes) * 0.85, Math.max(...sizes) * 1.1];
}

function drawLine(pen, data, index, colour, strong) {
  for (const point of data.points[index]) {
    const low = point[1] ? point[4] : NaN;
    const size = strong ? 4 : 3;
    pen.point(point[0], height(point), low, point[5], colour, { hollow: !point[1], size });
  }
}

const NARROW = 480; // pixels of a plot: names of lines are short there
const gutter = (u) => (u.width < NARROW ? 54 : 96);

/** What a line is called at its end, and where that is; nothing where it has no point. */
function lineEnd(pen, data, index, colour, bold) {
  const last = data.points[index].at(-1);
  const line = data.median[index] ?? [];
  const y = line.length ? line.at(-1) : last && height(last);
  if (!y) return [];
  const theta = `θ ${hundredths(data.thetas[index])}`;
  const whole = bold && pen.u.width >= NARROW;
  const words = whole ? interpolate(gettext("%(theta)s (plan)"), { theta }) : theta;
  return [{ words, x: pen.x(data.grid.at(-1) ?? last[0]), y: pen.y(y), colour, bold }];
}

function readout(data, indices, x, index) {
  if (index == null) {
    const limit = data.limit.theta
      ? interpolate(gettext("At θ %(theta)s the target allows the red line."), { theta: hundredths(data.limit.theta) })
      : gettext("The fit needs three trainings.");
    return [limit, " ", gettext("Hollow points: no error was seen. Point at the chart for exact values.")];
  }
  const size = x[index];
  const parts = rich(gettext("<b>%(n)s training images:</b>"), { n: count(size) });
  for (const i of indices) {
    const point = data.points[i].find((p) => p[0] === size);
    const at = data.grid.indexOf(size);
    if (!point && at < 0) continue;
    parts.push(" ", ...rich(...valuesAt(data, i, at, point)));
  }
  const at = data.limit.x.indexOf(size);
  if (at >= 0) {
    const values = { theta: hundredths(data.limit.theta), share: percent(data.limit.y[at]) };
    parts.push(" ", interpolate(gettext("allowed at θ %(theta)s: %(share)s"), values));
  }
  return parts;
}

/** What is known of one line at one size: words, and the values that they want. */
function valuesAt(data, index, at, point) {
  const theta = hundredths(data.thetas[index]);
  if (point) {
    const [, errors, marks, share, low, high] = point;
    const values = { theta, errors: count(errors), marks: count(marks), share: percent(share), low: percent(low), high: percent(high) };
    return [gettext("<b>θ %(theta)s</b> %(errors)s of %(marks)s wrong, %(share)s (%(low)s to %(high)s);"), values];
  }
  const [share, low, high] = [data.median, data.low, data.high].map((all) => percent(all[index][at]));
  const words =
    data.grid[at] > data.present
      ? gettext("<b>θ %(theta)s</b> forecast %(share)s (%(low)s to %(high)s);")
      : gettext("<b>θ %(theta)s</b> fit %(share)s (%(low)s to %(high)s);");
  return [words, { theta, share, low, high }];
}

function series(theme, indices, star) {
  const lines = [{}];
  const bands = [];
  const many = indices.length > 4;
  for (const index of indices) {
    const isStar = index === star;
    const colour = isStar ? theme.machine : theme.muted;
    const common = { spanGaps: true, points: { show: false } };
    lines.push({ ...common, stroke: fade(colour, 0.35), width: 1, dash: [2, 3] });
    lines.push({ ...common, stroke: colour, width: isStar ? 2.5 : 1.5 });
    lines.push({ ...common, stroke: "transparent", width: 0 }, { ...common, stroke: "transparent", width: 0 });
    const fill = isStar ? theme.band : fade(theme.muted, many ? 0.03 : 0.1);
    bands.push({ series: [lines.length - 1, lines.length - 2], fill });
  }
  lines.push({ spanGaps: true, points: { show: false }, stroke: theme.limit, width: 2, dash: [6, 3] });
  return { lines, bands };
}

export const curves = {
  empty(data) {
    const any = data.points.some((points) => points.length);
    return any ? "" : gettext("The first training has not ended yet. Its error on the test set appears here.");
  },

  spec(data, theme, choice) {
    const indices = chosen(data, choice)
      .map((theta) => data.thetas.findIndex((other) => same(other, theta)))
      .filter((index) => index >= 0);
    const star = data.theta_star ? data.thetas.findIndex((t) => same(t, data.theta_star)) : -1;
    const rows = align(data, indices);
    const { lines, bands } = series(theme, indices, star);
    const colour = (index) => (index === star ? theme.machine : theme.muted);
    return {
      rows,
      plot: {
        series: lines,
        bands,
        padding: [null, gutter, null, null],
        scales: {
          x: { time: false, distr: 3, log: 10, range: xRange(data, indices) },
          y: { distr: 3, log: 10, range: yRange(data, indices) },
        },
        axes: [
          axis(theme, { scale: "x", side: 2, size: 34, label: gettext("training images |B| (log)"), format: compact, ticks: logTicks }),
          axis(theme, { scale: "y", side: 3, size: 52, label: gettext("wrong labels (log)"), format: tick, ticks: logTicks }),
        ],
      },
      before(pen) {
        if (data.b_opt && data.b_opt.high > data.b_opt.low) pen.strip(data.b_opt.low, data.b_opt.high, fade(theme.muted, 0.09));
      },
      draw(pen) {
        for (const index of indices) drawLine(pen, data, index, colour(index), index === star);
        if (data.present) pen.upright(data.present, interpolate(gettext("now %(n)s"), { n: count(data.present) }), theme.fg, { dash: [] });
        if (data.b_opt && data.b_opt.value > data.present) pen.upright(data.b_opt.value, interpolate(data.forced ? gettext("planned %(n)s") : gettext("cheapest %(n)s"), { n: count(data.b_opt.value) }), theme.fg);
        pen.ends(indices.flatMap((index) => lineEnd(pen, data, index, colour(index), index === star)));
        if (data.limit.x.length) {
          const up = 9 * pen.ratio;
          const at = (index) => ({ x: pen.x(data.limit.x.at(index)), y: pen.y(data.limit.y.at(index)) });
          const words = interpolate(gettext("limit at θ %(theta)s"), { theta: hundredths(data.limit.theta) });
          const others = [{ ...at(0), y: at(0).y + up, align: "left" }, { ...at(-1), y: at(-1).y - up, align: "right" }];
          pen.text(words, at(0).x, at(0).y - up, theme.limit, { pad: 0, others });
        }
      },
      readout: (index) => readout(data, indices, rows[0], index),
    };
  },

  chooser(card, data) {
    const box = card.element.querySelector(".dash-thetas");
    if (!box || box.querySelector("input")) return;
    const grid = document.createElement("div");
    grid.className = "dash-theta-grid";
    for (const theta of data.thetas) grid.append(option(card, theta));
    box.append(grid);
    const marked = () => {
      const now = chosen(card.data, card.choice);
      for (const input of box.querySelectorAll("input")) {
        input.checked = now.some((theta) => same(theta, Number(input.value)));
      }
    };
    box.closest("details").addEventListener("toggle", marked);
    marked();
  },

  table(data) {
    const head = [
      gettext_noop("training images"), gettext_noop("theta"), gettext_noop("errors"),
      gettext_noop("test images"), gettext_noop("error"), gettext_noop("80 % low"),
      gettext_noop("80 % high"), gettext_noop("kind"),
    ];
    const rows = [];
    data.thetas.forEach((theta, index) => {
      for (const point of data.points[index]) rows.push([point[0], theta, ...point.slice(1), "measured"]);
      data.grid.forEach((size, at) => {
        const [median, low, high] = [data.median, data.low, data.high].map((all) => all[index]?.[at]);
        rows.push([size, theta, "", "", median, low, high, "forecast"]);
      });
    });
    return { head, rows };
  },
};

function option(card, theta) {
  const label = document.createElement("label");
  label.className = "check";
  const input = document.createElement("input");
  input.type = "checkbox";
  input.value = theta;
  input.addEventListener("change", () => {
    const all = [...card.element.querySelectorAll(".dash-thetas input")];
    const now = all.filter((one) => one.checked).map((one) => Number(one.value));
    if (!now.length) {
      input.checked = true;
      return;
    }
    card.choice = now;
    card.redraw();
  });
  label.append(input, `θ ${hundredths(theta)}`);
  return label;
}
