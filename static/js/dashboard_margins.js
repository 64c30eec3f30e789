// Test images by margin, right and wrong, with the threshold above which the machine would label.

import { count } from "./dashboard_format.js";
import { axis, fade } from "./dashboard_plot.js";

const COUNTS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

function countTicks(_low, high, most) {
  const ticks = COUNTS.filter((value) => value <= high);
  return ticks.length <= most ? ticks : ticks.filter((_v, index) => index % 2 === (ticks.length - 1) % 2);
}

const tenths = (value) => String(Number(value.toFixed(2)));

/** Bars of height 0 would still show their edge. */
const seen = (values) => values.map((value) => value || null);

export const margins = {
  empty(data) {
    return data.edges.length ? "" : "After the first training: how sure the machine was of each test image.";
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
          axis(theme, { scale: "x", side: 2, size: 34, label: "margin (1: certain)", format: tenths }),
          axis(theme, { scale: "y", side: 3, size: 46, label: "test images (compressed)", format: count, ticks: countTicks }),
        ],
      },
      draw(pen) {
        if (data.threshold != null) {
          const words = `machine labels from ${tenths(data.threshold)}`;
          pen.upright(data.threshold, words, theme.machine, { dash: [] });
        }
        const { left, top } = pen.box;
        pen.text("right", left, top + 9 * pen.ratio, theme.test, { bold: true });
        pen.text("wrong", left, top + 26 * pen.ratio, theme.danger, { bold: true });
      },
      readout(index) {
        if (index == null) {
          const above = starts.map((edge, at) => (data.threshold != null && edge >= data.threshold ? at : -1)).filter((at) => at >= 0);
          const right = data.right.reduce((a, b) => a + b, 0);
          const wrong = data.wrong.reduce((a, b) => a + b, 0);
          const missed = above.reduce((sum, at) => sum + data.wrong[at], 0);
          const tail = above.length ? ` ${count(missed)} of the wrong ones in the bars right of the rule.` : "";
          return [`Of ${count(right + wrong)} test images the machine has `, [`${count(right)} right`], ", ", [`${count(wrong)} wrong`], `.${tail}`];
        }
        return [
          [`Margin ${tenths(data.edges[index])} to ${tenths(data.edges[index + 1])}: `],
          `${count(data.right[index])} right, ${count(data.wrong[index])} wrong`,
        ];
      },
    };
  },

  table(data) {
    return {
      head: ["margin from", "margin to", "right", "wrong"],
      rows: data.right.map((right, at) => [data.edges[at], data.edges[at + 1], right, data.wrong[at]]),
    };
  },
};
