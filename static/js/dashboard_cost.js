// C(B): what the whole data set costs if training goes on up to B images.

import { compact, count, money, nearest, rich } from "./dashboard_format.js";
import { axis, fade, logTicks } from "./dashboard_plot.js";
import { gettext, gettext_noop, interpolate } from "./i18n.js";

const plain = { spanGaps: true, points: { show: false } };

function nameLine(pen, data, values, words, colour, up, bold) {
  const at = Math.floor(data.grid.length * 0.72);
  const y = pen.y(values[at]) - up * pen.ratio;
  pen.text(words, pen.x(data.grid[at]), y, colour, { align: "middle", bold });
}

export const cost = {
  empty(data) {
    return data.grid.length ? "" : gettext("The cost of going on can be forecast after three trainings.");
  },

  spec(data, theme) {
    const currency = data.currency;
    const top = Math.max(data.human_only, ...data.total, data.c_star?.high ?? 0) * 1.12;
    const best = data.c_star && data.b_opt;
    const strip = data.b_opt && data.b_opt.high > data.b_opt.low;
    return {
      rows: [data.grid, data.total, data.labels, data.compute],
      plot: {
        series: [
          {},
          { ...plain, stroke: theme.fg, width: 2.5 },
          { ...plain, stroke: theme.human, width: 1.75, fill: fade(theme.human, 0.07) },
          { ...plain, stroke: theme.muted, width: 1.75, dash: [2, 3] },
        ],
        scales: {
          x: { time: false, distr: 3, log: 10, range: [data.grid[0] * 0.92, data.grid.at(-1) * 1.06] },
          y: { range: [0, top] },
        },
        axes: [
          axis(theme, { scale: "x", side: 2, size: 34, label: gettext("training images |B| (log)"), format: compact, ticks: logTicks }),
          axis(theme, { scale: "y", side: 3, size: 60, label: interpolate(gettext("total cost, %(currency)s"), { currency }), format: (v) => money(v, currency, true) }),
        ],
      },
      before(pen) {
        if (strip) pen.strip(data.b_opt.low, data.b_opt.high, theme.band);
      },
      draw(pen) {
        pen.level(data.human_only, interpolate(gettext("people alone %(money)s"), { money: money(data.human_only, currency) }), theme.human);
        if (best) pen.point(data.b_opt.value, data.c_star.value, data.c_star.low, data.c_star.high, theme.fg, { size: 5 });
        pen.upright(data.present, interpolate(gettext("now %(n)s"), { n: count(data.present) }), theme.fg, { dash: [] });
        if (best && data.b_opt.value > data.present) {
          const values = { n: count(data.b_opt.value), money: money(data.c_star.value, currency) };
          pen.upright(data.b_opt.value, interpolate(gettext("cheapest %(n)s: %(money)s"), values), theme.fg);
        }
        nameLine(pen, data, data.total, gettext("total"), theme.fg, 14, true);
        nameLine(pen, data, data.labels, gettext("labels by people"), theme.human, -13);
        nameLine(pen, data, data.compute, gettext("compute"), theme.muted, 10);
      },
      readout(index) {
        if (index == null) {
          const stop = rich(gettext("Stopping now would cost <b>%(money)s</b> in all."), { money: money(data.stop_now, currency) });
          return strip ? [...stop, " ", gettext("The strip is where the cheapest size lies, 80\u00a0% sure.")] : stop;
        }
        const at = nearest(data.grid, data.grid[index]);
        return rich(
          gettext("<b>%(n)s training images:</b> <b>total</b> %(total)s; <b>labels</b> %(labels)s; <b>compute</b> %(compute)s"),
          {
            n: count(data.grid[at]),
            total: money(data.total[at], currency),
            labels: money(data.labels[at], currency),
            compute: money(data.compute[at], currency),
          },
        );
      },
    };
  },

  table(data) {
    return {
      head: [
        gettext_noop("training images"), gettext_noop("total"), gettext_noop("labels"),
        gettext_noop("compute"), gettext_noop("currency"),
      ],
      rows: data.grid.map((size, at) => [size, data.total[at], data.labels[at], data.compute[at], data.currency]),
    };
  },
};
