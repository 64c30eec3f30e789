// Reliability: how often the machine is right where it says that it is so and so sure.

import { count, percent, rich, tick } from "./dashboard_format.js";
import { axis, fade } from "./dashboard_plot.js";
import { gettext, gettext_noop, interpolate } from "./i18n.js";

const STRIP = 0.16; // of the height: the counts per bin

function tenths(low, high) {
  const ticks = [];
  for (let k = Math.ceil(low * 10 - 1e-9); k <= high * 10 + 1e-9; k += 1) ticks.push(k / 10);
  return ticks;
}

const every = (low, high, most) => {
  const ticks = tenths(low, high);
  return ticks.length <= most ? ticks : ticks.filter((_tick, at) => at % 2 === (ticks.length - 1) % 2);
};

function countBars(pen, bins, theme) {
  const most = Math.max(...bins.map((bin) => bin.count));
  const { top, height } = pen.box;
  pen.inside((ctx) => {
    ctx.fillStyle = fade(theme.test, 0.28);
    for (const bin of bins) {
      const [from, to] = [pen.x(bin.from), pen.x(bin.to)];
      const size = (STRIP * height * bin.count) / most;
      ctx.fillRect(from + pen.ratio, top + height - size, to - from - 2 * pen.ratio, size);
    }
  });
}

export const reliability = {
  empty(data) {
    if (data.bins.length) return "";
    return gettext("After the first training: how sure the machine was against how often it was right. Trainings before this page existed kept no confidences.");
  },

  spec(data, theme) {
    const bins = data.bins.filter((bin) => bin.count);
    const first = bins[0].from;
    return {
      rows: [bins.map((bin) => bin.sure), bins.map((bin) => bin.share)],
      plot: {
        series: [{}, { points: { show: false }, stroke: "transparent", width: 0 }],
        scales: {
          x: { time: false, range: [first - 0.005, 1.005] },
          y: { range: [0, 1.04] },
        },
        axes: [
          axis(theme, { scale: "x", side: 2, size: 34, label: gettext("how sure the machine says it is"), format: tick, ticks: every }),
          axis(theme, { scale: "y", side: 3, size: 56, label: gettext("how often it is right"), format: tick, ticks: every }),
        ],
      },
      before(pen) {
        countBars(pen, bins, theme);
        const ends = [[first, first], [1, 1]].map(([x, y]) => [pen.x(x), pen.y(y)]);
        pen.line(ends, theme.muted, { width: 1.25, dash: [5, 4] });
      },
      draw(pen) {
        for (const bin of bins) {
          pen.point(bin.sure, bin.share, bin.low, bin.high, theme.test, { size: bin.count < 10 ? 2.5 : 4, hollow: bin.count < 10 });
        }
        if (pen.box.width < 360 * pen.ratio) return; // no room for words
        const middle = first + (1 - first) * 0.32;
        pen.text(gettext("exactly as sure as right"), pen.x(middle), pen.y(middle) - 14 * pen.ratio, theme.muted, { align: "right" });
        pen.text(gettext("test images per bar"), pen.x(first), pen.y(0) - STRIP * pen.box.height - 6 * pen.ratio, theme.muted, { pad: 4 });
      },
      readout(index) {
        if (index == null) {
          return [gettext("Points below the dashed line: surer than right. Hollow points stand on fewer than 10 test images. Point at the chart for exact values.")];
        }
        const bin = bins[index];
        return rich(
          gettext("<b>Sure by %(from)s to %(to)s:</b> %(right)s of %(n)s test images right, %(share)s (95 % sure: %(low)s to %(high)s); it said %(sure)s on average."),
          {
            from: tick(bin.from),
            to: tick(bin.to),
            right: count(bin.right),
            n: count(bin.count),
            share: percent(bin.share),
            low: percent(bin.low),
            high: percent(bin.high),
            sure: percent(bin.sure),
          },
        );
      },
    };
  },

  table(data) {
    return {
      head: [
        gettext_noop("sure from"), gettext_noop("sure to"), gettext_noop("test images"), gettext_noop("right"),
        gettext_noop("mean confidence"), gettext_noop("share right"), gettext_noop("95 % low"), gettext_noop("95 % high"),
      ],
      rows: data.bins.map((b) => [b.from, b.to, b.count, b.right, b.sure, b.share, b.low, b.high]),
    };
  },
};
