// B_opt, the size that is cheapest or best within the budget, as each training's plan saw it.

import { compact, count, rich } from "./dashboard_format.js";
import { axis, logTicks, wholeTicks } from "./dashboard_plot.js";
import { gettext, gettext_noop, interpolate } from "./i18n.js";

const plain = { spanGaps: true, points: { show: false } };

export const sizes = {
  empty(data) {
    return data.b_opt.some((value) => value != null) ? "" : gettext("The planned training size is known from the third training on.");
  },

  spec(data, theme) {
    const last = data.number.length - 1;
    const values = [...data.train_size, ...data.b_opt, ...data.high, ...data.low].filter((v) => v);
    return {
      rows: [data.number, data.b_opt, data.low, data.high, data.train_size],
      plot: {
        series: [
          {},
          { ...plain, stroke: theme.fg, width: 2 },
          { ...plain, stroke: "transparent", width: 0 },
          { ...plain, stroke: "transparent", width: 0 },
          { ...plain, stroke: theme.human, width: 2 },
        ],
        bands: [{ series: [3, 2], fill: theme.band }],
        scales: {
          x: { time: false, range: [0.7, Math.max(3, data.number[last]) + 0.3] },
          y: { distr: 3, log: 10, range: [Math.min(...values) * 0.8, Math.max(...values) * 1.35] },
        },
        axes: [
          axis(theme, { scale: "x", side: 2, size: 34, label: gettext("training"), format: count, ticks: wholeTicks }),
          axis(theme, { scale: "y", side: 3, size: 56, label: gettext("training images |B| (log)"), format: compact, ticks: logTicks }),
        ],
      },
      draw(pen) {
        data.number.forEach((number, at) => {
          if (data.b_opt[at] != null) pen.point(number, data.b_opt[at], data.low[at], data.high[at], theme.fg);
        });
        const end = { align: "right" };
        const x = pen.x(data.number[last]);
        if (data.b_opt[last] != null) pen.text(gettext("planned size"), x, pen.y(data.high[last]) - 12 * pen.ratio, theme.fg, { ...end, bold: true });
        pen.text(gettext("trained on"), x, pen.y(data.train_size[last]) + 14 * pen.ratio, theme.human, end);
      },
      readout(index) {
        const at = index ?? last;
        const values = { number: data.number[at], now: count(data.train_size[at]) };
        if (data.b_opt[at] == null) return rich(gettext("<b>Training %(number)s</b> on %(now)s images: no plan yet."), values);
        Object.assign(values, { b: count(data.b_opt[at]), low: count(data.low[at]), high: count(data.high[at]) });
        if (data.forced[at]) return rich(gettext("<b>Training %(number)s</b> on %(now)s images: the budget decides, %(b)s leave the fewest errors."), values);
        return rich(gettext("<b>Training %(number)s</b> on %(now)s images: cheapest up to %(b)s (80 % sure: %(low)s to %(high)s)."), values);
      },
    };
  },

  table(data) {
    return {
      head: [
        gettext_noop("training"), gettext_noop("training images"), gettext_noop("planned size"),
        gettext_noop("80 % low"), gettext_noop("80 % high"),
      ],
      rows: data.number.map((number, at) => [number, data.train_size[at], data.b_opt[at], data.low[at], data.high[at]]),
    };
  },
};
