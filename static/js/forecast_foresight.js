// Each training's error as the one before forecast it, and as it was measured.

import { count, hundredths, percent, rich, tick } from "./dashboard_format.js";
import { axis, fade, logTicks, wholeTicks } from "./dashboard_plot.js";
import { gettext, gettext_noop, interpolate } from "./i18n.js";

const ASIDE = 0.13;
const height = (row) => (row.errors ? row.share : 0.5 / row.count);
const isAll = (row) => row.theta === 1;

/** Rows side by side: all that is left to the left, the plan's share to the right of its training. */
const place = (row, rows) => {
  const twins = rows.filter((other) => other.number === row.number).length > 1;
  return row.number + (twins ? (isAll(row) ? -ASIDE : ASIDE) : 0);
};

function drawForecast(pen, x, row, theme) {
  const half = 9 * pen.ratio;
  const [low, high, middle] = [row.low, row.high, row.forecast].map((v) => pen.y(Math.max(v, 1e-5)));
  pen.inside((ctx) => {
    ctx.fillStyle = theme.band;
    ctx.fillRect(x - half, high, 2 * half, Math.max(pen.ratio, low - high));
  });
  pen.line([[x - half, middle], [x + half, middle]], theme.fg, { width: 1.5 });
}

export const foresight = {
  empty(data) {
    return data.rows.length ? "" : gettext("From the fourth training on: what the one before had forecast, against what was measured.");
  },

  spec(data, theme) {
    const rows = [...data.rows].sort((a, b) => place(a, data.rows) - place(b, data.rows));
    const x = rows.map((row) => place(row, rows));
    const tops = rows.flatMap((row) => [row.high, row.share_high]);
    const lows = rows.flatMap((row) => [height(row), Math.max(row.forecast, 1e-4)]);
    const numbers = rows.map((row) => row.number);
    return {
      rows: [x, rows.map(height)],
      plot: {
        series: [{}, { stroke: "transparent", width: 0, points: { show: false } }],
        scales: {
          x: { time: false, range: [Math.min(...numbers) - 0.6, Math.max(...numbers) + 0.6] },
          y: { distr: 3, log: 10, range: [Math.min(...lows) * 0.5, Math.min(1, Math.max(...tops) * 1.4)] },
        },
        axes: [
          axis(theme, { scale: "x", side: 2, size: 34, label: gettext("training"), format: count, ticks: wholeTicks }),
          axis(theme, { scale: "y", side: 3, size: 56, label: gettext("wrong labels (log)"), format: tick, ticks: logTicks }),
        ],
      },
      draw(pen) {
        rows.forEach((row, at) => {
          const colour = isAll(row) ? theme.muted : theme.machine;
          drawForecast(pen, pen.x(x[at]), row, theme);
          const low = row.errors ? row.share_low : NaN;
          pen.point(x[at], height(row), low, row.share_high, row.held ? colour : theme.danger, { hollow: !row.errors });
        });
        const { left, top } = pen.box;
        const line = (words, colour, down) => pen.text(words, left, top + down * pen.ratio, colour, { bold: true });
        line(gettext("bar: forecast, 80 %"), theme.fg, 9);
        if (rows.some((row) => !isAll(row))) line(gettext("point: the plan's share"), theme.machine, 26);
        if (rows.some(isAll)) line(gettext("point: all that is left"), theme.muted, 43);
        if (rows.some((row) => !row.held)) line(gettext("outside of its bar"), theme.danger, 60);
      },
      readout(index) {
        if (index == null) return [gettext("The bars are the 80\u00a0% bands of the fit, widened by the luck of so few test images. Point at the chart for exact values.")];
        const row = rows[index];
        return rich(
          gettext("<b>Training %(number)s, θ %(theta)s:</b> forecast %(forecast)s (%(low)s to %(high)s), measured %(share)s: %(errors)s of %(n)s."),
          {
            number: row.number,
            theta: hundredths(row.theta),
            forecast: percent(row.forecast),
            low: percent(row.low),
            high: percent(row.high),
            share: percent(row.share),
            errors: count(row.errors),
            n: count(row.count),
          },
        );
      },
    };
  },

  table(data) {
    return {
      head: [
        gettext_noop("training"), gettext_noop("training images"), gettext_noop("theta"), gettext_noop("forecast"),
        gettext_noop("80 % low"), gettext_noop("80 % high"), gettext_noop("errors"), gettext_noop("test images"),
        gettext_noop("error"), gettext_noop("held"),
      ],
      rows: data.rows.map((r) => [
        r.number, r.train_size, r.theta, r.forecast, r.low, r.high, r.errors, r.count, r.share,
        r.held ? gettext("yes") : gettext("no"),
      ]),
    };
  },
};
