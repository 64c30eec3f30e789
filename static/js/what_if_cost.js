// C(B) twice: as planned now and as asked. One picture, the present in ink, the asked in colour.

import { compact, count, money, nearest, rich } from "./dashboard_format.js";
import { axis, logTicks } from "./dashboard_plot.js";
import { gettext, gettext_noop, interpolate } from "./i18n.js";

const plain = { spanGaps: true, points: { show: false } };

/** Mark the cheapest plan: its size, its total with the 80 % interval. */
function mark(pen, side, colour) {
  if (side.total && side.b_opt) pen.point(side.b_opt.value, side.total.value, side.total.low80, side.total.high80, colour, { size: 5 });
}

function nameMark(pen, side, colour, words, currency) {
  if (!side.total || !side.b_opt) return;
  const { value } = side.total;
  const text = interpolate(words, { money: money(value, currency) });
  const [x, { left, width }] = [pen.x(side.b_opt.value), pen.box];
  const align = x > left + width / 2 ? "right" : "left";
  pen.text(text, x, pen.y(value) - 14 * pen.ratio, colour, { align, bold: true });
}

export const whatIfCost = {
  empty(data) {
    return data.now.grid_b?.length ? "" : gettext("The cost of going on can be forecast after three trainings.");
  },

  spec(data, theme) {
    const { currency, now, asked } = data;
    const grid = now.grid_b;
    const same = !data.changed || asked.grid_b.length !== grid.length;
    const totals = [...now.grid_total, ...(same ? [] : asked.grid_total)];
    const top = Math.max(...totals, now.human_only, asked.human_only) * 1.1;
    const alone = gettext("people alone %(money)s");
    return {
      rows: [grid, now.grid_total, same ? grid.map(() => null) : asked.grid_total],
      plot: {
        series: [
          {},
          { ...plain, stroke: theme.muted, width: 2, dash: same ? [] : [5, 4] },
          { ...plain, stroke: theme.human, width: 2.5 },
        ],
        scales: {
          x: { time: false, distr: 3, log: 10, range: [grid[0] * 0.92, grid.at(-1) * 1.06] },
          y: { range: [0, top] },
        },
        axes: [
          axis(theme, { scale: "x", side: 2, size: 34, label: gettext("training images |B| (log)"), format: compact, ticks: logTicks }),
          axis(theme, { scale: "y", side: 3, size: 60, label: interpolate(gettext("total cost, %(currency)s"), { currency }), format: (v) => money(v, currency, true) }),
        ],
      },
      draw(pen) {
        mark(pen, now, theme.fg);
        if (!same) mark(pen, asked, theme.human);
        pen.level(now.human_only, interpolate(alone, { money: money(now.human_only, currency) }), theme.muted);
        if (!same && Math.abs(asked.human_only - now.human_only) > 0.005) {
          const words = gettext("people alone, as asked %(money)s");
          pen.level(asked.human_only, interpolate(words, { money: money(asked.human_only, currency) }), theme.human);
        }
        pen.upright(grid[0], interpolate(gettext("now %(n)s"), { n: count(grid[0]) }), theme.fg, { dash: [] });
        nameMark(pen, now, theme.fg, gettext("present plan %(money)s"), currency);
        if (!same) nameMark(pen, asked, theme.human, gettext("as asked %(money)s"), currency);
      },
      readout(index) {
        if (index == null) {
          return same ? [gettext("The line is the present plan.")] : [gettext("Dashed: the present plan. Solid: as asked.")];
        }
        const at = nearest(grid, grid[index]);
        const values = { n: count(grid[at]), now: money(now.grid_total[at], currency) };
        if (same) return rich(gettext("<b>%(n)s training images:</b> %(now)s in all"), values);
        values.asked = money(asked.grid_total[at], currency);
        return rich(gettext("<b>%(n)s training images:</b> <b>now</b> %(now)s; <b>as asked</b> %(asked)s"), values);
      },
    };
  },

  table(data) {
    const asked = data.asked.grid_total ?? [];
    return {
      head: [
        gettext_noop("training images"), gettext_noop("present plan"), gettext_noop("as asked"), gettext_noop("currency"),
      ],
      rows: data.now.grid_b.map((size, at) => [size, data.now.grid_total[at], asked[at] ?? "", data.currency]),
    };
  },
};
