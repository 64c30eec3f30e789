// Money by day: stacked bars, what people were paid for from below, computing on top.

import { count, money, rich } from "./dashboard_format.js";
import { axis, fade, wholeTicks } from "./dashboard_plot.js";
import { gettext, gettext_noop, interpolate, locale } from "./i18n.js";

const DAY = 86400;
const NAMES = {
  test: gettext_noop("test set"),
  train: gettext_noop("training set"),
  audit: gettext_noop("audit"),
  residual: gettext_noop("the rest"),
  other: gettext_noop("gold, reviews, further answers"),
  compute: gettext_noop("compute"),
};
const ORDER = ["test", "train", "audit", "residual", "other", "compute"];
const short = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" });
const long = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" });

const used = (data) => ORDER.filter((group) => data.groups[group]);

function colours(theme) {
  return {
    test: theme.test,
    train: theme.human,
    audit: theme.audit,
    residual: theme.open,
    other: fade(theme.human, 0.45),
    compute: theme.strong,
  };
}

/** Each layer's upper edge, from the lowest on; bookings that were moved back count as nothing. */
function edges(data) {
  const sums = data.at.map(() => 0);
  return used(data).map((group) => data.groups[group].map((value, at) => (sums[at] += Math.max(0, value))));
}

export const days = {
  empty(data) {
    return data.at.length ? "" : gettext("Nothing has been spent yet. Each day with labels or computing gets a bar here.");
  },

  spec(data, theme) {
    const groups = used(data);
    const layers = edges(data);
    const paint = colours(theme);
    const first = data.at[0];
    const x = data.at.map((at) => (at - first) / DAY);
    const bars = uPlot.paths.bars({ size: [0.82, 56], align: 0, gap: 1 });
    const date = (value) => short.format(new Date((first + value * DAY) * 1000));
    const whole = layers.at(-1) ?? [0];
    return {
      rows: [x, ...[...layers].reverse()],
      plot: {
        series: [
          {},
          ...[...groups].reverse().map((group) => ({ paths: bars, points: { show: false }, width: 0, fill: paint[group], stroke: paint[group] })),
        ],
        scales: {
          x: { time: false, range: [-0.7, x.at(-1) + 0.7] },
          y: { range: [0, Math.max(...whole, 0.01) * 1.12] },
        },
        axes: [
          axis(theme, { scale: "x", side: 2, size: 34, label: gettext("day (UTC)"), format: date, ticks: wholeTicks }),
          axis(theme, { scale: "y", side: 3, size: 60, label: data.currency, format: (v) => money(v, data.currency, Number.isInteger(v)) }),
        ],
      },
      draw() {},
      readout(index) {
        if (index == null) return [gettext("Point at a bar for what was paid that day.")];
        const parts = rich(gettext("<b>%(day)s:</b> %(money)s, %(n)s labels."), {
          day: long.format(new Date(data.at[index] * 1000)),
          money: money(groups.reduce((sum, group) => sum + data.groups[group][index], 0), data.currency),
          n: count(data.labels[index]),
        });
        for (const group of groups) {
          const value = data.groups[group][index];
          if (value) parts.push(" ", `${gettext(NAMES[group])} ${money(value, data.currency)};`);
        }
        return parts;
      },
    };
  },

  table(data) {
    const groups = used(data);
    return {
      head: [gettext_noop("day"), ...groups.map((group) => NAMES[group]), gettext_noop("labels"), gettext_noop("hours"), gettext_noop("currency")],
      rows: data.day.map((day, at) => [
        day, ...groups.map((group) => Number(data.groups[group][at].toFixed(6))), data.labels[at], data.hours[at], data.currency,
      ]),
    };
  },
};
