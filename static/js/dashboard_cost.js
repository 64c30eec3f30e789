// C(B): what the whole data set costs if training goes on up to B images.

import { compact, count, money, nearest, rich } from "./dashboard_format.js";
import { axis, fade, logTicks } from "./dashboard_plot.js";
import { gettext, gettext_noop, interpolate } from "./i18n.js";

const plain = { spanGaps: true, points: { show: false } };

/** Write words where a layer is at its thickest, in its middle. */
function nameLayer(pen, data, low, high, words, colour) {
  const from = Math.floor(data.grid.length * 0.3);
  let at = from;
  for (let k = from; k < data.grid.length * 0.85; k += 1) if (high[k] - low[k] > high[at] - low[at]) at = k;
  const x = pen.x(data.grid[at]);
  if (pen.y(low[at]) - pen.y(high[at]) < 16 * pen.ratio) return; // too thin for words
  pen.text(words, x, (pen.y(low[at]) + pen.y(high[at])) / 2, colour, { align: "middle", bold: true });
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
          { ...plain, stroke: theme.human, width: 1.5, fill: fade(theme.human, 0.16) },
          { ...plain, stroke: "transparent", width: 0 },
        ],
        bands: [{ series: [1, 2], fill: fade(theme.muted, 0.3) }],
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
        if (data.stop_now != null) pen.point(data.present, data.stop_now, data.stop_now, data.stop_now, theme.fg, { hollow: true });
        if (best) {
          const { value, low, high, low95 = low, high95 = high } = data.c_star;
          pen.point(data.b_opt.value, value, low95, high95, theme.muted, { size: 1 });
          pen.point(data.b_opt.value, value, low, high, theme.fg, { size: 5 });
        }
        pen.level(data.human_only, interpolate(gettext("people alone %(money)s"), { money: money(data.human_only, currency) }), theme.human);
        pen.upright(data.present, interpolate(gettext("now %(n)s"), { n: count(data.present) }), theme.fg, { dash: [] });
        if (best && data.b_opt.value > data.present) {
          const values = { n: count(data.b_opt.value), money: money(data.c_star.value, currency) };
          pen.upright(data.b_opt.value, interpolate(gettext("cheapest %(n)s: %(money)s"), values), theme.fg);
        }
        const zero = data.grid.map(() => 0);
        nameLayer(pen, data, zero, data.labels, gettext("labels by people"), theme.human);
        nameLayer(pen, data, data.labels, data.total, gettext("compute"), theme.muted);
      },
      readout(index) {
        if (index == null) {
          if (data.spent != null) return rich(gettext("The run came to <b>%(money)s</b> in all."), { money: money(data.spent, currency) });
          if (data.stop_now == null) return [];
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
