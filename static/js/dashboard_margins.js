// Test images by margin, right and wrong, with the threshold above which the machine would label.

import { count, rich } from "./dashboard_format.js";
import { axis, fade } from "./dashboard_plot.js";
import { gettext, gettext_noop, interpolate, language } from "./i18n.js";

const COUNTS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

function countTicks(_low, high, most) {
  const ticks = COUNTS.filter((value) => value <= high);
  return ticks.length <= most ? ticks : ticks.filter((_v, index) => index % 2 === (ticks.length - 1) % 2);
}

const tenths = (value) => value.toLocaleString(language, { maximumFractionDigits: 2 });

/** Bars of height 0 would still show their edge. */
const seen = (values) => values.map((value) => value || null);

export const margins = {
  empty(data) {
    return data.edges.length ? "" : gettext("After the first training: how sure the machine was of each test image.");
  },

  spec(data, theme) {
    const starts = data.edges.slice(0, -1);
    const total = starts.map((_edge, at) => data.right[at] + data.wrong[at]);
    const bars = uPlot.paths.bars({ size: [1, Infinity], align: 1, gap: 1 });
    const bar = { paths: bars, points: { show: false }, width: 1 };
    return {
      rows: [starts, seen(total), seen(data.wrong)],
      plot: {
        series: [
          {},
          { ...bar, stroke: theme.test, fill: fade(theme.test, 0.35) },
          { ...bar, stroke: theme.danger, fill: fade(theme.danger, 0.85) },
        ],
        scales: {
          x: { time: false, range: [data.edges[0] - 0.01, data.edges.at(-1) + 0.01] },
          y: { distr: 4, asinh: 1, range: [0, Math.max(...total, 1) * 1.6] },
        },
        axes: [
          axis(theme, { scale: "x", side: 2, size: 34, label: gettext("margin (1: certain)"), format: tenths }),
          axis(theme, { scale: "y", side: 3, size: 46, label: gettext("test images (compressed)"), format: count, ticks: countTicks }),
        ],
      },
      draw(pen) {
        if (data.threshold != null) {
          const words = interpolate(gettext("machine labels from %(margin)s"), { margin: tenths(data.threshold) });
          pen.upright(data.threshold, words, theme.machine, { dash: [] });
        }
        const { left, top } = pen.box;
        pen.text(gettext("right"), left, top + 9 * pen.ratio, theme.test, { bold: true });
        pen.text(gettext("wrong"), left, top + 26 * pen.ratio, theme.danger, { bold: true });
      },
      readout(index) {
        if (index == null) {
          const above = starts.map((edge, at) => (data.threshold != null && edge >= data.threshold ? at : -1)).filter((at) => at >= 0);
          const sum = (all) => count(above.reduce((so, at) => so + all[at], 0));
          const values = { right: sum(data.right), wrong: sum(data.wrong) };
          const parts = [gettext("Point at the chart for exact values.")];
          if (!above.length) return parts;
          return [...rich(gettext("Right of the rule: <b>%(right)s right</b>, <b>%(wrong)s wrong</b>."), values), " ", ...parts];
        }
        return rich(gettext("<b>Margin %(low)s to %(high)s:</b> %(right)s right, %(wrong)s wrong"), {
          low: tenths(data.edges[index]),
          high: tenths(data.edges[index + 1]),
          right: count(data.right[index]),
          wrong: count(data.wrong[index]),
        });
      },
    };
  },

  table(data) {
    return {
      head: [
        gettext_noop("margin from"), gettext_noop("margin to"), gettext_noop("right"), gettext_noop("wrong"),
      ],
      rows: data.right.map((right, at) => [data.edges[at], data.edges[at + 1], right, data.wrong[at]]),
    };
  },
};
