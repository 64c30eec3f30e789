// How the forecast of the total settled, training by training.

import { count, money, rich } from "./dashboard_format.js";
import { axis, fade, wholeTicks } from "./dashboard_plot.js";
import { gettext, gettext_noop, interpolate } from "./i18n.js";

const plain = { spanGaps: true, points: { show: false } };

function range(data, at) {
  const [low, high] = [money(data.low[at], data.currency), money(data.high[at], data.currency)];
  return low === high ? "" : ` ${interpolate(gettext("(%(low)s to %(high)s)"), { low, high })}`;
}

export const history = {
  empty(data) {
    return data.number.length ? "" : gettext("Each training adds a forecast here, from the third one on.");
  },

  spec(data, theme) {
    const currency = data.currency;
    const { low95 = data.low, high95 = data.high } = data;
    const values = [data.human_only, ...high95, ...data.committed].filter((v) => v != null);
    const last = data.number.length - 1;
    const unseen = { ...plain, stroke: "transparent", width: 0 };
    return {
      rows: [data.number, data.c_star, data.low, data.high, data.committed, low95, high95],
      plot: {
        series: [
          {},
          { ...plain, stroke: theme.fg, width: 2.5 },
          unseen,
          unseen,
          { ...plain, stroke: theme.human, width: 1.75, fill: fade(theme.human, 0.07) },
          unseen,
          unseen,
        ],
        bands: [
          { series: [6, 5], fill: fade(theme.muted, 0.1) },
          { series: [3, 2], fill: theme.band },
        ],
        scales: {
          x: { time: false, range: [0.7, Math.max(3, data.number[last]) + 0.3] },
          y: { range: [0, Math.max(...values) * 1.12] },
        },
        axes: [
          axis(theme, { scale: "x", side: 2, size: 34, label: gettext("training"), format: count, ticks: wholeTicks }),
          axis(theme, { scale: "y", side: 3, size: 60, label: currency, format: (v) => money(v, currency, true) }),
        ],
      },
      draw(pen) {
        data.number.forEach((number, at) => {
          const star = data.c_star[at];
          if (star != null) pen.point(number, star, data.low[at], data.high[at], theme.fg);
        });
        pen.level(data.human_only, interpolate(gettext("people alone %(money)s"), { money: money(data.human_only, currency) }), theme.human);
        if (data.final != null) {
          const words = interpolate(gettext("it came to %(money)s"), { money: money(data.final, currency) });
          pen.level(data.final, words, theme.fg, { align: "start" });
        }
        const x = pen.x(data.number[last]);
        const up = 12 * pen.ratio;
        const end = { align: "right" };
        pen.text(gettext("spent"), x, pen.y(data.committed[last]) - up, theme.human, end);
        if (data.c_star[last] != null) {
          pen.text(gettext("forecast total"), x, pen.y(data.high[last]) - up, theme.fg, { ...end, bold: true });
        }
      },
      readout(index) {
        const at = index ?? last;
        const star = data.c_star[at];
        const values = {
          number: data.number[at],
          images: count(data.train_size[at]),
          forecast: star == null ? "" : money(star, currency) + range(data, at),
          spent: money(data.committed[at], currency),
          stop: money(data.stop_now[at], currency),
        };
        return rich(
          star == null
            ? gettext("<b>Training %(number)s</b> on %(images)s images: no forecast yet; <b>spent</b> %(spent)s; <b>stopping then</b> %(stop)s")
            : gettext("<b>Training %(number)s</b> on %(images)s images: <b>forecast</b> %(forecast)s; <b>spent</b> %(spent)s; <b>stopping then</b> %(stop)s"),
          values,
        );
      },
    };
  },

  table(data) {
    return {
      head: [
        gettext_noop("training"), gettext_noop("training images"), gettext_noop("forecast"),
        gettext_noop("80 % low"), gettext_noop("80 % high"), gettext_noop("95 % low"),
        gettext_noop("95 % high"), gettext_noop("stop now"),
        gettext_noop("spent"), gettext_noop("people alone"), gettext_noop("currency"),
      ],
      rows: data.number.map((number, at) => [
        number, data.train_size[at], data.c_star[at], data.low[at], data.high[at],
        data.low95?.[at], data.high95?.[at], data.stop_now[at], data.committed[at], data.human_only, data.currency,
      ]),
    };
  },
};
