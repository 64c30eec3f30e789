// How the forecast of the total settled, training by training.

import { count, money } from "./dashboard_format.js";
import { axis, fade } from "./dashboard_plot.js";

const plain = { spanGaps: true, points: { show: false } };

function wholeTicks(low, high, most) {
  const step = Math.max(1, Math.ceil((high - low) / most));
  const ticks = [];
  for (let value = Math.ceil(low); value <= high; value += step) ticks.push(value);
  return ticks;
}

function range(data, at) {
  const [low, high] = [money(data.low[at], data.currency), money(data.high[at], data.currency)];
  return low === high ? "" : ` (${low} to ${high})`;
}

export const history = {
  empty(data) {
    return data.number.length ? "" : "Each training adds a forecast here, from the third one on.";
  },

  spec(data, theme) {
    const currency = data.currency;
    const values = [data.human_only, ...data.high, ...data.committed].filter((v) => v != null);
    const last = data.number.length - 1;
    return {
      rows: [data.number, data.c_star, data.low, data.high, data.committed],
      plot: {
        series: [
          {},
          { ...plain, stroke: theme.fg, width: 2.5 },
          { ...plain, stroke: "transparent", width: 0 },
          { ...plain, stroke: "transparent", width: 0 },
          { ...plain, stroke: theme.human, width: 1.75, fill: fade(theme.human, 0.07) },
        ],
        bands: [{ series: [3, 2], fill: theme.band }],
        scales: {
          x: { time: false, range: [0.7, Math.max(3, data.number[last]) + 0.3] },
          y: { range: [0, Math.max(...values) * 1.12] },
        },
        axes: [
          axis(theme, { scale: "x", side: 2, size: 34, label: "training", format: count, ticks: wholeTicks }),
          axis(theme, { scale: "y", side: 3, size: 60, label: currency, format: (v) => money(v, currency, true) }),
        ],
      },
      draw(pen) {
        pen.level(data.human_only, `people alone ${money(data.human_only, currency)}`, theme.human);
        data.number.forEach((number, at) => {
          const star = data.c_star[at];
          if (star != null) pen.point(number, star, data.low[at], data.high[at], theme.fg);
        });
        const x = pen.x(data.number[last]);
        const up = 12 * pen.ratio;
        const end = { align: "right" };
        pen.text("spent", x, pen.y(data.committed[last]) - up, theme.human, end);
        if (data.c_star[last] != null) {
          pen.text("forecast total", x, pen.y(data.high[last]) - up, theme.fg, { ...end, bold: true });
        }
      },
      readout(index) {
        const at = index ?? last;
        const star = data.c_star[at];
        const parts = [[`Training ${data.number[at]}`], ` on ${count(data.train_size[at])} images: `];
        if (star == null) parts.push("no forecast yet; ");
        else parts.push(["forecast "], `${money(star, currency)}${range(data, at)}; `);
        parts.push(["spent "], `${money(data.committed[at], currency)}; `);
        parts.push(["stopping then "], money(data.stop_now[at], currency));
        return parts;
      },
    };
  },

  table(data) {
    return {
      head: ["training", "training images", "forecast", "80 % low", "80 % high", "stop now", "spent", "people alone", "currency"],
      rows: data.number.map((number, at) => [
        number, data.train_size[at], data.c_star[at], data.low[at], data.high[at],
        data.stop_now[at], data.committed[at], data.human_only, data.currency,
      ]),
    };
  },
};
