// What relaxing epsilon buys: images that today's model would label, under other limits.

import { compact, count, money, rich, tick } from "./dashboard_format.js";
import { axis, fade, logTicks } from "./dashboard_plot.js";
import { gettext, gettext_noop, interpolate } from "./i18n.js";

const plain = { spanGaps: true, points: { show: false } };
const column = (data, name) => data.points.map((point) => point[name]);
const share = (value) => tick(Number(value.toPrecision(3)));

/** The difference to the present limit, in images and money: two sentences at most. */
function against(data, point) {
  const now = data.points.find((one) => one.epsilon === data.epsilon);
  if (!now || now === point) return [];
  const [more, saved] = [point.size - now.size, now.cost - point.cost];
  const values = { n: count(Math.abs(more)), money: money(Math.abs(saved), data.currency), limit: share(data.epsilon) };
  if (more >= 0) return [" ", interpolate(gettext("%(n)s more than at %(limit)s, %(money)s less."), values)];
  return [" ", interpolate(gettext("%(n)s fewer than at %(limit)s, %(money)s more."), values)];
}

export const epsilon = {
  empty(data) {
    if (data.failed) return gettext("This picture could not be computed now. Reload the page to try again.");
    if (!data.points) return gettext("Computing what other limits would give…");
    return data.points.length ? "" : gettext("After the first training: how many images other limits would give the machine.");
  },

  spec(data, theme) {
    const x = column(data, "epsilon");
    const top = Math.max(...column(data, "high"), 1) * 1.12;
    return {
      rows: [x, column(data, "size"), column(data, "low"), column(data, "high")],
      plot: {
        series: [
          {},
          { ...plain, stroke: theme.machine, width: 2.5 },
          { ...plain, stroke: "transparent", width: 0 },
          { ...plain, stroke: "transparent", width: 0 },
        ],
        bands: [{ series: [3, 2], fill: theme.band }],
        scales: {
          x: { time: false, distr: 3, log: 10, range: [x[0] * 0.94, x.at(-1) * 1.06] },
          y: { range: [0, top] },
        },
        axes: [
          axis(theme, { scale: "x", side: 2, size: 34, label: gettext("limit epsilon: wrong labels allowed (log)"), format: share, ticks: logTicks }),
          axis(theme, { scale: "y", side: 3, size: 60, label: gettext("images by the machine"), format: compact }),
        ],
      },
      draw(pen) {
        pen.upright(data.epsilon, interpolate(gettext("limit now %(limit)s"), { limit: share(data.epsilon) }), theme.limit, { dash: [] });
        const now = data.points.find((point) => point.epsilon === data.epsilon);
        if (now) pen.point(now.epsilon, now.size, now.low, now.high, theme.machine, { size: 5 });
      },
      readout(index) {
        if (index == null) {
          const words = data.audited
            ? gettext("What an audit is expected to certify, with its 80\u00a0% band; the audit's own labels are paid.")
            : gettext("What the test set lets through, with the margin that the promise asks for.");
          return [words, " ", gettext("Point at the chart for exact values.")];
        }
        const point = data.points[index];
        const values = {
          limit: share(point.epsilon),
          n: count(point.size),
          low: count(point.low),
          high: count(point.high),
          money: money(point.cost, data.currency),
        };
        const words = point.high > point.low
          ? gettext("<b>Limit %(limit)s:</b> %(n)s images (%(low)s to %(high)s), %(money)s in all.")
          : gettext("<b>Limit %(limit)s:</b> %(n)s images, %(money)s in all.");
        return [...rich(words, values), ...against(data, point)];
      },
    };
  },

  table(data) {
    return {
      head: [
        gettext_noop("limit"), gettext_noop("images by the machine"), gettext_noop("80 % low"),
        gettext_noop("80 % high"), gettext_noop("audit labels"), gettext_noop("total"),
        gettext_noop("error"), gettext_noop("currency"),
      ],
      rows: data.points.map((p) => [
        p.epsilon, p.size, Math.round(p.low), Math.round(p.high), p.audit, p.cost.toFixed(2), p.error.toPrecision(3), data.currency,
      ]),
    };
  },
};
