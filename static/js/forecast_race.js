// Networks that race: what each was forecast to cost in all, training by training.

import { count, money, rich } from "./dashboard_format.js";
import { axis, fade, wholeTicks } from "./dashboard_plot.js";
import { gettext, gettext_noop, interpolate } from "./i18n.js";

const plain = { spanGaps: true, points: { show: false } };
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3], [1, 3]];
const known = (values) => values.filter((value) => value != null);

export const race = {
  empty(data) {
    const any = data.lines.some((line) => known(line.c_star).length);
    return any ? "" : gettext("Each network's forecast appears from the third training on.");
  },

  spec(data, theme) {
    const lines = data.lines;
    const leads = (line) => line.arch === data.leader;
    const top = Math.max(...lines.flatMap((line) => known([...line.c_star, ...(leads(line) ? line.high : [])])));
    const ahead = lines.find(leads) ?? lines[0];
    const base = lines.length + 1;
    return {
      rows: [data.number, ...lines.map((line) => line.c_star), ahead.low, ahead.high],
      plot: {
        series: [
          {},
          ...lines.map((line, at) => ({ ...plain, stroke: leads(line) ? theme.fg : theme.muted, width: leads(line) ? 2.5 : 1.75, dash: DASHES[at % DASHES.length] })),
          { ...plain, stroke: "transparent", width: 0 },
          { ...plain, stroke: "transparent", width: 0 },
        ],
        bands: [{ series: [base + 1, base], fill: theme.band }],
        scales: {
          x: { time: false, range: [0.7, Math.max(3, data.number.at(-1)) + 0.3] },
          y: { range: [0, top * 1.12] },
        },
        axes: [
          axis(theme, { scale: "x", side: 2, size: 34, label: gettext("training"), format: count, ticks: wholeTicks }),
          axis(theme, { scale: "y", side: 3, size: 60, label: interpolate(gettext("forecast total, %(currency)s"), { currency: data.currency }), format: (v) => money(v, data.currency, true) }),
        ],
      },
      draw(pen) {
        const ended = lines.map((line) => [line, line.c_star.findLastIndex((value) => value != null)]).filter(([, at]) => at >= 0);
        const colourOf = (line) => (leads(line) ? theme.fg : theme.muted);
        for (const [line, at] of ended) pen.point(data.number[at], line.c_star[at], line.c_star[at], line.c_star[at], colourOf(line));
        for (const [line, at] of ended) {
          const colour = colourOf(line);
          pen.text(line.name, pen.x(data.number[at]), pen.y(line.c_star[at]) - 13 * pen.ratio, colour, { align: "right", bold: leads(line) });
        }
      },
      readout(index) {
        if (index == null) return [gettext("The shade is the leader's 80\u00a0% band. A network whose line ends has dropped out.")];
        const parts = rich(gettext("<b>Training %(number)s:</b>"), { number: data.number[index] });
        for (const line of lines) {
          if (line.c_star[index] != null) parts.push(" ", `${line.name} ${money(line.c_star[index], data.currency)};`);
        }
        return parts;
      },
    };
  },

  table(data) {
    return {
      head: [
        gettext_noop("training"), gettext_noop("network"), gettext_noop("forecast"), gettext_noop("80 % low"),
        gettext_noop("80 % high"), gettext_noop("errors"), gettext_noop("test images"), gettext_noop("currency"),
      ],
      rows: data.lines.flatMap((line) =>
        data.number.map((number, at) => [number, line.name, line.c_star[at], line.low[at], line.high[at], line.errors[at], line.count[at], data.currency]),
      ),
    };
  },
};
